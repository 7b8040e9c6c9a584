"""The generated writers and readers against fastavro, and against bytes that are no record."""

import contextlib
import io
import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from app.errors import SchemaError
from app.events import avro_schemas
from app.events.avro import Attributes
from app.events.avro_reader import compile_reader, read_long
from app.events.avro_shapes import AMOUNT_PRECISION, Array, FieldShape, Map, RecordShape, Scalar, shape_of
from app.events.avro_writer import compile_writer, long_bytes
from app.events.catalog import TYPES, RecordSpec
from tests.events.bodies import AMOUNT_MAX, PUBLISHED, SPECS, as_datum, bodies
from tests.events.bodies import shape_of as shape_of_spec

WRITERS = {spec.name: compile_writer(shape_of_spec(spec), TYPES) for spec in SPECS}
READERS = {spec.name: compile_reader(shape_of_spec(spec), TYPES) for spec in SPECS}
PARSED = {
    spec.name: fastavro.parse_schema(avro_schemas.parsed(PUBLISHED.latest(avro_schemas.subject_of(spec.topic))))
    for spec in SPECS
}


class Point(Struct, frozen=True):
    x: int


class Name(Struct, frozen=True):
    x: str


def point(kind: str) -> RecordShape:
    schema = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": kind, "doc": "x"}]}
    return shape_of(schema, "point.v1.avsc")


@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_writes_the_bytes_that_fastavro_writes(data: st.DataObject, spec: RecordSpec) -> None:
    body = data.draw(bodies(spec))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED[spec.name], as_datum(shape_of_spec(spec), body))
    assert WRITERS[spec.name](body) == out.getvalue()


@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_reads_back_what_it_wrote(data: st.DataObject, spec: RecordSpec) -> None:
    body = data.draw(bodies(spec))
    written = WRITERS[spec.name](body)
    assert READERS[spec.name](b"12345" + written, 5) == (body, 5 + len(written))


@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_fastavro_reads_what_it_wrote(data: st.DataObject, spec: RecordSpec) -> None:
    body = data.draw(bodies(spec))
    found = fastavro.schemaless_reader(io.BytesIO(WRITERS[spec.name](body)), PARSED[spec.name], None)
    assert found == as_datum(shape_of_spec(spec), body)


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_come_back(number: int) -> None:
    written = long_bytes(number)
    assert read_long(written, 0) == (number, len(written))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_numbers_beyond_64_bits_are_not_written(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        long_bytes(number)


@pytest.mark.parametrize("data", [b"\xff" * 10 + b"\x00", b"\xff" * 1_000_000, b"\xff" * 9 + b"\x02"])
def test_numbers_beyond_64_bits_are_not_read(data: bytes) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        read_long(data, 0)


def test_32_bit_numbers_keep_their_limit() -> None:
    write = compile_writer(point("int"), {"Point": Attributes(Point)})
    assert write(Point(2**31 - 1))
    with pytest.raises(ValueError, match="32 bits"):
        write(Point(2**31))


@pytest.mark.parametrize("amount", [AMOUNT_MAX + 1, -AMOUNT_MAX - 1, 10**40])
def test_amounts_beyond_18_digits_are_neither_written_nor_read(amount: int) -> None:
    shape = RecordShape("Point", (FieldShape("x", Scalar("amount"), False, None),))
    with pytest.raises(ValueError, match="18 digits"):
        compile_writer(shape, {"Point": Attributes(Point)})(Point(amount))
    size = (amount.bit_length() + 8) >> 3
    with pytest.raises(ValueError, match=r"18 digits|length of an amount"):
        compile_reader(shape, {"Point": Attributes(Point)})(
            long_bytes(size) + amount.to_bytes(size, "big", signed=True), 0
        )


@pytest.mark.parametrize("amount", [2**55 - 1, 2**55, 2**59 - 1, 2**59, AMOUNT_MAX])
@pytest.mark.parametrize("sign", [1, -1])
def test_amounts_at_the_edges_of_the_tables_come_back(amount: int, sign: int) -> None:
    shape = RecordShape("Point", (FieldShape("x", Scalar("amount"), False, None),))
    written = compile_writer(shape, {"Point": Attributes(Point)})(Point(sign * amount))
    assert written[0] == 2 * (len(written) - 1)
    assert int.from_bytes(written[1:], "big", signed=True) == sign * amount
    assert compile_reader(shape, {"Point": Attributes(Point)})(written, 0) == (Point(sign * amount), len(written))


@pytest.mark.parametrize("length", [0, 63, 64, 1023, 1024, 8191, 8192, 100_000])
def test_texts_of_any_length_come_back(length: int) -> None:
    written = compile_writer(point("string"), {"Point": Attributes(Name)})(
        Name("é" * (length // 2) + "x" * (length % 2))
    )
    assert written.startswith(long_bytes(length))
    found, end = compile_reader(point("string"), {"Point": Attributes(Name)})(written, 0)
    assert (len(found.x.encode()), end) == (length, len(written))


def test_blocks_with_a_size_are_read() -> None:
    """Other writers split arrays and put the size of each block in front, as Avro allows."""

    class Points(Struct, frozen=True):
        all: tuple[int, ...]
        named: dict[str, int]

    shape = RecordShape(
        "Points",
        (
            FieldShape("all", Array(Scalar("long")), False, None),
            FieldShape("named", Map(Scalar("long")), False, None),
        ),
    )
    read = compile_reader(shape, {"Points": Attributes(Points)})
    data = long_bytes(-2) + long_bytes(2) + b"\x02\x04" + long_bytes(1) + b"\x06" + b"\0"
    data += long_bytes(-1) + long_bytes(3) + b"\x02a\x02" + b"\0"
    assert read(data, 0) == (Points((1, 2, 3), {"a": 1}), len(data))


def test_a_struct_that_differs_from_its_schema_is_refused() -> None:
    class Other(Struct):
        y: int

    with pytest.raises(SchemaError, match=r"Point and struct Other differ in \['x', 'y'\]"):
        compile_writer(point("long"), {"Point": Attributes(Other)})
    with pytest.raises(SchemaError, match="no struct"):
        compile_reader(point("long"), {})
    with pytest.raises(SchemaError, match="no default to write"):
        compile_writer(
            RecordShape("Point", (*point("long").fields, FieldShape("z", Scalar("long"), False, None))),
            {"Point": Attributes(Point, {}, frozenset({"z"}))},
        )


@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        ("string", b"\x01", "negative"),
        ("string", b"\x02\xff", "utf-8"),
        ("boolean", b"\x02", "not a boolean"),
        (["null", "string"], b"\x04", "not null"),
    ],
)
def test_bytes_that_mean_nothing_are_named(kind: str, data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        compile_reader(point(kind), {"Point": Attributes(Point)})(data, 0)


@given(st.binary(max_size=300), st.sampled_from(SPECS))
def test_any_bytes_are_a_record_or_an_error_of_two_kinds(data: bytes, spec: RecordSpec) -> None:
    with contextlib.suppress(ValueError, IndexError):
        READERS[spec.name](data, 0)


def test_the_limit_of_an_amount_is_the_schemas() -> None:
    schema = json.loads(PUBLISHED.latest("order-created-value").text)
    order = schema["fields"][0]["type"]
    total = next(field for field in order["fields"] if field["name"] == "total")
    assert total["type"] == {"type": "bytes", "logicalType": "decimal", "precision": AMOUNT_PRECISION, "scale": 4}
