"""What Faust has to be told so that its agents can feed lanes: a subclass of its aiokafka transport.

One Message per fetched batch of a partition, whole transactions only, partition n of every input at the same worker,
and reading that goes on where the lane says. tests/kafka/test_pins.py holds every internal of Faust relied on here.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol

import faust
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.events import Event
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from app.errors import LaneError
from app.events.record import Record
from app.kafka.clients import AIOKafkaConsumer
from app.kafka.kafka_log import record_of

FETCH_WAIT_MS = 500
FETCH_S_MAX = 0.5
"""Seconds that a fetch may wait for records: a rebalance waits for the one that it meets."""
HELD_FETCH_WAIT_S = 0.05
"""Seconds that a fetch waits while some partition is held back, so that it is fetched soon after it is released."""


class Fetched(NamedTuple):
    """Records of one partition, in order. The fetch began at `start`: nothing lies between it and the first record."""

    start: int
    records: list[Record]


class Fetch:
    """A fetch under way, or the last one. `rebalances` is how many there had been when it began."""

    def __init__(self, partitions: frozenset[TP], rebalances: int) -> None:
        self.partitions, self.rebalances, self.done = partitions, rebalances, asyncio.Event()

    def ended(self, fetching: "asyncio.Future[Any]") -> None:
        self.done.set()
        if not fetching.cancelled():
            fetching.exception()  # whoever waits for it is told; nobody may be left who does


class Lanes(Protocol):
    """What the transport asks of the lanes."""

    def held(self, topic: str, partition: int) -> bool:
        """Whether nothing may be fetched of the partition: its lane is not open yet, or has enough to do."""

    def offsets(self) -> Mapping[tuple[str, int], int]:
        """Where the lanes go on reading that are open and do not read yet."""

    def release(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Reading goes on there."""

    async def revoke(self) -> None:
        """A rebalance begins."""

    async def assign(self, partitions: set[tuple[str, int]]) -> None:
        """A rebalance ended."""

    def fail(self, problem: BaseException) -> None:
        """End the process."""


class Forgotten(dict[TP, int | None]):
    """How far Faust has read: nothing, whatever it notes. It drops what lies below, and would so drop what a lane goes
    back to after a rebalance: it may note a fetch from before it, and read on before it notes that the lane went back.
    Lanes know what they have, and skip it."""

    def __getitem__(self, _: TP) -> int | None:
        return None


