"""Building of the Faust app of a role. No app exists at import, and no `faust` command is needed.

Faust contributes worker and group membership; the path of a record is transport -> agent -> lane. Its web server is not
used: app/worker/http_server.py is ours.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust

from app.errors import LaneError, WaybillError
from app.events.record import Record
from app.kafka.cluster_access import ClusterAccess
from app.kafka.kafka_log import KafkaLimits, KafkaLog
from app.lanes.checkpoint import FoldLimits
from app.lanes.hosting import LaneHost
from app.lanes.inbox import Batch
from app.lanes.jobs import JobLimits
from app.lanes.lane import Lane
from app.lanes.lane_limits import LEASE_S_MAX, SYSTEM_CLOCK, Clock, LaneLimits
from app.lanes.lane_log import Log
from app.lanes.role import LaneObserver, RoleKind, Unobserved
from app.lanes.watchdog import Watchdog
from app.settings import Settings
from app.worker.process_end import end_process
from app.worker.transport import BatchSchema, BatchTransport

STREAM_BATCHES_MAX = 16
"""Batches in the queue of Faust's stream; its own default of 4096 would hold millions of records."""
FETCH_RECORDS_MAX = 2_000
COMMIT_INTERVAL_S = 1.0
WATCH_INTERVAL_S = 5.0
MakeLog = Callable[[str, str, int, KafkaLimits], Log]
Prepare = Callable[[Sequence[Record]], Awaitable[None]]
_journal = logging.getLogger(__name__)


class RoleApp(faust.App):
    """A Faust app with the lanes of one role, and the cluster that it reads."""

    host: LaneHost
    cluster: ClusterAccess

    def _create_directories(self) -> None:
        """None are needed: state is in Kafka and in memory."""

    async def on_started(self) -> None:
        await super().on_started()
        _journal.info("%s reads", self.conf.id)


def lane_limits(settings: Settings) -> LaneLimits:
    """Return the bounds of a lane as the settings give them."""
    return LaneLimits(
        checkpoint_records_max=settings.batch_records_max,
        poll_interval_s=settings.pull_interval_s,
        lease_s=min(settings.session_timeout_s - 2 * settings.heartbeat_interval_s, LEASE_S_MAX),
        settled_after_s=settings.settled_after_s,
        fold=FoldLimits(record_bytes_max=settings.record_bytes_max),
        jobs=JobLimits(
            running_max=settings.calls_in_flight_max, per_provider_max=settings.calls_in_flight_per_provider_max
        ),
    )


def build_app(
    settings: Settings,
    role: RoleKind,
    partitions: int,
    *,
    observer: LaneObserver | None = None,
    clock: Clock = SYSTEM_CLOCK,
    prepare: Prepare | None = None,
    make_log: MakeLog = KafkaLog,
    make_host: type[LaneHost] = LaneHost,
    transport: type[BatchTransport] = BatchTransport,
) -> RoleApp:
    """Return the app of a role whose inputs all have `partitions` partitions.

    `prepare` is awaited with each batch before its lane gets it; nothing else of the role is read meanwhile. The last
    three are the parts that tests replace by ones that fail. A lane that cannot go on ends the process at once, with
    EXIT_LANE_LOST or EXIT_REFUSED.
    """
    observer = observer or Unobserved()
    name = settings.group(role.name)
    limits, cluster = lane_limits(settings), ClusterAccess.of(settings)
    kafka = KafkaLimits(cluster, settings.transaction_timeout_ms)

    def make_lane(partition: int) -> Lane:
        log = make_log(f"{name}-{partition}", role.ledger, partition, kafka)
        return Lane(
            role=role.for_lane(partition),
            log=log,
            partition=partition,
            partitions=partitions,
            limits=limits,
            clock=clock,
            observer=observer,
            prefix=cluster.prefix,
        )

    host = make_host(name, role.inputs, make_lane, end_process, partitions=partitions)
    app = _new_app(name, settings, partitions)
    app.host, app.cluster = host, cluster
    app.transport = transport(app.conf.broker_consumer, app, lanes=host, cluster=cluster)
    _register(app, role, partitions, prepare)
    watchdog = Watchdog(settings.commit_age_max_s, clock.monotonic, observer, host.fail)

    async def watch() -> None:
        await watchdog.watch(host, WATCH_INTERVAL_S)

    app.task(watch)
    return app


def _new_app(name: str, settings: Settings, partitions: int) -> RoleApp:
    return RoleApp(
        name,
        autodiscover=False,
        store="memory://",
        topic_partitions=partitions,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_commit_interval=COMMIT_INTERVAL_S,
        broker_max_poll_records=FETCH_RECORDS_MAX,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_interval_s,
        broker_request_timeout=30,
        stream_buffer_maxsize=STREAM_BATCHES_MAX,
        # A rebalance never waits for records in flight: their lane drops them and its next owner reads them again.
        stream_wait_empty=False,
        web_enabled=False,
    )


def _register(app: RoleApp, role: RoleKind, partitions: int, prepare: Prepare | None) -> None:
    """Register the agent, which hands each batch to its lane and acknowledges nothing itself: the lane does."""
    host = app.host

    async def hand_over(stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                message = event.message
                batch = Batch(message.topic, event.value.records, event.ack)
                if prepare is not None:
                    await prepare(batch.records)
                host.offer(message.partition, event.value.start, batch)
        except WaybillError as exc:
            host.fail(exc)
        except Exception as exc:
            # Faust would start the agent again without the batch.
            host.fail(LaneError(f"the agent of {role.name} failed: {type(exc).__name__} {exc}"))

    topic = app.topic(*role.inputs, schema=BatchSchema(), partitions=partitions)
    app.agent(topic, name=role.name)(hand_over)
