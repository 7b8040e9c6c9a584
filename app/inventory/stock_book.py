"""The ledger of sourcing as one fold sees and changes it: stock, what is reserved of it, and for which order line.

Every movement is keyed by order line and warehouse, so that one that is told again changes nothing. Totals of
warehouses follow each change of a shelf.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from app.inventory import item_stock, source_ledger
from app.inventory.item_stock import OversoldError, Shelf, Stock
from app.inventory.ledger_values import CONFIRMED, OPEN, RELEASED, Reservation, Runs, Sourced, Warehouse
from app.inventory.source_ledger import Kept, Value


class Book:
    """Reads `state`, which is not touched: `changes` are the values that became new."""

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._state = state
        self._known: dict[bytes, Value | None] = {}
        self._changed: dict[bytes, Value] = {}

    def changes(self) -> dict[bytes, bytes | None]:
        return {key: source_ledger.encode(value) for key, value in self._changed.items()}

    def find(self, kind: type[Kept], name: str) -> Kept | None:
        key = source_ledger.key_of(kind, name)
        if key not in self._known:
            value = self._state.get(key)
            self._known[key] = None if value is None else source_ledger.decode(kind, value)
        return self._known[key]  # type: ignore[return-value]

    def keep(self, value: Value) -> None:
        key = source_ledger.key(value)
        self._known[key] = self._changed[key] = value

    def order(self, order_id: str) -> Sourced | None:
        return self.find(Sourced, order_id)

    def stock(self, sku: str) -> Stock:
        return self.find(Stock, sku) or Stock(sku)

    def warehouse(self, name: str) -> Warehouse:
        return self.find(Warehouse, name) or Warehouse(name)

    def runs(self, pool: str) -> Runs:
        return self.find(Runs, pool) or Runs(pool)

    def available(self, sku: str, warehouses: Iterable[str]) -> int:
        found = self.stock(sku)
        return sum(found.shelf(warehouse).available for warehouse in warehouses)

    # ---- what moves stock ----

    def keep_stock(self, after: Stock) -> None:
        """Keep a changed stock, and let the totals of its warehouses follow."""
        before = self.stock(after.sku)
        for warehouse, shelf in after.shelves.items():
            if shelf != (known := before.shelf(warehouse)):
                self._total(warehouse, known, shelf)
        self.keep(after)

    def reserve(self, order: Sourced, wanted: Sequence[Reservation]) -> Sourced:
        """The order with these reservations as well, all of them or none; those that it holds are passed over.

        Raises OversoldError, and then has changed nothing.
        """
        held = {(known.line_id, known.warehouse) for known in order.reservations if known.status != RELEASED}
        new = tuple(asked for asked in wanted if (asked.line_id, asked.warehouse) not in held)
        stocks: dict[str, Stock] = {}
        for asked in new:
            found = stocks.get(asked.sku) or self.stock(asked.sku)
            shelf = found.shelf(asked.warehouse)
            try:
                stocks[asked.sku] = found.with_shelf(asked.warehouse, item_stock.reserved(shelf, asked.quantity))
            except OversoldError as problem:
                raise OversoldError(f"{asked.sku} at {asked.warehouse}: {problem}") from problem
        for changed in stocks.values():
            self.keep_stock(changed)
        return replace(order, reservations=(*order.reservations, *new)) if new else order

    def confirm(self, order: Sourced, chosen: Callable[[Reservation], bool]) -> Sourced:
        """The order after what is reserved of the chosen lines has left."""
        return self._close(order, chosen, CONFIRMED, item_stock.shipped)

    def release(self, order: Sourced, chosen: Callable[[Reservation], bool]) -> Sourced:
        """The order after what is reserved of the chosen lines is free again."""
        return self._close(order, chosen, RELEASED, item_stock.released)

    def _close(
        self, order: Sourced, chosen: Callable[[Reservation], bool], status: str, moved: Callable[[Shelf, int], Shelf]
    ) -> Sourced:
        reservations = []
        for held in order.reservations:
            if held.status == OPEN and chosen(held):
                found = self.stock(held.sku)
                shelf = moved(found.shelf(held.warehouse), held.quantity)
                self.keep_stock(found.with_shelf(held.warehouse, shelf))
                held = replace(held, status=status)
            reservations.append(held)
        return replace(order, reservations=tuple(reservations))

    def _total(self, warehouse: str, before: Shelf, after: Shelf) -> None:
        total = self.warehouse(warehouse)
        grown = {
            name: getattr(total, name) + getattr(after, name) - getattr(before, name)
            for name in ("on_hand", "reserved", "available", "short")
        }
        self.keep(replace(total, **grown))
