"""The orders of one simulated store: what they are, and the changes that the API makes to them. In memory."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from app.sandbox.vendors.bigcommerce import shipments
from app.sandbox.vendors.bigcommerce.fields import Wire
from app.sandbox.vendors.bigcommerce.payloads import date_ms, parse_seed, rfc2822
from app.sandbox.vendors.bigcommerce.statuses import NAMES, PARTIALLY_SHIPPED, SHIPPED
from app.sandbox.vendors.simulation import RefusalError, World

PROVIDER: Final = "bigcommerce"
ORDERS_MAX: Final = 200_000
# Fields of PUT /orders/{id} that the simulator stores, with their types. Read-only fields are ignored, as V2 does.
_WRITABLE: Final[Mapping[str, type]] = {
    "status_id": int,
    "customer_id": int,
    "staff_notes": str,
    "customer_message": str,
    "external_order_id": str,
    "payment_method": str,
}


@dataclass(slots=True)
class StoredOrder:
    """`fields` are the order's own, `lists` those with a path of their own (products, shipping_addresses, ...)."""

    order_id: int
    created_ms: int
    modified_ms: int
    fields: Wire
    lists: dict[str, list[Wire]]
    shipments: list[Wire] = field(default_factory=list)

    def rows(self, name: str) -> list[Wire]:
        """Return one of the lists with a path of their own."""
        return self.shipments if name == "shipments" else self.lists[name]


def not_there() -> RefusalError:
    return RefusalError(404, "The requested resource was not found.")


Notify = Callable[[int, str, Mapping[str, object]], None]
"""Hears of every change: the order's id, the kind as in the journal, and what changed."""


class OrderStore:
    """The orders of the store with this hash."""

    def __init__(self, world: World, store: str, notify: Notify) -> None:
        self._world, self._store, self._notify = world, store, notify
        self._by_id: dict[int, StoredOrder] = {}
        self._by_modified: list[tuple[int, int]] = []
        self._shipments = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[StoredOrder]:
        return list(self._by_id.values())

    def modified_from(self, ms: int) -> Iterator[StoredOrder]:
        """Return orders changed then or later, the oldest change first, those of one second by id."""
        start = bisect_left(self._by_modified, (ms, 0))
        return (self._by_id[order_id] for _, order_id in islice(self._by_modified, start, None))

    def get(self, order_id: int) -> StoredOrder:
        """Return the order. Raises RefusalError with 404."""
        if order_id not in self._by_id:
            raise not_there()
        return self._by_id[order_id]

    def count_by_status(self) -> dict[int, int]:
        counts = dict.fromkeys(NAMES, 0)
        for order in self._by_id.values():
            counts[order.fields["status_id"]] += 1
        return counts

    def seed(self, wires: list[Wire], *, touch: bool) -> int:
        """Add expanded orders, all or none, and return how many. With `touch` they have changed just now.

        Raises RefusalError for an order that cannot be stored, and for an id that is there already.
        """
        if len(self._by_id) + len(wires) > ORDERS_MAX:
            raise RefusalError(409, f"The store holds {len(self._by_id)} of {ORDERS_MAX} orders", "seed fewer")
        added: dict[int, StoredOrder] = {}
        for position, wire in enumerate(wires):
            order = self._read_seed(wire, f"$[{position}]", touch)
            if order.order_id in added or order.order_id in self._by_id:
                raise RefusalError(409, f"$[{position}].id: order {order.order_id} exists", "use another id")
            added[order.order_id] = order
        self._by_id |= added
        self._by_modified += [(order.modified_ms, order.order_id) for order in added.values()]
        self._by_modified.sort()
        for order in added.values():
            self._record(order, "order created", status_id=order.fields["status_id"])
        return len(added)

    def _read_seed(self, wire: Wire, at: str, touch: bool) -> StoredOrder:
        fields, lists = parse_seed(wire, at, self._world.clock())
        if touch:
            fields["date_modified"] = rfc2822(self._world.clock())
        created_ms, modified_ms = date_ms(fields["date_created"]), date_ms(fields["date_modified"])
        return StoredOrder(
            order_id=fields["id"], created_ms=created_ms, modified_ms=modified_ms, fields=fields, lists=lists
        )

    def update(self, order: StoredOrder, body: Wire) -> None:
        """Take over the writable fields of a PUT that differ. When none does, nothing changes, not even date_modified.

        Raises RefusalError with 400 for a status or type that does not exist.
        """
        for name in _WRITABLE.keys() & body.keys():
            if not isinstance(body[name], _WRITABLE[name]) or isinstance(body[name], bool):
                raise RefusalError(400, f"The field '{name}' is invalid.")
        if "status_id" in body and body["status_id"] not in NAMES:
            raise RefusalError(400, "The field 'status_id' is invalid.")
        changes = {name: body[name] for name in _WRITABLE if name in body and body[name] != order.fields.get(name)}
        status_id = changes.pop("status_id", None)
        if changes:
            order.fields |= changes
            self._touch(order, "order changed", fields=tuple(changes))
        if status_id is not None:
            self._set_status(order, status_id)

    def ship(self, order: StoredOrder, body: Wire) -> Wire:
        """Record a shipment, raise the shipped quantities and move the order to Shipped or Partially Shipped.

        Raises RefusalError with 400 for an address, line or quantity that the order does not have.
        """
        request = shipments.parse_request(body, order.lists)
        self._shipments += 1
        shipment = shipments.shipment(request, order.fields, order.lists, self._shipments, self._world.clock())
        order.shipments.append(shipment)
        shipments.add_shipped(request, order.lists)
        order.fields["items_shipped"] = sum(product.get("quantity_shipped", 0) for product in order.lists["products"])
        self._touch(order, "shipment created", shipment_id=shipment["id"])
        self._set_status(order, SHIPPED if shipments.is_complete(order.lists["products"]) else PARTIALLY_SHIPPED)
        return shipment

    def _set_status(self, order: StoredOrder, status_id: int) -> None:
        before = order.fields["status_id"]
        if before == status_id:
            return
        order.fields |= {"status_id": status_id, "status": NAMES[status_id], "custom_status": NAMES[status_id]}
        if status_id == SHIPPED and not order.fields["date_shipped"]:
            order.fields["date_shipped"] = rfc2822(self._world.clock())
        self._touch(order, "status changed", status_id=status_id, previous=before)

    def _touch(self, order: StoredOrder, kind: str, **detail: object) -> None:
        now = self._world.clock()
        del self._by_modified[bisect_left(self._by_modified, (order.modified_ms, order.order_id))]
        order.modified_ms = now // 1000 * 1000
        insort(self._by_modified, (order.modified_ms, order.order_id))
        order.fields["date_modified"] = rfc2822(now)
        self._record(order, kind, **detail)

    def _record(self, order: StoredOrder, kind: str, **detail: object) -> None:
        self._world.journal.effect(PROVIDER, kind, f"bc-{self._store}-{order.order_id}", detail)
        self._notify(order.order_id, kind, detail)
