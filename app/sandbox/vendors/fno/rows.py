"""Dual-write out of F+O: each change of an order becomes one row in a Debezium envelope.

Where rows go is the port `Rows`. `DisorderedRows` stands before it and repeats rows or lets them overtake, on purpose.
"""

from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from app.sandbox.vendors.fno.entities import EMPTY_DATE, Entity, Values, ms_of
from app.sandbox.vendors.fno.order_store import PROVIDER, Op, Origin, SalesOrder
from app.sandbox.vendors.simulation import World

MEMORY_ROWS_MAX: Final = 200_000
_ROW_FAULTS: Final = frozenset({"duplicate-rows", "reorder-rows"})
_HEADER_FIELDS: Final = (
    "dataAreaId",
    "SalesOrderNumber",
    "CustomersOrderReference",
    "URL",
    "SalesOrderOriginCode",
    "OrderingCustomerAccountNumber",
    "InvoiceCustomerAccountNumber",
    "CurrencyCode",
    "DefaultShippingSiteId",
    "DefaultShippingWarehouseId",
    "DeliveryAddressName",
    "DeliveryAddressStreet",
    "DeliveryAddressCity",
    "DeliveryAddressStateId",
    "DeliveryAddressZipCode",
    "DeliveryAddressCountryRegionId",
    "Email",
    "SalesOrderStatus",
    "SalesOrderProcessingStatus",
    "IsSalesProcessingStopped",
    "OrderTotalAmount",
    "OrderTotalTaxAmount",
    "OrderTotalChargesAmount",
    "TotalDiscountAmount",
)
_LINE_FIELDS: Final = (
    "InventoryLotId",
    "ItemNumber",
    "ExternalItemNumber",
    "LineDescription",
    "OrderedSalesQuantity",
    "SalesPrice",
    "LineAmount",
    "ShippingSiteId",
    "ShippingWarehouseId",
    "SalesOrderLineStatus",
)
# Decimals leave as text with four places: exact for every reader.
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Rows(Protocol):
    """Takes rows in order and never loses one. `full`: it cannot take more for now, so F+O must not change anything."""

    @property
    def full(self) -> bool: ...

    def publish(self, key: bytes, value: bytes | None) -> None: ...

    def background(self) -> Sequence[Coroutine[None, None, None]]:
        """Return what brings the rows to where they go, while it runs."""
        return ()

    async def finish(self, limit_s: float) -> None:
        """Wait until all rows are where they go, at most `limit_s` seconds."""
        return


class MemoryRows(Rows):
    """Rows for whoever runs F+O without Kafka. It keeps the latest MEMORY_ROWS_MAX."""

    full = False

    def __init__(self) -> None:
        self.rows: deque[tuple[bytes, bytes | None]] = deque(maxlen=MEMORY_ROWS_MAX)

    def publish(self, key: bytes, value: bytes | None) -> None:
        self.rows.append((key, value))


class RowWriter:
    """Turns changes into rows. Each order counts its rows, from 1; the row before is the last that was published."""

    def __init__(self, world: World, rows: Rows) -> None:
        self._world, self._rows = world, rows
        self.published = 0

    def publish_change(self, order: SalesOrder, op: Op, origin: Origin) -> None:
        """Publish the change; a deletion is followed by a tombstone, as Debezium does."""
        key = order.key.encode()
        order.version += 1
        after = None if op == "d" else _encode(row(order))
        self._rows.publish(key, _encode(self._envelope(order, op, origin, after)))
        if op == "d":
            self._rows.publish(key, None)
        order.published = after
        self.published += 1

    def _envelope(self, order: SalesOrder, op: Op, origin: Origin, after: bytes | None) -> Mapping[str, Any]:
        now = self._world.clock()
        source = {
            "version": "1",
            "connector": "dualwrite",
            "name": PROVIDER,
            "ts_ms": now,
            "snapshot": "false",
            "db": order.company,
            "table": "salesorders",
            "origin": origin,
            # What F+O applied is told by its service user alone: it does not know our version of the order.
            "origin_version": 0,
            "sequence": order.version,
        }
        before, after = (None if part is None else msgspec.Raw(part) for part in (order.published, after))
        return {"before": before, "after": after, "source": source, "op": op, "ts_ms": now}


def row(order: SalesOrder) -> Values:
    """Return the order and its lines as dual-write maps them. Every order in F+O is ready to sync."""
    values = order.header.values
    header = {name: values[name] for name in _HEADER_FIELDS}
    dates = {
        "RequestedShippingDate": _date(values["RequestedShippingDate"]),
        "OrderCreationDateTime": _date(values["OrderCreationDateTime"]),
    }
    return {**header, **dates, "isReadyToSync": True, "Lines": [_line(line) for line in order.lines.values()]}


def _line(line: Entity) -> Values:
    values = line.values
    return {"LineNumber": int(values["LineNumber"]), **{name: values[name] for name in _LINE_FIELDS}}


def _date(text: str) -> int | None:
    return None if text == EMPTY_DATE else ms_of(text)


class DisorderedRows(Rows):
    """Meets the faults `duplicate-rows` and `reorder-rows`. A row that is held back waits for its delay at most."""

    def __init__(self, world: World, rows: Rows) -> None:
        self._world, self._rows = world, rows
        self._held: dict[bytes, list[bytes | None]] = {}

    @property
    def full(self) -> bool:
        return self._rows.full

    def publish(self, key: bytes, value: bytes | None) -> None:
        fault = self._world.faults.pick(PROVIDER, _ROW_FAULTS)
        if fault is not None and fault.kind == "reorder-rows" and key not in self._held:
            self._held[key] = [value]
            self._world.schedule.after(fault.request.delay_ms, lambda: self._release(key))
            return
        self._rows.publish(key, value)
        if fault is not None and fault.kind == "duplicate-rows":
            self._rows.publish(key, value)
        self._release(key)

    def _release(self, key: bytes) -> None:
        for value in self._held.pop(key, ()):
            self._rows.publish(key, value)
