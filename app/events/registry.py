"""The read side of a schema registry, answered from the published schemas, and the client of a real one.

Answers follow the REST API that Confluent's and compatible registries share: ordinary Avro clients work against them.
Deliberately absent: registering here. A new schema is a file and a line in the lock, not a request.
"""

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx

from app.errors import SchemaError
from app.events.schemas import Schema, Schemas

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
AVRO: Final = "AVRO"
COMPATIBILITY: Final = "FULL_TRANSITIVE"
TIMEOUT_S: Final = 10.0
Answer = tuple[int, Any]


class UnknownSchemaError(SchemaError):
    """The registry answered, and has no such schema that could be used."""


_NO_SUBJECT: Final = 40401
_NO_VERSION: Final = 40402
_NO_SCHEMA: Final = 40403
_BAD_VERSION: Final = 42202
_VERSION_MAX: Final = 2**31 - 1


def answer(published: Schemas, path: str) -> Answer:
    """HTTP status and JSON body of a GET on `path` (without a query)."""
    match [unquote(part) for part in path.strip("/").split("/")]:
        case ["subjects"]:
            return 200, sorted(published.by_subject)
        case ["subjects", subject, "versions", *rest]:
            return _versions(published, subject, rest)
        case ["schemas", "ids", number, *rest]:
            return _by_id(published, number, rest)
        case ["schemas", "types"]:
            return 200, [AVRO]
        case ["config"] | ["config", _]:
            return 200, {"compatibilityLevel": COMPATIBILITY}
        case ["mode"] | ["mode", _]:
            return 200, {"mode": "READONLY"}
    return _not_found(404, f"HTTP 404 Not Found: {path}")


def _versions(published: Schemas, subject: str, rest: list[str]) -> Answer:
    versions = published.by_subject.get(subject)
    if versions is None:
        return _not_found(_NO_SUBJECT, f"Subject '{subject}' not found.")
    match rest:
        case []:
            return 200, [schema.version for schema in versions]
        case [version]:
            return _version(versions, version)
        case [version, "schema"]:
            status, found = _version(versions, version)
            return status, json.loads(found["schema"]) if status == 200 else found
    return _not_found(404, "HTTP 404 Not Found")


def _version(versions: tuple[Schema, ...], asked: str) -> Answer:
    if asked in ("latest", "-1"):
        return 200, _described(versions[-1])
    if not _is_number(asked):
        text = f"The specified version '{asked}' is not a valid version id. Allowed are 1 to 2^31-1 and \"latest\""
        return 422, {"error_code": _BAD_VERSION, "message": text}
    found = [schema for schema in versions if schema.version == int(asked)]
    return (200, _described(found[0])) if found else _not_found(_NO_VERSION, f"Version {asked} not found.")


def _by_id(published: Schemas, number: str, rest: list[str]) -> Answer:
    schema = published.by_id.get(int(number)) if _is_number(number) else None
    if schema is None:
        return _not_found(_NO_SCHEMA, f"Schema {number} not found")
    match rest:
        case []:
            return 200, {"schema": schema.text}
        case ["schema"]:
            return 200, json.loads(schema.text)
        case ["versions"]:
            return 200, [{"subject": schema.subject, "version": schema.version}]
        case ["subjects"]:
            return 200, [schema.subject]
    return _not_found(404, "HTTP 404 Not Found")


def _described(schema: Schema) -> dict[str, Any]:
    return {"subject": schema.subject, "version": schema.version, "id": schema.id, "schema": schema.text}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_VERSION_MAX)) and 0 < int(text) <= _VERSION_MAX


def _not_found(code: int, message: str) -> Answer:
    return 404, {"error_code": code, "message": message}


def address(url: str) -> str:
    """A registry's address as it may stand in messages: without user and password."""
    return str(httpx.URL(url).copy_with(userinfo=b"")).rstrip("/")


def client_of(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url.rstrip("/"), timeout=TIMEOUT_S)


async def fetch(client: httpx.AsyncClient, number: int) -> str:
    """The text of the Avro schema with this id. Raises UnknownSchemaError when the registry has none, and SchemaError
    when it does not answer as a registry does."""
    where = address(str(client.base_url))
    try:
        response = await client.get(f"/schemas/ids/{number}")
        body = response.json()
    except httpx.HTTPError as exc:
        raise SchemaError(f"no answer from {where} ({exc!r})") from exc
    except (ValueError, RecursionError) as exc:
        raise SchemaError(f"the answer of {where} is not JSON; is it a schema registry?") from exc
    match body:
        case {"error_code": int(code)} if code == _NO_SCHEMA:
            raise UnknownSchemaError(f"{where} has no such schema; does the connector use another registry?")
        case {"schema": str(text), **others} if response.is_success:
            if (kind := others.get("schemaType", AVRO)) != AVRO:
                raise UnknownSchemaError(
                    f"it is of type {str(kind)[:40]!r}; let the connector write Avro, or JSON alone"
                )
            return text
    raise SchemaError(f"{where} answers with status {response.status_code} and no schema; is it a schema registry?")


async def publish(url: str, published: Schemas) -> dict[int, int]:
    """Register every schema, oldest versions first, and return id of the lock -> id there, for `codec.load(ids=...)`.

    Registering what is there already changes nothing. Raises SchemaError when the registry is away or refuses a schema.
    """
    async with client_of(url) as client:
        for subject in published.by_subject:
            await _send(client, "PUT", f"/config/{quote(subject, safe='')}", {"compatibility": COMPATIBILITY})
        return {schema.id: await _register(client, schema) for schema in _oldest_first(published)}


def _oldest_first(published: Schemas) -> Iterable[Schema]:
    return (schema for versions in published.by_subject.values() for schema in versions)


async def _register(client: httpx.AsyncClient, schema: Schema) -> int:
    path = f"/subjects/{quote(schema.subject, safe='')}/versions"
    given = await _send(client, "POST", path, {"schema": schema.text, "schemaType": AVRO})
    number = given.get("id") if isinstance(given, dict) else None
    if not isinstance(number, int):
        raise SchemaError(f"{address(str(client.base_url))}{path}: no id in the answer; is it a schema registry?")
    return number


async def _send(client: httpx.AsyncClient, method: str, path: str, body: dict[str, str]) -> Any:
    try:
        response = await client.request(method, path, content=json.dumps(body), headers={"content-type": MEDIA_TYPE})
        response.raise_for_status()
        return response.json()
    except httpx.HTTPStatusError as exc:
        text = exc.response.text[:300]
        raise SchemaError(
            f"{address(str(exc.request.url))}: the registry refused it ({exc.response.status_code}): {text}"
        ) from exc
    except httpx.HTTPError as exc:
        raise SchemaError(f"{address(str(client.base_url))}: no answer ({exc!r}); check SCHEMA_REGISTRY_URL") from exc
    except ValueError as exc:
        raise SchemaError(
            f"{address(str(client.base_url))}{path}: the answer is not JSON; is it a schema registry?"
        ) from exc
