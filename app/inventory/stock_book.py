"""The stock book: the ledger of sourcing as one fold reads and changes it (stock, reservations, totals of warehouses).

Every movement is keyed by order line and warehouse, so that a repeated one changes nothing. Totals of warehouses follow
each change of a shelf.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from app.inventory import item_stock, source_ledger
from app.inventory.item_stock import ItemStock, OversoldError, Shelf
from app.inventory.ledger_values import (
    CONFIRMED,
    OPEN,
    RELEASED,
    BackorderRuns,
    Reservation,
    SourcedOrder,
    WarehouseTotals,
)
from app.inventory.source_ledger import LedgerValue, ValueT


class StockBook:
    """Reads `state`, which is not touched: `changes` are the values that became new."""

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._state = state
        self._values: dict[bytes, LedgerValue | None] = {}
        self._changed: dict[bytes, LedgerValue] = {}

    def changes(self) -> dict[bytes, bytes | None]:
        return {key: source_ledger.encode(value) for key, value in self._changed.items()}

    def find(self, kind: type[ValueT], name: str) -> ValueT | None:
        """Return a value as it is now, None if there is none. Raises LedgerError."""
        key = source_ledger.key_of(kind, name)
        if key not in self._values:
            value = self._state.get(key)
            self._values[key] = None if value is None else source_ledger.decode(kind, value)
        return self._values[key]  # type: ignore[return-value]

    def keep(self, value: LedgerValue) -> None:
        key = source_ledger.key(value)
        self._values[key] = self._changed[key] = value

    def order(self, order_id: str) -> SourcedOrder | None:
        return self.find(SourcedOrder, order_id)

    def stock(self, sku: str) -> ItemStock:
        return self.find(ItemStock, sku) or ItemStock(sku)

    def warehouse(self, name: str) -> WarehouseTotals:
        return self.find(WarehouseTotals, name) or WarehouseTotals(name)

    def runs(self, pool: str) -> BackorderRuns:
        return self.find(BackorderRuns, pool) or BackorderRuns(pool)

    def available(self, sku: str, warehouses: Iterable[str]) -> int:
        """Return what is available of the item in these warehouses together."""
        stock = self.stock(sku)
        return sum(stock.shelf(warehouse).available for warehouse in warehouses)

    # ---- what moves stock ----

    def keep_stock(self, after: ItemStock) -> None:
        """Keep a changed stock, and let the totals of its warehouses follow."""
        stock = self.stock(after.sku)
        for warehouse, shelf in after.shelves.items():
            if shelf != (before := stock.shelf(warehouse)):
                self._keep_totals(warehouse, before, shelf)
        self.keep(after)

    def reserve(self, order: SourcedOrder, reservations: Sequence[Reservation]) -> SourcedOrder:
        """Return the order with these reservations as well, all of them or none; those that it has are passed over.

        Raises OversoldError, and then has changed nothing.
        """
        existing = {(each.line_id, each.warehouse) for each in order.reservations if each.status != RELEASED}
        new = tuple(each for each in reservations if (each.line_id, each.warehouse) not in existing)
        stocks: dict[str, ItemStock] = {}
        for reservation in new:
            sku, warehouse = reservation.sku, reservation.warehouse
            stock = stocks.get(sku) or self.stock(sku)
            try:
                shelf = item_stock.reserve(stock.shelf(warehouse), reservation.quantity)
            except OversoldError as problem:
                raise OversoldError(f"{sku} at {warehouse}: {problem}") from problem
            stocks[sku] = stock.with_shelf(warehouse, shelf)
        for stock in stocks.values():
            self.keep_stock(stock)
        return replace(order, reservations=(*order.reservations, *new)) if new else order

    def confirm(self, order: SourcedOrder, is_chosen: Callable[[Reservation], bool]) -> SourcedOrder:
        """Return the order after its chosen open reservations have left the warehouse."""
        return self._close(order, is_chosen, CONFIRMED, item_stock.ship)

    def release(self, order: SourcedOrder, is_chosen: Callable[[Reservation], bool]) -> SourcedOrder:
        """Return the order after its chosen open reservations are free again."""
        return self._close(order, is_chosen, RELEASED, item_stock.release)

    def _close(
        self,
        order: SourcedOrder,
        is_chosen: Callable[[Reservation], bool],
        status: str,
        move: Callable[[Shelf, int], Shelf],
    ) -> SourcedOrder:
        reservations = []
        for reservation in order.reservations:
            if reservation.status == OPEN and is_chosen(reservation):
                stock = self.stock(reservation.sku)
                shelf = move(stock.shelf(reservation.warehouse), reservation.quantity)
                self.keep_stock(stock.with_shelf(reservation.warehouse, shelf))
                reservations.append(replace(reservation, status=status))
            else:
                reservations.append(reservation)
        return replace(order, reservations=tuple(reservations))

    def _keep_totals(self, warehouse: str, before: Shelf, after: Shelf) -> None:
        totals = self.warehouse(warehouse)
        grown = {
            name: getattr(totals, name) + getattr(after, name) - getattr(before, name)
            for name in ("on_hand", "reserved", "available", "short")
        }
        self.keep(replace(totals, **grown))
