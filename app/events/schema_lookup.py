"""What a registry is asked with a schema: under which id it is published, and whether it fits the published ones.

A schema is the same however it is written: white space, the order of attributes, names in full or by namespace and the
long form of primitives do not count; what it says and explains does. So a registry compares them, and so an ordinary
Avro serializer finds the id that it writes. Deliberately absent: registering. A new schema is a file and a line in the
lock.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import fastavro
from fastavro.schema import SchemaParseException

from app.errors import SchemaError
from app.events.avro_schemas import Schema, Schemas
from app.events.avro_shapes import RecordShape, problems, shape_of
from app.events.schema_registry import NO_SCHEMA, Answer, RegistryRefusalError, description, version_of, versions_of

_INVALID: Final = 42201
_READ_ONLY: Final = 42205
_AVRO: Final = "AVRO"
_INSIDE: Final = frozenset({"type", "items", "values", "fields"})
"""Attributes that hold schemas."""
_NO_AVRO: Final = (SchemaParseException, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What fastavro raises for JSON that is no schema."""


class _Content(NamedTuple):
    """A schema that somebody asks about, in the one form that all ways of writing it share; also as text."""

    tree: Any
    canonical: str


class Lookup:
    """Answers the POST calls of a registry from the published schemas."""

    def __init__(self, published: Schemas) -> None:
        self._published = published
        schemas = published.by_id.values()
        self._by_content = {(schema.subject, _parse(schema.text).canonical): schema for schema in schemas}

    def answer(self, path: str, body: bytes) -> Answer:
        """Return HTTP status and JSON body of a POST on `path` (without a query)."""
        try:
            match [unquote(part) for part in path.strip("/").split("/")]:
                case ["subjects", subject]:
                    return 200, description(self._find(subject, _content_of(body)))
                case ["subjects", subject, "versions"]:
                    return 200, {"id": self._publication(subject, _content_of(body)).id}
                case ["compatibility", "subjects", subject, "versions", *version] if len(version) <= 1:
                    messages = list(self._messages(subject, version, _content_of(body)))
                    return 200, {"is_compatible": not messages, "messages": messages}
        except RegistryRefusalError as refusal:
            return refusal.answer
        return read_only().answer

    def _find(self, subject: str, content: _Content) -> Schema:
        versions_of(self._published, subject)
        schema = self._by_content.get((subject, content.canonical))
        if schema is None:
            raise RegistryRefusalError(404, NO_SCHEMA, "Schema not found")
        return schema

    def _publication(self, subject: str, content: _Content) -> Schema:
        """Return a schema that is published: serializers that register theirs by themselves need its id alone."""
        schema = self._by_content.get((subject, content.canonical))
        if schema is None:
            fix = "a new schema is a file in schemas/ with its line in the lock"
            raise RegistryRefusalError(422, _READ_ONLY, f"Subject {subject} is in read-only mode: {fix}")
        return schema

    def _messages(self, subject: str, version: list[str], content: _Content) -> Iterator[str]:
        """Yield why a schema could not stand beside a version, or beside all of them. Raises RegistryRefusalError."""
        versions = versions_of(self._published, subject)
        try:
            shape = shape_of(_unqualified(content.tree), "the schema")
        except SchemaError as problem:
            yield str(problem)
            return
        for schema in [version_of(versions, version[0])] if version else versions:
            yield from _differences(shape, schema)


def read_only() -> RegistryRefusalError:
    """Return the answer to every call that would change something."""
    return RegistryRefusalError(405, 405, "HTTP 405 Method Not Allowed: this registry is read-only")


def _differences(shape: RecordShape, schema: Schema) -> Iterator[str]:
    for problem in problems(shape, schema.shape):
        yield f"it cannot read version {schema.version}: {problem}"
    for problem in problems(schema.shape, shape):
        yield f"version {schema.version} cannot read it: {problem}"


def _content_of(body: bytes) -> _Content:
    """Return the schema of a request. Raises RegistryRefusalError."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise RegistryRefusalError(400, 400, f"HTTP 400 Bad Request: the body is not JSON: {str(exc)[:200]}") from exc
    if not isinstance(request, dict) or not isinstance(text := request.get("schema"), str) or not text:
        raise RegistryRefusalError(
            422, _INVALID, 'Invalid schema: send an object with the text of a schema as "schema"'
        )
    if (kind := request.get("schemaType") or _AVRO) != _AVRO:
        raise RegistryRefusalError(422, _INVALID, f"Invalid schema: type {str(kind)[:40]!r}; there is {_AVRO} alone")
    try:
        return _parse(text)
    except _NO_AVRO as exc:
        raise RegistryRefusalError(422, _INVALID, f"Invalid schema: {type(exc).__name__}: {str(exc)[:200]}") from exc


def _parse(text: str) -> _Content:
    """Return a schema in its canonical form. Raises one of _NO_AVRO."""
    tree = _short(fastavro.parse_schema(json.loads(text), _write_hint=False))
    return _Content(tree, json.dumps(tree, sort_keys=True))


def _short(schema: Any) -> Any:
    """Return a parsed schema, in which names are full, with each primitive in its short form."""
    match schema:
        case {"type": str(kind), **rest} if not rest:
            return kind
        case dict():
            return {name: _short(value) if name in _INSIDE else value for name, value in schema.items()}
        case list():
            return [_short(item) for item in schema]
    return schema


def _unqualified(schema: Any) -> Any:
    """Return a schema with names as our files have them: a reader may know a record by its name without namespace."""
    match schema:
        case dict():
            inside = {name: _unqualified(value) if name in _INSIDE else value for name, value in schema.items()}
            name = inside.get("name")
            return inside | {"name": name.rpartition(".")[2]} if isinstance(name, str) else inside
        case list():
            return [_unqualified(item) for item in schema]
    return schema
