"""What a registry is asked with a schema: its id, whether it fits, and to take it, which this one does not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import given
from hypothesis import strategies as st

from app import resources
from app.events.codec import load
from app.events.model import OrderCommand
from app.events.record import Record
from app.events.schema_lookup import Lookup
from app.worker import http_views as views
from app.worker.http_views import registry_routes
from tests.events.bodies import PUBLISHED

T = TypeVar("T")
SUBJECT = "stock-change-value"
VERSIONS = PUBLISHED.by_subject[SUBJECT]
LATEST = VERSIONS[-1]
LOOKUP = Lookup(PUBLISHED)
ANOTHER: dict[str, Any] = {"type": "record", "name": "StockChange", "namespace": "waybill", "doc": "x", "fields": []}


def post(path: str, body: Any) -> tuple[int, Any]:
    return LOOKUP.answer(path, body if isinstance(body, bytes) else json.dumps(body).encode())


def ask(path: str, schema: Any) -> tuple[int, Any]:
    return post(path, {"schema": schema if isinstance(schema, str) else json.dumps(schema)})


def reorder(schema: Any) -> Any:
    """The same schema with the attributes of each part the other way round."""
    if isinstance(schema, dict):
        return {name: reorder(value) for name, value in reversed(schema.items())}
    return [reorder(item) for item in schema] if isinstance(schema, list) else schema


def spell_out(schema: Any) -> Any:
    """The same schema with the long form of each primitive, and names in full in place of a namespace."""
    if isinstance(schema, list):
        return [spell_out(item) for item in schema]
    if isinstance(schema, str):
        return {"type": schema} if schema in ("string", "long", "int", "boolean", "bytes", "null") else schema
    long = {name: value for name, value in schema.items() if name != "namespace"}
    if schema.get("type") == "record":
        long["name"] = f"waybill.{schema['name'].rpartition('.')[2]}"
        long["fields"] = [field | {"type": spell_out(field["type"])} for field in schema["fields"]]
    for part in ("items", "values"):
        if part in schema:
            long[part] = spell_out(schema[part])
    return long


@pytest.mark.parametrize("schema", PUBLISHED.by_id.values(), ids=lambda schema: schema.file)
def test_each_published_schema_is_known_however_it_is_written(schema: Any) -> None:
    described = {"subject": schema.subject, "version": schema.version, "id": schema.id, "schema": schema.text}
    content = json.loads(schema.text)
    for text in (
        schema.text,
        resources.schema_files()[schema.file],
        json.dumps(content, indent=7),
        json.dumps(reorder(content)),
        json.dumps(spell_out(content)),
    ):
        assert ask(f"/subjects/{schema.subject}", text) == (200, described)
        assert ask(f"/subjects/{schema.subject}/versions", text) == (200, {"id": schema.id})


def test_what_changes_records_or_their_meaning_is_another_schema() -> None:
    content = json.loads(LATEST.text)
    for change in (
        {"name": "Another"},
        {"doc": "Another meaning."},
        {"fields": content["fields"][:-1]},
        {"fields": list(reversed(content["fields"]))},
    ):
        status, body = ask(f"/subjects/{SUBJECT}", content | change)
        assert (status, body["error_code"]) == (404, 40403)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (f"/subjects/{SUBJECT}", {"schema": json.dumps(ANOTHER)}, 404, 40403),
        ("/subjects/none-value", {"schema": LATEST.text}, 404, 40401),
        ("/subjects/order-created-value", {"schema": LATEST.text}, 404, 40403),
        (f"/subjects/{SUBJECT}", {"schema": "{"}, 422, 42201),
        (f"/subjects/{SUBJECT}", {"schema": '{"type": "record"}'}, 422, 42201),
        (f"/subjects/{SUBJECT}", {"schema": '"nothing"'}, 422, 42201),
        (f"/subjects/{SUBJECT}", {"schema": "[" * 5000}, 422, 42201),
        (f"/subjects/{SUBJECT}", {"schema": '{"type": "array", "items": ' * 400 + '"int"' + "}" * 400}, 404, 40403),
        (f"/subjects/{SUBJECT}", {"schema": LATEST.text, "schemaType": "JSON"}, 422, 42201),
        (f"/subjects/{SUBJECT}", {"schema": ""}, 422, 42201),
        (f"/subjects/{SUBJECT}", {}, 422, 42201),
        (f"/subjects/{SUBJECT}", {"schema": 1}, 422, 42201),
        (f"/subjects/{SUBJECT}", [], 422, 42201),
        (f"/subjects/{SUBJECT}", b"{", 400, 400),
        (f"/subjects/{SUBJECT}", b"\xff", 400, 400),
        (f"/subjects/{SUBJECT}", b"", 400, 400),
        (f"/subjects/{SUBJECT}", b"[" * 100_000, 400, 400),
        (f"/subjects/{SUBJECT}/versions", {"schema": json.dumps(ANOTHER)}, 422, 42205),
        ("/subjects/none-value/versions", {"schema": LATEST.text}, 422, 42205),
        (f"/subjects/{SUBJECT}/versions", {"schema": "{"}, 422, 42201),
        ("/compatibility/subjects/none-value/versions/latest", {"schema": LATEST.text}, 404, 40401),
        (f"/compatibility/subjects/{SUBJECT}/versions/9", {"schema": LATEST.text}, 404, 40402),
        (f"/compatibility/subjects/{SUBJECT}/versions/first", {"schema": LATEST.text}, 422, 42202),
        (f"/compatibility/subjects/{SUBJECT}/versions/latest", {"schema": "{"}, 422, 42201),
        ("/subjects", {"schema": LATEST.text}, 405, 405),
        (f"/subjects/{SUBJECT}/versions/1", {"schema": LATEST.text}, 405, 405),
        ("/config", {"compatibility": "NONE"}, 405, 405),
    ],
)
def test_errors_are_the_registrys(path: str, body: Any, status: int, code: int) -> None:
    answered, error = post(path, body)
    assert (answered, error["error_code"]) == (status, code)
    assert error["message"]


def test_a_refusal_to_register_names_the_way() -> None:
    _, error = ask(f"/subjects/{SUBJECT}/versions", ANOTHER)
    assert error["message"] == (
        "Subject stock-change-value is in read-only mode: a new schema is a file in schemas/ with its line in the lock"
    )


FIELD = {"name": "note", "type": "string", "doc": "x"}


@pytest.mark.parametrize("version", ["latest", "1", "2", ""])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, ""),
        ({"fields": [FIELD | {"default": ""}]}, ""),
        ({"fields": [FIELD]}, "note: is not written and has no default"),
        ({"fields": [FIELD | {"type": "double", "default": 0}]}, "note: type 'double' is not used here"),
    ],
)
def test_whether_a_schema_fits_is_told_by_our_own_rules(version: str, change: dict[str, Any], problem: str) -> None:
    content = json.loads(LATEST.text)
    content["fields"] += change.get("fields", [])
    path = f"/compatibility/subjects/{SUBJECT}/versions/{version}".rstrip("/")
    status, body = ask(path, content)
    assert (status, body["is_compatible"]) == (200, not problem)
    assert problem in "; ".join(body["messages"])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["record", "null", "enum", "fixed"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "name", "namespace", "fields", "items", "values", "symbols", "size", "aliases"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=15,
    )
)
def test_any_schema_has_an_answer(schema: Any) -> None:
    for path in (
        f"/subjects/{SUBJECT}",
        f"/subjects/{SUBJECT}/versions",
        f"/compatibility/subjects/{SUBJECT}/versions",
    ):
        status, body = ask(path, schema)
        assert status in (200, 404, 422)
        assert body


class Registry:
    """Our routes, and Confluent's client in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, work: Callable[[SchemaRegistryClient], T]) -> T:
        def do() -> T:
            with SchemaRegistryClient({"url": self.url}) as client:
                return work(client)

        return await asyncio.to_thread(do)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    application = web.Application()
    application.add_routes(registry_routes(PUBLISHED))
    async with TestServer(application) as server:
        yield Registry(str(server.make_url("")).rstrip("/"))


