"""What holds for any events: nothing raises, statuses follow the table, replays repeat, copies do nothing."""

from collections.abc import Sequence
from typing import Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents import order_ledger
from app.domain.lifecycle import STATUS_OF, TERMINAL, TRANSITIONS
from app.domain.order import RECENT_EVENTS_MAX, FulfillmentOrder, Order, OrderState
from app.events.ids import derive
from app.events.model import (
    Body,
    Event,
    LineQuantity,
    OrderCommand,
    OrderCreated,
    OrderStatus,
    ProviderEvent,
    ProviderResult,
    SourcingResult,
)
from app.flows.engine import Step, step
from tests.flows.journey import START_MS, an_erp_order, an_order, published

Move = tuple[str, int, int, int]
EVENTS: Final = (
    "order confirmed",
    "order picked",
    "order shipped",
    "order invoiced",
    "order canceled",
    "order changed",
    "order held",
)
OUTCOMES: Final = ("ok", "declined", "retry", "unknown", "nonsense")
VALUES: Final = (
    {"ship_to.city": "Tacoma"},
    {"company": "DEMF"},
    {"lines.1.removed": "true"},
    {"lines.1.quantity": "3"},
    {"nosuch": "1"},
    {"requested_ship_date": "2026-02-30"},
    {"lines.2.warehouse": "X", "invoice_customer": ""},
)
MOVES: Final = st.lists(
    st.tuples(
        st.sampled_from(("report", "lines", "answer", "fire", "reprocess", "change", "create", "copy", "source")),
        st.integers(0, 6),
        st.integers(0, 6),
        st.integers(-1, 4),
    ),
    max_size=25,
)
ORDERS: Final = st.sampled_from(
    (
        an_order(),
        an_order(1),
        an_order(0),
        an_order(currency="XXX"),
        an_order(3, channel="bigcommerce-6"),
        an_erp_order(),
        an_erp_order(3),
    )
)
_encode = msgspec.msgpack.Encoder().encode


def body(move: Move, order: Order, state: OrderState | None) -> Body:
    kind, first, second, third = move
    order_id = order.order_id
    effects = state.effects if state else ()
    timers = state.timers if state else ()
    steps = ("", "validate", "send", "await picking", "report shipment", "await invoice", "nosuch")
    if kind == "report":
        return ProviderEvent(order_id, "fno", EVENTS[first], f"D{second}", 0, (), VALUES[second])
    if kind == "lines":
        some = (LineQuantity(str(second), 10_000 * third), LineQuantity("1", 0))[: 1 + first % 2]
        return ProviderEvent(order_id, "fno", EVENTS[first], "", 0, some)
    if kind == "answer":
        effect = effects[first % len(effects)].effect_id if effects else "none"
        return ProviderResult(order_id, effect, "fno", "x", max(third, 1), OUTCOMES[second % 5], "timeout")
    if kind == "source":
        effect = effects[second % len(effects)].effect_id if effects else "none"
        return a_result(order_id, effect, first, second, third)
    if kind == "fire":
        return OrderCommand(order_id, "fire timer", timers[first % len(timers)].timer_id if timers else "none")
    if kind == "reprocess":
        return OrderCommand(order_id, "reprocess", steps[first])
    if kind == "change":
        return OrderCommand(order_id, "change", values=VALUES[first])
    return OrderCreated(order if kind == "copy" or first else msgspec.structs.replace(order, total=second))


def a_result(order_id: str, effect: str, first: int, second: int, third: int) -> SourcingResult:
    """Whatever the sourcing engine might say: known and unknown lines, all of them or some, in parts or twice."""
    names = [str(line) for line in range(1, 5)]
    lines = [LineQuantity(name, 20_000) for name in names[: 1 + first % 4]]
    here = FulfillmentOrder(f"FO{second}", "US", "US-SEA", tuple(lines[first % 2 :]))
    there = FulfillmentOrder(f"FO{second}b", "EU", "EU-HAM", (LineQuantity("1", 10_000),))
    outcome = ("sourced", "partial", "none", "released", "nonsense")[third % 5]
    found = () if outcome == "none" else (here, there)[: 1 + second % 2]
    lacking = tuple(LineQuantity(name, 20_000) for name in names if name not in {line.line_id for line in lines})
    return SourcingResult(order_id, effect, outcome, outcome, "", found, lacking, (), second % 3 > 0, START_MS + 9)


