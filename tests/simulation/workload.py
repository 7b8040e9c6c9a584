"""What people and systems do in a world: orders from three sides, changes, copies, and records that are no good.

Every order and every bad record is noted with what must become of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec

from app.agents.role import Record
from app.demo.orders import bigcommerce_order, fno_order
from app.events.ids import derive, partition_of
from tests.simulation.cluster import VirtualCluster
from tests.simulation.dice import Dice
from tests.simulation.providers import STORE, Providers

COMPLETED: Final = ("Completed", "Fulfilled")
REFUSED: Final = ("Canceled", "Validation failed")
CANCELED: Final = ("Canceled", "Canceled")
LINES_MAX: Final = 3
FIRST_SHOP_ID: Final = 1001
JSON: Final = ("content-type", b"application/json")
Headers = tuple[tuple[str, bytes], ...]


@dataclass
class Expected:
    """`ends` are the statuses that an order may end in, by order id; `bad` the codes of records, by where they lie."""

    ends: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    shop: dict[str, str] = field(default_factory=dict)
    """Orders of the shop: order id -> the shop's id."""
    erp: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Orders born in F+O: order id -> company and number."""
    bad: dict[str, str] = field(default_factory=dict)


class Workload:
    """One world's worth. `play` runs until everything was done once."""

    def __init__(self, seed: int, cluster: VirtualCluster, dice: Dice, providers: Providers, horizon_s: float) -> None:
        self._random, self._cluster, self._dice = Random(f"workload {seed}"), cluster, dice
        self._providers, self._horizon_s = providers, horizon_s
        self.expected = Expected()

    async def play(self) -> None:
        await asyncio.gather(*(self._later(act) for act in self._acts()))

    def _acts(self) -> list[Callable[[], Awaitable[None]]]:
        random = self._random
        makers = [
            random.choice((self._shop_order, self._web_order, self._erp_order)) for _ in range(random.randint(3, 7))
        ]
        acts = [make(number) for number, make in enumerate(makers)]
        bad = [self._garbage, self._foreign_schema, self._no_json, self._no_flow, self._no_such_command, self._stranger]
        bad += [self._keyless, self._odd_row, self._early_reprocess]
        return acts + random.sample(bad, random.randint(0, 4))

    async def _later(self, act: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(self._random.uniform(0, self._horizon_s))
        await act()

    # ---- orders ----

    def _shop_order(self, number: int) -> Callable[[], Awaitable[None]]:
        random = Random(f"{self._random.random()}")
        shop_id = FIRST_SHOP_ID + number
        wire = _small(lambda: bigcommerce_order(random, shop_id, 1_760_000_000 + number), "products")
        fault = random.choice(("", "", "", "no lines", "negative quantity"))
        if fault == "no lines":
            wire["products"] = []
        elif fault:
            wire["products"][0]["quantity"] = -1
        order_id = f"bc-{STORE}-{shop_id}"
        self.expected.ends[order_id] = (REFUSED,) if fault else (COMPLETED,)
        self.expected.shop[order_id] = "" if fault else str(shop_id)

        async def act() -> None:
            await self._providers.control("/bigcommerce/orders?touch=1", [wire])
            if not fault and random.random() < 0.4:
                await self._change_after(random, order_id)

        return act

    def _web_order(self, number: int) -> Callable[[], Awaitable[None]]:
        random = Random(f"{self._random.random()}")
        order_id = f"web-{number}"
        lines = [
            {"sku": f"SKU-{n}", "quantity": random.randint(1, 9), "unit_price": "12.5"}
            for n in range(1, random.randint(1, LINES_MAX) + 1)
        ]
        fault = random.choice(("", "", "", "total"))
        address = {"name": "Ana", "street": "1 Pine St", "city": "Seattle", "postal_code": "98101", "country": "US"}
        body: dict[str, Any] = {"order_id": order_id, "currency": "USD", "ship_to": address, "lines": lines}
        if fault:
            body["total"] = "1"
        self.expected.ends[order_id] = (REFUSED,) if fault else (COMPLETED,)

        async def act() -> None:
            ce_id = derive(order_id, "producer") if random.random() < 0.5 else ""
            await self._produced("order-created", order_id, body, ce_id)
            if random.random() < 0.2:
                await self._known(order_id)
                other = {**body, "customer": "somebody else"}
                self._bad("order-created", order_id, msgspec.json.encode(other), "other-content")
            if not fault and random.random() < 0.4:
                await self._change_after(random, order_id)

        return act

    def _erp_order(self, number: int) -> Callable[[], Awaitable[None]]:
        random = Random(f"{self._random.random()}")
        company, erp_number = random.choice(("usmf", "demf")), f"SO-{number:04}"
        row = _small(lambda: fno_order(random, company, erp_number), "Lines")
        course = random.choice(("", "", "", "refused", "canceled", "changed"))
        if course == "refused":
            row["CurrencyCode"] = "QQQ"
        order_id = f"fno-{company}-{erp_number}"
        ends = {"refused": (REFUSED,), "canceled": (COMPLETED, CANCELED)}
        self.expected.ends[order_id] = ends.get(course, (COMPLETED,))
        self.expected.erp[order_id] = (company, erp_number)

        async def act() -> None:
            await self._providers.control("/fno/orders", [row])
            await asyncio.sleep(random.uniform(0, 5))
            if course in ("canceled", "changed"):
                await self._in_erp(company, erp_number, course)

        return act

    async def _in_erp(self, company: str, number: str, course: str) -> None:
        """Somebody in F+O cancels or changes the order, if that is still possible."""
        order = self._providers.erp.book.find(company, number)
        assert order is not None, "it was just entered"
        path = f"/fno/orders/{company}/{number}"
        if course == "changed" and order.status not in ("Invoiced", "Canceled"):
            await self._providers.control(f"{path}/change", {"DeliveryAddressStreet": "2 Elm St"})
        elif course == "canceled" and order.status in ("Active", "Confirmed", "Picked"):
            await self._providers.control(f"{path}/advance", {"to": "Canceled"})

    async def _change_after(self, random: Random, order_id: str) -> None:
        """An operator moves the delivery, at some moment of the order's life; a final order refuses it."""
        await asyncio.sleep(random.uniform(0, 8))
        values = {"ship_to.street": "9 Moved Rd"}
        body = {"order_id": order_id, "command": "change", "actor": "ops", "values": values}
        await self._produced("order-command", order_id, body, derive(order_id, "moved"))

    # ---- records that are no good ----

    async def _garbage(self) -> None:
        value = bytes(self._random.randrange(1, 256) for _ in range(20))
        self._bad("order-created", "web-garbage", b"\x01" + value, "malformed")

    async def _foreign_schema(self) -> None:
        self._bad("provider-event", "web-0", b"\x00\x00\x00\x99\x99" + b"12345", "unknown-schema")

    async def _no_json(self) -> None:
        self._bad("order-command", "web-1", b'{"order_id": "web-1", ', "malformed")

    async def _no_flow(self) -> None:
        body = {"order_id": "web-lost", "flow": "no-such-flow", "lines": []}
        self._bad("order-created", "web-lost", msgspec.json.encode(body), "no-flow")

    async def _no_such_command(self) -> None:
        """For an order that exists once: until then it waits."""
        order_id = self._random.choice(sorted(self.expected.ends))
        body = {"order_id": order_id, "command": "dance"}
        self._bad("order-command", order_id, msgspec.json.encode(body), "invalid")

    async def _early_reprocess(self) -> None:
        order_id = self._random.choice(sorted(self.expected.ends))
        body = {"order_id": order_id, "command": "reprocess", "subject": "no such step"}
        self._bad("order-command", order_id, msgspec.json.encode(body), "unknown-step")

    async def _stranger(self) -> None:
        """An event of an order that nobody ever creates."""
        body = {"order_id": "web-stranger", "provider": "fno", "event": "order shipped"}
        self._bad("provider-event", "web-stranger", msgspec.json.encode(body), "unknown-order")

    async def _keyless(self) -> None:
        record = self._cluster.produce("order-created", self._anywhere(), None, b"\x01no order", (JSON,))
        self.expected.bad[place(record)] = "malformed"

    async def _odd_row(self) -> None:
        row = {"op": "u", "ts_ms": 1, "source": {"origin": "fno", "sequence": 1}, "after": {"dataAreaId": "usmf"}}
        self._bad("dualwrite.fno.salesorders", "fno-usmf-odd", msgspec.json.encode(row), "invalid")

    # ---- producing ----

    def _bad(self, topic: str, key: str, value: bytes, code: str) -> None:
        record = self._cluster.produce(topic, self._partition(key), key.encode(), value, (JSON,))
        self.expected.bad[place(record)] = code

    async def _produced(self, topic: str, key: str, body: Mapping[str, Any], ce_id: str) -> None:
        """A producer's record, perhaps again after a while, perhaps in the wrong place or without a key."""
        headers: Headers = (JSON, ("ce_id", ce_id.encode())) if ce_id else (JSON,)
        value = msgspec.json.encode(body)
        if topic == "order-created" and "placed_at" not in body:
            value = msgspec.json.encode({**body, "placed_at": "2026-01-31T09:30:00Z"})
        for _ in range(1 + self._dice.happens(self._dice.odds.twice)):
            astray = self._dice.happens(self._dice.odds.astray)
            partition = self._anywhere() if astray else self._partition(key)
            named = None if astray and self._dice.happens(0.5) else key.encode()
            self._cluster.produce(topic, partition, named, value, headers)
            await asyncio.sleep(self._random.uniform(0, 3))

    async def _known(self, order_id: str) -> None:
        """Return once the order exists."""
        news = self._cluster.listen(["order-status"])
        while all(record.key != order_id.encode() for record in self._cluster.read_all("order-status")):
            news.clear()
            await news.wait()
        self._cluster.forget(news)

    def _partition(self, key: str) -> int:
        return partition_of(key.encode(), self._cluster.partitions)

    def _anywhere(self) -> int:
        return self._random.randrange(self._cluster.partitions)


def place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _small(make: Callable[[], dict[str, Any]], lines: str) -> dict[str, Any]:
    """The first order of few lines: worlds are many and small."""
    while True:
        wire = make()
        if len(wire[lines]) <= LINES_MAX:
            return wire
