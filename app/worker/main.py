"""The worker's process: settings, parts, one Faust app a role, web views, and the end of it all."""

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from app.agents.apply import Apply
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.perform import Perform
from app.agents.pull import Pull
from app.agents.roles import ROLES
from app.errors import BrokerError, LaneError, SettingError, TopicError
from app.events import codec, schema_registry
from app.kafka import broker_wait, topic_admin
from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import RefusedError
from app.kafka.kafka_log import KafkaLimits, KafkaLog
from app.kafka.key_follower import KeyFollower
from app.kafka.publisher import KafkaPublisher
from app.kafka.topics import TopicSpec
from app.lanes.hosting import LaneHost
from app.lanes.lane_log import Log
from app.queries import order_queries, sourcing_queries
from app.resources import PACKAGE
from app.secrets import Secret
from app.settings import Settings, variables
from app.worker import http_views, serving
from app.worker.access_rights import TOPIC, rights_of
from app.worker.app_factory import RoleApp, build_app
from app.worker.composition import Parts, called_actions, compose, compose_role, links, webhook_intake
from app.worker.foreign_schemas import ForeignSchemas
from app.worker.http_access import HttpAccess
from app.worker.http_server import HttpServer
from app.worker.listening import is_loopback, listen, url_of
from app.worker.metrics import Collectors, Metrics
from app.worker.order_keys import OrderKeys
from app.worker.order_lookup import OrderLookup
from app.worker.repeated_logs import RepetitionLimit

_journal = logging.getLogger(__name__)
CALLERS: Final = frozenset({Apply.name, Perform.name, Pull.name})
"""Roles that call providers."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def run(roles: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run roles until SIGTERM. Return the exit code of the process. Raises WaybillError when it cannot start."""
    names = list(dict.fromkeys(roles))
    for name in names:
        if name not in ROLES:
            raise SettingError(f"no role {name!r}; there are {', '.join(ROLES)}")
    log_to_stderr()
    return asyncio.run(_serve(names, environ))


def log_to_stderr() -> None:
    """Write the log to standard error, and limit what repeats in it."""
    to_stderr = logging.StreamHandler()
    to_stderr.addFilter(RepetitionLimit())
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT, handlers=[to_stderr])
    logging.getLogger(PACKAGE).setLevel(logging.INFO)


async def _serve(names: Sequence[str], environ: Mapping[str, str]) -> int:
    settings = Settings.from_env(environ)
    cluster = ClusterAccess.of(settings)
    parts = compose(settings, environ, await _schema_ids(settings))
    publisher = KafkaPublisher(cluster)
    url = Secret(variables()["schema_registry_url"], environ)
    foreign = ForeignSchemas(parts.codec, url.current, parts.clock) if url.is_set and Mirror.name in names else None
    order_keys = OrderKeys(parts.keys, KeyFollower(cluster, parts.keys))
    registry = CollectorRegistry()
    collectors = Collectors(registry, parts.clock)
    try:
        with listen(settings) as listening:
            apps = {name: _app(name, parts, collectors, order_keys, foreign) for name in names}
            hosts = {name: app.host for name, app in apps.items()}
            _follow(collectors, parts, hosts)
            application = web.Application(middlewares=[_access(environ, listening, collectors).check])
            http_views.register(
                application,
                published=parts.codec.schemas,
                collectors=registry,
                hosts=list(hosts.values()),
                find=_lookup(parts, hosts).find,
                webhooks=webhook_intake(parts, publisher, collectors),
            )
            async with HttpServer(application, listening, collectors.refused):
                # Only now: a setting that is wrong is refused at once, not after the wait for a broker.
                await _require_broker(cluster)
                await _require_topics(cluster, parts, names)
                await _read_keys(order_keys)
                return await serving.serve(list(apps.values()))
    finally:
        await order_keys.close()
        await publisher.close()
        await _close(parts)


def _app(
    name: str, parts: Parts, collectors: Collectors, order_keys: OrderKeys, foreign: ForeignSchemas | None
) -> RoleApp:
    metrics = Metrics(name, collectors)
    role = compose_role(name, parts, metrics)

    def make_log(owner: str, ledger: str, partition: int, limits: KafkaLimits) -> Log:
        return order_keys.ledger(KafkaLog(owner, ledger, partition, limits), ledger)

    return build_app(
        parts.settings,
        role,
        parts.partitions(role.inputs[0]),
        observer=metrics,
        clock=parts.clock,
        prepare=foreign.prepare if foreign and name == Mirror.name else order_keys.prepare,
        make_log=make_log,
    )


