"""The subset of Avro that Waybill's schemas use, as a small tree, and the rule by which one reads the other's data.

Deliberately absent: enums, fixed, floats, unions other than "null or T". They either cannot evolve or cannot be exact.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.errors import SchemaError

AMOUNT_PRECISION: Final = 18
AMOUNT_SCALE_PLACES: Final = 4
Kind = Literal["string", "boolean", "int", "long", "time", "amount"]
_PLAIN: Final[Mapping[str, Kind]] = {"string": "string", "boolean": "boolean", "int": "int", "long": "long"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; `time` is timestamp-millis, `amount` a decimal in bytes."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Nullable:
    of: "Shape"


@dataclass(frozen=True, slots=True)
class Array:
    of: "Shape"


@dataclass(frozen=True, slots=True)
class Map:
    of: "Shape"


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of a record. `default` says nothing where there is no default."""

    name: str
    shape: "Shape"
    has_default: bool
    default: Any


@dataclass(frozen=True, slots=True)
class RecordShape:
    """A record with its fields in the order in which they are written."""

    name: str
    fields: tuple[FieldShape, ...]


Shape = Scalar | Nullable | Array | Map | RecordShape


def shape_of(schema: Any, file: str) -> RecordShape:
    """Return the tree of a whole schema.

    Raises SchemaError that names `file`, the path and what may stand there instead.
    """
    shape = _Reader(file).read(schema, "")
    if not isinstance(shape, RecordShape):
        raise SchemaError(f"{file}: the schema is not a record; a topic's values are records")
    return shape


def problems(reader: Shape, writer: Shape, path: str = "") -> Iterator[str]:
    """Yield why data written with `writer` cannot be read with `reader`: nothing when it can."""
    match reader, writer:
        case Nullable(), Nullable():
            yield from problems(reader.of, writer.of, path)
        case Nullable(), _:
            yield from problems(reader.of, writer, path)
        case Array(), Array():
            yield from problems(reader.of, writer.of, f"{path}[]")
        case Map(), Map():
            yield from problems(reader.of, writer.of, f"{path}[]")
        case RecordShape(), RecordShape():
            yield from _record_problems(reader, writer, path)
        case _ if reader != writer:
            yield f"{path or '.'}: {_words(writer)} cannot be read as {_words(reader)}"


def records_in(shape: Shape) -> Iterator[RecordShape]:
    """Yield every record within `shape`, itself included, as often as it is used."""
    match shape:
        case RecordShape():
            yield shape
            for field in shape.fields:
                yield from records_in(field.shape)
        case Nullable() | Array() | Map():
            yield from records_in(shape.of)


def _record_problems(reader: RecordShape, writer: RecordShape, path: str) -> Iterator[str]:
    if reader.name != writer.name:
        yield f"{path or '.'}: record {writer.name} cannot be read as {reader.name}"
    written = {field.name: field.shape for field in writer.fields}
    for field in reader.fields:
        below = f"{path}.{field.name}".lstrip(".")
        if field.name in written:
            yield from problems(field.shape, written[field.name], below)
        elif not field.has_default:
            yield f"{below}: is not written and has no default"


def _words(shape: Shape) -> str:
    match shape:
        case Scalar():
            return shape.kind
        case RecordShape():
            return f"record {shape.name}"
        case _:
            return type(shape).__name__.lower()


class _Reader:
    """Turns schema JSON into shapes; remembers the records of one file by name."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.records: dict[str, RecordShape] = {}

    def read(self, schema: Any, path: str) -> Shape:
        match schema:
            case str() if schema in _PLAIN:
                return Scalar(_PLAIN[schema])
            case str() if schema.rpartition(".")[2] in self.records:
                return self.records[schema.rpartition(".")[2]]
            case ["null", other]:
                return Nullable(self.read(other, path))
            case {"type": "array", "items": items}:
                return Array(self.read(items, f"{path}[]"))
            case {"type": "map", "values": values}:
                return Map(self.read(values, f"{path}[]"))
            case {"type": "record", "name": str(name), "fields": list(fields)}:
                return self.record(name, fields, path)
            case {"type": "long", "logicalType": "timestamp-millis"}:
                return Scalar("time")
            case {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}:
                return self.amount(precision, scale, path)
        raise self.refusal(path, f"type {schema!r} is not used here", "schemas/README.md lists the types that are")

    def record(self, name: str, fields: list[Any], path: str) -> RecordShape:
        self.records[name] = record = RecordShape(name, tuple(self.field(field, path) for field in fields))
        return record

    def field(self, field: Any, path: str) -> FieldShape:
        match field:
            case {"name": str(name), "type": kind, "doc": str()}:
                below = f"{path}.{name}".lstrip(".")
                return FieldShape(name, self.read(kind, below), "default" in field, field.get("default"))
        raise self.refusal(path, f"field {field!r} lacks name, type or doc", "write all three")

    def amount(self, precision: Any, scale: Any, path: str) -> Scalar:
        if (precision, scale) != (AMOUNT_PRECISION, AMOUNT_SCALE_PLACES):
            raise self.refusal(path, f"decimal({precision}, {scale})", "amounts have precision 18 and scale 4")
        return Scalar("amount")

    def refusal(self, path: str, problem: str, fix: str) -> SchemaError:
        return SchemaError(f"{self.file}: {path or '.'}: {problem}; {fix}")