def run(order: Order, moves: Sequence[Move], created_at: int) -> list[tuple[Event, Step]]:
    """The moves on one order, which is created after `created_at` of them."""
    flow = published().choose(OrderCreated(order))
    state: OrderState | None = None
    seen: list[tuple[Event, Step]] = []
    for number in range(len(moves) + 1):
        if number == min(created_at, len(moves)):
            content: Body = OrderCreated(order)
        else:
            content = body(moves[number - 1], order, state)
        event = Event("input", derive("always", number), order.order_id, START_MS + number, "test", "", content)
        taken = step(flow, state, event)
        seen.append((event, taken))
        state = taken.state
    return seen


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ORDERS, MOVES, st.integers(0, 3))
def test_nothing_raises_and_statuses_move_along_the_table(order: Order, moves: list[Move], created_at: int) -> None:
    before: OrderState | None = None
    for _, taken in run(order, moves, created_at):
        assert taken.outcome in {"applied", "duplicate", "parked", "ignored", "early"}
        assert (taken.outcome == "parked") == bool(taken.code)
        if taken.outcome != "applied":
            assert taken.state is before
            assert not taken.events
            assert not taken.synced
        for event in taken.events:
            check_status(event.body)
        if taken.state is not None:
            check_state(taken.state)
        before = taken.state


def check_status(status: object) -> None:
    if not isinstance(status, OrderStatus):
        return
    now, previous = (status.state, status.reason), (status.previous_state, status.previous_reason)
    if now != previous:
        assert TRANSITIONS[STATUS_OF[previous], status.event] is STATUS_OF[now]


def check_state(state: OrderState) -> None:
    assert order_ledger.decode(order_ledger.encode(state)) == state
    assert (state.order.state, state.order.reason) in STATUS_OF
    assert all((line.state, line.reason) in STATUS_OF for line in state.order.lines)
    assert len(state.done) == len(set(state.done))
    assert not set(state.done) & set(state.failed)
    effects = {effect.effect_id for effect in state.effects}
    assert len(effects) == len(state.effects)
    for timer in state.timers:
        assert timer.purpose in {"wait", "backorder"} or timer.subject in effects
    if state.order.state == "Canceled":
        assert not state.effects
        assert not state.timers
    if state.settled_at:
        assert STATUS_OF[state.order.state, state.order.reason] in TERMINAL


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ORDERS, MOVES, st.integers(0, 3))
def test_replay_repeats_every_byte(order: Order, moves: list[Move], created_at: int) -> None:
    first = [_encode((taken.state, taken.events, taken.synced)) for _, taken in run(order, moves, created_at)]
    again = [_encode((taken.state, taken.events, taken.synced)) for _, taken in run(order, moves, created_at)]
    assert first == again


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ORDERS, MOVES)
def test_copies_change_nothing(order: Order, moves: list[Move]) -> None:
    flow = published().choose(OrderCreated(order))
    seen = run(order, moves[: RECENT_EVENTS_MAX - 1], 0)
    state = seen[-1][1].state
    for event, taken in seen:
        if taken.outcome == "applied":
            copy = step(flow, state, event)
            assert (copy.outcome, copy.events, copy.synced) == ("duplicate", (), False)
            assert copy.state is state


@settings(max_examples=100, deadline=None, derandomize=True)
@given(ORDERS, MOVES)
def test_goods_never_go_back(order: Order, moves: list[Move]) -> None:
    """A milestone of the whole order, once raised, stays: later statuses are that far at least, held, or canceled."""
    ranks = {"Picked": 1, "Packed": 2, "Fulfilled": 3}
    furthest = 0
    for _, taken in run(order, moves, 0):
        if taken.state is None:
            continue
        status = taken.state.order
        if status.state in {"Fulfillment in Process", "Completed"}:
            assert ranks[status.reason] >= furthest
            furthest = ranks[status.reason]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(ORDERS, MOVES)
def test_nothing_is_sent_to_fno_without_a_company(order: Order, moves: list[Move]) -> None:
    """S5, S6, and scenario 4 asks nobody for anything."""
    for _, taken in run(order, moves, 0):
        if taken.synced:
            assert taken.state is not None
            assert taken.state.order.ready_to_sync
            assert taken.state.order.company
        if order.origin == "fno":
            assert not [event for event in taken.events if event.name.endswith("requested")]
