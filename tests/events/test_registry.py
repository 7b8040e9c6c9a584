"""The registry's read calls, and publishing to a registry."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.errors import SchemaError
from app.events import schema_registry
from app.events.schema_registry import answer, fetch, publish
from app.worker.http_views import registry_routes
from tests.events.bodies import PUBLISHED
from tests.providers.echo import chain, revealed

SUBJECT = "order-created-value"
SCHEMA = PUBLISHED.latest(SUBJECT)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/subjects", sorted(PUBLISHED.by_subject)),
        (f"/subjects/{SUBJECT}/versions", [1]),
        (f"/subjects/{SUBJECT}/versions/1", {"subject": SUBJECT, "version": 1, "id": SCHEMA.id, "schema": SCHEMA.text}),
        (
            f"/subjects/{SUBJECT}/versions/latest",
            {"subject": SUBJECT, "version": 1, "id": SCHEMA.id, "schema": SCHEMA.text},
        ),
        (f"/subjects/{SUBJECT}/versions/1/schema", json.loads(SCHEMA.text)),
        (f"/schemas/ids/{SCHEMA.id}", {"schema": SCHEMA.text}),
        (f"/schemas/ids/{SCHEMA.id}/schema", json.loads(SCHEMA.text)),
        (f"/schemas/ids/{SCHEMA.id}/versions", [{"subject": SUBJECT, "version": 1}]),
        (f"/schemas/ids/{SCHEMA.id}/subjects", [SUBJECT]),
        ("/schemas/types", ["AVRO"]),
        ("/config", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        (f"/config/{SUBJECT}", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        ("/mode", {"mode": "READONLY"}),
    ],
)
def test_reads(path: str, body: Any) -> None:
    assert answer(PUBLISHED, path) == (200, body)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subjects/none-value/versions", 404, 40401),
        ("/subjects/none-value/versions/1", 404, 40401),
        (f"/subjects/{SUBJECT}/versions/2", 404, 40402),
        (f"/subjects/{SUBJECT}/versions/0", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/first", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/2/schema", 404, 40402),
        (f"/subjects/{SUBJECT}/elsewhere", 404, 404),
        ("/schemas/ids/9999", 404, 40403),
        ("/schemas/ids/²", 404, 40403),
        (f"/schemas/ids/{'9' * 5000}", 404, 40403),
        ("/elsewhere", 404, 404),
    ],
)
def test_errors_are_the_registrys(path: str, status: int, code: int) -> None:
    found, body = answer(PUBLISHED, path)
    assert (found, body["error_code"]) == (status, code)
    assert body["message"]


async def test_the_routes_answer_over_http() -> None:
    app = web.Application()
    app.add_routes(registry_routes(PUBLISHED))
    async with TestServer(app) as server, httpx.AsyncClient(base_url=str(server.make_url("/"))) as client:
        response = await client.get(f"/subjects/{SUBJECT}/versions/latest")
        assert response.headers["content-type"].startswith(schema_registry.MEDIA_TYPE)
        assert response.json()["id"] == SCHEMA.id
        assert (await client.get("/schemas/ids/9999")).status_code == 404
        assert (await client.get("/subjects")).json() == sorted(PUBLISHED.by_subject)


class Registry:
    """As much of a registry as publishing needs: ids by content, compatibility by subject."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.compatibility: dict[str, str] = {}
        self.refuse = ""

    async def configure(self, request: web.Request) -> web.Response:
        self.compatibility[request.match_info["subject"]] = (await request.json())["compatibility"]
        return web.json_response({"compatibility": schema_registry.COMPATIBILITY})

    async def register(self, request: web.Request) -> web.Response:
        if request.match_info["subject"] == self.refuse:
            return web.json_response({"error_code": 409, "message": "incompatible"}, status=409)
        schema = (await request.json())["schema"]
        return web.json_response({"id": self.ids.setdefault(schema, 100 + len(self.ids))})

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_put("/registry/config/{subject}", self.configure)
        app.router.add_post("/registry/subjects/{subject}/versions", self.register)
        app.router.add_put("/website/config/{subject}", self.page)
        return app

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text="<html>")


@pytest.fixture
async def theirs() -> AsyncIterator[tuple[Registry, str]]:
    there = Registry()
    async with TestServer(there.application()) as server:
        yield there, str(server.make_url("/"))


async def test_every_schema_is_published_under_the_ids_given_there(theirs: tuple[Registry, str]) -> None:
    there, url = theirs
    ids = await publish(f"{url}registry/", PUBLISHED)
    assert ids == {number: there.ids[schema.text] for number, schema in PUBLISHED.by_id.items()}
    assert there.compatibility == dict.fromkeys(PUBLISHED.by_subject, "FULL_TRANSITIVE")
    assert await publish(f"{url}registry", PUBLISHED) == ids


async def test_a_registry_that_refuses_is_quoted(theirs: tuple[Registry, str]) -> None:
    there, url = theirs
    there.refuse = SUBJECT
    with pytest.raises(
        SchemaError, match=r"order-created-value/versions: the registry refused it \(409\): .*incompatible"
    ):
        await publish(f"{url}registry", PUBLISHED)


async def test_what_is_no_registry_is_named(theirs: tuple[Registry, str]) -> None:
    with pytest.raises(SchemaError, match="is it a schema registry"):
        await publish(f"{theirs[1]}website", PUBLISHED)
    with pytest.raises(SchemaError, match="refused it"):
        await publish(f"{theirs[1]}elsewhere", PUBLISHED)


async def test_a_registry_that_is_away_is_named() -> None:
    with pytest.raises(SchemaError, match=r"127\.0\.0\.1:9.*check SCHEMA_REGISTRY_URL"):
        await publish("http://127.0.0.1:9", PUBLISHED)


async def test_a_password_is_not_shown() -> None:
    with pytest.raises(SchemaError) as caught:
        await publish("http://user:secret@127.0.0.1:9", PUBLISHED)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 302, 401, 500])
async def test_a_registry_that_repeats_its_credentials_is_quoted_without_them(status: int) -> None:
    async def repeat(request: web.Request) -> web.Response:
        shown = {**request.headers, "basic": "user:s3cret-word", "percent": "s3cret%2Dword"}
        return web.json_response({"error": str(shown), "schema": "{}", "schemaType": str(shown)}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", repeat)
    async with TestServer(app) as server:
        url = str(server.make_url("/")).replace("http://", "http://user:s3cret-word@")
        failures: list[str] = []
        for call in (publish(url, PUBLISHED), fetch(url, 7)):
            with pytest.raises(SchemaError) as caught:
                await call
            failures += chain(caught.value)
    assert not revealed(failures, ["s3cret-word", "dXNlcjpzM2NyZXQtd29yZA=="])


async def test_an_address_that_cannot_be_parsed_is_not_repeated() -> None:
    with pytest.raises(SchemaError, match="SCHEMA_REGISTRY_URL is no address") as caught:
        await fetch("http://user:s3cret@[::", 7)
    assert not revealed(chain(caught.value), ["s3cret"])