class BatchConsumer(driver.Consumer):
    """Faust's consumer, a batch at a time, steered by the lanes."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        transport: Any = self.transport
        self._lanes: Lanes = transport.lanes
        self._read_offset = Forgotten()
        self._starts: dict[TP, int] = {}
        self._rebalances = 0
        self._fetch = Fetch(frozenset(), 0)
        self._fetch.done.set()
        self._seeking = asyncio.Lock()

    def _new_consumer_thread(self) -> "BatchConsumerThread":
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._rebalances += 1
        await super().on_partitions_revoked(revoked)
        await self._lanes.revoke()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await self._lanes.assign({(tp.topic, tp.partition) for tp in assigned})
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to where the lanes are: the group's committed offsets are a hint for people."""
        await self.read_on()
        return dict(self._starts)

    async def read_on(self) -> None:
        """Let the open lanes that do not read yet begin to, where they are.

        A fetch from before the rebalance may be under way still. What it brings is dropped, so it must not take along
        what lies where reading goes on: the lanes would never see it.
        """
        async with self._seeking:
            while self._fetch.partitions & self._to_read().keys() and not self._fetch.done.is_set():
                await self._fetch.done.wait()
            if offsets := self._to_read():
                await self._thread.seek_wait(offsets)
            self._starts.update(offsets)
            self._lanes.release({(tp.topic, tp.partition): offset for tp, offset in offsets.items()})

    def _to_read(self) -> dict[TP, int]:
        mine = self.assignment()
        return {TP(*place): offset for place, offset in self._lanes.offsets().items() if TP(*place) in mine}

    async def committed(self, topics: tuple[str, ...], partition: int) -> Mapping[str, int | None]:
        """The group's committed offset of the partition in each topic."""
        thread: Any = self._thread
        return {topic: await thread.committed(TP(topic, partition)) for topic in topics}

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        if not self.flow_active:  # Faust asked before it slept: what is fetched now would be dropped
            return {}
        active = active_partitions or set()
        free = {tp for tp in active if not self._lanes.held(tp.topic, tp.partition)}
        if not free:
            await self.sleep(HELD_FETCH_WAIT_S)
            return {}
        self._fetch = fetch = Fetch(frozenset(free), self._rebalances)
        wait_s = min(timeout, FETCH_S_MAX) if len(free) == len(active) else HELD_FETCH_WAIT_S
        # The consumer's thread goes on fetching when this task is cancelled: it is done only when the thread is.
        fetching = asyncio.ensure_future(super()._getmany(free, wait_s))
        fetching.add_done_callback(fetch.ended)
        return await asyncio.shield(fetching)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        records, _ = await self._wait_next_records(timeout)
        if not records or self.should_stop:
            return
        rebalances = self._fetch.rebalances
        for tp, batch in records.items():
            if self._rebalances != rebalances or not self.flow_active:
                return
            if batch:
                yield tp, self._message(tp, batch)

    def _message(self, tp: TP, batch: list[Any]) -> Any:
        start = self._starts.get(tp, batch[0].offset)
        if batch[0].offset < start:
            self._lanes.fail(
                LaneError(
                    f"{tp.topic}/{tp.partition} went back from offset {start} to {batch[0].offset}: it was deleted and"
                    " created again, or lost its end; the lane must be opened anew"
                )
            )
        self._starts[tp] = batch[-1].offset + 1
        message: Any = self._to_message(tp, batch[-1])
        message.value = Fetched(start, [record_of(raw) for raw in batch])
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """No gaps: a lane acknowledges its batches in order. (Faust's own counts a batch's last offset twice and then
        moves the group's offset by one batch for each commit interval.)"""

    def _new_offset(self, tp: TP) -> int | None:
        acknowledged = self._acked[tp]
        if not acknowledged:
            return None
        highest: int = max(acknowledged)
        acknowledged.clear()
        self._acked_index[tp].clear()
        return highest + 1


def assignor_of(lanes: Lanes) -> Any:
    """Keeps partition n of all inputs together, and gives out none while the broker tells nothing of some input.

    A broker that has just started may not know its topics yet. aiokafka would give out nothing of them then, and look
    again after five minutes; nobody would read them until then. A process that starts again looks at once.
    """

    class LaneAssignor(RangePartitionAssignor):  # type: ignore[misc]
        @classmethod
        def assign(cls, cluster: Any, members: Mapping[str, Any]) -> Any:
            inputs = {topic for member in members.values() for topic in member.subscription}
            if unknown := sorted(topic for topic in inputs if not cluster.partitions_for_topic(topic)):
                what = f"the broker tells nothing of {', '.join(unknown)}"
                lanes.fail(LaneError(f"{what}: it has just started, or they are missing (`waybill topics apply`)"))
            return super().assign(cluster, members)

    return LaneAssignor


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Makes the consumer: read_committed, and an assignor that keeps partition n of all inputs together.

    (Faust would take RoundRobin, which scatters them, and read what is not committed.)
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        conf = self.app.conf
        self._assignor = assignor = assignor_of(transport.lanes)
        return AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[assignor],
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        )

    async def committed(self, tp: TP) -> int | None:
        found: int | None = await self.call_thread(self._ensure_consumer().committed, TopicPartition(*tp))
        return found


class BatchTransport(driver.Transport):
    """Install with `app.transport = BatchTransport(...)` before anything asks for the app's consumer."""

    Consumer = BatchConsumer

    def __init__(self, *arguments: Any, lanes: Lanes, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.lanes = lanes


class BatchSchema(faust.Schema[None, Fetched]):
    """Hands a batch to the agent as it is."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, **_: Any) -> Event:
            return Event(app, None, message.value, message.headers, message)

        return decode
