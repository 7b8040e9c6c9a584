"""A simulated SAP with a clock that tests move, and the orders that they put into it."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from app.sandbox.vendors.sap import SapOptions, SapSimulator
from app.sandbox.vendors.simulation import World
from app.sandbox.vendors.simulation_http import application
from tests.providers.simulated_time import pass_time

START_MS = 1_551_822_011_000
SALES = "/sap/sap/opu/odata/sap/API_SALES_ORDER_SRV"
BILLING = "/sap/sap/opu/odata/sap/API_BILLING_DOCUMENT_SRV"
BASIC = {"Authorization": "Basic " + base64.b64encode(b"user:pa:ss").decode()}
ITEM = {"SalesOrderItem": "10", "Material": "TG11", "RequestedQuantity": "2", "RequestedQuantityUnit": "PC"}
PRICE = {"ConditionType": "PPR0", "ConditionRateValue": "12.50", "ConditionCurrency": "USD", "ConditionQuantity": "1"}
ORDER: dict[str, Any] = {
    "SalesOrderType": "OR",
    "SalesOrganization": "1010",
    "DistributionChannel": "10",
    "OrganizationDivision": "00",
    "SoldToParty": "10100001",
    "PurchaseOrderByCustomer": "IOM-000123",
    "TransactionCurrency": "USD",
    "RequestedDeliveryDate": "/Date(1700006400000)/",
    "to_Item": {"results": [{**ITEM, "ProductionPlant": "1010", "to_PricingElement": [PRICE]}]},
    "to_Partner": {"results": [{"PartnerFunction": "SH", "Customer": "10100001"}]},
}


@dataclass
class SimulatedSap:
    client: TestClient[Any, Any]
    simulator: SapSimulator
    world: World
    now: list[int]
    token: dict[str, str] = field(default_factory=dict)

    async def fetch_token(self) -> None:
        response = await self.client.head(f"{SALES}/", headers={**BASIC, "x-csrf-token": "Fetch"})
        assert response.status == 200
        self.token = {"x-csrf-token": response.headers["x-csrf-token"]}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON; text where it is none."""
        given = {**BASIC, **(self.token if method != "GET" else {}), **headers}
        response = await self.client.request(method, path, json=body, headers=given)
        text = await response.text()
        is_json = response.content_type == "application/json"
        return response.status, json.loads(text) if is_json and text else text

    async def get(self, path: str) -> Any:
        status, body = await self.call("GET", path)
        assert status == 200, body
        return body["d"]

    async def numbers(self, path: str) -> list[str]:
        """The first fields of what is listed."""
        return [next(value for name, value in row.items() if name != "__metadata") for row in await self.rows(path)]

    async def rows(self, path: str) -> list[dict[str, Any]]:
        body = await self.get(path)
        return list(body["results"])

    async def create(self, reference: str = "IOM-000123", **fields: Any) -> str:
        body = {**ORDER, "PurchaseOrderByCustomer": reference, **fields}
        status, answer = await self.call("POST", f"{SALES}/A_SalesOrder", body)
        assert status == 201, answer
        return str(answer["d"]["SalesOrder"])

    async def control(self, path: str, body: Any = None) -> tuple[int, Any]:
        response = await self.client.post(f"/_sim/sap{path}", json=body or {})
        return response.status, await response.json()

    async def bill(self, order: str, **quantities: str) -> str:
        asked = {"quantities": {name.removeprefix("item"): quantity for name, quantity in quantities.items()}}
        status, body = await self.control(f"/orders/{order}/bill", asked)
        assert status == 201, body
        return str(body["billing_document"])

    def let_pass(self, ms: int) -> None:
        pass_time(self.world, self.now, ms)

    def effects(self) -> list[str]:
        return [effect.kind for effect in self.world.journal.effects("sap")]


@asynccontextmanager
async def open_simulated_sap(**options: Any) -> AsyncIterator[SimulatedSap]:
    """A running SAP with pages of three entities that never splits an invoice by itself, and a token for it."""
    now = [START_MS]
    world = World(lambda: now[0])
    chosen = {"page_size": 3, "partial_share": 0.0, **options}
    simulator = SapSimulator(world, SapOptions("user", "pa:ss", **chosen))
    jar = CookieJar(unsafe=True)
    async with TestClient(TestServer(application(world, [simulator])), cookie_jar=jar) as client:
        tenant = SimulatedSap(client, simulator, world, now)
        await tenant.fetch_token()
        yield tenant
