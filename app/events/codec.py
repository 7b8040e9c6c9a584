"""Records to events and back: Confluent framing with Avro for everything, JSON as well where producers write.

Whatever a record contains, it becomes an event or a RecordError that says what is wrong and how to send it right.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final, NamedTuple, cast

import fastavro
from fastavro.read import SchemaResolutionError
from msgspec import Struct

from app import resources
from app.errors import NewerVersionError, RecordError, SchemaError
from app.events import avro_schemas, headers, json_intake, record_keys
from app.events.avro_reader import Read, compile_reader
from app.events.avro_schemas import Schema, Schemas
from app.events.avro_writer import Write, compile_writer
from app.events.catalog import BY_TOPIC, RECORDS, TYPES, ChangeEvent, RecordSpec
from app.events.debezium import Message
from app.events.headers import Headers
from app.events.intake_limits import ORDER_ID, RECORD_BYTES_MAX, check_intake, identity
from app.events.model import Event, ProviderEvent
from app.events.record import Record
from app.events.report_ids import report_id
from app.events.sales_order_change import SalesOrderChange, made_by_us
from app.events.writer_schemas import FRAME, WriterSchemas, id_in

MAGIC: Final = 0


class Contents(NamedTuple):
    """What a record says: its body, None for one about no order, and its attributes.

    Attributes are those of the headers, and what a structured CloudEvent carries beside its data.
    """

    body: Struct | None
    attributes: Mapping[str, str]


class _Plan(Struct, frozen=True):
    """What a topic's records are read and written with.

    `others` holds the schemas of its other versions by id, for fastavro to resolve to the one that is written.
    """

    spec: RecordSpec
    schema: Schema
    prefix: bytes
    write: Write
    read: Read
    others: Mapping[int, Any]
    written: Any

    def knows(self, number: int) -> bool:
        """Return whether records with this schema id are ours."""
        return number == self.schema.id or number in self.others


class Codec:
    """Encodes and decodes records. One instance serves a process: it keeps nothing but what was compiled."""

    def __init__(
        self, published: Schemas, *, record_bytes_max: int = RECORD_BYTES_MAX, writers: WriterSchemas | None = None
    ) -> None:
        """Compile all schemas of the catalog. Raises SchemaError when one lacks or differs from its struct.

        `writers` are the schemas that connectors wrote with.
        """
        self.schemas, self.writers = published, WriterSchemas() if writers is None else writers
        self._bytes_max = record_bytes_max
        self._plans = {topic: _plan(spec, published) for topic, spec in BY_TOPIC.items()}

    def encode(self, event: Event | ChangeEvent) -> tuple[bytes, Headers]:
        """Return a record's value and headers.

        Raises RecordError("invalid") when a value of the body cannot be written.
        """
        plan = self._plans[RECORDS[event.name].topic]
        try:
            return plan.prefix + plan.write(event.body), headers.write(event)
        except ValueError as exc:
            raise RecordError("invalid", f"{event.name} {event.event_id}: {exc}") from exc

    def read(self, record: Record) -> Contents:
        """Read a record once for `decode`, `decode_change` and `order_id` together. Raises as `decode` does."""
        if record.value is None:
            return Contents(None, {})
        attributes = headers.read(record.headers)
        return Contents(self._body(record, record.value, attributes), attributes)

    def decode(self, record: Record, contents: Contents | None = None) -> Event:
        """Return the event in a record of any topic but dual-write's. `contents`: what was read of it before.

        Raises RecordError: empty, too-large, malformed, unknown-schema, invalid; SchemaError for a foreign topic.
        """
        if record.value is None:
            problem = f"a record of {record.topic} has no value; only dual-write topics have tombstones"
            raise RecordError("empty", problem)
        fields = self._event_fields(record, contents or self.read(record))
        if fields is None:
            raise RecordError("empty", f"a record of {record.topic} that is about no order")
        return Event(**fields)

    def decode_change(self, record: Record, contents: Contents | None = None) -> ChangeEvent | None:
        """Return the change in a record of a dual-write topic. `contents` and errors are as with `decode`.

        None for a tombstone, and for what connectors write about no order: heartbeats and the like.
        """
        fields = None if record.value is None else self._event_fields(record, contents or self.read(record))
        return None if fields is None else ChangeEvent(**fields)

    def order_id(self, record: Record, contents: Contents | None = None) -> str:
        """Return whose order a record is about: its key, else what its value says. Raises as `decode` does.

        Where a connector wrote the key, the value comes first: it knows the orders that Waybill made by their own ids.
        Empty for a record about no order, and for a tombstone whose key names none.
        """
        if record.key and not self.is_wrapped(record.topic, record.key):
            return _key_text(record.key)
        if record.value is not None:
            body = (contents or self.read(record)).body
            return "" if body is None else identity(body)
        if record.key:
            return record_keys.order_id_of(record.key, self.writers)
        raise RecordError("empty", f"a record of {record.topic} has neither key nor value; send the order id as key")

    def is_wrapped(self, topic: str, key: bytes) -> bool:
        """Return whether a connector wrote the key in a form of its own: it is no order id then."""
        return self._plan(topic).spec.by_connectors and record_keys.is_wrapped(key)

    def foreign_ids(self, record: Record) -> list[int]:
        """Return the ids of schemas that are not ours in a record: the value's, or a tombstone's key's."""
        framed = record.key if record.value is None else record.value
        if not framed or framed[0] != MAGIC or len(framed) < FRAME:
            return []
        plan, number = self._plan(record.topic), id_in(framed)
        is_ours = record.value is not None and plan.knows(number)
        return [number] if plan.spec.by_connectors and not is_ours else []

    def _plan(self, topic: str) -> _Plan:
        try:
            return self._plans[topic]
        except KeyError as exc:
            raise SchemaError(f"{topic}: no record type; add it to app/events/catalog.py") from exc

    def _event_fields(self, record: Record, contents: Contents) -> dict[str, Any] | None:
        """Return the fields of the event in a record; None for one about no order."""
        spec, (body, attributes) = self._plan(record.topic).spec, contents
        if body is None:
            return None
        order_id = identity(body)
        _check_key(spec, record.key, order_id, body)
        _check_type(spec, attributes)
        return {
            "name": spec.name,
            "event_id": _event_id(body, attributes, record),
            "order_id": order_id,
            "at": headers.at(attributes, record.timestamp),
            "source": attributes.get("ce_source", ""),
            "cause_id": attributes.get("ce_causationid", ""),
            "body": body,
            "trace": headers.trace(attributes),
        }

    def _body(self, record: Record, value: bytes, attributes: dict[str, str]) -> Struct | None:
        """Return the body of a record, None for one about no order.

        `attributes` gains what a structured CloudEvent carries beside its data.
        """
        plan, at = self._plan(record.topic), record.timestamp
        spec, start = plan.spec, value.lstrip()[:1]
        body: Struct | None
        if headers.UNREADABLE in attributes:
            raise RecordError("too-large", attributes[headers.UNREADABLE])
        if len(value) > self._bytes_max:
            raise RecordError("too-large", f"{len(value)} bytes; at most {self._bytes_max} (WAYBILL_RECORD_BYTES_MAX)")
        if value[:1] == b"\0":
            body = self._avro(plan, record, value, attributes)
        elif spec.by_connectors and start in (b"{", b'"'):
            body = json_intake.read_change(spec.topic, value, attributes, at)
        elif not spec.intake:
            raise RecordError("malformed", f"{spec.topic} takes Avro in Confluent framing only; {_starts(value)}")
        elif start == b"{":
            body = json_intake.read(spec.topic, value, attributes, at)
        else:
            raise RecordError("malformed", f"neither Avro in Confluent framing nor a JSON object: {_starts(value)}")
        if spec.intake and body is not None:
            check_intake(body)
        return body

    def _avro(self, plan: _Plan, record: Record, value: bytes, attributes: dict[str, str]) -> Struct | None:
        number = id_in(value)
        if plan.knows(number):
            return _read(plan, value, number)
        if not plan.spec.by_connectors:
            raise _unknown(plan, record, number, attributes)
        document, types = self.writers.read(value)
        return json_intake.change(plan.spec.topic, Message(document, types, attributes, max(record.timestamp, 0)))