def _follow(collectors: Collectors, parts: Parts, hosts: Mapping[str, LaneHost]) -> None:
    """Let scrapes look at the lanes of this process, and at the links of roles that call providers."""
    for name, host in hosts.items():
        collectors.lanes.follow(name, host)
    if hosts.keys() & CALLERS:
        collectors.links.follow(links(parts))
    if hosts.keys() & {Apply.name, Perform.name}:
        collectors.expect_calls(called_actions(parts))


def _lookup(parts: Parts, hosts: Mapping[str, LaneHost]) -> OrderLookup:
    cluster, keys = ClusterAccess.of(parts.settings), parts.keys.master_keys
    return OrderLookup(
        hosts.get(Orchestrate.name),
        parts.partitions(Orchestrate.ledger),
        scan=partial(order_queries.find_order, cluster, master_keys=keys),
        show=partial(sourcing_queries.complete_view, cluster, master_keys=keys),
    )


def _access(environ: Mapping[str, str], listening: socket.socket, collectors: Collectors) -> HttpAccess:
    token = Secret(variables()["web_token"], environ)
    access = HttpAccess(token, on_loopback=is_loopback(listening), count=collectors.refused)
    _journal.info("web views on %s (/metrics, /health, /ready)", url_of(listening))
    if not access.shows_orders:
        _journal.warning("orders and schemas are not shown: others reach this address; set %s", token.variable)
    return access


async def _require_broker(cluster: ClusterAccess) -> None:
    limit_s = broker_wait.BROKER_LIMIT_S
    if not await broker_wait.wait_for_broker(cluster, limit_s):
        raise LaneError(
            f"no broker answered at {cluster} for {limit_s:g} s: start it, or set KAFKA_BOOTSTRAP_SERVERS"
            " to one that runs"
        )


async def _require_topics(cluster: ClusterAccess, parts: Parts, names: Sequence[str]) -> None:
    """Check that lanes of these roles can read the topics, and log what else differs.

    Raises TopicError, LaneError, and RefusedError for a right that a role lacks.
    """
    specs = list(parts.topics.values())
    rights = [right for name in names for right in rights_of(name, cluster, specs)]
    topics = [name.removeprefix(cluster.prefix) for right in rights if right.kind == TOPIC for name in right.names]
    try:
        await topic_admin.require_rights(cluster, topics, map(parts.settings.group, names))
        await topic_admin.require_partitions(cluster, specs)
        await _warn_of_settings(cluster, specs)
    except RefusedError:
        raise
    except BrokerError as problem:  # it went away again, as starting brokers do: the next start waits for it
        raise LaneError(str(problem)) from problem


async def _read_keys(order_keys: OrderKeys) -> None:
    """Read the keys of orders. Raises SettingError where a master key is missing, TopicError, LaneError."""
    try:
        await order_keys.start()
    except BrokerError as problem:  # it went away again: the next start waits for it
        raise LaneError(str(problem)) from problem


async def _warn_of_settings(cluster: ClusterAccess, specs: Sequence[TopicSpec]) -> None:
    """Log each setting of a topic that is not as topics.yaml says: lanes go on with it, and it may lose records."""
    try:
        drifts = await topic_admin.check(cluster, specs)
    except TopicError as problem:  # a worker needs no right to look at settings
        _journal.warning("the topics' settings were not checked: %s", problem)
        return
    for drift in drifts:
        if drift.setting != topic_admin.MISSING:  # the lanes that read it say so
            _journal.warning("%s: %s", drift, drift.fix)


async def _schema_ids(settings: Settings) -> Mapping[int, int] | None:
    """Return the registry's ids of our schemas, registered there if it lacks them; None without a registry."""
    if settings.schema_registry_url is None:
        return None
    return await schema_registry.publish(settings.schema_registry_url, codec.load().schemas)


async def _close(parts: Parts) -> None:
    for provider in parts.providers.values():
        await provider.close()
