"""A simulated F+O with a clock that tests move, and the orders that they put into it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from app.sandbox.vendors.fno import FnoOptions, FnoSimulator, MemoryRows
from app.sandbox.vendors.simulation import World
from app.sandbox.vendors.simulation_http import application
from tests.providers.simulated_time import pass_time

START_MS = 1_551_822_011_000
HEADER = {
    "dataAreaId": "usmf",
    "CustomersOrderReference": "bc-hash-1",
    "SalesOrderOriginCode": "IOM",
    "OrderingCustomerAccountNumber": "HW-02",
    "InvoiceCustomerAccountNumber": "HW-03",
    "CurrencyCode": "USD",
    "IsDeliveryAddressOrderSpecific": "Yes",
    "IsSalesProcessingStopped": "Yes",
    "DeliveryAddressName": "Steve Rogers",
    "DeliveryAddressStreet": "221B Olive Street",
    "DeliveryAddressCity": "Mountain View",
    "DeliveryAddressStateId": "CA",
    "DeliveryAddressZipCode": "94086",
    "DeliveryAddressCountryRegionId": "USA",
}
LINE = {
    "dataAreaId": "usmf",
    "SalesOrderNumber": "000001",
    "ItemNumber": "1000",
    "ExternalItemNumber": "00101",
    "OrderedSalesQuantity": 1,
    "SalesPrice": 100,
    "LineDiscountAmount": 20,
    "ShippingSiteId": "1",
    "ShippingWarehouseId": "13",
}
BORN_THERE = {
    "dataAreaId": "USMF",
    "SalesOrderNumber": "SO-7",
    "SalesOrderOriginCode": "PHONE",
    "OrderingCustomerAccountNumber": "US-001",
    "CurrencyCode": "USD",
    "OrderTotalAmount": "26.0000",
    "Lines": [
        {
            "LineNumber": 1,
            "ItemNumber": "TEA",
            "OrderedSalesQuantity": "2",
            "SalesPrice": "6.5",
            "ShippingSiteId": "EU",
        },
        {
            "LineNumber": 2,
            "ItemNumber": "MUG",
            "OrderedSalesQuantity": "2",
            "SalesPrice": "6.5",
            "ShippingSiteId": "EU",
        },
    ],
}
KEY = "/SalesOrderHeadersV4(dataAreaId='usmf',SalesOrderNumber='000001')?cross-company=true"


@dataclass
class SimulatedFno:
    client: TestClient[Any, Any]
    simulator: FnoSimulator
    world: World
    now: list[int]
    memory: MemoryRows
    token: str = ""

    async def sign_in(self, **changes: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret"}
        form |= {"scope": "https://x.operations.dynamics.com/.default", **changes}
        response = await self.client.post("/fno/token", data=form)
        body = await response.json()
        self.token = body.get("access_token", "")
        return response.status, body

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        authorized = {"Authorization": f"Bearer {self.token}", **headers}
        response = await self.client.request(method, f"/fno/data{path}", json=body, headers=authorized)
        return response.status, await response.json(content_type=None) if await response.read() else None

    async def get(self, path: str) -> Any:
        status, body = await self.call("GET", path)
        assert status == 200, body
        return body

    async def numbers(self, query: str) -> list[str]:
        body = await self.get(f"/SalesOrderHeadersV4?cross-company=true&{query}")
        return [entity["SalesOrderNumber"] for entity in body["value"]]

    async def control(self, path: str, body: Any) -> tuple[int, Any]:
        response = await self.client.post(f"/_sim/fno/orders{path}", json=body)
        return response.status, await response.json()

    async def make_order(self, *, lines: int = 1, release: bool = True) -> None:
        assert (await self.call("POST", "/SalesOrderHeadersV4", HEADER))[0] == 201
        for _ in range(lines):
            assert (await self.call("POST", "/SalesOrderLinesV3", LINE))[0] == 201
        if release:
            assert (await self.call("PATCH", KEY, {"IsSalesProcessingStopped": "No"}))[0] == 204

    def let_pass(self, ms: int) -> None:
        pass_time(self.world, self.now, ms)

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(value) for _, value in self.memory.rows if value is not None]

    def statuses(self) -> list[str]:
        return [row["after"]["SalesOrderProcessingStatus"] for row in self.rows()]

    def effects(self) -> list[str]:
        return [effect.kind for effect in self.world.journal.effects("fno")]


@asynccontextmanager
async def open_simulated_fno() -> AsyncIterator[SimulatedFno]:
    """A running F+O with pages of three records, and a token for it."""
    now = [START_MS]
    world, memory = World(lambda: now[0]), MemoryRows()
    simulator = FnoSimulator(world, FnoOptions("app", "s3cret", page_size=3), memory)
    async with TestClient(TestServer(application(world, [simulator]))) as client:
        fno = SimulatedFno(client, simulator, world, now, memory)
        assert (await fno.sign_in())[0] == 200
        yield fno
