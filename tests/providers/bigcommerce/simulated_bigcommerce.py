"""A simulated store with a clock that tests move, and an order to seed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from app.sandbox.vendors.bigcommerce import BigCommerceOptions, BigCommerceSimulator
from app.sandbox.vendors.simulation import World
from app.sandbox.vendors.simulation_http import application

TOKEN = {"X-Auth-Token": "secret"}
API = "/bigcommerce/stores/hash/v2"
NOW = "Tue, 05 Mar 2019 21:40:11 +0000"
NOW_MS = 1_551_822_011_000
MONEY = (
    *("subtotal_ex_tax", "subtotal_inc_tax", "shipping_cost_ex_tax", "shipping_cost_inc_tax", "total_ex_tax"),
    *("total_inc_tax", "total_tax", "discount_amount", "coupon_discount", "refunded_amount"),
)


def seed(order_id: int = 218, **fields: Any) -> dict[str, Any]:
    """An expanded order with two lines, as POST /_sim/bigcommerce/orders takes it."""
    address = {"id": 51, "order_id": order_id, "first_name": "Jane", "last_name": "Doe", "street_1": "555 East Street"}
    line = {"order_id": order_id, "product_id": 77, "order_address_id": 51, "name": "Œuvre", "price_ex_tax": "55.9900"}
    return {
        "id": order_id,
        "customer_id": 11,
        "date_created": "Mon, 04 Mar 2019 10:00:00 +0000",
        "status_id": 11,
        "total_ex_tax": "64.5300",
        "total_inc_tax": "69.8400",
        "external_order_id": f"external-{order_id}",
        "billing_address": {"first_name": "Jane", "email": "janedoe@example.com", "country_iso2": "US"},
        "products": [
            {"id": 65, "sku": "S-ORAN", "quantity": 1, "quantity_shipped": 0, **line},
            {"id": 66, "sku": "S-BLUE", "quantity": 3, "quantity_shipped": 0, **line},
        ],
        "shipping_addresses": [{**address, "country_iso2": "US", "items_total": 4, "items_shipped": 0}],
        **fields,
    }


@dataclass
class SimulatedShop:
    client: TestClient[Any, Any]
    world: World
    now: list[int]
    simulator: BigCommerceSimulator

    async def seed(self, *orders: dict[str, Any], touch: bool = False) -> ClientResponse:
        return await self.client.post(f"/_sim/bigcommerce/orders{'?touch=1' if touch else ''}", json=list(orders))

    async def call(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        """Status and body, None for a body that is empty."""
        response = await self.client.request(method, f"{API}{path}", headers=TOKEN, **given)
        return response.status, await response.json() if await response.read() else None

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.call("GET", path)

    async def ids(self, query: str) -> list[int]:
        status, body = await self.get(f"/orders?{query}")
        assert status in (200, 204)
        return [order["id"] for order in body or []]

    def effects(self) -> list[tuple[str, str]]:
        return [(effect.kind, effect.order) for effect in self.world.journal.effects("bigcommerce")]


@asynccontextmanager
async def open_simulated_shop() -> AsyncIterator[SimulatedShop]:
    now = [NOW_MS]
    world = World(lambda: now[0])
    simulator = BigCommerceSimulator(world, BigCommerceOptions("hash", "secret", quota=1000))
    async with TestClient(TestServer(application(world, [simulator]))) as client:
        yield SimulatedShop(client, world, now, simulator)