COMMAND = {"order_id": "web-1", "command": "change", "subject": "", "actor": "me", "values": {"company": "usmf"}}


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("register", [True, False])
async def test_confluents_serializer_produces_with_the_published_file(
    registry: Registry, normalize: bool, register: bool
) -> None:
    """Without `use.latest.version`, with the file as it lies in schemas/, also where it would register by itself."""
    text = resources.schema_files()["order-command.v1.avsc"]
    settings = {"auto.register.schemas": register, "normalize.schemas": normalize}
    context = SerializationContext("order-command", MessageField.VALUE)
    value = await registry.ask(lambda client: AvroSerializer(client, text, conf=settings)(COMMAND, context))
    assert isinstance(value, bytes)
    event = load().decode(Record("order-command", 0, 0, 0, None, value, ()))
    assert event.body == OrderCommand("web-1", "change", "", "me", {"company": "usmf"})
    again = await registry.ask(lambda client: AvroDeserializer(client)(value, context))
    assert again == COMMAND


async def test_confluents_client_finds_its_way(registry: Registry) -> None:
    schema, older = Schema(LATEST.text, "AVRO"), Schema(VERSIONS[0].text, "AVRO")
    schema_there = await registry.ask(lambda client: client.lookup_schema(SUBJECT, older))
    assert (schema_there.schema_id, schema_there.version) == (VERSIONS[0].id, 1)
    assert await registry.ask(lambda client: client.register_schema(SUBJECT, schema)) == LATEST.id
    assert await registry.ask(lambda client: client.test_compatibility(SUBJECT, older)) is True
    strange = Schema(json.dumps(ANOTHER), "AVRO")
    assert await registry.ask(lambda client: client.test_compatibility(SUBJECT, strange)) is False
    for work, code in (
        (lambda client: client.lookup_schema(SUBJECT, strange), 40403),
        (lambda client: client.lookup_schema("none-value", schema), 40401),
        (lambda client: client.register_schema(SUBJECT, strange), 42205),
        (lambda client: client.lookup_schema(SUBJECT, Schema("{", "AVRO")), 42201),
    ):
        with pytest.raises(SchemaRegistryError) as refusal:
            await registry.ask(work)
        assert refusal.value.error_code == code


async def test_a_body_is_bounded_and_must_come_whole(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SCHEMA_BYTES_MAX", 1000)
    async with httpx.AsyncClient(base_url=registry.url) as client:
        answer = await client.post(f"/subjects/{SUBJECT}", content=b" " * 1001)
        assert (answer.status_code, answer.json()["error_code"]) == (413, 413)
        assert answer.headers["content-type"].startswith("application/vnd.schemaregistry.v1+json")
        assert (await client.post(f"/subjects/{SUBJECT}", content=b"{}")).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/config"),
        ("PUT", f"/mode/{SUBJECT}"),
        ("DELETE", f"/subjects/{SUBJECT}"),
        ("DELETE", f"/subjects/{SUBJECT}/versions/1"),
    ],
)
async def test_nothing_is_changed_here(registry: Registry, method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=registry.url) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (405, 405)
    assert "read-only" in answer.json()["message"]
