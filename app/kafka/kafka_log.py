"""The log of a lane on Kafka: one transactional producer, readers that see committed records only.

It tries nothing twice: aiokafka repeats what may be repeated, and any other failure ends the process, which starts
again from its last transaction. Waits for the broker have a limit of our own, because not all of aiokafka's have one: a
lane whose request is never answered would stand still without a word. Only a restore takes as long as its ledger is.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalOperation,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
)

from app.errors import BrokerError, LaneError
from app.events.record import Output, Record
from app.kafka.clients import new_consumer, new_producer
from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import ClosedError, answers, explain_denial
from app.kafka.records import record_of
from app.kafka.written_ends import written_ends
from app.lanes.lane_log import Bounds, Change, LedgerEntry, Take

_RESTORE_PARTITION_BYTES = 8 << 20
_RESTORE_FETCH_BYTES = 64 << 20
_LOOK_BYTES = 64 << 10
"""A single record is looked up with small fetches; a larger record still comes whole."""
_CONNECT_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class KafkaLimits:
    """Bounds of the clients. `broker_gone_s`: seconds without an answer after which the broker counts as gone for good.

    No compression: lz4 was measured to cost a tenth of a lane's CPU and to gain nothing beside the broker.
    """

    cluster: ClusterAccess
    transaction_timeout_ms: int = 10_000
    request_timeout_ms: int = 30_000
    broker_gone_s: float = 45.0
    batch_bytes_max: int = 512 << 10
    request_bytes_max: int = 8 << 20


class KafkaLog:
    """The log of one lane: `owner` is its transactional id, for all processes that ever own it.

    That is what fences: a producer that starts with a transactional id ends the transactions of those that had it
    before, and the broker refuses whatever they still send.
    """

    def __init__(self, owner: str, ledger: str, partition: int, limits: KafkaLimits) -> None:
        self._name, self._ledger, self._partition, self._limits = owner, ledger, partition, limits
        self._producer: Any = None
        self._reader: Any = None
        self._looking = asyncio.Lock()

    @property
    def owner(self) -> str:
        return self._name

    async def fence(self) -> None:
        """Start the producer, which fences the previous owner, and a reader for single records."""
        limits = self._limits
        with self._failures("could not be fenced"):
            async with asyncio.timeout(limits.broker_gone_s):
                self._producer = await self._connect(lambda: self._new_producer(self._name))
                self._reader = await self._connect(lambda: self._new_reader(_LOOK_BYTES, _LOOK_BYTES))

    async def fence_other(self, owner: str) -> None:
        with self._failures(f"could not fence {owner}"):
            async with asyncio.timeout(self._limits.broker_gone_s):
                await (await self._connect(lambda: self._new_producer(owner))).stop()

    async def restore(self, take: Take) -> None:
        ledger = TopicPartition(self._ledger, self._partition)
        with self._failures(f"could not read {self._ledger}"):
            reader = await self._connect(lambda: self._new_reader(_RESTORE_PARTITION_BYTES, _RESTORE_FETCH_BYTES))
            try:
                reader.assign([ledger])
                await reader.seek_to_beginning(ledger)
                end = await self._stable_end(reader, ledger)
                while await reader.position(ledger) < end:
                    for records in (await reader.getmany(timeout_ms=500)).values():
                        take([LedgerEntry(raw.key, raw.value, raw.offset) for raw in records if raw.offset < end], end)
            finally:
                await reader.stop()

    async def _stable_end(self, reader: Any, ledger: TopicPartition) -> int:
        """Return the end of the ledger, once nothing is open in it. Raises LaneError when something stays open.

        Fencing has ended what a previous owner left open, and a ledger has no other writer. Were there one all the
        same, the lane would be restored to how it was before that one's transaction began.
        """
        give_up_at = asyncio.get_running_loop().time() + self._limits.broker_gone_s
        while True:
            stable: int = (await reader.end_offsets([ledger]))[ledger]
            written = (await written_ends(reader, [ledger])).get(ledger)
            if written is not None and stable >= written:
                return stable
            if asyncio.get_running_loop().time() > give_up_at:
                place = f"{ledger.topic}/{ledger.partition}"
                what = f"a transaction that is not the lane's own holds back {place} from offset {stable} on"
                if written is None:
                    raise LaneError(f"{self._name} could not look up the end of {place}: no broker leads it")
                raise LaneError(f"{self._name}: {what}: only lanes may write ledgers; let ACLs forbid it to others")
            await asyncio.sleep(_CONNECT_PAUSE_S)

    async def bounds(self, topics: Iterable[str]) -> Mapping[str, Bounds]:
        places = {topic: TopicPartition(topic, self._partition) for topic in topics}
        with self._failures("could not look up the ends of its inputs"):
            async with asyncio.timeout(self._limits.broker_gone_s):
                begins = await self._reader.beginning_offsets(list(places.values()))
                ends = await self._reader.end_offsets(list(places.values()))
        return {topic: Bounds(begins[place], ends[place]) for topic, place in places.items()}

    async def ends(self, topics: Iterable[str]) -> Mapping[str, int]:
        places = [TopicPartition(topic, self._partition) for topic in topics]
        with self._failures("could not look up the ends of its inputs"):
            async with asyncio.timeout(self._limits.broker_gone_s):
                written = await written_ends(self._reader, places)
        return {place.topic: end for place, end in written.items()}

    async def fetch(self, topic: str, offset: int) -> Record | None:
        record = await self.first_record(topic, Bounds(offset, offset + 1))
        return record if record is not None and record.offset == offset else None

    async def first_record(self, topic: str, bounds: Bounds) -> Record | None:
        # The consumer's place is what says that the end is passed: it moves over markers and aborted records too, which
        # `getmany` does not return. One look at a time, since all share one reader.
        place = TopicPartition(topic, self._partition)
        with self._failures(f"could not read {topic}"):
            async with self._looking, asyncio.timeout(self._limits.broker_gone_s):
                self._reader.assign([place])
                self._reader.seek(place, bounds.begin)
                try:
                    return await self._next(place, bounds.end)
                finally:
                    self._reader.unsubscribe()

    async def _next(self, place: TopicPartition, end: int) -> Record | None:
        while await self._reader.position(place) < end:
            for records in (await self._reader.getmany(timeout_ms=100, max_records=1)).values():
                return record_of(records[0])
        return None

    async def partitions(self, topic: str) -> int:
        with self._failures(f"found no topic {topic}: create it with `waybill topics apply`"):
            async with asyncio.timeout(self._limits.broker_gone_s):
                return len(await self._producer.partitions_for(topic))

    async def begin(self) -> None:
        with self._failures("could not begin a transaction"):
            async with asyncio.timeout(self._limits.broker_gone_s):
                await self._producer.begin_transaction()

    async def send(self, outputs: Sequence[Output], changes: Sequence[Change]) -> Sequence[int]:
        writer = _Writer(self._producer, self._partition)
        for output in outputs:
            writer.add(output)
        for key, value in changes:
            writer.add(Output(self._ledger, key, value))
        with self._failures("could not write"):
            async with asyncio.timeout(self._limits.broker_gone_s):
                stored = await writer.send()
        written = stored.get((self._ledger, self._partition), ())
        return [base + index for base, count in written for index in range(count)]

    async def commit(self) -> None:
        with self._failures("could not commit"):
            async with asyncio.timeout(self._limits.broker_gone_s):
                await self._producer.commit_transaction()

    async def close(self) -> None:
        for client in (self._producer, self._reader):
            if client is not None:
                await client.stop()

    async def _connect(self, make: Any) -> Any:
        """Return a started client. A broker that is just starting is waited for, within the caller's time limit.

        A client that failed to start is stopped and a new one made: aiokafka's do not start twice.
        """
        while True:
            client = make()
            try:
                await client.start()
                return client
            except KafkaConnectionError:
                await client.stop()
                await self._require_welcome()
                await asyncio.sleep(_CONNECT_PAUSE_S)
            except BaseException:
                await client.stop()
                raise

    async def _require_welcome(self) -> None:
        """Raise LaneError when a broker is there and refuses us: it does so however long it is waited for."""
        try:
            await answers(self._limits.cluster)
        except ClosedError:
            return
        except BrokerError as refusal:
            raise LaneError(f"{self._name}: {refusal}") from refusal

    def _new_producer(self, transactional_id: str) -> Any:
        limits = self._limits
        return new_producer(
            limits.cluster,
            client_id=self._name,
            transactional_id=transactional_id,
            transaction_timeout_ms=limits.transaction_timeout_ms,
            request_timeout_ms=limits.request_timeout_ms,
            max_batch_size=limits.batch_bytes_max,
            max_request_size=limits.request_bytes_max,
        )

    def _new_reader(self, partition_bytes: int, fetch_bytes: int) -> Any:
        return new_consumer(
            self._limits.cluster,
            client_id=f"{self._name}-reader",
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=partition_bytes,
            fetch_max_bytes=fetch_bytes,
            request_timeout_ms=self._limits.request_timeout_ms,
        )

    @contextlib.contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Turn every failure of a client into a LaneError that says what this lane could not do.

        IllegalOperation and AssertionError are aiokafka's ways of saying that the producer's transaction has failed
        meanwhile; ConsumerStoppedError that the log was closed while somebody read.
        """
        try:
            yield
        except ProducerFenced as exc:
            raise LaneError(
                f"{self._name} was fenced: another process took its transactional id, the worker that has the lane or,"
                " where none has, a stranger; the next process to start takes it back"
            ) from exc
        except MessageSizeTooLargeError as exc:
            raise LaneError(
                f"{self._name} {what}: the broker refused a batch as too large; its message.max.bytes (or the topic's"
                f" max.message.bytes) must be at least {self._limits.request_bytes_max}"
            ) from exc
        except TimeoutError as exc:
            limit = self._limits.broker_gone_s
            raise LaneError(f"{self._name} {what}: no answer from the broker for {limit:g} s") from exc
        except (KafkaError, IllegalOperation, ConsumerStoppedError, AssertionError) as exc:
            denial = explain_denial(self._limits.cluster, exc)
            raise LaneError(f"{self._name} {what}: {denial or f'{type(exc).__name__} {exc}'}") from exc
        except asyncio.CancelledError as exc:
            # A client whose connection breaks cancels what waits for it. Nobody asked this task to end, so it must not
            # end in silence: the lane would stand still for ever.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise LaneError(f"{self._name} {what}: the connection to the broker was lost") from exc


