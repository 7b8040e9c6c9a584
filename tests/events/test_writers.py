"""Avro with a schema of the connector's own: what is read with it, and what must not be."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RecordError
from app.events import codec
from app.events.codec import Codec
from app.events.record import Record
from app.events.writer_schemas import SCHEMAS_MAX, WriterSchemas
from tests.events.connector import KEY, LINES, LSN, ORDER_ID, ROW, SHIPS_AT, SOURCE, decimal_bytes, envelope
from tests.events.test_connector import EXPECTED

TOPIC = "dualwrite.fno.salesorders"
ENVELOPE_ID, KEY_ID, TEXT_ID = 7001, 7002, 7003


def connect(kind: str, name: str, **parts: Any) -> Any:
    """A type as AvroConverter writes an optional one of Kafka Connect."""
    return ["null", {"type": kind, "connect.version": 1, "connect.name": name, **parts}]


DECIMAL = connect("bytes", "org.apache.kafka.connect.data.Decimal", logicalType="decimal", precision=32, scale=6)
KINDS: dict[str, Any] = {
    "RequestedShippingDate": connect("long", "io.debezium.time.MicroTimestamp"),
    "OrderTotalAmount": DECIMAL,
    "OrderTotalTaxAmount": DECIMAL,
    "OrderCreationDateTime": connect("string", "io.debezium.time.ZonedTimestamp"),
    "Lines": connect("string", "io.debezium.data.Json"),
    "isReadyToSync": ["null", "boolean"],
}
VALUE: dict[str, Any] = {
    "type": "record",
    "name": "Value",
    "fields": [{"name": name, "type": KINDS.get(name, ["null", "string"]), "default": None} for name in ROW],
    "connect.name": "fno.public.salesorders.Value",
}
ENVELOPE = {
    "type": "record",
    "name": "Envelope",
    "namespace": "fno.public.salesorders",
    "fields": [
        {"name": "before", "type": ["null", VALUE], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {
            "name": "source",
            "type": {
                "type": "record",
                "name": "Source",
                "namespace": "io.debezium.connector.postgresql",
                "fields": [
                    {"name": name, "type": ["null", "long" if isinstance(value, int) else "string"], "default": None}
                    for name, value in SOURCE.items()
                ],
            },
        },
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": None},
    ],
}
KEY_SCHEMA = {"type": "record", "name": "Key", "fields": [{"name": name, "type": "string"} for name in KEY]}
AVRO_ROW = ROW | {
    "RequestedShippingDate": SHIPS_AT * 1000,
    "OrderTotalAmount": decimal_bytes(259_980_000),
    "OrderTotalTaxAmount": decimal_bytes(0),
}


def plain(schema: Any) -> Any:
    """The schema for a writer that gives bytes as they are."""
    return json.loads(json.dumps(schema).replace('"logicalType": "decimal", ', ""))


def framed(number: int, schema: Any, value: Any) -> bytes:
    target = io.BytesIO()
    fastavro.schemaless_writer(target, fastavro.parse_schema(plain(schema)), value)
    return b"\0" + number.to_bytes(4, "big") + target.getvalue()


def learned(**schemas: Any) -> WriterSchemas:
    writers = WriterSchemas("http://registry")
    for number, schema in {ENVELOPE_ID: ENVELOPE, KEY_ID: KEY_SCHEMA, TEXT_ID: "string"}.items():
        writers.learn(number, json.dumps(schema))
    for name, schema in schemas.items():
        writers.learn(int(name[1:]), json.dumps(schema))
    return writers


CODEC = codec.load(writers=learned())
AVRO_KEY = framed(KEY_ID, KEY_SCHEMA, KEY)
RECORD = framed(ENVELOPE_ID, ENVELOPE, envelope(after=AVRO_ROW))


def refusal(given: Codec, value: bytes) -> RecordError:
    with pytest.raises(RecordError) as caught:
        given.decode_change(Record(TOPIC, 0, 0, 5, None, value, ()))
    return caught.value


@pytest.mark.parametrize("key", [AVRO_KEY, framed(TEXT_ID, "string", ORDER_ID), ORDER_ID.encode(), None])
def test_debeziums_avro_is_read_with_the_schema_it_was_written_with(key: bytes | None) -> None:
    event = CODEC.decode_change(Record(TOPIC, 0, 0, 5, key, RECORD, ()))
    assert event is not None
    assert (event.order_id, event.body.row, event.body.source.version) == (ORDER_ID, EXPECTED, LSN)
    assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, RECORD, ())) == ORDER_ID


def test_a_flat_row_in_avro() -> None:
    schema = {**VALUE, "fields": [*VALUE["fields"], {"name": "__lsn", "type": "long"}]}
    given = codec.load(writers=learned(_1=schema))
    event = given.decode_change(Record(TOPIC, 0, 0, 5, None, framed(1, schema, AVRO_ROW | {"__lsn": 9}), ()))
    # Waybill's own schemas have the small ids where there is no registry.
    assert given.foreign_ids(Record(TOPIC, 0, 0, 0, None, RECORD, ())) == [ENVELOPE_ID]
    assert event is not None
    assert (event.body.row, event.body.source.version) == (EXPECTED, 9)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "long", "logicalType": "timestamp-millis"}, SHIPS_AT),
        ({"type": "long", "logicalType": "timestamp-micros"}, SHIPS_AT * 1000),
        ({"type": "long", "connect.name": "io.debezium.time.NanoTimestamp"}, SHIPS_AT * 1_000_000),
        ("long", SHIPS_AT),
    ],
)
def test_times_by_avros_own_names(kind: Any, value: int) -> None:
    fields = [
        field if field["name"] != "RequestedShippingDate" else {**field, "type": ["null", kind]} for field in FIELDS
    ]
    schema = {**VALUE, "fields": [*fields, {"name": "__lsn", "type": "long"}]}
    writers = WriterSchemas()
    writers.learn(9001, json.dumps(schema))
    row = AVRO_ROW | {"RequestedShippingDate": value, "__lsn": 9}
    found = codec.load(writers=writers).decode_change(Record(TOPIC, 0, 0, 5, None, framed(9001, schema, row), ()))
    assert found is not None
    assert found.body.row.RequestedShippingDate == SHIPS_AT


FIELDS: Any = VALUE["fields"]


def test_doubles_are_what_they_print() -> None:
    schema = json.loads(json.dumps(ENVELOPE).replace(json.dumps(DECIMAL), '["null", "double"]'))
    given = codec.load(writers=learned(_9001=schema))
    for amount, expected in ((259.98, 2_599_800), (0.1, 1000), (None, 0)):
        row = AVRO_ROW | {"OrderTotalAmount": amount, "OrderTotalTaxAmount": 0.0}
        value = framed(9001, schema, envelope(after=row))
        found = given.decode_change(Record(TOPIC, 0, 0, 5, None, value, ()))
        assert found is not None
        assert found.body.row.OrderTotalAmount == expected
    for amount in (float("nan"), float("inf")):
        row = AVRO_ROW | {"OrderTotalAmount": amount, "OrderTotalTaxAmount": 0.0}
        assert "is not a number" in refusal(given, framed(9001, schema, envelope(after=row))).detail


def test_an_outbox_in_avro_is_text() -> None:
    own = {"op": "c", "ts_ms": 1, "after": ROW | {"Lines": json.loads(LINES)}, "source": {"waybill_version": 3}}
    event = CODEC.decode_change(Record(TOPIC, 0, 0, 5, None, framed(TEXT_ID, "string", json.dumps(own)), ()))
    assert event is not None
    assert (event.body.row, event.body.source.version) == (EXPECTED, 3)
    assert "not JSON" in refusal(CODEC, framed(TEXT_ID, "string", "text")).detail


def test_a_tombstone_names_the_order_in_its_key() -> None:
    for key in (AVRO_KEY, framed(TEXT_ID, "string", ORDER_ID)):
        assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, None, ())) == ORDER_ID
    for key in (AVRO_KEY[:-1], b"\0", b"\0\0\0\0\x63abc", framed(TEXT_ID, "string", "a b")):
        assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, None, ())) == ""


def test_which_schemas_a_record_needs() -> None:
    ours = CODEC.schemas.latest(f"{TOPIC}-value").id.to_bytes(4, "big")
    assert CODEC.foreign_ids(Record(TOPIC, 0, 0, 0, AVRO_KEY, RECORD, ())) == [ENVELOPE_ID]
    assert CODEC.foreign_ids(Record(TOPIC, 0, 0, 0, AVRO_KEY, None, ())) == [KEY_ID]
    for key, value in ((b"x", None), (None, b"\0\0"), (None, b"{}"), (None, b"\0" + ours + b"x"), (None, b"")):
        assert CODEC.foreign_ids(Record(TOPIC, 0, 0, 0, key, value, ())) == []
    assert CODEC.foreign_ids(Record("order-created", 0, 0, 0, None, RECORD, ())) == []
    assert CODEC.writers.missing([ENVELOPE_ID, 5, 6, 5]) == [5, 6]


def test_a_schema_that_nobody_has_says_what_to_do() -> None:
    error = refusal(codec.load(), RECORD)
    assert error.code == "unknown-schema"
    assert error.detail.startswith(f"schema id {ENVELOPE_ID}: if a connector wrote it, set SCHEMA_REGISTRY_URL")
    writers = WriterSchemas("http://registry")
    given = codec.load(writers=writers)
    assert "was not fetched from http://registry" in refusal(given, RECORD).detail
    writers.refuse(ENVELOPE_ID, "http://registry has none")
    assert refusal(given, RECORD).detail == f"schema id {ENVELOPE_ID}: http://registry has none"
    writers.forget(ENVELOPE_ID)
    assert writers.missing([ENVELOPE_ID]) == [ENVELOPE_ID]


NESTED = {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}
EMPTY = {"type": "record", "name": "E", "fields": [{"name": "nothing", "type": "null"}]}
WIDE = {"type": "record", "name": "W", "fields": [{"name": f"n{each}", "type": "null"} for each in range(16)]}


def doubled(times: int) -> Any:
    """A record whose two fields are records whose two fields are records..."""
    schema: Any = {"type": "record", "name": "D0", "fields": []}
    for each in range(times):
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": f"D{each}"}]
        schema = {"type": "record", "name": f"D{each + 1}", "fields": fields}
    return schema


def chained(records: int) -> list[Any]:
    """Records that are within one another, defined one after the other."""
    links = [[{"name": "a", "type": f"C{each - 1}"}] if each else [] for each in range(records)]
    return [{"type": "record", "name": f"C{each}", "fields": fields} for each, fields in enumerate(links)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (json.dumps(NESTED), "type N is within itself"),
        (json.dumps({"type": "array", "items": "null"}), "may have any length"),
        (json.dumps({"type": "array", "items": EMPTY}), "may have any length"),
        (json.dumps({"type": "map", "values": {"type": "array", "items": "null"}}), "may have any length"),
        (json.dumps(["null", {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}]), "any length"),
        (json.dumps({"type": "array", "items": {"type": "fixed", "name": "F", "size": -1}}), "type F is of size -1"),
        (json.dumps(doubled(60)), "type D7 has 255 parts that take no byte; at most 200"),
        (json.dumps(chained(9000)), "type C200 has 201 parts that take no byte; at most 200"),
        (json.dumps({"type": "map", "values": WIDE}), "an item of the map has 17 parts that take no byte; at most 16"),
        (json.dumps({"type": "array", "items": ["null", WIDE]}), "an item of the array has 17 parts"),
        ("[" * 100_000, "the schema cannot be used"),
        ("{}", "the schema cannot be used"),
        ("5", "the schema cannot be used"),
        ('{"type": "record", "name": "R", "fields": 5}', "the schema cannot be used"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "Nowhere"}]}', "the schema cannot be used"),
        (json.dumps({"type": "array", "items": "string"} | {"doc": "x" * 1_000_000}), "characters; at most 1000000"),
    ],
)
def test_a_schema_that_is_none_or_has_no_bounds_is_not_used(text: str, problem: str) -> None:
    writers = WriterSchemas()
    writers.learn(9001, text)
    with pytest.raises(RecordError) as caught:
        writers.read(b"\0\0\0\x23\x29\0")
    assert caught.value.code == "unknown-schema"
    assert problem in caught.value.detail


def test_harmless_arrays_maps_and_repeated_types_are_read() -> None:
    inner = {"type": "record", "name": "I", "fields": [{"name": "a", "type": "int"}]}
    fields = [
        {"name": "one", "type": inner},
        {"name": "two", "type": ["null", "I"]},
        {"name": "many", "type": {"type": "array", "items": "I"}},
        {"name": "named", "type": {"type": "map", "values": ["null", "string"]}},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["x", "y"]}},
    ]
    schema = {"type": "record", "name": "R", "fields": fields}
    writers = learned(_9001=schema)
    value = {"one": {"a": 1}, "two": None, "many": [{"a": 2}], "named": {"n": None}, "kind": "y"}
    assert writers.read(framed(9001, schema, value))[0] == value


def test_records_within_one_another_are_read_to_the_bound() -> None:
    writers = learned(_9001=chained(200))
    last = b"\x8e\x03"
    assert "a" in writers.read(b"\0" + (9001).to_bytes(4, "big") + last)[0]


def test_what_is_kept_is_bounded_and_what_is_used_stays() -> None:
    writers = learned()
    for number in range(SCHEMAS_MAX - 1):
        writers.read(AVRO_KEY)
        writers.refuse(number, "none")
    assert writers.missing([KEY_ID, ENVELOPE_ID, 0, SCHEMAS_MAX - 2]) == [ENVELOPE_ID]


def check_total(value: bytes) -> None:
    problem: RecordError | None = None
    try:
        CODEC.decode_change(Record(TOPIC, 0, 0, 5, None, value, ()))
    except RecordError as error:
        problem = error
    assert problem is None or (problem.code in ("malformed", "invalid") and problem.detail.encode())


@given(rest=st.binary(max_size=200), number=st.sampled_from([ENVELOPE_ID, KEY_ID, TEXT_ID]))
def test_any_bytes_are_a_change_or_a_record_error(rest: bytes, number: int) -> None:
    check_total(b"\0" + number.to_bytes(4, "big") + rest)


@given(data=st.data())
def test_a_damaged_record_is_a_change_or_a_record_error(data: st.DataObject) -> None:
    value = bytearray(RECORD)
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(5, len(value) - 1))] = data.draw(st.integers(0, 255))
    check_total(bytes(value))
