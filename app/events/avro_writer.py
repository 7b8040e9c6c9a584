"""Writers of Avro records, generated: a struct in, bytes out.

As many fields as stand in a row become one tuple: between other code a record costs about what its instructions number.
What the look-up tables do not hold (text over 1023 bytes, amounts beyond 57 trillion) ends that attempt, and the same
source runs again with tables that hold everything.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, cast

from app.errors import SchemaError
from app.events.avro import AMOUNT_LIMIT, Attributes, FunctionSource, compiled, refuse_amount
from app.events.avro_shapes import Array, FieldShape, Map, Nullable, RecordShape, Scalar, Shape

Write = Callable[[Any], bytes]
"""A struct's binary form. Raises ValueError when a value has none."""
_LENGTHS_MAX: Final = 1 << 10
_BITS_MAX: Final = (AMOUNT_LIMIT - 1).bit_length() - 1
"""Numbers with as many bits are amounts, whatever they are."""


def compile_writer(record: RecordShape, types: Mapping[str, Attributes]) -> Write:
    """Return the function that writes `record` from its struct. Raises SchemaError where struct and schema differ."""
    build = _WriterSource(types)
    build.value(record, "value", 2)
    build.flush(2)
    body = ["    o = []", "    try:", *build.lines, "    except IndexError:", "        return again(value)"]
    lines = ["def write(value):", *body, "    return b''.join(o)"]
    again = compiled(lines, "write", _WRITING_ANYTHING, record.name)
    return cast(Write, compiled(lines, "write", _WRITING | {"again": again}, record.name))


def long_bytes(number: int) -> bytes:
    """Return a number in zig-zag and base 128. Raises ValueError beyond 64 bits."""
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{number} does not fit in 64 bits")
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _int_bytes(number: int) -> bytes:
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"{number} does not fit in 32 bits")
    return long_bytes(number)


def _amount_bytes(amount: int, length: int, order: Literal["big"], *, signed: bool) -> bytes:
    return (
        amount.to_bytes(length, order, signed=signed)
        if -AMOUNT_LIMIT < amount < AMOUNT_LIMIT
        else refuse_amount(amount)
    )


class _AnyLength:
    """The table of lengths without an end."""

    def __getitem__(self, length: int) -> bytes:
        return long_bytes(length)


class _AnyBits:
    """The table of amounts' lengths by their bits, without an end."""

    def __getitem__(self, bits: int) -> int:
        return bits + 8 >> 3


_WRITING: Final[dict[str, Any]] = {
    # L: a length as written. C: the bytes that an amount of so many bits takes. T: those bytes.
    "L": tuple(map(long_bytes, range(_LENGTHS_MAX))), "C": tuple(bits + 8 >> 3 for bits in range(_BITS_MAX + 1)),
    "T": int.to_bytes, "long_bytes": lru_cache(4096)(long_bytes), "int_bytes": lru_cache(1024)(_int_bytes),
}  # fmt: skip
_WRITING_ANYTHING: Final = _WRITING | {"L": _AnyLength(), "C": _AnyBits(), "T": _amount_bytes}


class _WriterSource(FunctionSource):
    """Expressions gather in `pieces` until something other than a scalar comes; `flush` writes them as one line."""

    def __init__(self, types: Mapping[str, Attributes]) -> None:
        super().__init__(types)
        self.pieces: list[str] = []

    def flush(self, depth: int) -> None:
        if self.pieces:
            self.add(depth, f"o += ({', '.join(self.pieces)},)")
            self.pieces = []

    def value(self, shape: Shape, source: str, depth: int) -> None:
        match shape:
            case Scalar():
                self.pieces += self.scalar(shape, source)
            case Nullable(of=Scalar() as scalar):
                name = self.fresh()
                written = " + ".join(self.scalar(scalar, name))
                self.pieces.append(f"b'\\0' if ({name} := {source}) is None else b'\\2' + {written}")
            case Nullable():
                self.nullable(shape, source, depth)
            case Array():
                self.items(shape, source, depth)
            case Map():
                self.entries(shape, source, depth)
            case RecordShape():
                self.record(shape, source, depth)

    def scalar(self, shape: Scalar, source: str) -> list[str]:
        match shape.kind:
            case "string":
                return [f"L[len(b := {source}.encode())]", "b"]
            case "amount":
                return [f"L[c := C[(n := {source}).bit_length()]]", "T(n, c, 'big', signed=True)"]
            case "boolean":
                return [f"(b'\\1' if {source} else b'\\0')"]
            case "int":
                return [f"int_bytes({source})"]
            case "long" | "time":
                return [f"long_bytes({source})"]

    def nullable(self, shape: Nullable, source: str, depth: int) -> None:
        name = self.fresh()
        self.flush(depth)
        self.add(depth, f"{name} = {source}", f"if {name} is None:", "    o += (b'\\0',)", "else:")
        self.pieces.append("b'\\2'")
        self.value(shape.of, name, depth + 1)
        self.flush(depth + 1)

    def items(self, shape: Array, source: str, depth: int) -> None:
        items, item = self.fresh(), self.fresh()
        self.block(items, source, f"{item} in {items}", depth)
        self.value(shape.of, item, depth + 2)
        self.end_block(depth)

    def entries(self, shape: Map, source: str, depth: int) -> None:
        entries, key, item = self.fresh(), self.fresh(), self.fresh()
        self.block(entries, source, f"{key}, {item} in {entries}.items()", depth)
        self.pieces += self.scalar(Scalar("string"), key)
        self.value(shape.of, item, depth + 2)
        self.end_block(depth)

    def block(self, name: str, source: str, each: str, depth: int) -> None:
        """Write the head of the loop over an array or map, which is written as one block."""
        self.flush(depth)
        self.add(depth, f"{name} = {source}", f"if {name}:", f"    o += (L[len({name})],)", f"    for {each}:")

    def end_block(self, depth: int) -> None:
        self.flush(depth + 2)
        self.pieces.append("b'\\0'")

    def record(self, record: RecordShape, source: str, depth: int) -> None:
        attributes, name = self.attributes(record), self.fresh()
        self.add(depth, f"{name} = {source}")
        for field in record.fields:
            if field.name in attributes.ignored:
                self.value(field.shape, _constant(record, field), depth)
            else:
                self.value(field.shape, f"{name}.{attributes.renamed.get(field.name, field.name)}", depth)


def _constant(record: RecordShape, field: FieldShape) -> str:
    if not field.has_default:
        raise SchemaError(f"field {field.name} of {record.name} is ignored and has no default to write")
    return repr(field.default)
