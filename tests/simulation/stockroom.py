"""The people at the warehouses of a world: receipts, counts, adjustments, and how lines without stock are handled.

Stock is scarce while faults last, so that lines wait; in the end there is enough of everything.
"""

from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, Final

from app.events.ids import derive
from tests.simulation.producing import Producer

POOL: Final = "main"
WAREHOUSES: Final = {"EU-HAM": "EU", "US-SEA": "US", "SA-GRU": "SA"}
SKUS: Final = ("SKU-1", "SKU-2", "SKU-3")
PLENTY: Final = 1000
Act = Callable[[], Awaitable[None]]


class Stockroom:
    def __init__(self, random: Random, producer: Producer) -> None:
        self._random, self._producer, self._number = random, producer, 0

    def acts(self) -> list[Act]:
        random = self._random
        kinds = (self._receipt, self._receipt, self._count, self._adjustment, self._preference, self._job)
        return [self._count() for _ in range(3)] + [random.choice(kinds)() for _ in range(random.randint(4, 10))]

    def deliver(self) -> None:
        """The last receipts: enough of everything, somewhere."""
        for sku in SKUS:
            body = self._change(sku, "add", PLENTY)
            self._producer.as_json("stock-change", POOL, body, derive(sku, "last receipt"))

    def _receipt(self) -> Act:
        return self._changed("add", self._random.randint(1, 15))

    def _adjustment(self) -> Act:
        """Something broke, or was found."""
        return self._changed("add", self._random.randint(-6, 2))

    def _count(self) -> Act:
        """A snapshot. Versions come in any order; without one the last to come counts."""
        return self._changed("set", self._random.randint(0, 15), version=self._random.choice((0, 1, 2, 3, 4)))

    def _changed(self, kind: str, quantity: int, **more: int) -> Act:
        self._number += 1
        body, name = self._change(self._random.choice(SKUS), kind, quantity, **more), f"stock {self._number}"

        async def act() -> None:
            await self._producer.produced("stock-change", POOL, body, derive(name, "stock"))

        return act

    def _change(self, sku: str, kind: str, quantity: int, **more: int) -> dict[str, Any]:
        warehouse = self._random.choice(sorted(WAREHOUSES))
        place = {"sku": sku, "warehouse": warehouse, "site": WAREHOUSES[warehouse]}
        return {**place, "kind": kind, "quantity": str(quantity), **more}

    def _preference(self) -> Act:
        values = self._random.choice(
            ({"backorders": "off"}, {"backorders": "on"}, {"cancellation_sla_days": "1"}, {"backorders": "off"})
        )
        return self._commanded("set preferences", values)

    def _job(self) -> Act:
        return self._commanded("run backorders", {"why": "command"})

    def _commanded(self, command: str, values: Mapping[str, str]) -> Act:
        self._number += 1
        name = f"{command} {self._number}"

        async def act() -> None:
            body = {"order_id": POOL, "command": command, "values": values, "actor": "ops"}
            await self._producer.produced("order-command", POOL, body, derive(name, "command"))

        return act
