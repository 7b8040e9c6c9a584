"""The model beside the role `source`: stock as its records say, and each reservation from its beginning to its end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from app.domain.fulfillment_orders import has_shipped, is_canceled, waits
from app.domain.order import OrderState
from app.events.model import SourcingResult, StockChange
from app.events.record import Record
from app.inventory import source_ledger
from app.inventory.item_stock import ItemStock, Shelf
from app.inventory.ledger_values import CONFIRMED, OPEN, RELEASED, Reservation, SourcedOrder
from tests.simulation.stockroom import POOL
from tests.simulation.transaction import Transaction, decoded, header, origin

Place = tuple[str, str]
"""SKU and warehouse."""
Quantities = Counter[Place]
_MAY_BECOME: Final = {OPEN: {OPEN, CONFIRMED, RELEASED}, CONFIRMED: {CONFIRMED}, RELEASED: {RELEASED}}


class Reserving:
    """Keeps what each order and each shelf was after the last transaction."""

    def __init__(self) -> None:
        self.orders: dict[str, SourcedOrder] = {}
        self.stocks: dict[str, ItemStock] = {}
        self._reserved: Quantities = Counter()
        self._on_hand: Quantities = Counter()
        self._versions: Quantities = Counter()
        self._seen: set[tuple[str, str]] = set()

    def check(self, transaction: Transaction, rest: Sequence[Record]) -> None:
        """Raises AssertionError."""
        counted = self._counted(transaction, rest)
        fresh, left = self._follow_orders(transaction)
        self._check_results(transaction, fresh)
        for key, value in transaction.changes.items():
            if key.startswith(b"stock/"):
                assert value is not None, f"{key!r} was thrown away"
                found = source_ledger.decode(ItemStock, value)
                self.stocks[found.sku] = found
                for warehouse, shelf in found.shelves.items():
                    self._check_shelf((found.sku, warehouse), shelf, counted, fresh, left)
        assert not transaction.letters, f"letters of nothing that was read: {list(transaction.letters)}"

    # ---- stock ----

    def _counted(self, transaction: Transaction, rest: Sequence[Record]) -> set[Place]:
        """Take in what the records of stock say; the shelves that were counted anew."""
        counted = set()
        for record in rest:
            letter = transaction.letters.pop(origin(record), None)
            code = "" if letter is None else header(letter, "waybill-dead-code")
            event = decoded(record._replace(key=None))
            body = event.body
            wanted = "wrong-pool" if isinstance(body, StockChange) and body.pool != POOL else ""
            assert code == wanted, f"{origin(record)} was set aside as {code!r}, not as {wanted!r}"
            if isinstance(body, StockChange) and not code and self._take(event.event_id, body):
                counted.add((body.sku, body.warehouse))
        return counted

    def _take(self, event_id: str, body: StockChange) -> bool:
        """Whether the record counts the shelf anew. Each record counts once, a count only while it is the newest."""
        place = (body.sku, body.warehouse)
        if (body.sku, event_id) in self._seen:
            return False
        self._seen.add((body.sku, event_id))
        if body.kind == "add":
            self._on_hand[place] += body.quantity
            return False
        if 0 < body.version <= self._versions[place]:
            return False
        self._on_hand[place], self._versions[place] = body.quantity, max(body.version, self._versions[place])
        return True

    def _check_shelf(
        self, place: Place, shelf: Shelf, counted: set[Place], fresh: Mapping[str, Quantities], left: Quantities
    ) -> None:
        """`left` has left with this transaction, be it before or after a count of the same one."""
        most, least = self._on_hand[place], self._on_hand[place] - left[place]
        most = most if place in counted else least
        assert least <= shelf.on_hand <= most, f"{place} has {shelf.on_hand}, its records say {least} to {most}"
        self._on_hand[place] = shelf.on_hand
        open_now = self._reserved[place]
        assert shelf.reserved == open_now, f"{place}: {shelf.reserved} reserved, its orders hold {open_now}"
        if any(place in new for new in fresh.values()):
            assert shelf.reserved <= shelf.on_hand, f"{place} is oversold: {shelf.reserved} of {shelf.on_hand}"

    # ---- reservations ----

    def _follow_orders(self, transaction: Transaction) -> tuple[dict[str, Quantities], Quantities]:
        """What each order has newly reserved, and what has left."""
        fresh: dict[str, Quantities] = {}
        left: Quantities = Counter()
        for key, value in transaction.changes.items():
            if not key.startswith(b"order/"):
                continue
            assert value is not None, f"{key!r} was thrown away"
            after = source_ledger.decode(SourcedOrder, value)
            before = self.orders.get(after.order_id) or SourcedOrder(after.order_id, after.pool)
            self.orders[after.order_id] = after
            known = len(before.reservations)
            for old, new in zip(before.reservations, after.reservations, strict=False):
                assert _what(old) == _what(new), f"{after.order_id}: {old} became {new}"
                assert new.status in _MAY_BECOME[old.status], f"{after.order_id}: {old} became {new}"
                if old.status == OPEN != new.status:
                    self._reserved[new.sku, new.warehouse] -= new.quantity
                    left[new.sku, new.warehouse] += new.quantity if new.status == CONFIRMED else 0
            assert len(after.reservations) >= known, f"{after.order_id} forgot a reservation"
            for new in after.reservations[known:]:
                assert new.status == OPEN, f"{after.order_id}: {new} was never open"
                self._reserved[new.sku, new.warehouse] += new.quantity
                fresh.setdefault(after.order_id, Counter())[new.sku, new.warehouse] += new.quantity
        return fresh, left

    def _check_results(self, transaction: Transaction, fresh: Mapping[str, Quantities]) -> None:
        """Whatever is reserved is told to its order in the same transaction, and nothing else is."""
        told: dict[str, Quantities] = {}
        for record in transaction.outputs:
            body = decoded(record).body
            if isinstance(body, SourcingResult):
                skus = {held.line_id: held.sku for held in self.orders[body.order_id].reservations}
                for found in body.fulfillment_orders:
                    for part in found.lines:
                        place = (skus[part.line_id], found.warehouse)
                        told.setdefault(body.order_id, Counter())[place] += part.quantity
        assert told == dict(fresh), f"reserved {dict(fresh)}, told {told}"

    # ---- at rest ----

    def check_at_rest(self, state: OrderState) -> None:
        """The order and the stock room believe the same of each line; whoever waits cannot be served."""
        order_id, lines = state.order.order_id, {line.line_id: line for line in state.order.lines}
        known = self.orders.get(order_id)
        if known is None:
            assert not state.fulfillment_orders, f"{order_id} has sources that nobody reserved for it"
            return
        waiting = {line.line_id for line in lines.values() if waits(line)}
        assert waiting == {line.line_id for line in known.waiting}, f"{order_id} waits for {waiting}: {known.waiting}"
        wanted: Counter[tuple[str, str, str]] = Counter()
        for found in state.fulfillment_orders:
            for part in found.lines:
                line = lines[part.line_id]
                ends = CONFIRMED if has_shipped(line) else RELEASED if is_canceled(line) else OPEN
                wanted[part.reference or part.line_id, found.warehouse, ends] += part.quantity
        held = Counter[tuple[str, str, str]]()
        for reservation in known.reservations:
            held[reservation.line_id, reservation.warehouse, reservation.status] += reservation.quantity
        for place in held.keys() | wanted.keys():
            # What was reserved for a line that nobody wanted any more was given back without a fulfillment order.
            same = held[place] == wanted[place] or (place[2] == RELEASED and held[place] > wanted[place])
            assert same, f"{order_id}: {place} holds {held[place]}, its lines want {wanted[place]}"
        for line_waiting in known.waiting:
            stock = self.stocks.get(line_waiting.sku, ItemStock(line_waiting.sku))
            free = sum(shelf.available for shelf in stock.shelves.values())
            assert free < line_waiting.quantity, f"{order_id} waits for {line_waiting}, and {free} are free"


def _what(held: Reservation) -> Reservation:
    return replace(held, status=OPEN)
