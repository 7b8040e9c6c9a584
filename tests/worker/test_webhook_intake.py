"""The intake of webhooks behind a real server: what is taken, refused, a copy or to be sent again, and what is written.

Kafka is a port that the tests hold; the real one is in tests/kafka/test_webhooks.py.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.web import Application, AppRunner, TCPSite

from app.errors import BrokerError, SettingError
from app.events.codec import load
from app.events.model import LineQuantity, ProviderEvent
from app.events.record import Output, Record
from app.events.report_ids import report_id
from app.providers.webhooks import Received, RefusalCode, WebhookRefusedError
from app.worker.http_views import WEBHOOK_BYTES_MAX, webhook_route
from app.worker.webhook_intake import AT_ONCE_MAX, IDS_S, WebhookIntake, Window

CODEC = load()
NOW_S = 1_769_860_800.0
SHIPPED = ProviderEvent("bc-demo-1", "flexe", "order shipped", "FXS-1", 5, (LineQuantity("1", 20_000),))
LIMIT_S = 60.0


@dataclass
class Kafka:
    """Takes records while it is there. A closed gate keeps everybody waiting."""

    there: bool = True
    asked: int = 0
    records: list[Output] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def publish(self, outputs: Sequence[Output]) -> None:
        self.asked += 1
        await self.gate.wait()
        if not self.there:
            raise BrokerError("Kafka is away")
        self.records += outputs


def receive(headers: Mapping[str, str], body: bytes, now_s: float) -> Received:
    """A provider whose webhooks say themselves what becomes of them."""
    said = json.loads(body)
    assert now_s == NOW_S
    if code := said.get("refuse"):
        raise WebhookRefusedError(RefusalCode(code), f"refused: {code}")
    if said.get("unset"):
        raise SettingError("WAYBILL_FLEXE_WEBHOOK_SECRET is not set")
    events = (SHIPPED,) * said.get("events", 0)
    if said.get("huge"):
        events = (ProviderEvent("bc-demo-1", "flexe", "order shipped", lines=(LineQuantity("1", 10**30),)),)
    return Received(events, tuple(said.get("hints", ())), headers.get("webhook-id", ""))


@dataclass
class Stage:
    session: ClientSession
    port: int
    kafka: Kafka
    counts: Counter[tuple[str, str]]
    now: list[float]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks"

    async def post(self, provider: str = "flexe", webhook_id: str = "msg_1", **said: Any) -> tuple[int, str]:
        headers = {"Webhook-Id": webhook_id} if webhook_id else {}
        async with self.session.post(f"{self.url}/{provider}", json=said, headers=headers) as answer:
            assert (answer.headers.get("Retry-After", "") != "") is (answer.status == 503)
            return answer.status, (await answer.json())["outcome"]


@asynccontextmanager
async def opened() -> AsyncIterator[Stage]:
    kafka, counts, now = Kafka(), Counter[tuple[str, str]](), [1000.0]

    def count(provider: str, outcome: str) -> None:
        counts[provider, outcome] += 1

    intake = WebhookIntake({"flexe": receive}, kafka, CODEC, count, lambda: NOW_S, lambda: now[0])
    app = Application()
    app.add_routes([webhook_route(intake)])
    # Not the server of aiohttp's tests, which cancels a handler whose client goes away; the worker's does not.
    runner = AppRunner(app, access_log=None)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as session:
        yield Stage(session, runner.addresses[0][1], kafka, counts, now)
    await runner.cleanup()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with opened() as stage:
        yield stage


async def until(kafka: Kafka, asked: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            if kafka.asked >= asked:
                return
            await asyncio.sleep(0.001)


async def test_a_webhook_becomes_the_event_of_its_order(stage: Stage) -> None:
    assert await stage.post(events=1) == (202, "taken")
    (output,) = stage.kafka.records
    assert (output.topic, output.key, output.partition) == ("provider-event", b"bc-demo-1", None)
    event = CODEC.decode(Record(output.topic, 0, 0, 0, output.key, output.value, tuple(output.headers)))
    assert event.body == SHIPPED
    assert (event.event_id, event.source, event.at) == (report_id(SHIPPED), "waybill/webhooks", int(NOW_S * 1000))
    assert stage.counts == {("flexe", "taken"): 1}


async def test_a_hint_asks_the_puller(stage: Stage) -> None:
    assert await stage.post(hints=["bigcommerce/demo"]) == (202, "taken")
    assert [(output.topic, output.key) for output in stage.kafka.records] == [("pull-requested", b"bigcommerce/demo")]


async def test_what_says_nothing_is_taken_and_not_written(stage: Stage) -> None:
    assert await stage.post() == (202, "ignored")
    assert stage.kafka.asked == 0


@pytest.mark.parametrize(("code", "status"), [("bad_signature", 401), ("stale", 401), ("malformed", 400)])
async def test_what_is_not_proven_is_refused_and_counted(stage: Stage, code: str, status: int) -> None:
    assert await stage.post(refuse=code) == (status, code)
    assert (stage.counts, stage.kafka.asked) == ({("flexe", code): 1}, 0)


async def test_a_replay_is_told_as_a_copy_and_counted(stage: Stage) -> None:
    answers = [await stage.post(events=1) for _ in range(3)]
    assert answers == [(202, "taken"), (200, "duplicate"), (200, "duplicate")]
    assert len(stage.kafka.records) == 1
    assert stage.counts == {("flexe", "taken"): 1, ("flexe", "duplicate"): 2}
    assert await stage.post(webhook_id="msg_2", events=1) == (202, "taken")


async def test_without_an_id_the_body_tells_copies(stage: Stage) -> None:
    answers = [await stage.post(webhook_id="", events=1, number=number) for number in (1, 2, 1)]
    assert answers == [(202, "taken"), (202, "taken"), (200, "duplicate")]


async def test_copies_that_come_together_are_written_once(stage: Stage) -> None:
    stage.kafka.gate.clear()
    posts = [asyncio.create_task(stage.post(events=1)) for _ in range(5)]
    await until(stage.kafka, 1)
    stage.kafka.gate.set()
    answers = sorted(await asyncio.gather(*posts))
    assert answers == [(200, "duplicate")] * 4 + [(202, "taken")]
    assert (len(stage.kafka.records), stage.kafka.asked) == (1, 1)


async def test_while_the_broker_is_away_the_sender_is_asked_to_come_again_and_nothing_is_lost(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.kafka.there = False
    with caplog.at_level(logging.WARNING, "app.worker.webhook_intake"):
        assert [await stage.post(events=1) for _ in range(2)] == [(503, "unavailable")] * 2
        stage.kafka.there = True
        assert await stage.post(events=1) == (202, "taken")
    assert caplog.messages == ["webhooks: Kafka is away", "webhooks: stored again"]
    assert [output.key for output in stage.kafka.records] == [b"bc-demo-1"]
    assert stage.counts == {("flexe", "unavailable"): 2, ("flexe", "taken"): 1}


async def test_copies_that_wait_while_the_broker_goes_away_are_not_taken_for_written(stage: Stage) -> None:
    stage.kafka.gate.clear()
    stage.kafka.there = False
    posts = [asyncio.create_task(stage.post(events=1)) for _ in range(2)]
    await until(stage.kafka, 1)
    stage.kafka.gate.set()
    assert await asyncio.gather(*posts) == [(503, "unavailable")] * 2


async def test_so_many_wait_and_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert AT_ONCE_MAX > 2
    monkeypatch.setattr("app.worker.webhook_intake.AT_ONCE_MAX", 2)
    stage.kafka.gate.clear()
    posts = [asyncio.create_task(stage.post(webhook_id=f"msg_{number}", events=1)) for number in range(2)]
    await until(stage.kafka, 2)
    assert await stage.post(webhook_id="msg_3", events=1) == (503, "busy")
    stage.kafka.gate.set()
    assert await asyncio.gather(*posts) == [(202, "taken")] * 2
    assert await stage.post(webhook_id="msg_3", events=1) == (202, "taken")


async def test_who_is_not_set_up_is_told_apart(stage: Stage) -> None:
    assert await stage.post("shopify", events=1) == (404, "unknown")
    assert await stage.post(unset=True) == (503, "unconfigured")
    assert stage.counts == {("unknown", "unknown"): 1, ("flexe", "unconfigured"): 1}


async def test_an_event_that_no_record_can_hold_is_refused(stage: Stage) -> None:
    assert await stage.post(huge=True) == (400, "malformed")
    assert stage.kafka.records == []


async def test_a_body_has_a_limit(stage: Stage) -> None:
    assert await stage.post(pad="x" * (WEBHOOK_BYTES_MAX - 10)) == (413, "too_large")
    assert await stage.post(pad="x" * (WEBHOOK_BYTES_MAX - 11)) == (202, "ignored")


async def test_a_body_that_takes_too_long_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.http_views.BODY_S_MAX", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(LIMIT_S)

    async with stage.session.post(f"{stage.url}/flexe", data=slow()) as answer:
        assert answer.status == 408
    assert stage.counts == {("flexe", "incomplete"): 1}


@pytest.mark.parametrize(
    "request_body",
    [
        b'Content-Length: 100\r\n\r\n{"events": 1}',
        b'Transfer-Encoding: chunked\r\n\r\nd\r\n{"events": 1}\r\n',
    ],
)
async def test_a_body_that_does_not_come_whole_is_counted_and_writes_nothing(stage: Stage, request_body: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(b"POST /webhooks/flexe HTTP/1.1\r\nHost: x\r\n" + request_body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(LIMIT_S):
        while True:
            if stage.counts:
                break
            await asyncio.sleep(0.001)
    assert (stage.counts, stage.kafka.asked) == ({("flexe", "incomplete"): 1}, 0)


async def test_only_posts_are_webhooks(stage: Stage) -> None:
    async with stage.session.get(f"{stage.url}/flexe") as answer:
        assert answer.status == 405


def test_the_window_forgets_by_time_and_by_number() -> None:
    now = [0.0]
    window = Window(10.0, 3, lambda: now[0])
    for key in (b"a", b"b", b"c", b"d"):
        window.add(key)
        now[0] += 1
    assert [key in window for key in (b"a", b"b", b"c", b"d")] == [False, True, True, True]
    now[0] = 11.5
    assert [key in window for key in (b"b", b"c", b"d")] == [False, True, True]
    window.add(b"e")
    assert len(window) == 3
    now[0] = 100
    window.add(b"f")
    assert len(window) == 1


async def test_a_copy_that_comes_after_the_window_has_the_same_event_id(stage: Stage) -> None:
    await stage.post(events=1)
    stage.now[0] += IDS_S + 1
    assert await stage.post(events=1) == (202, "taken")
    first, second = (dict(output.headers)["ce_id"] for output in stage.kafka.records)
    assert first == second
