"""Whose orders a world has: customers of the shop, clients of other producers, people at F+O. Some make mistakes."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

import msgspec

from app.events.ids import derive
from app.sandbox.demo.made_orders import bigcommerce_order, fno_order
from tests.simulation.expected import CANCELED, COMPLETED, EXPIRED, KINDS, REFUSED, SOURCED, Expectation, Expected
from tests.simulation.people import People
from tests.simulation.producing import Producer
from tests.simulation.providers import STORE, Providers
from tests.simulation.stockroom import SKUS
from tests.simulation.transaction import origin

LINES_MAX: Final = 3
FIRST_SHOP_ID: Final = 1001
CHANNELS: Final = {1: 1, 2: 3, 6: 6}
"""The shop's channel whose orders take the scenario."""
ORIGINS: Final = {3: "FLEXE", 4: "PHONE", 5: "SAP"}
AUTOMATIC: Final = {3: "Confirmed,Invoiced", 4: "Confirmed,Delivered,Invoiced", 5: "Confirmed"}
"""What F+O does by itself with orders that are born there: it ships and invoices what nobody else does."""
FLOWS: Final = {1: "", 2: "bigcommerce-flexe-fno", 6: "bigcommerce-dom-fno-fno"}
Act = Callable[[], Awaitable[None]]


class Customers:
    def __init__(self, random: Random, expected: Expected, providers: Providers, producer: Producer) -> None:
        self._random, self._expected = random, expected
        self._providers, self._producer = providers, producer
        self._people = People(providers, producer)

    def order(self, kind: str, number: int) -> Act:
        """Make an order of this kind, when the act is played; what must become of it is noted at once."""
        random = Random(f"{self._random.random()}")
        maker = {"shop": self._shop, "web": self._web, "erp": self._erp}[kind.split()[0]]
        return maker(random, KINDS[kind], number)

    def _shop(self, random: Random, scenario: int, number: int) -> Act:
        shop_id = FIRST_SHOP_ID + number
        wire = _small(lambda: bigcommerce_order(random, shop_id, 1_760_000_000 + number), "products")
        wire["channel_id"] = CHANNELS[scenario]
        for product in wire["products"] if scenario == SOURCED else ():
            product["sku"] = random.choice(SKUS)
        fault = random.choice(("", "", "", "no lines", "negative quantity"))
        if fault == "no lines":
            wire["products"] = []
        elif fault:
            wire["products"][0]["quantity"] = -1
        order_id = f"bc-{STORE}-{shop_id}"
        wanted = self._expect(random, order_id, scenario, [p["quantity"] for p in wire["products"]], fault)
        wanted.shop_id = 0 if fault else shop_id

        async def act() -> None:
            await self._providers.control("/bigcommerce/orders?touch=1", [wire])
            await self._people.meddle(random, order_id, wanted)

        return act

    def _web(self, random: Random, scenario: int, number: int) -> Act:
        order_id = f"web-{number}"
        pieces = [random.randint(1, 9) for _ in range(random.randint(1, LINES_MAX))]
        lines = [{"sku": f"SKU-{n}", "quantity": each, "unit_price": "12.5"} for n, each in enumerate(pieces, 1)]
        fault = random.choice(("", "", "", "total"))
        address = {"name": "Ana", "street": "1 Pine St", "city": "Seattle", "postal_code": "98101", "country": "US"}
        body: dict[str, Any] = {"order_id": order_id, "currency": "USD", "ship_to": address, "lines": lines}
        body["placed_at"] = "2026-01-31T09:30:00Z"
        if FLOWS[scenario]:
            body["flow"] = FLOWS[scenario]
        if fault:
            body["total"] = "1"
        wanted = self._expect(random, order_id, scenario, pieces, fault)

        async def act() -> None:
            ce_id = derive(order_id, "producer") if random.random() < 0.5 else ""
            await self._producer.produced("order-created", order_id, body, ce_id)
            if random.random() < 0.2:
                await self._producer.known(order_id)
                self._other_content(order_id, body)
            await self._people.meddle(random, order_id, wanted)

        return act

    def _other_content(self, order_id: str, body: dict[str, Any]) -> None:
        """Another order under the id of one that exists."""
        record = self._producer.once(
            "order-created", order_id, msgspec.json.encode({**body, "customer": "somebody else"})
        )
        self._expected.bad[origin(record)] = "other-content"

    def _erp(self, random: Random, scenario: int, number: int) -> Act:
        company, erp_number = random.choice(("usmf", "demf")), f"SO-{number:04}"
        row = _small(lambda: fno_order(random, company, erp_number), "Lines")
        row["SalesOrderOriginCode"] = ORIGINS[scenario]
        fault = random.choice(("", "", "", "", "currency"))
        if fault:
            row["CurrencyCode"] = "QQQ"
        order_id = f"fno-{company}-{erp_number}"
        pieces = [int(line["OrderedSalesQuantity"]) for line in row["Lines"]]
        wanted = self._expect(random, order_id, scenario, pieces, fault)
        wanted.erp = (company, erp_number)

        async def act() -> None:
            await self._providers.control(f"/fno/orders?automatic={AUTOMATIC[scenario]}", [row])
            await self._people.meddle(random, order_id, wanted)

        return act

    def _expect(self, random: Random, order_id: str, scenario: int, pieces: list[int], fault: str) -> Expectation:
        courses = self._people.courses(scenario)
        course = "" if fault else random.choice(("",) * len(courses) + courses)
        ends = (REFUSED,) if fault else (COMPLETED, CANCELED) if course.endswith("canceled") else (COMPLETED,)
        if scenario == SOURCED and not fault:
            ends = (*ends, EXPIRED)
        wanted = Expectation(scenario, ends, len(pieces), sum(pieces), course=course)
        self._expected.orders[order_id] = wanted
        return wanted


def _small(make: Callable[[], dict[str, Any]], lines: str) -> dict[str, Any]:
    """The first order of few lines: worlds are many and small."""
    while True:
        wire = make()
        if len(wire[lines]) <= LINES_MAX:
            return wire
