"""Schemas of others' records: what Debezium wrote its Avro with, by the id that stands in each record.

Nothing is fetched here. Whoever reads a topic fetches what is missing from the registry before records are decoded;
what could not be had is remembered with the reason, which then stands in the dead letter.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.schema import SchemaParseException

from app.errors import RecordError
from app.events import connector_columns
from app.events.avro_schemas import untyped
from app.events.connector_columns import Columns
from app.events.json_text import excerpt

SCHEMAS_MAX: Final = 500
"""Schemas and reasons that are kept; the one that was used longest ago makes room."""
SCHEMA_CHARS_MAX: Final = 1_000_000
FREE_MAX: Final = 200
"""Records within one another and nulls of a value: parts that take no bytes. An envelope of Debezium has four."""
FREE_IN_ITEM_MAX: Final = 16
"""The same of an item, of which each byte of a record may be one."""
FRAME: Final = 5
_UNREADABLE: Final = (EOFError, ValueError, LookupError, TypeError, OverflowError, RecursionError)
"""What reading bytes that are no such value may end in."""
_UNUSABLE: Final = (*_UNREADABLE, AttributeError, SchemaParseException)
"""What a schema that is none may end in."""


class WriterSchema(NamedTuple):
    """A schema for fastavro, without logical types, and the types of the row's columns in it."""

    avro: Any
    columns: Columns


class WriterSchemas:
    """Bounded, and filled by `learn` and `refuse`. `registry` is where they come from, for messages; empty: nowhere."""

    def __init__(self, registry: str = "") -> None:
        self.registry = registry
        self._cache: OrderedDict[int, WriterSchema | str] = OrderedDict()

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Return which of the ids nothing is known about, each once."""
        return [number for number in dict.fromkeys(numbers) if number not in self._cache]

    def learn(self, number: int, text: str) -> None:
        """Keep a schema, given as JSON; one that no record can be read with safely is kept as the reason."""
        try:
            self._keep(number, _compiled(text))
        except _UNUSABLE as exc:
            self.refuse(number, f"the schema cannot be used: {excerpt(str(exc) or type(exc).__name__)}")

    def refuse(self, number: int, reason: str) -> None:
        """Keep why a schema could not be had."""
        self._keep(number, reason)

    def forget(self, number: int) -> None:
        """Let it be asked for again."""
        self._cache.pop(number, None)

    def read(self, framed: bytes) -> tuple[Any, Columns]:
        """Return the value in Confluent framing, and the types of its row's columns.

        Raises RecordError: unknown-schema, malformed.
        """
        number = id_in(framed)
        schema = self._cache.get(number, "")
        if isinstance(schema, str):
            raise RecordError("unknown-schema", f"schema id {number}: {schema or self._unknown()}")
        self._cache.move_to_end(number)
        source = BytesIO(framed[FRAME:])
        try:
            value = fastavro.schemaless_reader(source, schema.avro, None)
        except _UNREADABLE as exc:
            raise RecordError("malformed", f"schema id {number}: {excerpt(str(exc) or type(exc).__name__)}") from exc
        if source.tell() != len(framed) - FRAME:
            raise RecordError("malformed", f"schema id {number}: bytes are left over")
        return value, schema.columns

    def _unknown(self) -> str:
        if self.registry:
            return f"it was not fetched from {self.registry}; replay the record"
        return "if a connector wrote it, set SCHEMA_REGISTRY_URL to its registry, start mirror again, replay the record"

    def _keep(self, number: int, what: WriterSchema | str) -> None:
        self._cache[number] = what
        self._cache.move_to_end(number)
        while len(self._cache) > SCHEMAS_MAX:
            self._cache.popitem(last=False)


def id_in(framed: bytes) -> int:
    """Return the schema id in Confluent framing. Raises RecordError("malformed") for fewer bytes than that takes."""
    if len(framed) < FRAME:
        raise RecordError("malformed", f"{len(framed)} bytes; Confluent framing alone has {FRAME}")
    return int.from_bytes(framed[1:FRAME], "big")


def _compiled(text: str) -> WriterSchema:
    """Return a schema ready for fastavro. Raises what _UNUSABLE names."""
    if len(text) > SCHEMA_CHARS_MAX:
        raise ValueError(f"it has {len(text)} characters; at most {SCHEMA_CHARS_MAX}")
    schema = json.loads(text)
    types: dict[str, Any] = {}
    parsed = fastavro.parse_schema(schema, types)
    _Bounded(types).size(parsed)
    return WriterSchema(fastavro.parse_schema(untyped(schema)), connector_columns.of_avro(parsed, types))


class _Size(NamedTuple):
    """The bytes that a value takes at least, and the parts of it at most that take none: nulls, and records as such."""

    least: int
    free: int


class _Bounded:
    """Refuses types that bytes from outside could nest or repeat without end. `types` are one schema's, by name.

    What takes no bytes is bounded by nothing else: two fields of one type, whose two fields are of one type, are a
    million records after twenty names, and a reader's stack ends after some thousand.
    """

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self._open: set[str] = set()
        self._sizes: dict[str, _Size] = {}

    def size(self, schema: Any) -> _Size:
        """Return the size of a value.

        Raises ValueError for a type within itself, and for one of which a few bytes are very many values.
        """
        if isinstance(schema, list):
            branches = [self.size(branch) for branch in schema]
            least = min((branch.least for branch in branches), default=0)
            return _Size(1 + least, max((branch.free for branch in branches), default=0))
        if isinstance(schema, str):
            if schema in self._types:
                return self._of_name(schema)
            return _Size(0, 1) if schema == "null" else _Size(1, 0)
        if schema.get("name") in self._types:
            return self._of_name(schema["name"])
        if schema["type"] in ("array", "map"):
            return self._of_many(schema["type"], schema.get("items", schema.get("values")))
        return self.size(schema["type"])

    def _of_many(self, kind: str, inner: Any) -> _Size:
        item = self.size(inner)
        if kind == "array" and item.least == 0:
            raise ValueError("an array of things that take no byte may have any length")
        if item.free > FREE_IN_ITEM_MAX:
            raise ValueError(
                f"an item of the {kind} has {item.free} parts that take no byte; at most {FREE_IN_ITEM_MAX}"
            )
        return _Size(1, 0)

    def _of_name(self, name: str) -> _Size:
        if name in self._open:
            raise ValueError(f"type {name} is within itself")
        if name not in self._sizes:
            self._open.add(name)
            self._sizes[name] = self._of_definition(self._types[name])
            self._open.discard(name)
        return self._sizes[name]

    def _of_definition(self, schema: Any) -> _Size:
        if schema["type"] == "enum":
            return _Size(1, 0)
        if schema["type"] == "fixed":
            if schema["size"] < 0:
                raise ValueError(f"type {schema['name']} is of size {schema['size']}")
            return _Size(schema["size"], int(schema["size"] == 0))
        fields = [self.size(field["type"]) for field in schema.get("fields", ())]
        size = _Size(sum(field.least for field in fields), 1 + sum(field.free for field in fields))
        if size.free > FREE_MAX:
            raise ValueError(f"type {schema['name']} has {size.free} parts that take no byte; at most {FREE_MAX}")
        return size
