"""The role `source` put together."""

from collections.abc import Callable

from app import places
from app.agents.source import Observer, Source, measured
from app.events.codec import Codec
from app.runtime.sourcing_files import load_network, load_preferences, load_strategies
from app.settings import Settings
from app.sourcing import solver
from app.sourcing.network import Network
from app.stock.agenda import Batching
from app.stock.desk import Desk
from app.stock.planning import Planner

__all__ = ["load_network", "load_preferences", "load_strategies", "maker"]


def maker(
    settings: Settings, sources: Network, codec: Codec, partitions: int, observer: Observer
) -> Callable[[int], Source]:
    """What makes the role of a lane. Raises SettingError, DefinitionError."""
    planner = Planner(sources, load_strategies(settings), measured(solver.solve, observer))
    desk = Desk(planner, load_preferences(settings))
    find = places.load().find
    batching = Batching(settings.sourcing_batch_ms, settings.sourcing_batch_max)

    def make(partition: int) -> Source:
        return Source(codec, desk, find, batching, settings.backorder_job_s, (partition, partitions), observer)

    return make
