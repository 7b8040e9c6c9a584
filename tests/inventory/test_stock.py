"""Stock and what is reserved of it, over any interleaving of receipts, counts, reservations, shipments and releases."""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.errors import RecordError
from app.events.model import StockChange
from app.inventory import item_stock, source_ledger
from app.inventory.item_stock import ItemStock, OversoldError
from app.inventory.ledger_values import CONFIRMED, OPEN, RELEASED, Reservation, SourcedOrder, WarehouseTotals
from app.inventory.stock_book import StockBook

SKUS, WAREHOUSES = ("A", "B"), ("EU-HAM", "US-SEA")
skus, warehouses = st.sampled_from(SKUS), st.sampled_from(WAREHOUSES)
orders, lines = st.sampled_from(("o1", "o2", "o3")), st.sampled_from(("1", "2"))


def a_change(kind: str = "add", quantity: int = 50_000, sku: str = "A", version: int = 0, **more: str) -> StockChange:
    return StockChange(sku, "EU", more.get("warehouse", "EU-HAM"), kind, quantity, version=version)


def changed(*changes: StockChange) -> ItemStock:
    found = ItemStock("A")
    for number, each in enumerate(changes):
        found, _ = item_stock.apply_change(found, each, f"e{number}")
    return found


def test_receipts_and_adjustments_add_up_and_a_count_replaces_them() -> None:
    found = changed(
        a_change(quantity=50_000), a_change(quantity=-20_000), a_change("set", 70_000), a_change(quantity=1)
    )
    assert (found.shelf("EU-HAM").on_hand, found.shelf("EU-HAM").site) == (70_001, "EU")
    assert found.shelf("US-SEA") == item_stock.EMPTY


def test_a_change_that_is_told_again_changes_nothing() -> None:
    once, outcome = item_stock.apply_change(ItemStock("A"), a_change(), "e1")
    assert outcome == "added"
    assert item_stock.apply_change(once, a_change(), "e1") == (once, "repeated")


def test_a_snapshot_that_is_not_newer_is_left_out() -> None:
    found = changed(a_change("set", 50_000, version=7))
    older, outcome = item_stock.apply_change(found, a_change("set", 90_000, version=7), "other")
    assert (older.shelves, outcome) == (found.shelves, "older")
    newer, outcome = item_stock.apply_change(found, a_change("set", 90_000, version=8), "newer")
    assert (newer.shelf("EU-HAM").on_hand, newer.shelf("EU-HAM").version, outcome) == (90_000, 8, "set")
    unversioned, _ = item_stock.apply_change(newer, a_change("set", 10_000), "by hand")
    assert (unversioned.shelf("EU-HAM").on_hand, unversioned.shelf("EU-HAM").version) == (10_000, 8)


def test_a_count_below_what_is_reserved_keeps_the_reservations_and_shows_the_shortage() -> None:
    book = a_book(on_hand=50_000)
    order = book.reserve(SourcedOrder("o1", "main"), [Reservation("1", "A", "EU-HAM", 50_000)])
    book.keep_stock(item_stock.apply_change(book.stock("A"), a_change("set", 20_000), "count")[0])
    shelf = book.stock("A").shelf("EU-HAM")
    assert (shelf.available, shelf.short, shelf.reserved) == (0, 30_000, 50_000)
    with pytest.raises(OversoldError):
        book.reserve(SourcedOrder("o2", "main"), [Reservation("1", "A", "EU-HAM", 1)])
    book.confirm(order, lambda _: True)
    assert book.stock("A").shelf("EU-HAM").on_hand == -30_000
    late = item_stock.apply_change(book.stock("A"), a_change(quantity=40_000), "late receipt")[0]
    assert late.shelf("EU-HAM").available == 10_000


def test_reservations_are_made_all_or_none() -> None:
    book = a_book(on_hand=50_000)
    wanted = [Reservation("1", "A", "EU-HAM", 30_000), Reservation("2", "A", "EU-HAM", 30_000)]
    with pytest.raises(OversoldError, match="A at EU-HAM: 30000 to reserve, 20000 available"):
        book.reserve(SourcedOrder("o1", "main"), wanted)
    assert book.stock("A").shelf("EU-HAM").reserved == 0


def test_a_count_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(RecordError, match="beyond"):
        item_stock.apply_change(ItemStock("A"), a_change(quantity=item_stock.ON_HAND_MAX + 1), "e1")


def a_book(on_hand: int) -> StockBook:
    book = StockBook({})
    book.keep_stock(item_stock.apply_change(book.stock("A"), a_change("set", on_hand), "start")[0])
    return book


