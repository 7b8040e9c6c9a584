"""Stock of one item: what each warehouse has, and what of it is reserved. Counts are exact, whatever comes when.

A count may go below what is reserved (a shelf was counted again, goods broke): then nothing is available, the
reservations stand, and the difference is shown as short until stock or a cancellation makes up for it. A booked count
may even be negative, so that a late receipt leads to the same number as an early one (docs/adr/0019).
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from app.errors import RecordError
from app.events.model import StockChange

RECENT_EVENTS_MAX: Final = 64
ON_HAND_MAX: Final = 10**17
"""Ten-thousandths: ten billion pieces of a thousand, far below what 64 bits hold."""


class OversoldError(Exception):
    """More was to be reserved than is available. A correct plan never does that; one that does is not used."""


class Shelf(Struct, frozen=True, array_like=True):
    """One warehouse's stock of the item, in ten-thousandths. `version` is that of the newest snapshot, 0 none."""

    site: str = ""
    on_hand: int = 0
    reserved: int = 0
    version: int = 0

    @property
    def available(self) -> int:
        return max(0, self.on_hand - self.reserved)

    @property
    def short(self) -> int:
        """How much of what is reserved is not there."""
        return max(0, self.reserved - self.on_hand)


EMPTY: Final = Shelf()


class ItemStock(Struct, frozen=True, array_like=True):
    """`shelves` by warehouse; `recent` are the ids of the last changes, so that a repeated one changes nothing."""

    sku: str
    shelves: Mapping[str, Shelf] = {}
    recent: tuple[str, ...] = ()

    def shelf(self, warehouse: str) -> Shelf:
        return self.shelves.get(warehouse, EMPTY)

    def with_shelf(self, warehouse: str, shelf: Shelf) -> "ItemStock":
        return replace(self, shelves={**self.shelves, warehouse: shelf})


def apply_change(stock: ItemStock, change: StockChange, event_id: str) -> tuple[ItemStock, str]:
    """Return the stock after a receipt, an adjustment or a snapshot, and the outcome: set, added, repeated, older.

    Raises RecordError for a count beyond all bounds.
    """
    if event_id in stock.recent:
        return stock, "repeated"
    before = stock.shelf(change.warehouse)
    remembered = replace(stock, recent=(*stock.recent, event_id)[-RECENT_EVENTS_MAX:])
    if change.kind == "set" and 0 < change.version <= before.version:
        return remembered, "older"
    on_hand = change.quantity if change.kind == "set" else before.on_hand + change.quantity
    if abs(on_hand) > ON_HAND_MAX:
        raise RecordError("invalid", f"{change.sku} at {change.warehouse}: a count beyond 10^13; correct `quantity`")
    version = max(before.version, change.version if change.kind == "set" else 0)
    after = Shelf(change.site or before.site, on_hand, before.reserved, version)
    return remembered.with_shelf(change.warehouse, after), "set" if change.kind == "set" else "added"


def reserve(shelf: Shelf, quantity: int) -> Shelf:
    """Return the shelf with so much more reserved. Raises OversoldError."""
    if not 0 < quantity <= shelf.available:
        raise OversoldError(f"{quantity} to reserve, {shelf.available} available")
    return replace(shelf, reserved=shelf.reserved + quantity)


def ship(shelf: Shelf, quantity: int) -> Shelf:
    """Return the shelf once so much of what was reserved has left."""
    return replace(shelf, on_hand=shelf.on_hand - quantity, reserved=shelf.reserved - quantity)


def release(shelf: Shelf, quantity: int) -> Shelf:
    """Return the shelf once so much of what was reserved is not needed any more."""
    return replace(shelf, reserved=shelf.reserved - quantity)
