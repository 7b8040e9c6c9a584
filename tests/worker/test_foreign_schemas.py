"""Schemas of connectors, fetched over HTTP from a registry that answers, does not, or answers something else."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.errors import RecordError
from app.events import codec
from app.events.codec import Codec
from app.events.record import Record
from app.events.schema_registry import address
from app.events.writer_schemas import WriterSchemas
from app.worker.foreign_schemas import AGAIN_S, ForeignSchemas
from tests.events.test_writers import AVRO_KEY, ENVELOPE, ENVELOPE_ID, KEY_ID, KEY_SCHEMA, RECORD
from tests.lanes.lane_driver import StillClock

TOPIC = "dualwrite.fno.salesorders"


class Registry:
    """The one call of a registry's that readers need. `broken` is how it fails, by status; `asked` what was asked."""

    def __init__(self) -> None:
        self.schemas: dict[int, Any] = {ENVELOPE_ID: ENVELOPE, KEY_ID: KEY_SCHEMA}
        self.extra: dict[str, str] = {}
        self.asked: list[int] = []
        self.broken: list[int] = []
        self.after_failure = 0.0
        self.clock = StillClock()

    async def answer(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        self.asked.append(number)
        if self.broken:
            self.clock.advance(self.after_failure)
            return web.Response(status=self.broken.pop(0), text="<html>")
        if number not in self.schemas:
            return web.json_response({"error_code": 40403, "message": "Schema not found"}, status=404)
        return web.json_response({"schema": json.dumps(self.schemas[number]), **self.extra})


class Set:
    """A registry, and what fetches from it."""

    def __init__(self, there: Registry, url: str) -> None:
        self.there, self.url = there, url
        self.codec: Codec = codec.load(writers=WriterSchemas(address(url)))
        self.foreign = ForeignSchemas(self.codec, lambda: url, there.clock)

    async def why(self, value: bytes = RECORD, key: bytes | None = AVRO_KEY) -> str:
        """Prepare the record; why it is refused all the same, empty when it is not."""
        await self.foreign.prepare([Record(TOPIC, 0, 0, 5, key, value, ())])
        try:
            self.codec.decode_change(Record(TOPIC, 0, 0, 5, key, value, ()))
        except RecordError as exc:
            return f"{exc}"
        return ""


@pytest.fixture
async def at() -> AsyncIterator[Set]:
    there = Registry()
    app = web.Application()
    app.router.add_get("/registry/schemas/ids/{number}", there.answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/registry/")).replace("http://", "http://user:secret@")
        made = Set(there, url)
        yield made


async def test_a_schema_is_fetched_once(at: Set) -> None:
    assert [await at.why(), await at.why()] == ["", ""]
    assert at.there.asked == [ENVELOPE_ID]


async def test_a_tombstone_needs_its_keys(at: Set) -> None:
    await at.foreign.prepare([Record(TOPIC, 0, 0, 5, AVRO_KEY, None, ())])
    assert at.there.asked == [KEY_ID]
    assert at.codec.order_id(Record(TOPIC, 0, 0, 5, AVRO_KEY, None, ())) == "fno-usmf-000001"


async def test_records_of_ours_need_none(at: Set) -> None:
    await at.foreign.prepare([Record(TOPIC, 0, 0, 5, b"fno-usmf-1", value, ()) for value in (b"{}", b"", None)])
    assert at.there.asked == []


async def test_a_registry_that_comes_back_in_time_costs_nothing(at: Set) -> None:
    at.there.broken = [503, 500]
    assert await at.why() == ""
    assert len(at.there.asked) == 3


async def test_a_registry_that_stays_away_is_named_without_its_password(at: Set) -> None:
    at.there.broken, at.there.after_failure = [503], 60.0
    why = await at.why()
    assert why.startswith(f"unknown-schema: schema id {ENVELOPE_ID}: ")
    assert "is not JSON; is it a schema registry?; replay the record when it answers" in why
    assert "secret" not in why
    assert (await at.why(), len(at.there.asked)) == (why, 1)
    at.there.clock.advance(AGAIN_S)
    assert await at.why() == ""


async def test_nobody_there_is_said_too() -> None:
    clock = StillClock()
    given = codec.load(writers=WriterSchemas("x"))
    foreign = ForeignSchemas(given, lambda: "http://127.0.0.1:9", clock, limit_s=0.2)
    await foreign.prepare([Record(TOPIC, 0, 0, 5, None, RECORD, ())])
    with pytest.raises(RecordError, match=r"no answer from http://127.0.0.1:9 \(ConnectError"):
        given.decode_change(Record(TOPIC, 0, 0, 5, None, RECORD, ()))


async def test_an_id_that_the_registry_has_not_is_asked_for_once(at: Set) -> None:
    at.there.schemas = {}
    why = await at.why()
    assert "has no such schema; does the connector use another registry?" in why
    assert (await at.why(), len(at.there.asked)) == (why, 1)
    at.there.schemas = {ENVELOPE_ID: ENVELOPE}
    at.there.clock.advance(AGAIN_S)
    assert await at.why() == ""


async def test_a_schema_of_another_type_is_named(at: Set) -> None:
    at.there.extra = {"schemaType": "PROTOBUF"}
    assert "of type 'PROTOBUF'; let the connector write Avro" in await at.why()


async def test_a_time_that_is_over_is_over_for_all_ids_of_the_batch(at: Set) -> None:
    at.there.broken, at.there.after_failure = [503], 60.0
    records = [Record(TOPIC, 0, 0, 5, None, b"\0" + number.to_bytes(4, "big"), ()) for number in range(9000, 9050)]
    await at.foreign.prepare(records)
    assert at.there.asked == [9000]
    assert at.codec.writers.missing(range(9000, 9050)) == []
    assert "no answer in time from http://127.0.0.1" in await at.why(b"\0" + (9049).to_bytes(4, "big"))