class _Writer:
    """Gathers the records of one transaction into batches, one open batch for each partition.

    aiokafka's `send` makes a future for each record, and a lane needs none of them: that a batch is stored, and where
    its first record lies, says all. Whole batches are handed over instead.
    """

    def __init__(self, producer: Any, partition: int) -> None:
        self._producer, self._partition = producer, partition
        self._batches: dict[tuple[str, int], list[Any]] = {}

    def add(self, output: Output) -> None:
        topic, key, value, headers, partition = output
        if type(headers) is not list:  # a batch takes nothing else
            headers = list(headers)
        place = (topic, self._partition if partition is None else partition)
        batches = self._batches.get(place)
        if batches is None:
            batches = self._batches[place] = [self._producer.create_batch()]
        if batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
            batches.append(self._producer.create_batch())
            batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    async def send(self) -> dict[tuple[str, int], list[tuple[int, int]]]:
        """Send all and wait until they are stored. Return for each partition (first offset, count) of its batches."""
        return dict(zip(self._batches, await asyncio.gather(*map(self._send, self._batches)), strict=True))

    async def _send(self, place: tuple[str, int]) -> list[tuple[int, int]]:
        """Send the batches of one partition, each after the one before was taken up: so they stay in order."""
        topic, partition = place
        batches = self._batches[place]
        deliveries = []
        for batch in batches:
            batch.close()
            deliveries.append(await self._producer.send_batch(batch, topic, partition=partition))
        stored = await asyncio.gather(*deliveries)
        return [(metadata.offset, batch.record_count()) for metadata, batch in zip(stored, batches, strict=True)]