@dataclass
class Expected:
    """The same, kept in the simplest way: what there is, and each reservation by order, line and warehouse."""

    on_hand: dict[tuple[str, str], int] = field(default_factory=dict)
    held: dict[tuple[str, str, str], tuple[str, int, str]] = field(default_factory=dict)

    def reserved(self, sku: str, warehouse: str) -> int:
        return sum(n for (_, _, w), (s, n, status) in self.held.items() if (s, w, status) == (sku, warehouse, OPEN))


class Warehousing(RuleBasedStateMachine):
    """Each rule is one fold over the committed state. What was told before may be told again at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[bytes, bytes] = {}
        self.expected = Expected()
        self.told: list[tuple[StockChange, str]] = []

    def commit(self, book: StockBook) -> None:
        for key, value in book.changes().items():
            assert value is not None
            self.state[key] = value

    @rule(sku=skus, warehouse=warehouses, kind=st.sampled_from(("set", "add")), quantity=st.integers(-9, 9))
    def stock_changes(self, sku: str, warehouse: str, kind: str, quantity: int) -> None:
        quantity = abs(quantity) if kind == "set" else quantity
        event = (StockChange(sku, "X", warehouse, kind, quantity), f"e{len(self.told)}")
        self.told.append(event)
        before = self.expected.on_hand.get((sku, warehouse), 0)
        self.expected.on_hand[sku, warehouse] = quantity if kind == "set" else before + quantity
        self._tell(event)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def a_change_is_told_again(self, data: st.DataObject) -> None:
        self._tell(data.draw(st.sampled_from(self.told)))

    def _tell(self, event: tuple[StockChange, str]) -> None:
        book = StockBook(self.state)
        change, event_id = event
        book.keep_stock(item_stock.apply_change(book.stock(change.sku), change, event_id)[0])
        self.commit(book)

    @rule(order_id=orders, line=lines, sku=skus, warehouse=warehouses, quantity=st.integers(1, 9))
    def reserve(self, order_id: str, line: str, sku: str, warehouse: str, quantity: int) -> None:
        book = StockBook(self.state)
        key, order = (order_id, line, warehouse), book.order(order_id) or SourcedOrder(order_id, "main")
        free = self.expected.on_hand.get((sku, warehouse), 0) - self.expected.reserved(sku, warehouse)
        held = self.expected.held.get(key)
        try:
            book.keep(book.reserve(order, [Reservation(line, sku, warehouse, quantity)]))
        except OversoldError:
            assert quantity > free
            assert held is None or held[2] == RELEASED
        else:
            if held is None or held[2] == RELEASED:
                assert quantity <= free
                self.expected.held[key] = (sku, quantity, OPEN)
        self.commit(book)

    @rule(order_id=orders, line=lines, leaves=st.booleans())
    def a_line_leaves_or_is_canceled(self, order_id: str, line: str, leaves: bool) -> None:
        book = StockBook(self.state)
        if (order := book.order(order_id)) is not None:
            close = book.confirm if leaves else book.release
            book.keep(close(order, lambda held: held.line_id == line))
            self.commit(book)
        for key, (sku, quantity, status) in self.expected.held.items():
            if key[:2] == (order_id, line) and status == OPEN:
                self.expected.held[key] = (sku, quantity, CONFIRMED if leaves else RELEASED)
                if leaves:
                    self.expected.on_hand[sku, key[2]] -= quantity

    @invariant()
    def every_shelf_is_as_expected(self) -> None:
        book = StockBook(self.state)
        for sku in SKUS:
            for warehouse in WAREHOUSES:
                shelf = book.stock(sku).shelf(warehouse)
                assert shelf.on_hand == self.expected.on_hand.get((sku, warehouse), 0)
                assert shelf.reserved == self.expected.reserved(sku, warehouse) >= 0
                assert shelf.available == max(0, shelf.on_hand - shelf.reserved) >= 0

    @invariant()
    def totals_are_the_sums(self) -> None:
        book = StockBook(self.state)
        for warehouse in WAREHOUSES:
            total: WarehouseTotals = book.warehouse(warehouse)
            shelves = [book.stock(sku).shelf(warehouse) for sku in SKUS]
            for name in ("on_hand", "reserved", "available", "short"):
                assert getattr(total, name) == sum(getattr(shelf, name) for shelf in shelves)

    @invariant()
    def the_ledger_reads_back(self) -> None:
        for key, value in self.state.items():
            kind = source_ledger.kind_of(value)
            assert kind is not None
            assert source_ledger.key(source_ledger.decode(kind, value)) == key


TestWarehousing = Warehousing.TestCase
TestWarehousing.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
