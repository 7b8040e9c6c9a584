"""Both sides end the same (S3): people change both while records are on their way in both directions."""

from collections import deque
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.order import Order, OrderState
from app.dualwrite.changed_fields import assign
from app.dualwrite.status_handler import MirrorState
from app.dualwrite.write_plan import ApplyState, LineWrite, WriteDecision, WritePlan, applied, plan
from app.events.sales_order_change import SalesOrderChange, SalesOrderRow, line_id
from tests.dualwrite.rows import AT, MIRROR, ORDERS, a_change, a_line, a_row, an_order, our_row

WORDS = st.sampled_from(["a", "b", "c"])
PEOPLE = ("our city", "our mail", "our warehouse", "their city", "their mail", "their warehouse", "their lines")
STEPS = st.lists(st.tuples(st.sampled_from((*PEOPLE, "ours arrives", "theirs arrives")), WORDS), max_size=25)


class World:
    """An order on both sides and the records between them. Neither side sees more of the other than its records."""

    def __init__(self, row: SalesOrderRow, order: Order) -> None:
        self.ours = OrderState(order, "f", 1, version=1)
        self.row, self.version = row, 1
        self.to_fno: deque[SalesOrderChange] = deque()
        self.to_iom: deque[SalesOrderChange] = deque([a_change(row, 1, op="c")])
        self.known: ApplyState | None = ApplyState(row.SalesOrderNumber)
        self.mirror: MirrorState | None = None

    def we_change(self, **fields: Any) -> None:
        before = self.ours
        self.ours = replace(before, order=replace(before.order, **fields), version=before.version + 1)
        self.to_fno.append(ORDERS.to_change(before, self.ours, AT))

    def they_change(self, origin: str = "fno", **fields: Any) -> None:
        before, self.row = self.row, replace(self.row, **fields)
        if self.row != before:
            self.version += 1
            self.to_iom.append(a_change(self.row, self.version, before=before, origin=origin))

    def ours_arrives(self) -> None:
        if self.to_fno:
            change = self.to_fno.popleft()
            made = plan(change, self.known)
            assert made.kind is WriteDecision.UPDATE
            self._write(change.row, made)
            self.known = applied(change, self.known)

    def theirs_arrives(self) -> None:
        if self.to_iom:
            told = MIRROR.handle(self.mirror, self.to_iom.popleft())
            self.mirror = told.state
            for event in told.events:
                order = assign(self.ours.order, event.values)
                self.ours = replace(self.ours, order=order, version=self.ours.version + 1)

    def _write(self, row: SalesOrderRow, made: WritePlan) -> None:
        lines = {line_id(self.row, line): line for line in self.row.Lines}
        sent = {line_id(row, line): line for line in row.Lines}
        for write in made.lines:
            if write.line_id in lines and write.kind != "remove":
                lines[write.line_id] = replace(lines[write.line_id], **_values(sent[write.line_id], write))
        fields = {name: getattr(row, name) for name in made.fields}
        self.they_change("iom", **fields, Lines=tuple(lines.values()))


def _values(line: object, write: LineWrite) -> dict[str, object]:
    return {name: getattr(line, name) for name in write.fields}


def _our_line(world: World, word: str) -> None:
    first, *others = world.ours.order.lines
    world.we_change(lines=(replace(first, warehouse=word), *others))


def _their_line(world: World, word: str) -> None:
    first, *others = world.row.Lines
    world.they_change(Lines=(replace(first, ShippingWarehouseId=word), *others))


def _their_lines(world: World, word: str) -> None:
    """The second line goes, or comes back with another item."""
    first, *others = world.row.Lines
    world.they_change(Lines=(first,) if others else (first, a_line(7, ItemNumber=word)))


DO: dict[str, Callable[[World, str], None]] = {
    "our city": lambda world, word: world.we_change(ship_to=replace(world.ours.order.ship_to, city=word)),
    "our mail": lambda world, word: world.we_change(ship_to=replace(world.ours.order.ship_to, email=word)),
    "our warehouse": _our_line,
    "their city": lambda world, word: world.they_change(DeliveryAddressCity=word),
    "their mail": lambda world, word: world.they_change(Email=word),
    "their warehouse": _their_line,
    "their lines": _their_lines,
    "ours arrives": lambda world, _: world.ours_arrives(),
    "theirs arrives": lambda world, _: world.theirs_arrives(),
}


def _settle(world: World) -> None:
    for _ in range(200):
        if not world.to_fno and not world.to_iom:
            return
        world.ours_arrives()
        world.theirs_arrives()
    raise AssertionError("records go round and round: an echo loop")


def _shared(order: Order) -> tuple[object, ...]:
    lines = {line.line_id: (line.sku, line.warehouse, line.quantity) for line in order.lines}
    return order.ship_to.city, order.ship_to.email, lines


def _live(world: World, steps: list[tuple[str, str]]) -> None:
    for what, word in steps:
        DO[what](world, word)
    _settle(world)
    assert _shared(world.ours.order) == _shared(ORDERS.to_order(world.row))


@settings(max_examples=400)
@given(STEPS)
def test_an_order_of_fno_ends_the_same_on_both_sides(steps: list[tuple[str, str]]) -> None:
    row = a_row()
    _live(World(row, ORDERS.to_order(row)), steps)


@settings(max_examples=400)
@given(STEPS)
def test_an_order_that_we_made_ends_the_same_on_both_sides(steps: list[tuple[str, str]]) -> None:
    row = our_row()
    shown = ORDERS.to_order(row)
    order = an_order(ship_to=shown.ship_to, lines=shown.lines)
    _live(World(row, order), steps)


def test_a_change_on_either_side_reaches_the_other_in_one_record_each() -> None:
    world = World(our_row(), an_order(ship_to=ORDERS.to_order(our_row()).ship_to))
    world.theirs_arrives()
    DO["our city"](world, "Shelbyville")
    world.ours_arrives()
    assert world.row.DeliveryAddressCity == "Shelbyville"
    assert len(world.to_iom) == 1
    version = world.ours.version
    world.theirs_arrives()
    assert world.ours.version == version
    DO["their mail"](world, "x@example.com")
    world.theirs_arrives()
    assert world.ours.order.ship_to.email == "x@example.com"
    assert not world.to_fno
    assert not world.to_iom
