"""Order handling preferences: whether lines without stock wait, how long at most, and whose orders come first.

The file holds what an installation starts with. What an operator changes while running is kept in the ledger with its
audit, and overrides the file from then on (docs/adr/0019).

Requirements: S65.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Struct
from msgspec.structs import replace
from pydantic import BaseModel, Field

from app.definitions.validation import STRICT_KEYS, load_spec
from app.errors import RecordError
from app.inventory.ledger_values import PreferenceChange, PreferenceOverrides

SLA_DAYS_MAX: Final = 365
CHANGES_MAX: Final = 100
BACKORDERS, SLA = "backorders", "cancellation_sla_days"
DAY_MS: Final = 86_400_000
TIME_MS_MAX: Final = 253_402_300_799_999
"""The end of the year 9999, the last time that records can name."""
_SWITCH: Final = {"on": True, "off": False}


class Preferences(Struct, frozen=True):
    """`priorities` by channel: higher ones come first."""

    backorders: bool = True
    cancellation_sla_days: int = 30
    priorities: Mapping[str, int] = {}

    def overridden(self, overrides: PreferenceOverrides | None) -> "Preferences":
        """Return the preferences with what was set while running."""
        if overrides is None:
            return self
        backorders = self.backorders if overrides.backorders is None else overrides.backorders
        days = overrides.cancellation_sla_days
        if days is None:
            days = self.cancellation_sla_days
        return replace(self, backorders=backorders, cancellation_sla_days=days)

    def values(self) -> dict[str, str]:
        """Return what can be changed while running, as a command writes it."""
        return {BACKORDERS: "on" if self.backorders else "off", SLA: str(self.cancellation_sla_days)}

    def cancel_at(self, since: int) -> int:
        """Return when a line that waits since then is given up. Both in ms."""
        return min(since + self.cancellation_sla_days * DAY_MS, TIME_MS_MAX)


class _Spec(BaseModel):
    model_config = STRICT_KEYS

    backorders: bool
    cancellation_sla_days: Annotated[int, Field(ge=1, le=SLA_DAYS_MAX)]
    priorities: dict[str, Annotated[int, Field(ge=-1_000, le=1_000)]] = {}


def load(text: str, file: str) -> Preferences:
    """Read the preferences in `text` (YAML). Raises DefinitionError."""
    return Preferences(**load_spec(_Spec, text, file).model_dump())


def change_preferences(
    file: Preferences,
    overrides: PreferenceOverrides,
    values: Mapping[str, str],
    *,
    event_id: str,
    at: int,
    actor: str,
) -> PreferenceOverrides:
    """Return the overrides after an operator's command; a repeated command changes nothing.

    Raises RecordError for a value that cannot be used: then none of them is.
    """
    if any(change.event_id == event_id for change in overrides.changes):
        return overrides
    parsed = {name: _parsed(name, value) for name, value in values.items()}
    if not parsed:
        raise RecordError("invalid", f"no preference is named; set {BACKORDERS} (on, off) or {SLA} (1-{SLA_DAYS_MAX})")
    after = replace(overrides, **parsed)
    change = PreferenceChange(
        event_id=event_id,
        at=at,
        actor=actor,
        before=file.overridden(overrides).values(),
        after=file.overridden(after).values(),
    )
    return replace(after, changes=(*overrides.changes, change)[-CHANGES_MAX:])


def _parsed(name: str, value: str) -> bool | int:
    if name == BACKORDERS and value in _SWITCH:
        return _SWITCH[value]
    if name == SLA and value.isascii() and value.isdigit() and len(value) <= 3 and 1 <= int(value) <= SLA_DAYS_MAX:
        return int(value)
    if name == BACKORDERS:
        raise RecordError("invalid", f"{name}: {value[:40]!r}; write on or off")
    if name == SLA:
        raise RecordError("invalid", f"{name}: {value[:40]!r}; write a number of days from 1 to {SLA_DAYS_MAX}")
    raise RecordError("invalid", f"no preference {name[:40]!r}; there are {BACKORDERS} and {SLA}")
