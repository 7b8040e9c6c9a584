"""Faust's transport as lanes need it: batches, committed records only, and reading that goes on where a lane says.

A Message is a fetched batch of one partition, not one record; partition n of every input goes to the same worker.

Faust loses records around rebalances in ways that its at-least-once promise does not show, because it commits offsets
past them. Three of its habits matter here, and each has its answer below: it hands over, or drops, what was fetched
before a rebalance (`read_on`, `getmany`); it drops what lies below the offset that it has noted, and may note an offset
of before the rebalance (`NoReadOffsets`); and what it fetches while its flow stands still is dropped (`_getmany`). What
is lost all the same is a gap that the lane's host sees, which is read again (`LaneHost.offer`).

tests/kafka/test_pins.py holds every internal of Faust and aiokafka that is relied on here.
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
from app.kafka.clients import new_consumer, new_producer
from app.kafka.cluster_access import ClusterAccess
from app.kafka.records import record_of

FETCH_WAIT_MS = 500
METADATA_AGE_MS = 10_000
"""For as long a process may not know of partitions that somebody adds, and orders wait in them unseen."""
FETCH_S_MAX = 0.5
"""Seconds that a fetch may wait for records: a rebalance waits for the one that it meets."""
PAUSED_FETCH_WAIT_S = 0.05
"""Seconds that a fetch waits while some partition may not be fetched, so that it is fetched soon after it may."""


class FetchedBatch(NamedTuple):
    """Records of one partition, in order. The fetch began at `start`: nothing lies between it and the first record."""

    start: int
    records: list[Record]


class Fetch:
    """The fetch that is under way, or the last one. `rebalances` is how many there had been when it began."""

    def __init__(self, partitions: frozenset[TP], rebalances: int) -> None:
        self.partitions, self.rebalances, self.done = partitions, rebalances, asyncio.Event()

    def end(self, fetching: "asyncio.Future[Any]") -> None:
        """Note that it has ended, however it did."""
        self.done.set()
        if not fetching.cancelled():
            fetching.exception()  # looked at, so that asyncio does not complain when nobody waits for it any more


class Lanes(Protocol):
    """What the transport needs of the lanes; `LaneHost` has them."""

    def may_fetch(self, topic: str, partition: int) -> bool:
        """Whether the partition may be fetched: its lane reads and has not enough to do already."""

    def offsets(self) -> Mapping[tuple[str, int], int]:
        """Return where reading goes on, for the lanes that are open and do not read yet."""

    def release(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Let lanes read from these offsets on."""

    async def revoke(self) -> None:
        """Begin a rebalance: return when no checkpoint runs any more."""

    async def assign(self, partitions: set[tuple[str, int]]) -> None:
        """End a rebalance with these partitions."""

    def fail(self, problem: BaseException) -> None:
        """End the process."""


class NoReadOffsets(dict[TP, int | None]):
    """Faust's memory of how far it has read each partition: nothing, whatever it notes.

    Faust drops a message below the offset that it has noted. After a rebalance a lane goes back to its position; but
    the task that hands messages on may only then note the end of a batch from before, and would take the records that
    the lane reads again for old ones. A lane knows itself what it has folded, and skips it.
    """

    def __getitem__(self, _: TP) -> int | None:
        return None


