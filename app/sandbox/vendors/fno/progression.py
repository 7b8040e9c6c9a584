"""Statuses of a sales order at F+O: which follows which, what it means for the lines, and when it comes.

An order that came through OData is confirmed, picked, delivered and invoiced; one that was born in F+O is delivered by
packing slip without a picking list. Nothing moves while processing is stopped, or before the order has lines.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from app.sandbox.vendors.fno.entities import HEADER, Values, write_failed
from app.sandbox.vendors.fno.order_store import PROVIDER, OrderStore, Origin, SalesOrder
from app.sandbox.vendors.simulation import Delays, World, changed_delays

STAGES: Final = ("Confirmed", "Picked", "Delivered", "Invoiced")
"""What F+O reaches by itself, in order; the others come by the control plane or through OData."""
DELAYS_MS: Final[Delays] = {"Confirmed": 50, "Picked": 150, "Delivered": 200, "Invoiced": 250}
_RETRY_MS: Final = 500
_RANK: Final = {
    "Active": 0,
    "Confirmed": 1,
    "Picked": 2,
    "PartiallyDelivered": 3,
    "Delivered": 4,
    "PartiallyInvoiced": 5,
    "Invoiced": 6,
    "Canceled": 7,
}
_NEXT: Final = {
    "Active": "Confirmed",
    "Confirmed": "Picked",
    "Picked": "Delivered",
    "PartiallyDelivered": "Delivered",
    "Delivered": "Invoiced",
    "PartiallyInvoiced": "Invoiced",
}
_LINE_STATUS: Final = {
    "PartiallyDelivered": "Delivered",
    "Delivered": "Delivered",
    "PartiallyInvoiced": "Invoiced",
    "Invoiced": "Invoiced",
    "Canceled": "Canceled",
}
_PARTIAL: Final = ("PartiallyDelivered", "PartiallyInvoiced")
# Lines that a packing slip or an invoice leaves alone: they are as far already, or gone.
_PASSED: Final = {
    "Delivered": ("Delivered", "Invoiced", "Canceled"),
    "Invoiced": ("Invoiced", "Canceled"),
    "Canceled": ("Canceled",),
}


class Progression:
    """`is_blocked`: nobody could be told of a change now, so none is made."""

    def __init__(self, world: World, orders: OrderStore, is_blocked: Callable[[], bool]) -> None:
        self._world, self._orders, self._is_blocked = world, orders, is_blocked
        self.delays = DELAYS_MS

    def set_delays(self, delays: Delays) -> None:
        """Change delays, also for orders that waited without one. Raises RefusalError for an unknown stage."""
        self.delays = changed_delays("F+O", self.delays, delays)
        for order in self._orders.all():
            self.schedule(order)

    def schedule(self, order: SalesOrder) -> None:
        """Schedule the order's next stage, if it has one that comes by itself."""
        stage = following(order)
        delay = self.delays.get(stage)
        if order.waiting or order.stopped or not order.lines or stage not in order.automatic or delay is None:
            return
        order.waiting = True
        self._world.schedule.after(delay, lambda: self._reach(order, stage))

    def _reach(self, order: SalesOrder, stage: str) -> None:
        order.waiting = False
        if self._is_blocked():
            order.waiting = True
            self._world.schedule.after(_RETRY_MS, lambda: self._reach(order, stage))
        elif not order.deleted and not order.stopped and following(order) == stage:
            self.advance(order, stage, (), "fno")
        else:
            self.schedule(order)

    def advance(self, order: SalesOrder, status: str, lots: Iterable[str], origin: Origin) -> None:
        """Move the order to a status, with some of its lines for a partial one. Raises RefusalError for a step back."""
        self.check(order, status)
        lines = _line_changes(order, status, tuple(lots))
        if status != order.status or lines:
            self._orders.set_status(order, status, origin, _sales_status(order, status, lines), lines)

    def check(self, order: SalesOrder, status: str) -> None:
        """Raises RefusalError, in F+O's words, when the order cannot get this status."""
        if not allowed(order.status, status) or (status == "Canceled" and _has_delivered(order)):
            infolog = f"Error: Sales order {order.number} is {order.status} and cannot become {status}."
            raise write_failed(HEADER, f"{infolog}; Error: Update has been canceled.")


def following(order: SalesOrder) -> str:
    """Return the next status of the order, "" after the last."""
    if order.born == PROVIDER and order.status == "Confirmed":
        return "Delivered"
    return _NEXT.get(order.status, "")


def allowed(before: str, after: str) -> bool:
    """Allow steps forward and repeated partial ones; what was delivered, even in part, cannot be canceled."""
    if after == "Canceled":
        return _RANK[before] < _RANK["PartiallyDelivered"]
    if before in ("Invoiced", "Canceled") or after == "Active":
        return before == after
    return _RANK[after] > _RANK[before] or before == after


def _has_delivered(order: SalesOrder) -> bool:
    """Return whether goods have left: a line added later makes a delivered order active again."""
    return any(_status_of(line.values) in ("Delivered", "Invoiced") for line in order.lines.values())


def _line_changes(order: SalesOrder, status: str, lots: tuple[str, ...]) -> dict[str, str]:
    """Return the new status of the lines that move; a partial step without `lots` moves the first open line."""
    line_status = _LINE_STATUS.get(status)
    if line_status is None:
        return {}
    movable = [lot for lot, line in order.lines.items() if _status_of(line.values) not in _PASSED[line_status]]
    if status in _PARTIAL:
        movable = [lot for lot in movable if lot in lots] if lots else movable[:1]
    return dict.fromkeys(movable, line_status)


def _sales_status(order: SalesOrder, status: str, lines: Mapping[str, str]) -> str:
    """Return the SalesStatus beside a processing status; after a partial invoice the lines decide."""
    if status in ("Delivered", "Invoiced", "Canceled"):
        return status
    if status != "PartiallyInvoiced":
        return "Backorder"
    statuses = {lines.get(lot, _status_of(line.values)) for lot, line in order.lines.items()}
    return "Backorder" if "Backorder" in statuses else "Delivered"


def _status_of(values: Values) -> str:
    return str(values["SalesOrderLineStatus"])
