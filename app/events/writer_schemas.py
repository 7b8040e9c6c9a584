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
    _Bounded(types).least(parsed)
    return WriterSchema(fastavro.parse_schema(untyped(schema)), connector_columns.of_avro(parsed, types))


class _Bounded:
    """Refuses types that bytes from outside could nest or repeat without end. `types` are one schema's, by name."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self._open: set[str] = set()
        self._least: dict[str, int] = {}

    def least(self, schema: Any) -> int:
        """Return the bytes that a value takes at least.

        Raises ValueError for a type within itself, and for an array of things that take none.
        """
        if isinstance(schema, list):
            return 1 + min((self.least(branch) for branch in schema), default=0)
        if isinstance(schema, str):
            return self._of_name(schema) if schema in self._types else int(schema != "null")
        if schema.get("name") in self._types:
            return self._of_name(schema["name"])
        if schema["type"] == "array" and self.least(schema["items"]) == 0:
            raise ValueError("an array of things that take no byte may have any length")
        if schema["type"] in ("array", "map"):
            self.least(schema.get("values", "null"))
            return 1
        return self.least(schema["type"])

    def _of_name(self, name: str) -> int:
        if name in self._open:
            raise ValueError(f"type {name} is within itself")
        if name not in self._least:
            self._open.add(name)
            schema = self._types[name]
            fields = (self.least(field["type"]) for field in schema.get("fields", ()))
            self._least[name] = {"enum": 1, "fixed": schema.get("size", 0)}.get(schema["type"], sum(fields))
            self._open.discard(name)
        return self._least[name]