def load(
    *,
    record_bytes_max: int = RECORD_BYTES_MAX,
    ids: Mapping[int, int] | None = None,
    writers: WriterSchemas | None = None,
) -> Codec:
    """Return the codec for the schemas that Waybill ships; `ids` are a registry's (id of the lock -> id there).

    `writers` are the schemas of connectors. Raises SchemaError when schemas, lock, catalog and structs do not agree.
    """
    published = avro_schemas.load(resources.schema_files(), resources.schema_lock())
    published = published.with_ids(ids) if ids else published
    return Codec(published, record_bytes_max=record_bytes_max, writers=writers)


def _plan(spec: RecordSpec, published: Schemas) -> _Plan:
    subject = avro_schemas.subject_of(spec.topic)
    schema = published.latest(subject)
    return _Plan(
        spec=spec,
        schema=schema,
        prefix=bytes([MAGIC]) + schema.id.to_bytes(4, "big"),
        write=compile_writer(schema.shape, TYPES),
        read=compile_reader(schema.shape, TYPES),
        others={other.id: _parsed(other) for other in published.by_subject[subject] if other.id != schema.id},
        written=_parsed(schema),
    )


def _parsed(schema: Schema) -> Any:
    """Return the schema for fastavro without logical types: amounts stay bytes from one version to another."""
    return fastavro.parse_schema(avro_schemas.untyped(avro_schemas.parsed(schema)))


