"""Readers of Avro records, generated: bytes in, a struct out, and whatever is no record is refused."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, cast

from app.events.avro import AMOUNT_LIMIT, Attributes, FunctionSource, compiled, refuse_amount
from app.events.avro_shapes import Array, Map, Nullable, RecordShape, Scalar, Shape

Read = Callable[[bytes, int], tuple[Any, int]]
"""The struct at a position of some bytes, and where it ended. Raises ValueError or IndexError for other bytes."""
_LONG_BYTES_MAX: Final = 10
_AMOUNT_BYTES_MAX: Final = 8


def compile_reader(record: RecordShape, types: Mapping[str, Attributes]) -> Read:
    """Return the function that reads `record` into its struct. Raises SchemaError where struct and schema differ."""
    build = _ReaderSource(types)
    result = build.value(record, 1)
    lines = ["def read(b, p):", *build.lines, f"    return {result}, p"]
    return cast(Read, compiled(lines, "read", _READING | build.constructors, record.name))


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, and where it ended. Raises ValueError beyond 64 bits, IndexError at the end."""
    result = shift = 0
    for place in range(at, at + _LONG_BYTES_MAX):
        byte = data[place]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            if result >> 64:
                break
            return (result >> 1) ^ -(result & 1), place + 1
        shift += 7
    raise ValueError("a number is longer than 64 bits")


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    length, at = read_long(data, at)
    if length < 0:
        raise ValueError("a length is negative")
    return length, at


def _read_text(data: bytes, at: int) -> tuple[int, int]:
    """Return the place before a text of any length, and its end."""
    length, at = _read_length(data, at)
    return at - 1, at + length


def _read_block(data: bytes, at: int) -> tuple[int, int]:
    """Return how many items follow. A negative count says that a size in bytes stands before them."""
    items, at = read_long(data, at)
    if items >= 0:
        return items, at
    return -items, _read_length(data, at)[1]


def _refuse_byte(what: str, byte: int) -> NoReturn:
    raise ValueError(f"byte 0x{byte:02x} is not {what}")


_READING: Final[dict[str, Any]] = {
    "read_long": read_long, "read_text": _read_text, "read_block": _read_block, "number": int.from_bytes,
    "bad_amount": refuse_amount, "bad_byte": _refuse_byte, "M": AMOUNT_LIMIT,
    # How far the end of a field is, by its first byte: its length, zig-zag. 0 where that is negative or goes on.
    "S": tuple(0 if byte & 129 else 1 + (byte >> 1) for byte in range(256)),
    # An amount takes 1 to 8 bytes, those hold 18 digits.
    "A": {2 * n: 1 + n for n in range(1, _AMOUNT_BYTES_MAX + 1)},
}  # fmt: skip


class _ReaderSource(FunctionSource):
    def __init__(self, types: Mapping[str, Attributes]) -> None:
        super().__init__(types)
        self.constructors: dict[str, Any] = {}

    def value(self, shape: Shape, depth: int) -> str:
        match shape:
            case Scalar():
                return self.scalar(shape, depth)
            case Nullable():
                return self.nullable(shape, depth)
            case Array():
                return self.items(shape, depth)
            case Map():
                return self.entries(shape, depth)
            case RecordShape():
                return self.record(shape, depth)

    def scalar(self, shape: Scalar, depth: int) -> str:
        name = self.fresh()
        match shape.kind:
            case "string":
                self.add(depth, "if n := S[b[p]]: n += p", "else: p, n = read_text(b, p)")
                self.add(depth, f"{name} = b[p + 1:n].decode()", "p = n")
            case "amount":
                self.add(depth, "n = p + (A.get(b[p]) or bad_byte('the length of an amount', b[p]))")
                self.add(depth, f"{name} = number(b[p + 1:n], 'big', signed=True)")
                self.add(depth, f"if n - p > {_AMOUNT_BYTES_MAX} and not -M < {name} < M: bad_amount({name})", "p = n")
            case "boolean":
                self.add(depth, "n = b[p]", "if n > 1: bad_byte('a boolean', n)", f"{name} = n == 1", "p += 1")
            case "int" | "long" | "time":
                self.add(depth, "n = b[p]", f"if n & 129: {name}, p = read_long(b, p)")
                self.add(depth, f"else: {name} = n >> 1; p += 1")
        return name

    def nullable(self, shape: Nullable, depth: int) -> str:
        name = self.fresh()
        self.add(depth, "n = b[p]", "p += 1", f"if n == 0: {name} = None", "elif n == 2:")
        inner = self.value(shape.of, depth + 1)
        self.add(depth, f"    {name} = {inner}", "else: bad_byte('null (0) or a value (2)', n)")
        return name

    def items(self, shape: Array, depth: int) -> str:
        name, count = self.fresh(), self.fresh()
        self.blocks(f"{name} = []", count, depth)
        item = self.value(shape.of, depth + 2)
        self.add(depth, f"        {name}.append({item})")
        self.next_block(count, depth + 1)
        self.add(depth, f"{name} = tuple({name})")
        return name

    def blocks(self, start: str, count: str, depth: int) -> None:
        """Write the head of the loop over the blocks of an array or map."""
        self.add(depth, start)
        self.next_block(count, depth)
        self.add(depth, f"while {count}:", f"    for _ in range({count}):")

    def next_block(self, count: str, depth: int) -> None:
        self.add(depth, "n = b[p]", f"if n & 129: {count}, p = read_block(b, p)", f"else: {count} = n >> 1; p += 1")

    def entries(self, shape: Map, depth: int) -> str:
        name, count = self.fresh(), self.fresh()
        self.blocks(f"{name} = {{}}", count, depth)
        key = self.scalar(Scalar("string"), depth + 2)
        item = self.value(shape.of, depth + 2)
        self.add(depth, f"        {name}[{key}] = {item}")
        self.next_block(count, depth + 1)
        return name

    def record(self, record: RecordShape, depth: int) -> str:
        attributes, read = self.attributes(record), {}
        for field in record.fields:
            value = self.value(field.shape, depth)
            if field.name not in attributes.ignored:
                read[attributes.renamed.get(field.name, field.name)] = value
        name = self.fresh()
        self.constructors[f"make_{record.name}"] = attributes.type
        values = ", ".join(read[attribute] for attribute in attributes.type.__struct_fields__)
        self.add(depth, f"{name} = make_{record.name}({values})")
        return name
