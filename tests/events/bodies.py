"""Any body of any record type, made from the schemas; and the same body as a general Avro library has it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from app import resources
from app.events import avro_schemas
from app.events.avro import Attributes
from app.events.avro_shapes import AMOUNT_PRECISION, Array, FieldShape, Map, Nullable, RecordShape, Scalar, Shape
from app.events.catalog import RECORDS, TYPES, RecordSpec

PUBLISHED = avro_schemas.load(resources.schema_files(), resources.schema_lock())
SPECS = list(RECORDS.values())
AMOUNT_MAX = 10**AMOUNT_PRECISION - 1
TIME_MAX = 253_402_300_799_999
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "time": st.integers(0, TIME_MAX),
    "amount": st.integers(-AMOUNT_MAX, AMOUNT_MAX),
}


def shape_of(spec: RecordSpec) -> RecordShape:
    return PUBLISHED.latest(avro_schemas.subject_of(spec.topic)).shape


def bodies(spec: RecordSpec) -> st.SearchStrategy[Struct]:
    made: st.SearchStrategy[Struct] = values(shape_of(spec))
    return made


def values(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case Scalar():
            return _SCALARS[shape.kind]
        case Nullable():
            return st.none() | values(shape.of)
        case Array():
            return st.lists(values(shape.of), max_size=4).map(tuple)
        case Map():
            return st.dictionaries(_SCALARS["string"], values(shape.of), max_size=4)
        case RecordShape():
            given = TYPES[shape.name]
            kept = [field for field in shape.fields if field.name not in given.ignored]
            return st.builds(given.type, **{attribute(given, field): values(field.shape) for field in kept})


def attribute(given: Attributes, field: FieldShape) -> str:
    return given.renamed.get(field.name, field.name)


def as_datum(shape: Shape, value: Any) -> Any:
    """A struct as dictionaries, decimals and aware datetimes."""
    match shape:
        case Scalar(kind="amount"):
            return Decimal(value).scaleb(-4)
        case Scalar(kind="time"):
            return EPOCH + timedelta(milliseconds=value)
        case Nullable():
            return None if value is None else as_datum(shape.of, value)
        case Array():
            return [as_datum(shape.of, item) for item in value]
        case RecordShape():
            given = TYPES[shape.name]
            return {
                field.name: field.default
                if field.name in given.ignored
                else as_datum(field.shape, getattr(value, attribute(given, field)))
                for field in shape.fields
            }
    return value
