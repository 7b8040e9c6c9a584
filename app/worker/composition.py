"""The composition root: what a process has once, and what each lane gets. Nothing is started here.

All that run roles get them from here: the worker, the bench, and the simulated processes of the tests, which give other
parts (clock, gazetteer, strategies, flows, providers).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from secrets import token_bytes
from typing import cast

from msgspec.structs import replace

from app import policies, resources
from app.agents.apply import Apply
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.perform import Perform
from app.agents.pull import Pull
from app.agents.pulled import Pulled
from app.agents.roles import ROLES
from app.agents.source import Source as Sourcing
from app.agents.source import measure_plans
from app.dualwrite import sales_order_mapping
from app.dualwrite.map_names import FNO_TO_IOM
from app.dualwrite.sales_order_mapping import SalesOrders
from app.errors import SettingError
from app.events import codec, schema_registry
from app.events.catalog import ERP_ROWS
from app.events.codec import Codec
from app.events.ids import partition_of
from app.events.record import DEAD_LETTER
from app.events.writer_schemas import WriterSchemas
from app.flows.installed import MAIN_POOL, EngineLimits, Setup
from app.flows.loading.published import Published, publish
from app.inventory.allocator import Allocator
from app.inventory.checked_plans import Planner
from app.inventory.sourcing_agenda import Batching
from app.kafka.topics import TopicSpec
from app.kafka.topics import load as load_topics
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock
from app.lanes.role import Role
from app.optimizer.gazetteer import Gazetteer
from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_strategy import Strategies
from app.providers import registry
from app.providers.http import Link
from app.providers.port import Provider, PullSource
from app.providers.sales_order_writer import SalesOrderWriter
from app.sealing.key_book import NO_ORDER_KEYS, KeyBook
from app.settings import Settings
from app.worker import cities
from app.worker.configured_files import load_network, load_preferences, load_strategies
from app.worker.metrics import Collectors, Metrics
from app.worker.webhook_intake import Publisher, WebhookIntake

_journal = logging.getLogger(__name__)


@dataclass
class ComposedRole:
    """A role with its parts; `for_lane` makes the instance of a lane."""

    name: str
    inputs: tuple[str, ...]
    ledger: str
    make: Callable[[int], Role]

    def for_lane(self, partition: int) -> Role:
        """Return a new instance, for a lane that opens."""
        return self.make(partition)


def published_flows(setup: Setup, settings: Settings) -> Published:
    """Return the flows that this setup allows, compiled."""
    limits = EngineLimits(
        attempts_max=settings.effect_attempts_max,
        retry_initial_ms=settings.effect_retry_initial_ms,
        retry_max_ms=settings.effect_retry_max_ms,
    )
    return publish(resources.flow_files(), policies.all_rules(resources.policy_files()), setup, limits)


@dataclass(frozen=True)
class Parts:
    """What a process has once. `providers` are the open clients; whoever made the parts closes them.

    The last six have defaults: the keys of orders and what makes new ones, the clock, and what is loaded only when a
    role needs it.
    """

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    topics: Mapping[str, TopicSpec]
    codec: Codec
    orders: SalesOrders
    setup: Setup
    providers: Mapping[str, Provider]
    network: Network
    keys: KeyBook = NO_ORDER_KEYS
    random_bytes: Callable[[int], bytes] = token_bytes
    clock: Clock = SYSTEM_CLOCK
    flows: Callable[[Setup, Settings], Published] = published_flows
    strategies: Callable[[Settings], Strategies] = load_strategies
    places: Callable[[], Gazetteer] = cities.load

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return self.topics[topic].partitions


def compose(
    settings: Settings,
    environ: Mapping[str, str],
    schema_ids: Mapping[int, int] | None = None,
    providers: Mapping[str, Provider] | None = None,
) -> Parts:
    """Return all parts of a process. `schema_ids` are a registry's ids of our schemas.

    `providers` are opened as `environ` says, unless there are others. Raises DefinitionError, SettingError.
    """
    network = load_network(settings)
    setup = replace(registry.setup(settings, environ), pools=network.pools)
    return Parts(
        settings=settings,
        environ=environ,
        topics={topic.name: topic for topic in load_topics(settings.partitions, settings.replication)},
        codec=codec.load(record_bytes_max=settings.record_bytes_max, ids=schema_ids, writers=_writers(settings)),
        orders=sales_orders(),
        setup=setup,
        providers=registry.open_all(environ) if providers is None else providers,
        network=network,
        keys=KeyBook(settings.master_keys()),
    )


def _writers(settings: Settings) -> WriterSchemas:
    url = settings.schema_registry_url
    return WriterSchemas("" if url is None else schema_registry.address(url))


def sales_orders() -> SalesOrders:
    """Return the field maps of F+O's sales orders."""
    return sales_order_mapping.load({file: resources.read_text(file) for file in sales_order_mapping.FILES})


