"""A simulated Flexe with a clock that tests move, what to send to it, and a receiver of its webhooks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from app.providers.flexe.webhook import receive
from app.providers.webhooks import Received
from app.sandbox.vendors.flexe import FlexeOptions, FlexeSimulator
from app.sandbox.vendors.simulation import World
from app.sandbox.vendors.simulation_http import application
from tests.providers.simulated_time import pass_time, pass_time_until

KEY = {"Authorization": "Bearer secret"}
API = "/flexe/v1"
NOW_MS = 1_769_860_800_123
"""2026-01-31T12:00:00.123Z"""
SECRET = "whsec_c2ltdWxhdGVkLWZsZXhlLXdlYmhvb2tz"
SETTINGS = {"OWNER_ID": "owner-1", "WEBHOOK_SECRET": SECRET, "API_KEY": "secret"}
DELAYS = {"accepted": 50, "shipped": 200, "completed": 150}


def a_creation(external_id: str = "bc-demo-1", **fields: Any) -> dict[str, Any]:
    """An order of two lines, 2 and 0.5 pieces."""
    items = [
        {"line_ref": "1", "sku": "S-ORAN", "quantity": "2"},
        {"line_ref": "2", "sku": "S-BLUE", "quantity": "0.5"},
    ]
    ship_to = {"name": "Ana Peña", "address": "1 Pine St", "city": "Seattle", "country": "US"}
    return {"external_id": external_id, "owner_id": "owner-1", "ship_to": ship_to, "items": items, **fields}


@dataclass
class SimulatedFlexe:
    client: TestClient[Any, Any]
    world: World
    simulator: FlexeSimulator
    now: list[int]

    async def call(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        response = await self.client.request(method, f"{API}{path}", **{"headers": KEY, **given})
        return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.call("GET", path)

    async def create(self, external_id: str = "bc-demo-1", **fields: Any) -> tuple[int, Any]:
        return await self.call("POST", "/outbound-orders", json=a_creation(external_id, **fields))

    async def order(self, external_id: str = "bc-demo-1") -> Any:
        _, body = await self.get(f"/outbound-orders?external_id={external_id}")
        return body["outbound_orders"][0]

    async def control(self, name: str, **body: Any) -> tuple[int, Any]:
        response = await self.client.post(f"/_sim/flexe/{name}", json=body)
        return response.status, await response.json()

    def let_pass(self, ms: int) -> None:
        pass_time(self.world, self.now, ms)

    async def let_pass_until(self, is_over: Callable[[], bool]) -> None:
        await pass_time_until(is_over, self.world, self.now, self.simulator.sender.drain)

    def effects(self) -> list[tuple[str, str]]:
        return [(effect.kind, effect.order) for effect in self.world.journal.effects("flexe")]

    def details(self, kind: str) -> list[Mapping[str, Any]]:
        return [effect.detail for effect in self.world.journal.effects("flexe") if effect.kind == kind]


@asynccontextmanager
async def open_simulated_flexe(**options: Any) -> AsyncIterator[SimulatedFlexe]:
    now = [NOW_MS]
    world = World(lambda: now[0])
    given = {"api_key": "secret", "owner_id": "owner-1", "webhook_secret": SECRET, "quota": 1000, **options}
    simulator = FlexeSimulator(world, FlexeOptions(**given))
    async with TestClient(TestServer(application(world, [simulator]))) as client:
        yield SimulatedFlexe(client, world, simulator, now)


@dataclass
class Receiver:
    """A receiver of webhooks: `answers` are its next statuses, 202 after the last."""

    flexe: SimulatedFlexe
    url: str = ""
    answers: list[int] = field(default_factory=list)
    posts: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append((dict(request.headers), await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 202)

    async def let_arrive(self, count: int) -> None:
        """Let time pass until so many posts have come."""
        await self.flexe.let_pass_until(lambda: len(self.posts) >= count)

    async def let_all_arrive(self) -> None:
        """Let time pass until nothing is on its way and nothing is due."""
        await self.flexe.let_pass_until(
            lambda: not self.flexe.simulator.sender.waiting + len(self.flexe.world.schedule)
        )

    def received(self) -> list[Received]:
        """What we make of all posts, at the time of the last one."""
        return [receive(headers, body, SETTINGS, self.flexe.now[0] / 1000) for headers, body in self.posts]

    def bodies(self) -> list[Any]:
        return [msgspec.json.decode(body) for _, body in self.posts]

    def kinds(self) -> list[str]:
        return [body["type"] for body in self.bodies()]


@asynccontextmanager
async def listening(flexe: SimulatedFlexe) -> AsyncIterator[Receiver]:
    """Send Flexe's webhooks to a receiver from now on."""
    receiver = Receiver(flexe)
    app = web.Application()
    app.router.add_post("/webhooks/flexe", receiver.take)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/webhooks/flexe"))
        await flexe.control("webhooks", url=receiver.url, secret=SECRET)
        sending = asyncio.create_task(flexe.simulator.sender.run())
        try:
            yield receiver
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
