"""The outbound orders of the simulated Flexe: creation that is idempotent, shipments, exceptions, cancellation.

Every change is an effect in the journal and a webhook. In memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from app.sandbox.vendors.flexe.payloads import OrderCreation, Wire, iso, item_payloads, line_payloads
from app.sandbox.vendors.flexe.warehouse_stock import WarehouseStock
from app.sandbox.vendors.simulation import RefusalError, World

PROVIDER: Final = "flexe"
ORDERS_MAX: Final = 200_000
FINAL: Final = ("shipped", "cancelled")
Notify = Callable[[str, "StoredOrder", Mapping[str, object]], None]
"""(kind of webhook, order, what it says beside the order's ids)."""


@dataclass(slots=True)
class StoredOrder:
    """`progress`: received, accepted, partially_shipped, shipped, cancelled. `hold` is the code of an exception.

    `waiting`: its next stage is scheduled.
    """

    order_id: str
    creation: OrderCreation
    created: int
    updated: int
    progress: str = "received"
    hold: str = ""
    cancel_reason: str | None = None
    shipped: dict[str, int] = field(default_factory=dict)
    shipments: list[Wire] = field(default_factory=list)
    exceptions: int = 0
    waiting: bool = False

    @property
    def status(self) -> str:
        return "on_hold" if self.hold else self.progress

    def remaining(self) -> dict[str, int]:
        """Return the quantity still to ship of each line, in ten-thousandths, without complete lines."""
        rest = {line: ordered - self.shipped.get(line, 0) for line, ordered in self.creation.ordered().items()}
        return {line: quantity for line, quantity in rest.items() if quantity > 0}

    def by_sku(self, lines: Mapping[str, int]) -> dict[str, int]:
        quantities: dict[str, int] = {}
        for item in self.creation.items:
            if item.line_ref in lines:
                quantities[item.sku] = quantities.get(item.sku, 0) + lines[item.line_ref]
        return quantities

    def to_payload(self) -> Wire:
        return {
            **msgspec.to_builtins(self.creation),
            "id": self.order_id,
            "status": self.status,
            "hold": self.hold or None,
            "cancel_reason": self.cancel_reason,
            "created_at": iso(self.created),
            "updated_at": iso(self.updated),
            "items": line_payloads(self.creation, self.shipped),
            "shipments": self.shipments,
        }


class OrderStore:
    """The orders of one owner."""

    def __init__(self, world: World, owner_id: str, stock: WarehouseStock, notify: Notify) -> None:
        self._world, self._owner_id, self._stock, self._notify = world, owner_id, stock, notify
        self._by_id: dict[str, StoredOrder] = {}
        self._by_external_id: dict[str, StoredOrder] = {}
        self._shipments = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[StoredOrder]:
        return list(self._by_id.values())

    def get(self, order_id: str) -> StoredOrder:
        """Return the order. Raises RefusalError with 404."""
        if order_id not in self._by_id:
            raise RefusalError(404, f"There is no outbound order {order_id[:80]!r}.")
        return self._by_id[order_id]

    def with_external_id(self, external_id: str) -> StoredOrder | None:
        return self._by_external_id.get(external_id)

    def create(self, creation: OrderCreation) -> tuple[StoredOrder, bool]:
        """Return the order, and whether it is new. Raises RefusalError: 403 for another owner, 409 for another body."""
        if creation.owner_id != self._owner_id:
            raise RefusalError(403, f"owner_id {creation.owner_id!r} is not the owner of this API key.")
        existing = self._by_external_id.get(creation.external_id)
        if existing is None:
            return self._add(creation), True
        if existing.creation != creation:
            raise RefusalError(409, f"external_id {creation.external_id!r} is {existing.order_id}, with another body.")
        return existing, False

    def _add(self, creation: OrderCreation) -> StoredOrder:
        if len(self._by_id) >= ORDERS_MAX:
            raise RefusalError(503, f"{ORDERS_MAX} orders are there already.")
        now = self._world.clock()
        order = StoredOrder(f"FXO-{len(self._by_id) + 1:06}", creation, now, now)
        self._by_id[order.order_id] = self._by_external_id[creation.external_id] = order
        for sku, quantity in order.by_sku(order.remaining()).items():
            self._stock.allocate(sku, quantity)
        self._record_effect(order, "order created", id=order.order_id)
        return order

    def accept(self, order: StoredOrder) -> None:
        order.progress = "accepted"
        self._touch(order)
        self._notify("order.accepted", order, {})

    def ship(self, order: StoredOrder, lines: Mapping[str, int]) -> None:
        """Ship quantities by line; without enough stock ship nothing and hold the order.

        Raises RefusalError with 409 when the order is canceled, or has not so much left.
        """
        remaining = order.remaining()
        if order.progress == "cancelled" or not lines or any(lines[line] > remaining.get(line, 0) for line in lines):
            raise RefusalError(409, f"{order.order_id} is {order.status} and has not so much left to ship.")
        if missing := self._stock.missing(order.by_sku(lines)):
            self.hold(order, "out_of_stock", f"not enough of {', '.join(missing)}")
            return
        self._stock.take(order.by_sku(lines))
        for line, quantity in lines.items():
            order.shipped[line] = order.shipped.get(line, 0) + quantity
        order.progress = "partially_shipped" if order.remaining() else "shipped"
        order.hold = ""
        self._add_shipment(order, lines)

    def _add_shipment(self, order: StoredOrder, lines: Mapping[str, int]) -> None:
        self._shipments += 1
        shipment = {
            "id": f"FXS-{self._shipments:06}",
            "shipped_at": iso(self._world.clock()),
            "carrier": "simulated",
            "tracking_number": f"1Z{self._shipments:09}",
            "items": item_payloads(order.creation, lines),
        }
        order.shipments.append(shipment)
        self._touch(order)
        self._record_effect(order, "order shipped", shipment=shipment["id"], items=shipment["items"])
        self._notify("shipment.shipped", order, {"shipment": shipment})

    def hold(self, order: StoredOrder, code: str, message: str) -> None:
        """Hold the order because of an exception. Raises RefusalError with 409 when nothing is left to ship."""
        if order.progress in FINAL:
            raise RefusalError(409, f"{order.order_id} is {order.status}.")
        order.hold = code
        order.exceptions += 1
        exception = {"id": f"{order.order_id}-E{order.exceptions}", "code": code, "message": message}
        self._touch(order)
        self._record_effect(order, "order delayed", exception=exception["id"], code=code)
        self._notify("shipment.exception", order, {"exception": exception})

    def release(self, order: StoredOrder) -> None:
        order.hold = ""
        self._touch(order)

    def cancel(self, order: StoredOrder, reason: str) -> None:
        """Cancel the order; a second time nothing happens. Raises RefusalError with 409 when some of it was shipped."""
        if order.progress == "cancelled":
            return
        if order.shipments:
            raise RefusalError(409, f"{order.order_id} is {order.status}: goods that have left are not canceled.")
        for sku, quantity in order.by_sku(order.remaining()).items():
            self._stock.allocate(sku, -quantity)
        order.progress, order.hold, order.cancel_reason = "cancelled", "", reason
        self._touch(order)
        self._record_effect(order, "order canceled", reason=reason)
        self._notify("order.cancelled", order, {"reason": reason})

    def _touch(self, order: StoredOrder) -> None:
        order.updated = self._world.clock()

    def _record_effect(self, order: StoredOrder, kind: str, **detail: object) -> None:
        self._world.journal.effect(PROVIDER, kind, order.creation.external_id, detail)
