"""Whatever happens to an order, what is reserved for it is known on both sides: kept, confirmed or released."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.fulfillment_orders import has_shipped, is_canceled
from app.domain.order import FulfillmentOrder, LineQuantity, OrderState
from app.events.model import SourcingCommand, SourcingRequested, SourcingResult
from app.flows.engine import Step
from tests.flows.journey import START_MS, Journey, an_order

Reserved = set[tuple[str, str]]
LINES = ("1", "2", "3")
WAREHOUSES = ("US-SEA", "EU-HAM")
MOVES = st.lists(
    st.tuples(
        st.sampled_from(("answer", "stock", "report", "fire", "reprocess", "cancel")),
        st.integers(0, 7),
        st.integers(0, 5),
    ),
    max_size=20,
)
EVENTS = ("order picked", "order shipped", "order invoiced")


class Source:
    """The sourcing engine, as far as an order can tell: it reserves what it answers, and does what it is told."""

    def __init__(self) -> None:
        self.reserved: Reserved = set()
        self.left: Reserved = set()
        self.waiting: set[str] = set()
        self.asked: list[str] = []
        self.given = 0

    def hear(self, taken: Step) -> None:
        for event in taken.events:
            match event.body:
                case SourcingRequested(effect_id=effect_id):
                    self.asked.append(effect_id)
                case SourcingCommand(command=command, lines=lines):
                    for line in lines:
                        self.reserved -= {(line.line_id, line.warehouse)}
                        if command == "confirm":
                            self.left.add((line.line_id, line.warehouse))
                        if command == "release" and not line.warehouse:
                            self.waiting.discard(line.line_id)

    def answer(self, order_id: str, picks: int, warehouse: str) -> SourcingResult | None:
        if not self.asked:
            return None
        free = [line for line in LINES if all(line != known for known, _ in self.reserved)]
        found = [line for at, line in enumerate(free) if picks & (1 << at)]
        waits = picks < 6
        lacking = [line for line in free if line not in found]
        self.waiting = set(lacking) if waits else set()
        outcome = "none" if not found else "partial" if lacking else "sourced"
        return self._result(order_id, self.asked.pop(0), outcome, found, lacking, warehouse, waits)

    def stock(self, order_id: str, picks: int, warehouse: str) -> SourcingResult | None:
        found = [line for at, line in enumerate(sorted(self.waiting)) if picks & (1 << at)]
        if not found:
            return None
        self.waiting -= set(found)
        return self._result(order_id, "earlier", "released", found, sorted(self.waiting), warehouse, True)

    def _result(
        self,
        order_id: str,
        effect: str,
        outcome: str,
        found: list[str],
        lacking: list[str],
        warehouse: str,
        waits: bool,
    ) -> SourcingResult:
        self.given += 1
        self.reserved |= {(line, warehouse) for line in found}
        ships = tuple(LineQuantity(line, 20_000) for line in found)
        orders = (FulfillmentOrder(f"FO{self.given}", warehouse[:2], warehouse, ships),) if found else ()
        none = tuple(LineQuantity(line, 20_000) for line in lacking)
        return SourcingResult(order_id, effect, outcome, outcome, "", orders, none, (), waits, START_MS + 10**7)


def kept(state: OrderState) -> Reserved:
    """What the order believes to be reserved for it."""
    lines = {line.line_id: line for line in state.order.lines}
    return {
        (part.reference or part.line_id, found.warehouse)
        for found in state.fulfillment_orders
        for part in found.lines
        if not has_shipped(lines[part.line_id]) and not is_canceled(lines[part.line_id])
    }


def move(journey: Journey, source: Source, kind: str, picks: int, number: int) -> None:
    order_id, warehouse = journey.order.order_id, WAREHOUSES[number % 2]
    if kind in ("answer", "stock"):
        result = getattr(source, kind)(order_id, picks, warehouse)
        if result is not None:
            source.hear(journey.apply("sourcing result", result))
    elif kind == "report":
        lines = {line: 0 for at, line in enumerate(LINES) if picks & (1 << at)}
        source.hear(journey.reported(EVENTS[number % 3], lines=lines))
    elif kind == "fire" and journey.state.timers:
        timer = journey.state.timers[number % len(journey.state.timers)]
        source.hear(journey.command("fire timer", subject=timer.timer_id))
    elif kind == "reprocess":
        source.hear(journey.command("reprocess", subject="source"))
    elif kind == "cancel" and picks == 0:
        source.hear(journey.reported("order canceled"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(MOVES)
def test_both_sides_agree_on_what_is_reserved(moves: list[tuple[str, int, int]]) -> None:
    journey, source = Journey(an_order(3, channel="bigcommerce-6")), Source()
    source.hear(journey.created())
    for kind, picks, number in moves:
        move(journey, source, kind, picks, number)
        # A hold hides that a line has left; the source knows, and takes it from stock once.
        assert source.reserved == kept(journey.state) - source.left, (kind, picks, number)


def test_a_reservation_that_is_not_released_would_be_seen() -> None:
    journey, source = Journey(an_order(3, channel="bigcommerce-6")), Source()
    source.hear(journey.created())
    move(journey, source, "answer", 3, 0)
    assert source.reserved == kept(journey.state) == {("1", "US-SEA"), ("2", "US-SEA")}
    journey.reported("order canceled")
    assert source.reserved != kept(journey.state) == set()
