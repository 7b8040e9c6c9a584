"""One event on one order: lines, aggregation, timeline, lineage and references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.evolve import (
    add_entry,
    changed_lines,
    merge_lineage,
    move_lines,
    move_order,
    set_reference,
    shared_milestone,
)
from app.domain.lifecycle import Status
from app.domain.order import TIMELINE_MAX, Address, Line, Lineage, Order, OrderState, Partial, TimelineEntry
from app.errors import RecordError
from app.events.model import LineQuantity


def an_order(status: Status, *lines: Status, quantity: int = 30_000) -> Order:
    return Order(
        "o", "shop", "1", "web", 0, "USD", 0, 0, 0, 0, 0, Address(), Address(),
        tuple(
            Line(str(number), "s", "n", quantity, 0, 0, f"r{number}", state=line.state, reason=line.reason)
            for number, line in enumerate(lines, start=1)
        ),
        state=status.state,
        reason=status.reason,
    )  # fmt: skip


def a_state(order: Order, *raised: str, partials: tuple[Partial, ...] = ()) -> OrderState:
    return OrderState(order, "f", 1, raised=raised, partials=partials)


def statuses(order: Order) -> list[str]:
    return [line.reason for line in order.lines]


def test_lines_go_with_the_order_unless_they_are_ahead_or_canceled() -> None:
    order = an_order(Status.SENT, Status.SENT, Status.PACKED, Status.CANCELED)
    held = move_order(order, "order held")
    assert statuses(held) == ["Needs attention", "Packed", "Canceled"]
    assert [line.line_id for line in changed_lines(order, held)] == ["1"]


def test_keep_is_the_same_order() -> None:
    order = an_order(Status.PACKED, Status.PACKED)
    assert move_order(order, "order picked") is order


def test_unexpected_event_is_refused() -> None:
    with pytest.raises(RecordError, match="'order validated' is not expected while the order is 'Completed'"):
        move_order(an_order(Status.FULFILLED), "order validated")


def test_quantities_of_a_line_add_up() -> None:
    state = a_state(an_order(Status.PICKED, Status.PICKED))
    for sent, reason, left in ((10_000, "Picked", 10_000), (15_000, "Picked", 25_000), (5_000, "Packed", None)):
        order, partials = move_lines(state, "order shipped", (LineQuantity("1", sent),))
        assert statuses(order) == [reason]
        assert partials == (() if left is None else (Partial("1", "order shipped", left),))
        state = a_state(order, partials=partials)


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=10))
def test_line_is_shipped_exactly_when_its_quantity_is(parts: list[int]) -> None:
    state = a_state(an_order(Status.SENT, Status.SENT, quantity=60_000))
    total = 0
    for part in parts:
        order, partials = move_lines(state, "order shipped", (LineQuantity("1", part),))
        state = a_state(order, partials=partials)
        total += part
        assert (statuses(order) == ["Packed"]) == (total >= 60_000)
        assert bool(partials) == (total < 60_000)


def test_milestones_count_apart() -> None:
    state = a_state(an_order(Status.SENT, Status.SENT), partials=(Partial("1", "order picked", 20_000),))
    order, partials = move_lines(state, "order shipped", (LineQuantity("1", 10_000),))
    assert statuses(order) == ["Sent to fulfillment"]
    assert {partial.event for partial in partials} == {"order picked", "order shipped"}


def test_zero_means_the_rest_of_the_line() -> None:
    state = a_state(an_order(Status.PICKED, Status.PICKED), partials=(Partial("1", "order shipped", 10_000),))
    order, partials = move_lines(state, "order shipped", (LineQuantity("1", 0),))
    assert (statuses(order), partials) == (["Packed"], ())


def test_one_document_may_name_a_line_twice() -> None:
    state = a_state(an_order(Status.PICKED, Status.PICKED))
    order, _ = move_lines(state, "order shipped", (LineQuantity("1", 20_000), LineQuantity("", 10_000, "r1")))
    assert statuses(order) == ["Packed"]


def test_whole_report_leaves_canceled_lines() -> None:
    order, _ = move_lines(a_state(an_order(Status.SENT, Status.SENT, Status.CANCELED)), "order shipped", ())
    assert statuses(order) == ["Packed", "Canceled"]


def test_named_line_without_a_row_is_refused() -> None:
    state = a_state(an_order(Status.SENT, Status.SENT, Status.CANCELED))
    with pytest.raises(RecordError, match="while line '2' is 'Canceled'"):
        move_lines(state, "order shipped", (LineQuantity("2", 0),))


def test_held_line_is_not_taken_back_by_what_was_overtaken() -> None:
    state = a_state(an_order(Status.HELD, Status.HELD), "order shipped")
    assert move_lines(state, "order picked", ())[0] is state.order
    assert move_lines(state, "order picked", (LineQuantity("1", 0),))[0] is state.order
    assert statuses(move_lines(state, "order invoiced", ())[0]) == ["Fulfilled"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), None),
        ((Status.CANCELED,), None),
        ((Status.PACKED, Status.PACKED), 2),
        ((Status.PACKED, Status.FULFILLED), 2),
        ((Status.PACKED, Status.CANCELED), 2),
        ((Status.PACKED, Status.SENT), 0),
        ((Status.FULFILLED, Status.HELD), 0),
    ],
)
def test_shared_milestone(lines: tuple[Status, ...], expected: int | None) -> None:
    assert shared_milestone(an_order(Status.SENT, *lines)) == expected


def test_timeline_keeps_the_newest() -> None:
    timeline: tuple[TimelineEntry, ...] = ()
    for number in range(TIMELINE_MAX + 5):
        timeline = add_entry(timeline, TimelineEntry("e", str(number), "", number, "", "", "", ""))
    assert len(timeline) == TIMELINE_MAX
    assert timeline[-1].event_id == str(TIMELINE_MAX + 4)


def test_lineage_keeps_the_last_of_each_field() -> None:
    first = merge_lineage((), [Lineage("company", "1", "a"), Lineage("site", "1", "a")])
    assert merge_lineage(first, [Lineage("company", "2", "b")]) == (
        Lineage("company", "2", "b"),
        Lineage("site", "1", "a"),
    )
    assert merge_lineage(first, []) is first


def test_reference_of_a_provider_is_replaced_by_a_newer_one() -> None:
    known = (("fno", "SO-1"), ("shop", "1"))
    assert set_reference(known, "fno", "SO-2") == (("shop", "1"), ("fno", "SO-2"))
    assert set_reference(known, "fno", "") is known
    assert set_reference(known, "fno", "SO-1") is known
