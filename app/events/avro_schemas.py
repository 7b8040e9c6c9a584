"""All published schemas with their ids, checked against the lock. Pure: files come in as text.

A schema file `<topic>.v<n>.avsc` never changes once it is in the lock; the next version is the next file.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct, ValidationError
from msgspec import json as msgjson

from app.errors import SchemaError
from app.events.avro_shapes import RecordShape, problems, shape_of

LOCK: Final = "schemas/lock.json"
_FILE: Final = re.compile(r"(?P<stem>[a-z0-9.-]+)\.v(?P<version>[1-9][0-9]*)\.avsc")


class Locked(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the lock: `id` is what stands in records, `sha256` is of the normalised JSON.

    `written` is false for a version that is read, and not written before all processes read it (ADR 0034).
    """

    id: int
    sha256: str
    file: str
    written: bool = True


class Schema(Struct, frozen=True):
    """One version of one subject. `text` is normalised JSON, as clients get it."""

    subject: str
    version: int
    id: int
    text: str
    file: str
    shape: RecordShape
    written: bool = True


class Schemas(Struct, frozen=True):
    """Every published schema. `by_subject` holds the versions in order."""

    by_subject: Mapping[str, tuple[Schema, ...]]
    by_id: Mapping[int, Schema]

    def latest(self, subject: str) -> Schema:
        """Return the newest version of a subject that is written. Raises SchemaError when there is none."""
        written = [schema for schema in self.by_subject.get(subject, ()) if schema.written]
        if not written:
            raise SchemaError(f"{subject}: no schema; add schemas/{subject.removesuffix('-value')}.v1.avsc")
        return written[-1]

    def with_ids(self, ids: Mapping[int, int]) -> "Schemas":
        """Return the same schemas under the ids that a registry gave them: id of the lock -> id there."""
        return _indexed([_renumbered(schema, ids[schema.id]) for schema in self.by_id.values()])


def subject_of(topic: str) -> str:
    """Return the registry's name for the values of a topic (its TopicNameStrategy)."""
    return f"{topic}-value"


def normalised(text: str, file: str) -> str:
    """Return schema JSON without insignificant white space. Raises SchemaError when it is not JSON."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    except ValueError as exc:
        raise SchemaError(f"{file}: not JSON: {exc}") from exc


def parsed(schema: Schema) -> Any:
    """Return a schema as JSON values, new ones at each call."""
    return json.loads(schema.text)


def untyped(schema: Any) -> Any:
    """Return a schema as JSON values without logical types: amounts stay bytes, times numbers."""
    match schema:
        case dict():
            nested = ("type", "items", "values", "fields")
            return {
                key: untyped(value) if key in nested else value for key, value in schema.items() if key != "logicalType"
            }
        case list():
            return [untyped(item) for item in schema]
    return schema


def load(files: Mapping[str, str], lock: str) -> Schemas:
    """Return all schemas of `files` (name -> text), under the ids of `lock`.

    Raises SchemaError when a published file changed or is gone, when a file is not locked (with the line to add), when
    a version is missing, or when two versions of a subject cannot read each other's data.
    """
    locked = _parsed_lock(lock)
    checked = [_checked(name, text, locked) for name, text in sorted(files.items())]
    _require_files(locked, files)
    schemas = _indexed(checked)
    if wrong := list(incompatibilities(schemas)):
        raise SchemaError("; ".join(wrong))
    return schemas


def incompatibilities(schemas: Schemas) -> Iterator[str]:
    """Yield what breaks FULL_TRANSITIVE: each version of a subject must read every other one, and be read by it."""
    for subject, versions in schemas.by_subject.items():
        for reader in versions:
            for writer in versions:
                for problem in problems(reader.shape, writer.shape):
                    yield f"{subject}: v{reader.version} cannot read v{writer.version}: {problem}"


def _parsed_lock(text: str) -> dict[str, dict[str, Locked]]:
    try:
        locked = msgjson.decode(text, type=dict[str, dict[str, Locked]])
    except (ValidationError, ValueError) as exc:
        raise SchemaError(f"{LOCK}: {exc}") from exc
    ids = [entry.id for versions in locked.values() for entry in versions.values()]
    if repeated := sorted({number for number in ids if ids.count(number) > 1}):
        raise SchemaError(f"{LOCK}: ids {repeated} are given twice; each schema has its own")
    return locked


def _checked(file: str, text: str, locked: Mapping[str, Mapping[str, Locked]]) -> Schema:
    name = _FILE.fullmatch(file)
    if name is None:
        raise SchemaError(f"schemas/{file}: the name is not <topic>.v<version>.avsc; rename it")
    body = normalised(text, file)
    subject, version = subject_of(name["stem"]), name["version"]
    digest = hashlib.sha256(body.encode()).hexdigest()
    entry = locked.get(subject, {}).get(version)
    if entry is None:
        line = _line(file, version, digest, locked)
        raise SchemaError(f"{LOCK}: {subject}: version {version} is missing; add {line}")
    if entry.sha256 != digest or entry.file != file:
        raise SchemaError(
            f"schemas/{file}: differs from {LOCK}; published schemas never change, write the next version"
        )
    return Schema(
        subject=subject,
        version=int(version),
        id=entry.id,
        text=body,
        file=file,
        shape=shape_of(json.loads(body), file),
        written=entry.written,
    )


def _line(file: str, version: str, digest: str, locked: Mapping[str, Mapping[str, Locked]]) -> str:
    free = 1 + max((entry.id for versions in locked.values() for entry in versions.values()), default=0)
    return f'"{version}": ' + json.dumps({"id": free, "sha256": digest, "file": file})


def _require_files(locked: Mapping[str, Mapping[str, Locked]], files: Mapping[str, str]) -> None:
    for subject, versions in locked.items():
        if missing := [entry.file for entry in versions.values() if entry.file not in files]:
            raise SchemaError(f"{LOCK}: {subject}: {missing[0]} is gone; a published schema stays, put it back")
        if sorted(map(int, versions)) != list(range(1, len(versions) + 1)):
            raise SchemaError(f"{LOCK}: {subject}: versions {sorted(versions)} have a gap; number them from 1")


def _indexed(schemas: list[Schema]) -> Schemas:
    by_subject: dict[str, list[Schema]] = {}
    for schema in sorted(schemas, key=lambda schema: (schema.subject, schema.version)):
        by_subject.setdefault(schema.subject, []).append(schema)
    return Schemas(
        MappingProxyType({subject: tuple(versions) for subject, versions in by_subject.items()}),
        MappingProxyType({schema.id: schema for schema in schemas}),
    )


def _renumbered(schema: Schema, number: int) -> Schema:
    fields: dict[str, Any] = {name: getattr(schema, name) for name in schema.__struct_fields__}
    return Schema(**fields | {"id": number})
