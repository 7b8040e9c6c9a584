"""Puts the parts together: what a process has once, and what each lane gets. Nothing is started here."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from msgspec.structs import replace

from app import policies, resources
from app.agents.apply import Apply, SalesOrderWriter
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.perform import Perform
from app.agents.pull import Pull
from app.agents.pulled import Pulled
from app.agents.role import DEAD_LETTER, Role
from app.agents.roles import ROLES
from app.agents.source import Source as Sourcing
from app.dualwrite import mapping
from app.dualwrite.map_names import FNO_TO_IOM
from app.dualwrite.mapping import SalesOrders
from app.errors import SettingError
from app.events import codec
from app.events import registry as schema_registry
from app.events.codec import Codec
from app.events.ids import partition_of
from app.events.writers import WriterSchemas
from app.flows.published import Published, publish
from app.flows.setup import MAIN_POOL, EngineLimits, Setup
from app.metrics import Collectors, Metrics
from app.providers import registry
from app.providers.port import Provider, Source
from app.runtime import sourcing
from app.runtime.webhooks import Publisher, WebhookIntake
from app.settings import Settings
from app.sourcing.network import Network
from app.topics import TopicSpec
from app.topics import load as load_topics

_journal = logging.getLogger(__name__)


@dataclass
class Kind:
    """A role as such; `for_lane` makes the instance of a lane."""

    name: str
    inputs: tuple[str, ...]
    ledger: str
    make: Callable[[int], Role]

    def for_lane(self, partition: int) -> Role:
        return self.make(partition)


@dataclass(frozen=True)
class Parts:
    """What a process has once. `providers` are the open clients; whoever made the parts closes them."""

    settings: Settings
    environ: Mapping[str, str]
    topics: Mapping[str, TopicSpec]
    codec: Codec
    orders: SalesOrders
    setup: Setup
    providers: Mapping[str, Provider]
    network: Network

    def partitions(self, topic: str) -> int:
        return self.topics[topic].partitions


def compose(settings: Settings, environ: Mapping[str, str], schema_ids: Mapping[int, int] | None = None) -> Parts:
    """All parts of a process. `schema_ids`: what a registry calls our schemas. Raises DefinitionError, SettingError."""
    network = sourcing.load_network(settings)
    setup = replace(registry.setup(settings, environ), pools=network.pools)
    return Parts(
        settings,
        environ,
        {topic.name: topic for topic in load_topics(settings.partitions)},
        codec.load(record_bytes_max=settings.record_bytes_max, ids=schema_ids, writers=_writers(settings)),
        sales_orders(),
        setup,
        registry.open_all(environ),
        network,
    )


def _writers(settings: Settings) -> WriterSchemas:
    url = settings.schema_registry_url
    return WriterSchemas("" if url is None else schema_registry.address(url))


def published_flows(setup: Setup, settings: Settings) -> Published:
    limits = EngineLimits(
        attempts_max=settings.effect_attempts_max,
        retry_initial_ms=settings.effect_retry_initial_ms,
        retry_max_ms=settings.effect_retry_max_ms,
    )
    return publish(resources.flow_files(), policies.all_rules(resources.policy_files()), setup, limits)


def sales_orders() -> SalesOrders:
    return mapping.load({file: resources.read_text(file) for file in mapping.FILES})


def role_kind(name: str, parts: Parts, metrics: Metrics) -> Kind:
    """The role as this process runs it. Raises SettingError for one that does not exist or lacks its provider."""
    makers: Mapping[str, Callable[[], Kind]] = {
        "orchestrate": lambda: _orchestrate(parts),
        "source": lambda: _source(parts, metrics),
        "perform": lambda: _kind(Perform, lambda: Perform(parts.codec, parts.providers, metrics)),
        "apply": lambda: _apply(parts, metrics),
        "mirror": lambda: _kind(Mirror, lambda: Mirror(parts.codec, parts.orders, _mirrors(parts))),
        "pull": lambda: _pull(parts),
    }
    if name not in makers:
        raise SettingError(f"no role {name!r}; there are {', '.join(ROLES)}")
    return makers[name]()


def _kind(role: type[Role], make: Callable[[], Role]) -> Kind:
    return Kind(role.name, role.inputs, role.ledger, lambda _: make())


def _orchestrate(parts: Parts) -> Kind:
    published = published_flows(parts.setup, parts.settings)
    for (flow, version), problem in published.refused.items():
        _journal.warning("flow %s version %d is not published: %s", flow, version, problem)
    partitions = parts.partitions("sourcing-requested")
    names = {MAIN_POOL, *(source.pool for source in parts.network.sources)}
    pools = {pool: partition_of(pool.encode(), partitions) for pool in names}
    return _kind(Orchestrate, lambda: Orchestrate(parts.codec, published, parts.orders, pools))


def _source(parts: Parts, metrics: Metrics) -> Kind:
    make = sourcing.maker(parts.settings, parts.network, parts.codec, parts.partitions("sourcing-result"), metrics)
    return Kind(Sourcing.name, Sourcing.inputs, Sourcing.ledger, make)


def _mirrors(parts: Parts) -> bool:
    return FNO_TO_IOM in parts.setup.maps


def _apply(parts: Parts, metrics: Metrics) -> Kind:
    writer = parts.providers.get("fno")
    if writer is None:
        raise SettingError("the role apply writes to F+O, which is not set up; set the variables of app/providers/fno")
    return _kind(Apply, lambda: Apply(parts.codec, cast(SalesOrderWriter, writer), metrics))


def _pull(parts: Parts) -> Kind:
    sources = {
        manifest.name: cast(Source, parts.providers[manifest.name])
        for manifest in registry.active(parts.environ)
        if registry.PULL in manifest.capabilities
    }
    if not sources:
        raise SettingError("the role pull has nobody to ask; set the variables of app/providers/bigcommerce")
    named = {_source_name(name, parts.environ): source for name, source in sources.items()}
    pulled = Pulled(parts.codec, parts.partitions("order-created"), parts.partitions(DEAD_LETTER))
    return _kind(Pull, lambda: Pull(pulled, named, parts.settings.pull_interval_s))


def webhook_intake(parts: Parts, publisher: Publisher, collectors: Collectors) -> WebhookIntake:
    """Where the webhooks of active providers come in. Raises SettingError."""

    def count(provider: str, outcome: str) -> None:
        collectors.webhooks.labels(provider, outcome).inc()

    return WebhookIntake(registry.receivers(parts.environ), publisher, parts.codec, count)


def _source_name(provider: str, environ: Mapping[str, str]) -> str:
    """Provider and store: each store has a cursor of its own."""
    store = environ.get(f"WAYBILL_{provider.upper()}_STORE_HASH", "")
    return f"{provider}/{store}" if store else provider
