"""Network, strategies and preferences of sourcing, from the files that the settings name.

A file that is not named is the shipped one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from app.errors import SettingError
from app.inventory import preferences
from app.inventory.preferences import Preferences
from app.optimizer import sourcing_network, sourcing_strategy
from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_strategy import Strategies
from app.resources import read_text
from app.settings import Settings

SHIPPED: Final = {
    "network": "app/optimizer/network.yaml",
    "strategies": "app/optimizer/strategies.yaml",
    "preferences": "app/inventory/preferences.yaml",
}
FILE_CHARACTERS_MAX: Final = 1 << 20
PLANS_IN_A_TURN: Final = 2
"""Plans that one turn makes: one for lines that wait, one for requests. Neither heartbeats nor views run meanwhile."""
Loaded = TypeVar("Loaded")


def load_network(settings: Settings) -> Network:
    """Load the network. Raises SettingError for a file that cannot be read, DefinitionError for one that is wrong."""
    return _load("network", settings.network_file, sourcing_network.load)


def load_strategies(settings: Settings) -> Strategies:
    """Load the strategies. Raises SettingError also for time limits that would cost a worker its lanes."""
    strategies = _load("strategies", settings.strategies_file, sourcing_strategy.load)
    both = (strategies.default, strategies.alternate)
    limit_s = sum(each.time_limit_s for each in both if each is not None)
    allowed_s = (settings.session_timeout_s - settings.heartbeat_interval_s) / PLANS_IN_A_TURN
    if limit_s >= allowed_s:
        file = settings.strategies_file or SHIPPED["strategies"]
        raise SettingError(
            f"{file}: time_limit_s of all strategies is {limit_s:g}; less than {allowed_s:g} (half of"
            f" WAYBILL_SESSION_TIMEOUT_S={settings.session_timeout_s} less a heartbeat), or a long plan costs a worker"
            " its lanes"
        )
    return strategies


def load_preferences(settings: Settings) -> Preferences:
    """Load the preferences. Raises SettingError, DefinitionError."""
    return _load("preferences", settings.preferences_file, preferences.load)


def _load(name: str, file: str | None, load: Callable[[str, str], Loaded]) -> Loaded:
    if file is None:
        return load(read_text(SHIPPED[name]), SHIPPED[name])
    variable = f"WAYBILL_{name.upper()}_FILE={file}"
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise SettingError(f"{variable}: cannot be read ({why}); name a file, or unset it") from problem
    if len(text) > FILE_CHARACTERS_MAX:
        raise SettingError(f"{variable}: {len(text)} characters, at most {FILE_CHARACTERS_MAX}")
    return load(text, file)
