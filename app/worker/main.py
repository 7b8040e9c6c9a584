"""The worker's process: settings, parts, one Faust app a role, web views, and the end of it all."""

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from faust.web.drivers.aiohttp import Web
from prometheus_client import CollectorRegistry

from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.roles import ROLES
from app.errors import BrokerError, LaneError, SettingError, TopicError
from app.events import codec, schema_registry
from app.kafka import broker_wait, topic_admin
from app.kafka.publisher import KafkaPublisher
from app.kafka.topics import TopicSpec
from app.lanes.hosting import LaneHost
from app.queries import order_queries, sourcing_queries
from app.resources import PACKAGE
from app.secrets import Secret
from app.settings import Settings, variables
from app.worker import http_views, serving
from app.worker.app_factory import RoleApp, build_app
from app.worker.composition import Parts, compose, compose_role, webhook_intake
from app.worker.foreign_schemas import ForeignSchemas
from app.worker.listening import listen, url_of
from app.worker.metrics import Collectors, Metrics
from app.worker.order_lookup import OrderLookup

_journal = logging.getLogger(__name__)
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def run(roles: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run roles until SIGTERM. Return the exit code of the process. Raises WaybillError when it cannot start."""
    names = list(dict.fromkeys(roles))
    for name in names:
        if name not in ROLES:
            raise SettingError(f"no role {name!r}; there are {', '.join(ROLES)}")
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    logging.getLogger(PACKAGE).setLevel(logging.INFO)
    return asyncio.run(_serve(names, environ))


async def _serve(names: Sequence[str], environ: Mapping[str, str]) -> int:
    settings = Settings.from_env(environ)
    parts = compose(settings, environ, await _schema_ids(settings))
    publisher = KafkaPublisher(settings.bootstrap_servers)
    url = Secret(variables()["schema_registry_url"], environ)
    foreign = ForeignSchemas(parts.codec, url.current, parts.clock) if url.is_set and Mirror.name in names else None
    try:
        with listen(settings) as listening:
            apps = _apps(names, parts, publisher, listening, foreign=foreign)
            # Only now: a setting that is wrong is refused at once, not after the wait for a broker.
            await _require_broker(settings.bootstrap_servers)
            await _require_topics(settings.bootstrap_servers, parts)
            return await serving.serve(apps)
    finally:
        await publisher.close()
        await _close(parts)


def _apps(
    names: Sequence[str],
    parts: Parts,
    publisher: KafkaPublisher,
    listening: socket.socket,
    *,
    foreign: ForeignSchemas | None,
) -> list[RoleApp]:
    """Return an app for each role; the first one serves the web views of all."""
    registry = CollectorRegistry()
    collectors, settings = Collectors(registry), parts.settings
    apps, hosts = [], dict[str, LaneHost]()
    for position, name in enumerate(names):
        metrics = Metrics(name, collectors)
        role = compose_role(name, parts, metrics)
        partitions = parts.partitions(role.inputs[0])
        prepare = foreign.prepare if foreign and name == Mirror.name else None
        app = build_app(
            settings,
            role,
            partitions,
            web=None if position else listening,
            observer=metrics,
            clock=parts.clock,
            prepare=prepare,
        )
        apps.append(app)
        hosts[name] = app.host
    lookup = OrderLookup(
        hosts.get(Orchestrate.name),
        parts.partitions(Orchestrate.ledger),
        scan=partial(order_queries.find_order, settings.bootstrap_servers),
        show=partial(sourcing_queries.complete_view, settings.bootstrap_servers),
    )
    intake = webhook_intake(parts, publisher, collectors)
    views = cast(Web, apps[0].web).web_app
    http_views.register(views, parts.codec.schemas, registry, list(hosts.values()), lookup.find, intake)
    _journal.info("web views on %s (/metrics, /health, /ready)", url_of(listening))
    return apps


async def _require_broker(bootstrap_servers: str) -> None:
    limit_s = broker_wait.BROKER_LIMIT_S
    if not await broker_wait.wait_for_broker(bootstrap_servers, limit_s):
        raise LaneError(
            f"no broker answered at {bootstrap_servers} for {limit_s:g} s: start it, or set KAFKA_BOOTSTRAP_SERVERS"
            " to one that runs"
        )


async def _require_topics(bootstrap_servers: str, parts: Parts) -> None:
    """Check that lanes can read the topics, and log what else differs. Raises TopicError, LaneError."""
    specs = list(parts.topics.values())
    try:
        await topic_admin.require_partitions(bootstrap_servers, specs)
        await _warn_of_settings(bootstrap_servers, specs)
    except BrokerError as problem:  # it went away again, as starting brokers do: the next start waits for it
        raise LaneError(str(problem)) from problem


async def _warn_of_settings(bootstrap_servers: str, specs: Sequence[TopicSpec]) -> None:
    """Log each setting of a topic that is not as topics.yaml says: lanes go on with it, and it may lose records."""
    try:
        drifts = await topic_admin.check(bootstrap_servers, specs)
    except TopicError as problem:  # a worker needs no right to look at settings
        _journal.warning("the topics' settings were not checked: %s", problem)
        return
    for drift in drifts:
        if drift.setting != topic_admin.MISSING:  # the lanes that read it say so
            _journal.warning("%s: %s", drift, topic_admin.FIX_SETTING)


async def _schema_ids(settings: Settings) -> Mapping[int, int] | None:
    """Return the registry's ids of our schemas, registered there if it lacks them; None without a registry."""
    if settings.schema_registry_url is None:
        return None
    return await schema_registry.publish(settings.schema_registry_url, codec.load().schemas)


async def _close(parts: Parts) -> None:
    for provider in parts.providers.values():
        await provider.close()
