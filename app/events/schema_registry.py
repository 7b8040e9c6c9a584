"""The read side of a schema registry, answered from the published schemas, and the client of a real one.

Answers follow the REST API that Confluent's and compatible registries share: ordinary Avro clients work against them.
What a registry is asked with a schema is in schema_lookup.py.
"""

import json
import ssl
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx

from app.errors import SchemaError, WaybillError
from app.events.avro_schemas import Schema, Schemas
from app.redaction import LONG_CHARS_MIN, Redaction

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
AVRO: Final = "AVRO"
COMPATIBILITY: Final = "FULL_TRANSITIVE"
TIMEOUT_S: Final = 10.0
Answer = tuple[int, Any]


class UnknownSchemaError(SchemaError):
    """The registry answered, and has no such schema that could be used."""


_NO_SUBJECT: Final = 40401
_NO_VERSION: Final = 40402
NO_SCHEMA: Final = 40403
_BAD_VERSION: Final = 42202
_VERSION_MAX: Final = 2**31 - 1


class RegistryRefusalError(WaybillError):
    """A call that is answered with an error, in the words of a registry."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.answer: Answer = (status, {"error_code": code, "message": message})
        super().__init__(message)


def answer(published: Schemas, path: str) -> Answer:
    """Return HTTP status and JSON body of a GET on `path` (without a query)."""
    try:
        return 200, _read(published, [unquote(part) for part in path.strip("/").split("/")])
    except RegistryRefusalError as refusal:
        return refusal.answer


def _read(published: Schemas, parts: list[str]) -> Any:
    """Return the JSON body for the parts of a path. Raises RegistryRefusalError."""
    match parts:
        case ["subjects"]:
            return sorted(published.by_subject)
        case ["subjects", subject, "versions"]:
            return [schema.version for schema in versions_of(published, subject)]
        case ["subjects", subject, "versions", version]:
            return description(version_of(versions_of(published, subject), version))
        case ["subjects", subject, "versions", version, "schema"]:
            return json.loads(version_of(versions_of(published, subject), version).text)
        case ["schemas", "ids", number, *rest]:
            return _of_id(_with_id(published, number), rest)
        case ["schemas", "types"]:
            return [AVRO]
        case ["config"] | ["config", _]:
            return {"compatibilityLevel": COMPATIBILITY}
        case ["mode"] | ["mode", _]:
            return {"mode": "READONLY"}
    raise RegistryRefusalError(404, 404, f"HTTP 404 Not Found: /{'/'.join(parts)}")


def versions_of(published: Schemas, subject: str) -> tuple[Schema, ...]:
    """Return all versions of a subject, the first one first. Raises RegistryRefusalError."""
    if subject not in published.by_subject:
        raise RegistryRefusalError(404, _NO_SUBJECT, f"Subject '{subject}' not found.")
    return published.by_subject[subject]


def version_of(versions: tuple[Schema, ...], name: str) -> Schema:
    """Return the version of that number, or the `latest`. Raises RegistryRefusalError."""
    if name in ("latest", "-1"):
        return versions[-1]
    if not _is_number(name):
        text = f"The specified version '{name}' is not a valid version id. Allowed are 1 to 2^31-1 and \"latest\""
        raise RegistryRefusalError(422, _BAD_VERSION, text)
    schema = next((schema for schema in versions if schema.version == int(name)), None)
    if schema is None:
        raise RegistryRefusalError(404, _NO_VERSION, f"Version {name} not found.")
    return schema


def description(schema: Schema) -> dict[str, Any]:
    """Return a schema with its place."""
    return {"subject": schema.subject, "version": schema.version, "id": schema.id, "schema": schema.text}


def _with_id(published: Schemas, number: str) -> Schema:
    schema = published.by_id.get(int(number)) if _is_number(number) else None
    if schema is None:
        raise RegistryRefusalError(404, NO_SCHEMA, f"Schema {number} not found")
    return schema


def _of_id(schema: Schema, rest: list[str]) -> Any:
    match rest:
        case []:
            return {"schema": schema.text}
        case ["schema"]:
            return json.loads(schema.text)
        case ["versions"]:
            return [{"subject": schema.subject, "version": schema.version}]
        case ["subjects"]:
            return [schema.subject]
    raise RegistryRefusalError(404, 404, "HTTP 404 Not Found")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_VERSION_MAX)) and 0 < int(text) <= _VERSION_MAX


def address(url: str) -> str:
    """Return a registry's address as it may stand in messages: without user, password and query. Raises SchemaError."""
    return str(_parsed(url).copy_with(userinfo=b"", query=None)).rstrip("/")


