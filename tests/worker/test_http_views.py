"""The views over real HTTP: what each answers, and when it says that it cannot."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from app.errors import BrokerError
from app.events.codec import load
from app.queries.views import order_view
from app.worker import http_views as views
from app.worker.metrics import Collectors, Metrics
from tests.flows.journey import Journey, an_order

Client = TestClient[web.Request, web.Application]


class LaneStatus(NamedTuple):
    partition: int
    opened: bool
    degraded: tuple[str, ...] = ()


class Host:
    """The lanes of one role, as the views see them."""

    def __init__(self, name: str, *opened: bool, joined: bool = True) -> None:
        self.name, self.opened, self.joined = name, list(opened), joined
        self.degraded: tuple[str, ...] = ()

    def status(self) -> list[LaneStatus]:
        return [LaneStatus(partition, opened, self.degraded) for partition, opened in enumerate(self.opened)]


class Nobody:
    """No provider sends webhooks."""

    async def take(self, provider: str, headers: Mapping[str, str], body: bytes | None) -> views.WebhookAnswer:
        return views.WebhookAnswer(404, "unknown", f"{provider}: nobody")


class Ledger:
    """Orders by id. While `gate` is unset a look-up waits; `problem` is raised instead of an answer."""

    def __init__(self) -> None:
        journey = Journey(an_order(2))
        journey.created()
        self.orders = {"bc-shop-1": order_view(journey.state)}
        self.gate = asyncio.Event()
        self.gate.set()
        self.problem: Exception | None = None
        self.running = self.most = 0
        self.full = asyncio.Event()

    async def find(self, order_id: str) -> Mapping[str, Any] | None:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == views.LOOKUPS_MAX:
            self.full.set()
        try:
            await self.gate.wait()
            if self.problem is not None:
                raise self.problem
            return self.orders.get(order_id)
        finally:
            self.running -= 1


@asynccontextmanager
async def served(ledger: Ledger, *hosts: Host, collectors: CollectorRegistry | None = None) -> AsyncIterator[Client]:
    application = web.Application()
    views.register(application, load().schemas, collectors or CollectorRegistry(), hosts, ledger.find, Nobody())
    async with TestClient(TestServer(application)) as client:
        yield client


async def asked(client: Client, path: str) -> tuple[int, Any]:
    async with client.get(path) as answer:
        return answer.status, json.loads(await answer.text())


async def test_health_says_that_the_process_answers() -> None:
    async with served(Ledger(), Host("orchestrate", False)) as client:
        assert await asked(client, "/health") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("lanes", "status"),
    [([[True, True]], 200), ([[True, False]], 503), ([[True], [False]], 503), ([[True], [True]], 200), ([[]], 200)],
)
async def test_ready_once_every_lane_is_open_that_the_group_gave(lanes: list[list[bool]], status: int) -> None:
    hosts = [Host(f"role-{number}", *opened) for number, opened in enumerate(lanes)]
    async with served(Ledger(), *hosts) as client:
        found, body = await asked(client, "/ready")
        assert (found, body["ready"]) == (status, status == 200)
        assert [len(shown) for shown in body["lanes"].values()] == [len(opened) for opened in lanes]


async def test_what_others_hold_back_is_said_and_takes_no_worker_out_of_service() -> None:
    host = Host("orchestrate", True)
    host.degraded = ("order-created/0: an open transaction",)
    async with served(Ledger(), host, Host("source", True)) as client:
        status, body = await asked(client, "/ready")
        assert (status, body["ready"], body["degraded"]) == (200, True, ["order-created/0: an open transaction"])


async def test_not_ready_before_the_group_has_given_out_lanes() -> None:
    async with served(Ledger(), Host("joined", True), Host("joining", joined=False)) as client:
        status, body = await asked(client, "/ready")
        assert (status, body["ready"], body["joined"]) == (503, False, {"joined": True, "joining": False})


async def test_metrics_are_scraped_as_text() -> None:
    collectors = CollectorRegistry()
    Metrics("orchestrate", Collectors(collectors)).dead_letter("malformed")
    async with served(Ledger(), collectors=collectors) as client, client.get("/metrics") as answer:
        text = await answer.text()
        assert answer.content_type == "text/plain"
        assert 'waybill_dead_letters_total{code="malformed",role="orchestrate"} 1.0' in text


async def test_an_avro_client_finds_the_schema_of_a_record() -> None:
    value, _ = load().encode(Journey(an_order(1)).created().events[0])
    schema_id = int.from_bytes(value[1:5], "big")
    async with served(Ledger()) as client:
        status, body = await asked(client, f"/schemas/ids/{schema_id}")
        assert status == 200
        assert json.loads(body["schema"])["type"] == "record"
        status, subjects = await asked(client, "/subjects")
        assert (status, "order-status-value" in subjects) == (200, True)
        assert (await asked(client, "/schemas/ids/999999"))[0] == 404


async def test_an_order_is_shown() -> None:
    async with served(Ledger()) as client:
        status, body = await asked(client, "/orders/bc-shop-1")
        assert status == 200
        assert (body["order_id"], body["state"], len(body["lines"])) == ("bc-shop-1", "Validated", 2)
        assert {"lineage", "timeline"} <= set(body)


async def test_an_order_is_stored_nowhere_on_the_way() -> None:
    async with served(Ledger()) as client, client.get("/orders/bc-shop-1") as answer:
        assert answer.headers["Cache-Control"] == "no-store"


async def test_an_unknown_order_is_not_found() -> None:
    async with served(Ledger()) as client:
        assert await asked(client, "/orders/bc-shop-9") == (404, {"error": "no order bc-shop-9 in the ledger"})
        assert (await asked(client, "/orders/%C5%81%22%00"))[0] == 404


async def test_without_kafka_the_answer_is_that_it_cannot_be_asked() -> None:
    ledger = Ledger()
    ledger.problem = BrokerError("no Kafka answers at 127.0.0.1:1")
    async with served(ledger) as client:
        assert await asked(client, "/orders/bc-shop-1") == (503, {"error": "no Kafka answers at 127.0.0.1:1"})


async def test_a_ledger_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "LOOKUP_TIMEOUT_S", 0.05)
    ledger = Ledger()
    ledger.gate.clear()
    async with served(ledger) as client:
        status, body = await asked(client, "/orders/bc-shop-1")
        assert status == 503
        assert "was not read within" in body["error"]


async def test_two_orders_are_looked_up_at_a_time_and_no_more_than_some_wait() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    async with served(ledger) as client:
        asking = [asyncio.create_task(asked(client, "/orders/bc-shop-1")) for _ in range(views.LOOKUPS_WAITING_MAX)]
        await ledger.full.wait()
        assert (await until_refused(client))[0] == 503
        ledger.gate.set()
        assert {status for status, _ in await asyncio.gather(*asking)} == {200}
        assert ledger.most == views.LOOKUPS_MAX
        assert (await asked(client, "/orders/bc-shop-1"))[0] == 200


async def until_refused(client: Client) -> tuple[int, Any]:
    """The first look-up that does not wait: those before it may not all have arrived."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with asyncio.timeout(0.2):
                    return await asked(client, "/orders/bc-shop-1")
            except TimeoutError:
                continue