def _read(plan: _Plan, value: bytes, number: int) -> Struct:
    if number != plan.schema.id:
        value = _rewritten(plan, value, number)
    try:
        body, end = plan.read(value, FRAME)
    except IndexError as exc:
        raise _malformed(plan, "it ends in the middle of a field") from exc
    except ValueError as exc:
        raise _malformed(plan, str(exc)) from exc
    if end != len(value):
        raise _malformed(plan, f"its fields take {end} bytes, it has {len(value)}")
    return cast(Struct, body)


def _rewritten(plan: _Plan, value: bytes, number: int) -> bytes:
    """Return the same record as the version of its schema that is written would have it."""
    source, target = BytesIO(value[FRAME:]), BytesIO()
    try:
        datum = fastavro.schemaless_reader(source, plan.others[number], plan.written)
    except (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, SchemaResolutionError) as exc:
        raise _malformed(plan, f"schema id {number}: {exc or type(exc).__name__}") from exc
    if source.tell() != len(value) - FRAME:
        raise _malformed(plan, f"schema id {number}: bytes are left over")
    fastavro.schemaless_writer(target, plan.written, datum)
    return plan.prefix + target.getvalue()


def _unknown(plan: _Plan, record: Record, number: int, attributes: Mapping[str, str]) -> RecordError:
    """Return the error for a schema that is not ours.

    Where Waybill alone writes, its own mark on the record says that a newer version did. Anyone may put that mark on a
    record of an intake topic, and must not end a process by it (ADR 0034).
    """
    subject = plan.schema.subject
    if not plan.spec.intake and attributes.get("ce_source", "").startswith(headers.OUR_SOURCES):
        place = f"{record.topic}/{record.partition}/{record.offset}"
        return NewerVersionError(
            "unknown-schema",
            f"{place} was written by a newer version of Waybill (schema id {number} of {subject}): upgrade this"
            " process",
        )
    own_ids = sorted([*plan.others, plan.schema.id])
    return RecordError("unknown-schema", f"schema id {number} is none of {subject}'s: {own_ids}")


def _malformed(plan: _Plan, problem: str) -> RecordError:
    return RecordError("malformed", f"not a record of {plan.schema.subject} version {plan.schema.version}: {problem}")


def _starts(value: bytes) -> str:
    return f"it starts with 0x{value[0]:02x}" if value else "it has 0 bytes"


def _check_key(spec: RecordSpec, key: bytes | None, order_id: str, body: Struct) -> None:
    """Raise RecordError("invalid") for a key that names another order than the body does."""
    if not spec.by_order or not key or key in (order_id.encode(), _reference(body)):
        return
    if spec.by_connectors and record_keys.is_wrapped(key):
        return
    # A compacted topic takes no record without a key.
    fix = "or the row's key columns as JSON" if spec.by_connectors else "or none"
    raise RecordError("invalid", f"key {_key_text(key)!r} is not the order id {order_id!r}; send the id as key, {fix}")


def _check_type(spec: RecordSpec, attributes: Mapping[str, str]) -> None:
    """Raise RecordError("invalid") for the type of an event that belongs on another topic."""
    name = attributes.get("ce_type", spec.name)
    if name != spec.name and name in RECORDS:
        raise RecordError("invalid", f"ce_type {name!r} belongs on topic {RECORDS[name].topic}, not on {spec.topic}")


def _reference(body: Struct) -> bytes | None:
    """Return what stands for the order id at F+O: those who publish rows from there know an order by nothing else."""
    if not isinstance(body, SalesOrderChange) or not made_by_us(body.row):
        return None
    return body.row.CustomersOrderReference.encode()


def _event_id(body: Struct, attributes: Mapping[str, str], record: Record) -> str:
    """Return what a producer called the event; else a provider's document goes by its content, others by place."""
    if isinstance(body, ProviderEvent) and body.reference and not attributes.get("ce_id"):
        return report_id(body)
    return headers.event_id(attributes, record.topic, record.partition, record.offset)


def _key_text(key: bytes) -> str:
    try:
        text = key.decode()
    except UnicodeDecodeError as exc:
        raise RecordError("malformed", f"the key is not UTF-8 ({exc}); send the order id as key, or none") from exc
    if not ORDER_ID.fullmatch(text):
        raise RecordError("invalid", f"key {text[:80]!r} is not an order id: {ORDER_ID.pattern}")
    return text
