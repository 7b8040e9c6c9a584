"""The observer: reads what everyone can read, committed records of the topics and the simulators' journals.

It shares no code with the agents: Avro is decoded with fastavro and the files in schemas/, JSON as JSON.
"""

import asyncio
import io
import json
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import fastavro
import httpx
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from app.kafka.clients import new_consumer
from app.kafka.cluster_access import ClusterAccess
from app.resources import schema_files, schema_lock
from app.sandbox.demo.evidence import DEAD_LETTER, Case, JournalEntry, ObservedRecord
from app.sandbox.demo.made_orders import DemoOrder

_Answer = TypeVar("_Answer")
AWAY_S: Final = 0.2
"""Seconds between two requests to a broker that is away."""
JOURNAL_PAGE: Final = 5_000
FETCH_MAX_BYTES: Final = 8 << 20
AVRO_MAGIC: Final = b"\x00"
DEAD_MARK: Final = "waybill-dead-"
UNREADABLE: Final = (ValueError, LookupError, TypeError, EOFError, OverflowError, struct.error)
"""Errors that a value of another writer may raise."""


def schemas_by_id() -> dict[int, Any]:
    """Return every published schema, parsed, by the id that stands in front of each value."""
    lock = json.loads(schema_lock())
    files = schema_files()
    schemas: dict[int, Any] = {}
    for versions in lock.values():
        for entry in versions.values():
            schemas[entry["id"]] = fastavro.parse_schema(json.loads(files[entry["file"]]))
    return schemas


class Reader:
    """Decodes records by schema id; `schemas` maps id to the parsed Avro schema."""

    def __init__(self, schemas: Mapping[int, Any]) -> None:
        self._schemas = schemas

    def read(self, record: ConsumerRecord, order_id: str) -> ObservedRecord:
        """Return the record with its headers and its decoded value."""
        headers = {name: value.decode(errors="replace") for name, value in record.headers}
        return ObservedRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            order_id=order_id,
            event_id=headers.get("ce_id", f"{record.topic}/{record.partition}/{record.offset}"),
            type=headers.get("ce_type", ""),
            source=headers.get("ce_source", ""),
            cause=headers.get("ce_causationid", ""),
            at_ms=record.timestamp,
            body=_dead_letter_body(headers) if record.topic == DEAD_LETTER else self._body(record.value),
        )

    def _body(self, value: bytes) -> Mapping[str, Any]:
        """Return the decoded value; an empty one where it is neither Avro of a published schema nor a JSON object."""
        try:
            body = json.loads(value) if value[:1] != AVRO_MAGIC else self._avro(value)
        except UNREADABLE:
            return {}
        return body if isinstance(body, dict) else {}

    def _avro(self, value: bytes) -> Any:
        (schema_id,) = struct.unpack(">I", value[1:5])
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), self._schemas[schema_id], None)


def order_of(record: ConsumerRecord) -> str:
    """Return the id of the order that a record is about: its key, or for a dead letter the original's key."""
    key = (record.key or b"").decode(errors="replace")
    if record.topic != DEAD_LETTER:
        return key
    match key.split("/", 3):
        case ["pull", "bigcommerce", shop, source_ref]:
            return f"bc-{shop}-{source_ref}"
    marks: Mapping[str, bytes] = dict(record.headers)
    return marks.get(f"{DEAD_MARK}key", b"").decode(errors="replace")


def _dead_letter_body(headers: Mapping[str, str]) -> Mapping[str, Any]:
    return {name: headers.get(f"{DEAD_MARK}{name}", "") for name in ("code", "detail", "topic", "role")}


class DemoObserver:
    """Follows the topics from their ends as it opens, and collects the evidence about the demo's orders."""

    def __init__(self, cluster: ClusterAccess, topics: Iterable[str], reader: Reader) -> None:
        self._consumer = new_consumer(
            cluster,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_bytes=FETCH_MAX_BYTES,
        )
        self._topics = sorted(topics)
        self._reader = reader
        self.cases: dict[str, Case] = {}
        self._next_offsets: dict[TopicPartition, int] = {}
        """Offset of each partition's next record: a consumer may repeat itself when its broker was away."""
        self._journal = 0

    async def open(self) -> None:
        """Begin at the end of every partition of the topics."""
        await self._consumer.start()
        # The consumer's own answer speaks only of topics that it follows already.
        cluster = await self._consumer._client.fetch_all_metadata()
        partitions = [
            TopicPartition(topic, number)
            for topic in self._topics
            for number in sorted(cluster.partitions_for_topic(topic) or ())
        ]
        self._consumer.assign(partitions)
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)

    async def close(self) -> None:
        """Leave the broker."""
        await self._consumer.stop()

    def expect(self, orders: Iterable[DemoOrder]) -> None:
        """Collect the evidence about these orders, too, from now on."""
        self.cases |= {order.order_id: Case(order) for order in orders}

    async def look(self, wait_ms: int) -> None:
        """Take in the records that have come; wait up to `wait_ms` when none has."""
        batches = await _retry(lambda: self._consumer.getmany(timeout_ms=wait_ms))
        for records in batches.values():
            for record in records:
                self.take(record)

    def take(self, record: ConsumerRecord) -> None:
        """Add a record to the evidence about its order; skip tombstones and records of other orders."""
        place = TopicPartition(record.topic, record.partition)
        if record.offset < self._next_offsets.get(place, 0):
            return
        self._next_offsets[place] = record.offset + 1
        case = self.cases.get(order_of(record))
        if case is not None and record.value is not None:
            case.records.append(self._reader.read(record, case.order.order_id))

    async def settle(self) -> None:
        """Read on to the ends of all partitions as they are now."""
        ends = await _retry(lambda: self._consumer.end_offsets(self._consumer.assignment()))
        while await _retry(lambda: self._behind(ends)):
            await self.look(200)

    async def _behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        return any([await self._consumer.position(partition) < end for partition, end in ends.items()])

    async def read_journal(self, client: httpx.AsyncClient) -> None:
        """Take in the journal of all simulators from where the last call stopped."""
        while True:
            answer = await client.get("/_sim/journal", params={"after": self._journal, "limit": JOURNAL_PAGE})
            effects = answer.raise_for_status().json()["effects"]
            for effect in effects:
                self._journal = effect["seq"]
                if case := self.cases.get(effect["order"]):
                    case.journal.append(
                        JournalEntry(effect["provider"], effect["kind"], effect["order"], effect["detail"])
                    )
            if len(effects) < JOURNAL_PAGE:
                return


async def _retry(request: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Repeat a request until it is answered: the demo gives up when nothing moves, not when a connection breaks.

    A consumer whose connection breaks cancels what waits for it; only a cancellation of this very task is one of ours.
    """
    while True:
        try:
            return await request()
        except KafkaError:
            pass
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
        await asyncio.sleep(AWAY_S)
