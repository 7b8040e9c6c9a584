"""Stages that a sales order reaches by itself: billed, sometimes in two parts, then posted to accounting."""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from random import Random
from typing import Final

from app.sandbox.vendors.sap.entities import Entity
from app.sandbox.vendors.sap.order_store import OrderStore
from app.sandbox.vendors.simulation import Delays, World, changed_delays

STAGES: Final = ("Billed", "Posted")
DELAYS_MS: Final[Delays] = {"Billed": 150, "Posted": 200}
_BLOCKED_SHARE: Final = 0.5
"""Of the billing documents: the transfer is blocked (A) at first; of the others it is just not made yet."""


class Progression:
    """`partial_share` of the orders that can be split are billed in two parts, chosen by `seed` and their number."""

    def __init__(self, world: World, orders: OrderStore, partial_share: float, seed: int) -> None:
        self._world, self._orders, self._partial_share, self._seed = world, orders, partial_share, seed
        self.delays = DELAYS_MS
        self._waiting: set[str] = set()
        """Documents of either kind whose next stage is scheduled."""

    def set_delays(self, delays: Delays) -> None:
        """Change delays, also for what waited without one. Raises RefusalError for an unknown stage."""
        self.delays = changed_delays("SAP", self.delays, delays)
        for order in self._orders.by_number.values():
            self.schedule(order)
        for document in self._orders.billing_documents.values():
            self.schedule_posting(document)

    def schedule(self, order: Entity) -> None:
        """Schedule the order's billing, if something is left and nothing is in its way."""
        number, delay = order.values["SalesOrder"], self.delays["Billed"]
        if delay is None or number in self._waiting or not self._is_billable(order):
            return
        self._waiting.add(number)
        self._world.schedule.after(delay, lambda: self._bill(order))

    def schedule_posting(self, document: Entity) -> None:
        number, delay = document.values["BillingDocument"], self.delays["Posted"]
        if delay is None or number in self._waiting or document.values["AccountingTransferStatus"] not in ("", "A"):
            return
        self._waiting.add(number)
        self._world.schedule.after(delay, lambda: self._post(document))

    def bill(self, order: Entity, quantities: Mapping[str, Decimal]) -> Entity:
        """Bill these quantities of the order, or all that is left where none are named. Raises SapError."""
        remaining = self._orders.open_quantities(order)
        status = "A" if self._dice(order, "status").random() < _BLOCKED_SHARE else ""
        document = self._orders.bill(order, quantities or remaining, status)
        self.schedule_posting(document)
        return document

    def _bill(self, order: Entity) -> None:
        self._waiting.discard(order.values["SalesOrder"])
        if self._is_billable(order):
            self.bill(order, self._part(order))
            self.schedule(order)

    def _post(self, document: Entity) -> None:
        self._waiting.discard(document.values["BillingDocument"])
        self._orders.post(document)

    def _is_billable(self, order: Entity) -> bool:
        return not order.values["HeaderBillingBlockReason"] and bool(self._orders.open_quantities(order))

    def _part(self, order: Entity) -> dict[str, Decimal]:
        """Return what to bill now: of an order that is split a first part, of all others everything that is left."""
        remaining = self._orders.open_quantities(order)
        is_first = order.values["OverallOrdReltdBillgStatus"] == "A"
        if is_first and self._dice(order, "part").random() < self._partial_share:
            return _half(remaining) or remaining
        return remaining

    def _dice(self, order: Entity, purpose: str) -> Random:
        return Random(f"{self._seed}/{purpose}/{order.values['SalesOrder']}")


def _half(remaining: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return half of each item in whole pieces; of single pieces the first half; empty where that is nothing."""
    halves = {item: (quantity / 2).to_integral_value(ROUND_FLOOR) for item, quantity in remaining.items()}
    if any(halves.values()):
        return {item: quantity for item, quantity in halves.items() if quantity}
    return dict(list(remaining.items())[: len(remaining) // 2])