class BatchConsumer(driver.Consumer):
    """Faust's consumer, a batch at a time, steered by the lanes."""

    # Two threads: aiokafka's consumer fetches in a thread of its own, this class runs on the loop of app and lanes.

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        transport: Any = self.transport
        self._lanes: Lanes = transport.lanes
        self._read_offset = NoReadOffsets()
        self._starts: dict[TP, int] = {}
        self._rebalances = 0
        self._fetch = Fetch(frozenset(), 0)
        self._fetch.done.set()
        self._seeking = asyncio.Lock()

    def _new_consumer_thread(self) -> "BatchConsumerThread":
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the flow first, then pause the lanes: only after that may another process be given them."""
        self._rebalances += 1
        await super().on_partitions_revoked(revoked)
        await self._lanes.revoke()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Open and close lanes first, then let Faust resume the flow, which asks for offsets (`seek_to_committed`)."""
        await self._lanes.assign({(tp.topic, tp.partition) for tp in assigned})
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to where the lanes are, not to the group's committed offsets.

        Those are committed apart from the transactions, some time after them: a hint for people, and the lag that other
        tools show.
        """
        await self.read_on()
        return dict(self._starts)

    async def read_on(self) -> None:
        """Let the open lanes that do not read yet begin to, at their positions.

        A fetch from before the rebalance may still be under way in the consumer's thread. What it brings is dropped,
        but it moves the consumer's place in the partition all the same. If the seek came first, the fetch could take
        along the very records that the lane goes on with, and no lane would ever see them. So the fetch is waited for,
        then the lane's offset is sought; `_seeking` keeps two lanes that open together from undoing each other's seek.
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
        """Return the group's committed offset of the partition in each topic."""
        thread: Any = self._thread
        return {topic: await thread.committed(TP(topic, partition)) for topic in topics}

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Fetch what lanes may be handed. Return nothing at once while the flow stands still.

        Faust looks whether the flow stands still, then waits for it, then fetches; meanwhile another rebalance may have
        stopped it again. Records fetched then would be dropped, and the lanes would have to notice the gap.
        """
        if not self.flow_active:
            return {}
        active = active_partitions or set()
        free = {tp for tp in active if self._lanes.may_fetch(tp.topic, tp.partition)}
        if not free:
            await self.sleep(PAUSED_FETCH_WAIT_S)
            return {}
        self._fetch = fetch = Fetch(frozenset(free), self._rebalances)
        wait_s = min(timeout, FETCH_S_MAX) if len(free) == len(active) else PAUSED_FETCH_WAIT_S
        # The consumer's thread goes on fetching when this task is cancelled: it is done only when the thread is.
        fetching = asyncio.ensure_future(super()._getmany(free, wait_s))
        fetching.add_done_callback(fetch.end)
        return await asyncio.shield(fetching)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Yield a message for each fetched batch, unless a rebalance began since the fetch: its lanes have stopped.

        The flow is looked at before each one, because whoever takes a message may wait.
        """
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
        message.value = FetchedBatch(start, [record_of(raw) for raw in batch])
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Note no gap: the offsets between the ends of two batches are those of the batch, which is acknowledged whole.

        Faust's own method counts a batch's last offset twice, and then the group's offset moves by one batch for each
        commit interval.
        """

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit: lanes acknowledge in order, so the highest acknowledged one stands for all."""
        acknowledged = self._acked[tp]
        if not acknowledged:
            return None
        highest: int = max(acknowledged)
        acknowledged.clear()
        self._acked_index[tp].clear()
        return highest + 1


def assignor_of(lanes: Lanes) -> Any:
    """Return an assignor that keeps partition n of all inputs together.

    It ends the process while the broker knows nothing of some input: one that has just started may not know its topics
    yet. aiokafka would give out nothing of them then and look again after five minutes. A process that starts again
    looks at once.
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
    """The thread of the consumer, made to read committed records only, with the lanes' assignor.

    (Faust would take RoundRobin, which scatters the partitions of a lane, and read what is not committed.)
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        conf = self.app.conf
        self._assignor = assignor = assignor_of(transport.lanes)
        return new_consumer(
            transport.cluster,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            partition_assignment_strategy=[assignor],
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            metadata_max_age_ms=METADATA_AGE_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        )

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset of a partition, None when it has none."""
        offset: int | None = await self.call_thread(self._ensure_consumer().committed, TopicPartition(*tp))
        return offset


class UnusedProducer(driver.Producer):
    """Faust's producer, which it starts with every app. Nothing is sent with it: each lane has its own."""

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        transport: Any = self.transport
        return new_producer(transport.cluster, client_id=self.client_id, transactional_id=transactional_id)


class BatchTransport(driver.Transport):
    """The transport. Install it with `app.transport = BatchTransport(...)` before anything needs the app's consumer.

    The addresses of Faust's own settings are not used: `cluster` is where its clients connect.
    """

    Consumer = BatchConsumer
    Producer = UnusedProducer

    def __init__(self, *arguments: Any, lanes: Lanes, cluster: ClusterAccess, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.lanes, self.cluster = lanes, cluster


class BatchSchema(faust.Schema[None, FetchedBatch]):
    """A schema that decodes nothing: the agent is handed the batch as it is."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, **_: Any) -> Event:
            return Event(app=app, key=None, value=message.value, headers=message.headers, message=message)

        return decode