def _parsed(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        # The parser's own words repeat parts of the address, and a part may be a password.
        raise SchemaError("SCHEMA_REGISTRY_URL is no address; it looks like https://host:port") from None


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that are trusted, which take a while to read."""
    return httpx.create_ssl_context()


class _Client:
    """Calls a registry. What it says of a failure is free of the credentials in its address."""

    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        self.where = address(url)
        self._http = httpx.AsyncClient(base_url=url.rstrip("/"), timeout=TIMEOUT_S, verify=_certificates())
        pair = b64encode(f"{parsed.username}:{parsed.password}".encode()).decode()
        self._redaction = Redaction(password=parsed.password, credentials=pair, query=parsed.query.decode())
        if len(parsed.username) >= LONG_CHARS_MIN:  # of some registries the user is the token
            self._redaction.learn("user", parsed.username)

    async def __aenter__(self) -> "_Client":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def request(self, method: str, path: str, content: str | None = None) -> httpx.Response:
        """Return the response, whatever its status. Raises SchemaError when there is none."""
        headers = {} if content is None else {"content-type": MEDIA_TYPE}
        try:
            return await self._http.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as exc:
            raise self.failure(f"no answer from {self.where} ({exc!r}); check SCHEMA_REGISTRY_URL") from None

    def failure(self, sentence: str) -> SchemaError:
        return SchemaError(self._redaction.clean(sentence))

    def unknown(self, sentence: str) -> UnknownSchemaError:
        return UnknownSchemaError(self._redaction.clean(sentence))


async def fetch(url: str, number: int) -> str:
    """Return the text of the Avro schema with this id.

    Raises UnknownSchemaError when the registry has none, and SchemaError when it does not answer as a registry does.
    """
    async with _Client(url) as registry:
        response = await registry.request("GET", f"/schemas/ids/{number}")
    where = registry.where
    try:
        body = response.json()
    except (ValueError, RecursionError):
        raise registry.failure(f"the answer of {where} is not JSON; is it a schema registry?") from None
    match body:
        case {"error_code": int(code)} if code == NO_SCHEMA:
            raise registry.unknown(f"{where} has no such schema; does the connector use another registry?")
        case {"schema": str(text), **others} if response.is_success:
            if (kind := others.get("schemaType", AVRO)) != AVRO:
                raise registry.unknown(f"it is of type {kind!r}; let the connector write Avro, or JSON alone")
            return text
    status = response.status_code
    raise registry.failure(f"{where} answers with status {status} and no schema; is it a schema registry?")


async def publish(url: str, published: Schemas) -> dict[int, int]:
    """Register every schema, oldest versions first, and return id of the lock -> id there, for `codec.load(ids=...)`.

    Registering what is there already changes nothing. Raises SchemaError when the registry is away or refuses a schema.
    """
    async with _Client(url) as registry:
        for subject in published.by_subject:
            await _send(registry, "PUT", f"/config/{quote(subject, safe='')}", {"compatibility": COMPATIBILITY})
        return {schema.id: await _register(registry, schema) for schema in _oldest_first(published)}


def _oldest_first(published: Schemas) -> Iterable[Schema]:
    return (schema for versions in published.by_subject.values() for schema in versions)


async def _register(registry: _Client, schema: Schema) -> int:
    path = f"/subjects/{quote(schema.subject, safe='')}/versions"
    answer = await _send(registry, "POST", path, {"schema": schema.text, "schemaType": AVRO})
    number = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(number, int):
        raise registry.failure(f"{registry.where}{path}: no id in the answer; is it a schema registry?")
    return number


async def _send(registry: _Client, method: str, path: str, body: dict[str, str]) -> Any:
    response = await registry.request(method, path, json.dumps(body))
    place = f"{registry.where}{path}"
    if not response.is_success:
        raise registry.failure(f"{place}: the registry refused it ({response.status_code}): {response.text}")
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise registry.failure(f"{place}: the answer is not JSON; is it a schema registry?") from None