def compose_role(name: str, parts: Parts, metrics: Metrics) -> ComposedRole:
    """Return a role as this process runs it.

    Raises SettingError for one that does not exist or lacks its provider.
    """
    makers: Mapping[str, Callable[[], ComposedRole]] = {
        "orchestrate": lambda: _orchestrate(parts, metrics),
        "source": lambda: _source(parts, metrics),
        "perform": lambda: _compose(
            Perform, lambda: Perform(parts.codec, parts.providers, metrics, parts.clock, keys=parts.keys)
        ),
        "apply": lambda: _apply(parts, metrics),
        "mirror": lambda: _compose(Mirror, lambda: Mirror(parts.codec, parts.orders, _mirrors(parts))),
        "pull": lambda: _pull(parts, metrics),
    }
    if name not in makers:
        raise SettingError(f"no role {name!r}; there are {', '.join(ROLES)}")
    return makers[name]()


def _compose(role: type[Role], make: Callable[[], Role]) -> ComposedRole:
    return ComposedRole(role.name, role.inputs, role.ledger, lambda _: make())


def _orchestrate(parts: Parts, metrics: Metrics) -> ComposedRole:
    published = parts.flows(parts.setup, parts.settings)
    for (flow, version), problem in published.refused.items():
        _journal.warning("flow %s version %d is not published: %s", flow, version, problem)
    partitions = parts.partitions("sourcing-requested")
    names = {MAIN_POOL, *(source.pool for source in parts.network.sources)}
    pools = {pool: partition_of(pool.encode(), partitions) for pool in names}
    rows = parts.partitions(ERP_ROWS)

    def make(partition: int) -> Role:
        return Orchestrate(
            codec=parts.codec,
            published=published,
            orders=parts.orders,
            pools=pools,
            partitions=rows,
            master_keys=parts.keys.master_keys,
            random_bytes=parts.random_bytes,
            lane=partition,
            observer=metrics,
        )

    return ComposedRole(Orchestrate.name, Orchestrate.inputs, Orchestrate.ledger, make)


def _source(parts: Parts, metrics: Metrics) -> ComposedRole:
    # The solver and what it needs take as long to import as all the rest: no other role waits for them.
    from app.optimizer import solver

    metrics.expect_answers()
    settings, partitions = parts.settings, parts.partitions("sourcing-result")
    planner = Planner(parts.network, parts.strategies(settings), measure_plans(solver.solve, metrics))
    allocator = Allocator(planner, load_preferences(settings))
    places = cache(parts.places)  # loaded with the first address: no other start or restart waits for the cities
    batching = Batching(settings.sourcing_batch_ms, settings.sourcing_batch_max)

    def make(partition: int) -> Role:
        place = (partition, partitions)
        return Sourcing(
            codec=parts.codec,
            allocator=allocator,
            find=lambda address: places().find(address),
            batching=batching,
            job_s=settings.backorder_job_s,
            lane=place,
            observer=metrics,
            keys=parts.keys,
        )

    return ComposedRole(Sourcing.name, Sourcing.inputs, Sourcing.ledger, make)


def _mirrors(parts: Parts) -> bool:
    return FNO_TO_IOM in parts.setup.maps


def _apply(parts: Parts, metrics: Metrics) -> ComposedRole:
    erps = registry.with_actions_through("dual-write")
    writers = [parts.providers[name] for name in erps if name in parts.providers]
    if not writers:
        raise SettingError(f"the role apply has nobody to write to; {_set_up(erps)}")
    if len(writers) > 1:
        names = " and ".join(writer.name for writer in writers)
        raise SettingError(f"the role apply writes to one provider, and {names} are set up; unset the variables of one")
    writer = cast(SalesOrderWriter, writers[0])
    return _compose(Apply, lambda: Apply(parts.codec, writer, metrics, parts.clock, keys=parts.keys))


def _pull(parts: Parts, metrics: Metrics) -> ComposedRole:
    names = registry.with_capability(registry.PULL)
    sources = [cast(PullSource, parts.providers[name]) for name in names if name in parts.providers]
    if not sources:
        raise SettingError(f"the role pull has nobody to ask; {_set_up(names)}")
    pulled = Pulled(parts.codec, parts.partitions("order-created"), parts.partitions(DEAD_LETTER), parts.clock)
    return _compose(Pull, lambda: Pull(pulled, sources, parts.settings.pull_interval_s, parts.clock, observer=metrics))


def _set_up(names: Sequence[str]) -> str:
    """Return what to do where none of the providers is set up."""
    folders = " or ".join(f"app/providers/{name}" for name in names)
    return f"set the variables of {folders} (`waybill provider list` names them)"


def webhook_intake(parts: Parts, publisher: Publisher, collectors: Collectors) -> WebhookIntake:
    """Return the intake of webhooks of the providers that are set up. Raises SettingError."""

    receivers = registry.receivers(parts.environ)
    collectors.expect_webhooks(receivers)
    return WebhookIntake(receivers, publisher, parts.codec, collectors.webhook)


def links(parts: Parts) -> list[Link]:
    """Return the links over which the open clients call their providers."""
    each = (getattr(provider, "link", None) for provider in parts.providers.values())
    return [link for link in each if isinstance(link, Link)]


def called_actions(parts: Parts) -> list[tuple[str, str]]:
    """Return provider and name of each action that the open clients carry out."""
    actions = parts.setup.actions
    return [(name, action) for name in parts.providers for action in actions.get(name, ())]
