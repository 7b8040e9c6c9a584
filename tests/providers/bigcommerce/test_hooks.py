"""The simulated store's webhooks over real sockets: registered as documented, signed, repeated, doubled on purpose."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.providers.bigcommerce.webhook import receive
from app.providers.webhooks import Received
from app.sandbox.vendors.bigcommerce.outgoing_webhooks import HOOKS_OF_SCOPE_MAX
from app.sandbox.vendors.simulation import FaultRequest
from app.sandbox.vendors.simulation_webhooks import BACK_OFF_MS
from tests.providers.bigcommerce.simulated_bigcommerce import NOW_MS, TOKEN, SimulatedShop, open_simulated_shop, seed
from tests.providers.simulated_time import pass_time_until

HOOKS = "/bigcommerce/stores/hash/v3/hooks"
SETTINGS = {"STORE_HASH": "hash", "ACCESS_TOKEN": "secret", "CLIENT_SECRET": "simulated-bigcommerce-secret"}
CREATED, UPDATED, STATUS = "store/order/created", "store/order/updated", "store/order/statusUpdated"


@dataclass
class Receiver:
    """Hears callbacks and answers with the given statuses in turn, then with 200."""

    shop: SimulatedShop
    url: str = ""
    answers: list[int] = field(default_factory=list)
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.posts.append((headers, await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def let_arrive(self, count: int) -> None:
        """Let time pass until so many posts have come."""
        shop = self.shop
        await pass_time_until(lambda: len(self.posts) >= count, shop.world, shop.now, shop.simulator.webhooks.drain)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posts]

    def scopes(self) -> list[str]:
        return sorted(body["scope"] for body in self.bodies())

    def received(self, **changed: str) -> list[Received]:
        now_s = self.shop.now[0] / 1000
        return [receive(headers, body, {**SETTINGS, **changed}, now_s) for headers, body in self.posts]


@pytest.fixture
async def shop() -> AsyncIterator[SimulatedShop]:
    async with open_simulated_shop() as shop:
        calling = asyncio.create_task(shop.simulator.webhooks.run())
        yield shop
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)


@asynccontextmanager
async def listening(shop: SimulatedShop) -> AsyncIterator[Receiver]:
    receiver = Receiver(shop)
    app = web.Application()
    app.add_routes([web.post("/hook", receiver.take)])
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


@pytest.fixture
async def receiver(shop: SimulatedShop) -> AsyncIterator[Receiver]:
    async with listening(shop) as receiver:
        yield receiver


async def hooks(shop: SimulatedShop, method: str = "GET", path: str = "", **given: Any) -> tuple[int, Any]:
    response = await shop.client.request(method, f"{HOOKS}{path}", **{"headers": TOKEN, **given})
    return response.status, await response.json()


async def registered(shop: SimulatedShop, receiver: Receiver, scope: str, **given: Any) -> Any:
    status, body = await hooks(shop, "POST", json={"scope": scope, "destination": receiver.url, **given})
    assert status == 200
    return body["data"]


async def test_a_hook_is_registered_as_documented(shop: SimulatedShop) -> None:
    asked = {"scope": CREATED, "destination": "https://hooks.example/bc", "headers": {"custom-key": "value"}}
    status, body = await hooks(shop, "POST", json={**asked, "is_active": True})
    now = NOW_MS // 1000
    shown = {
        "id": 1, "client_id": "simulated-bigcommerce-client", "store_hash": "hash", **asked,
        "is_active": True, "created_at": now, "updated_at": now,
    }  # fmt: skip
    assert (status, body) == (200, {"data": shown, "meta": {}})
    assert await hooks(shop, path="/1") == (200, {"data": shown, "meta": {}})
    _, listing = await hooks(shop)
    assert (listing["data"], listing["meta"]["pagination"]["total"]) == ([shown], 1)
    shop.now[0] += 5000
    status, body = await hooks(shop, "PUT", "/1", json={"is_active": False})
    assert (status, body["data"]) == (200, {**shown, "is_active": False, "updated_at": now + 5})
    assert (await hooks(shop, "DELETE", "/1"))[0] == 200
    assert await hooks(shop, path="/1") == (
        404,
        {"status": 404, "title": "Webhook with id [1] not found", "type": "/api-docs/getting-started/api-status-codes"},
    )


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"scope": "store/order/created"}, 422, "body"),
        ({"scope": "store/cart/created", "destination": "https://x.example"}, 422, "scope"),
        ({"scope": CREATED, "destination": "http://x.example"}, 422, "destination"),
        ({"scope": CREATED, "destination": "https://x.example:8443/a"}, 422, "destination"),
        ({"scope": CREATED, "destination": "//["}, 422, "destination"),
        ({"scope": CREATED, "destination": ""}, 422, "destination"),
        ([], 400, ""),
    ],
)
async def test_what_cannot_be_a_hook_is_refused(shop: SimulatedShop, body: Any, status: int, field: str) -> None:
    found, said = await hooks(shop, "POST", json=body)
    assert (found, said["status"], list(said.get("errors", {}))) == (status, status, [field] if field else [])


async def test_hooks_need_the_token_and_are_one_for_a_destination_and_ten_for_a_scope(shop: SimulatedShop) -> None:
    assert (await hooks(shop, headers={"X-Auth-Token": "wrong"}))[0] == 401
    for number in range(HOOKS_OF_SCOPE_MAX):
        body = {"scope": CREATED, "destination": f"https://x.example/{number}"}
        assert (await hooks(shop, "POST", json=body))[0] == 200
    assert (await hooks(shop, "POST", json=body))[1]["errors"] == {"destination": "error.exists"}
    body = {"scope": CREATED, "destination": "https://x.example/more"}
    assert (await hooks(shop, "POST", json=body))[1]["errors"] == {"scope": "error.limit"}


async def test_a_new_order_is_called_back_as_documented(shop: SimulatedShop, receiver: Receiver) -> None:
    await registered(shop, receiver, CREATED, headers={"username": "Hello"})
    await shop.seed(seed(250))
    await receiver.let_arrive(1)
    data = {"type": "order", "id": 250}
    payload_hash = hashlib.sha1(json.dumps(data, separators=(",", ":")).encode()).hexdigest()
    assert receiver.bodies() == [
        {
            "scope": CREATED, "store_id": "1025646", "data": data, "hash": payload_hash,
            "created_at": NOW_MS // 1000, "producer": "stores/hash",
        }
    ]  # fmt: skip
    headers, _ = receiver.posts[0]
    assert (headers["username"], headers["content-type"]) == ("Hello", "application/json")
    assert receiver.received()[0].hints == ("bigcommerce/hash",)


async def test_each_change_calls_back_who_asked_for_it(shop: SimulatedShop, receiver: Receiver) -> None:
    await registered(shop, receiver, "store/order/*")
    await shop.seed(seed(250))
    await shop.call("PUT", "/orders/250", json={"staff_notes": "fragile"})
    await shop.call("PUT", "/orders/250", json={"status_id": 2})
    await receiver.let_arrive(4)
    assert receiver.scopes() == [CREATED, STATUS, UPDATED, UPDATED]
    (status,) = (body for body in receiver.bodies() if body["scope"] == STATUS)
    assert status["data"]["status"] == {"previous_status_id": 11, "new_status_id": 2}


async def test_a_hook_that_is_inactive_or_of_another_scope_is_not_called(
    shop: SimulatedShop, receiver: Receiver
) -> None:
    hook = await registered(shop, receiver, CREATED, is_active=False)
    await registered(shop, receiver, STATUS)
    await shop.seed(seed(250))
    await hooks(shop, "PUT", f"/{hook['id']}", json={"is_active": True})
    await shop.seed(seed(251))
    await receiver.let_arrive(1)
    assert [body["data"]["id"] for body in receiver.bodies()] == [251]


async def test_a_callback_is_repeated_with_its_id_until_it_is_taken(shop: SimulatedShop, receiver: Receiver) -> None:
    receiver.answers = [503, 500, 404, 202]
    await registered(shop, receiver, CREATED)
    await shop.seed(seed(250))
    await receiver.let_arrive(4)
    assert shop.now[0] - NOW_MS >= sum(BACK_OFF_MS[:3])
    assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.posts}) > 1
    assert len({told.webhook_id for told in receiver.received()}) == 1


async def test_callbacks_are_doubled_on_purpose_and_copies_are_known(shop: SimulatedShop, receiver: Receiver) -> None:
    await registered(shop, receiver, CREATED)
    shop.world.faults.add(FaultRequest("bigcommerce", "duplicate-webhooks", delay_ms=100))
    await shop.seed(seed(250))
    await receiver.let_arrive(2)
    assert len({told.webhook_id for told in receiver.received()}) == 1


async def test_the_control_plane_aims_all_callbacks_at_once(shop: SimulatedShop, receiver: Receiver) -> None:
    body = {"url": receiver.url, "secret": "another-secret"}
    response = await shop.client.post("/_sim/bigcommerce/webhooks", json=body)
    assert (response.status, len((await response.json())["data"])) == (200, 3)
    await shop.seed(seed(250))
    await shop.call("PUT", "/orders/250", json={"status_id": 2})
    await receiver.let_arrive(3)
    assert receiver.scopes() == [CREATED, STATUS, UPDATED]
    assert all(told.hints for told in receiver.received(CLIENT_SECRET="another-secret"))
    state = await (await shop.client.get("/_sim/state")).json()
    assert state["providers"]["bigcommerce"]["webhooks"]["hooks"] == 3
    assert (await shop.client.post("/_sim/bigcommerce/webhooks", json={"url": "nowhere"})).status == 400
    assert (await shop.client.post("/_sim/bigcommerce/webhooks", json={"url": ""})).status == 200
    await shop.seed(seed(251))
    assert (await hooks(shop))[1]["data"] == []
