"""Reads what everyone can read: the topics, committed records only, and the simulators' journals.

It shares no code with the agents: Avro is decoded with fastavro and the files in schemas/, JSON as JSON.
"""

import io
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

import fastavro
import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from app.demo.evidence import Case, Deed, Seen
from app.demo.orders import DemoOrder
from app.resources import schema_files, schema_lock

JOURNAL_PAGE: Final = 5_000
FETCH_MAX_BYTES: Final = 8 << 20


def schemas_by_id() -> dict[int, Any]:
    """Every published schema, parsed, by the id that stands in front of each value."""
    lock = json.loads(schema_lock())
    files = schema_files()
    found: dict[int, Any] = {}
    for versions in lock.values():
        for entry in versions.values():
            found[entry["id"]] = fastavro.parse_schema(json.loads(files[entry["file"]]))
    return found


class Reader:
    """Decodes records by schema id; `schemas` maps id to the parsed Avro schema."""

    def __init__(self, schemas: Mapping[int, Any]) -> None:
        self._schemas = schemas

    def seen(self, record: ConsumerRecord) -> Seen | None:
        """None for tombstones."""
        if record.value is None:
            return None
        headers = {name: value.decode() for name, value in record.headers}
        return Seen(
            record.topic,
            record.partition,
            record.offset,
            (record.key or b"").decode(),
            headers.get("ce_id", f"{record.topic}/{record.partition}/{record.offset}"),
            headers.get("ce_type", ""),
            headers.get("ce_source", ""),
            headers.get("ce_causationid", ""),
            record.timestamp,
            self._body(record.value),
        )

    def _body(self, value: bytes) -> Mapping[str, Any]:
        if value[:1] != b"\x00":
            body: Mapping[str, Any] = json.loads(value)
            return body
        (schema_id,) = struct.unpack(">I", value[1:5])
        schema = self._schemas[schema_id]
        decoded: Mapping[str, Any] = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)  # type: ignore[assignment, arg-type]
        return decoded


class Observer:
    """Follows the topics from where they stood when it opened, and keeps what belongs to the demo's orders."""

    def __init__(self, bootstrap_servers: str, topics: Iterable[str], reader: Reader) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_bytes=FETCH_MAX_BYTES,
        )
        self._topics, self._reader = sorted(topics), reader
        self.cases: dict[str, Case] = {}
        self.others = 0
        self._journal: dict[str, int] = {}

    async def open(self) -> None:
        await self._consumer.start()
        partitions: list[TopicPartition] = []
        for topic in self._topics:
            numbers = self._consumer.partitions_for_topic(topic) or await self._partitions(topic)
            partitions += [TopicPartition(topic, number) for number in sorted(numbers)]
        self._consumer.assign(partitions)
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)

    async def _partitions(self, topic: str) -> set[int]:
        await self._consumer._client.force_metadata_update()
        return set(self._consumer.partitions_for_topic(topic) or ())

    async def close(self) -> None:
        await self._consumer.stop()

    def expect(self, orders: Iterable[DemoOrder]) -> None:
        self.cases |= {order.order_id: Case(order) for order in orders}

    async def look(self, wait_ms: int) -> None:
        """Takes in what has come, waiting up to `wait_ms` when nothing has."""
        for records in (await self._consumer.getmany(timeout_ms=wait_ms)).values():
            for record in records:
                seen = self._reader.seen(record)
                if seen is not None:
                    self._keep(seen)

    async def settle(self) -> None:
        """Reads on until the ends of all partitions as they are now."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        while any([await self._consumer.position(partition) < end for partition, end in ends.items()]):
            await self.look(200)

    def _keep(self, seen: Seen) -> None:
        case = self.cases.get(seen.order_id)
        if case is None:
            self.others += 1
        else:
            case.records.append(seen)

    async def read_journal(self, client: httpx.AsyncClient, provider: str) -> None:
        """Takes in the simulator's journal from where the last call stopped."""
        while True:
            after = self._journal.get(provider, 0)
            answer = await client.get(
                "/_sim/journal", params={"provider": provider, "after": after, "limit": JOURNAL_PAGE}
            )
            effects = answer.raise_for_status().json()["effects"]
            for effect in effects:
                self._journal[provider] = effect["seq"]
                if case := self.cases.get(effect["order"]):
                    case.deeds.append(Deed(provider, effect["kind"], effect["order"], effect["detail"]))
            if len(effects) < JOURNAL_PAGE:
                return
