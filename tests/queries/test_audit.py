"""The judge of `waybill verify`, on the logs of two simulated worlds: whole ones, and broken ones in every way."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as altered

from app.events.ids import derive
from app.lanes.ledger_keys import OWNER_KEY, POSITION_KEY
from app.queries.audit import (
    CREATED,
    MILESTONES,
    NUMBERED,
    OF_ORDERS,
    OUR_ROWS,
    PLAN,
    REPORT,
    REQUESTS,
    RESULT,
    SOURCING_REQUEST,
    STATUS,
    STOPS,
    THEIR_ROWS,
    AuditRecord,
    Discrepancy,
    DiscrepancyKind,
    LogLimits,
    OrderAudit,
    OrderEntry,
    SourcingEntry,
    Standing,
)
from app.queries.audit_records import facts_of
from app.queries.audit_verdict import discrepancies, judge
from tests.simulation.auditing import read_orders
from tests.simulation.world import World

LOST, DOUBLED, DIFFERING, UNOBSERVABLE = DiscrepancyKind
WHOLE = LogLimits()
SEEDS = (2, 18)
"""Worlds with sourced orders, forwarded copies, rows in both directions and dead letters."""
DELETED_IN_TIME = (*NUMBERED, *OF_ORDERS)
"""Topics of orders from which retention deletes."""


@pytest.fixture(scope="module")
def orders() -> list[OrderAudit]:
    read: list[OrderAudit] = []
    for seed in SEEDS:
        world = World(seed)
        world.run()
        read += asyncio.run(read_orders(world.cluster))
    return read


def kinds(order: OrderAudit, limits: LogLimits = WHOLE) -> set[DiscrepancyKind]:
    return {each.kind for each in discrepancies(order, limits)}


def on(orders: list[OrderAudit], *topics: str) -> Iterator[tuple[OrderAudit, AuditRecord]]:
    return ((order, record) for order in orders for record in order.on(*topics))


def with_records(order: OrderAudit, records: list[AuditRecord]) -> OrderAudit:
    return replace(order, records=sorted(records, key=lambda each: (each.topic, each.partition, each.offset)))


def without(order: OrderAudit, is_dropped: Callable[[AuditRecord], bool]) -> OrderAudit:
    return with_records(order, [record for record in order.records if not is_dropped(record)])


def changed(order: OrderAudit, record: AuditRecord, **fields: Any) -> OrderAudit:
    return with_records(order, [altered(each, **fields) if each is record else each for each in order.records])


def repeated(order: OrderAudit, record: AuditRecord, **fields: Any) -> OrderAudit:
    return with_records(order, [*order.records, altered(record, offset=record.offset + 100_000, **fields)])


# ---- whole logs ----


def test_of_a_whole_log_nothing_is_wrong(orders: list[OrderAudit]) -> None:
    verdict = judge(orders, WHOLE)
    assert verdict.listed == []
    assert verdict.is_true
    assert verdict.accepted == sum(order.entry is not None for order in orders) > 5


def test_what_no_role_has_finished_is_under_way(orders: list[OrderAudit]) -> None:
    created = [order for order in orders if order.entry is not None]
    for order in created:
        fresh = [altered(record, is_folded=False, is_earlier=False) for record in order.on(CREATED, THEIR_ROWS)]
        waiting = OrderAudit(order.order_id, fresh, letters=order.letters)
        assert discrepancies(waiting, WHOLE) == []
        assert waiting.standing is (Standing.UNDER_WAY if any(waiting.on(CREATED)) else Standing.NO_ORDER)


TORN: list[AuditRecord] = [
    AuditRecord("order-assigned", 0, 4, 9, event_id=derive("c", 2), cause_id="c"),
    AuditRecord("fulfillment-requested", 0, 4, 9, event_id=derive("c", 0), cause_id="c", through="dual-write"),
    AuditRecord(OUR_ROWS, 0, 4, 9, event_id=derive("c", "dual-write"), cause_id="c", effect_id="e", attempt=1),
]
"""Each is a part of a transaction whose other parts are not there."""


@pytest.mark.parametrize("record", TORN, ids=lambda record: record.topic)
def test_of_a_transaction_that_was_open_at_the_end_a_part_may_be_seen(record: AuditRecord) -> None:
    entry = OrderEntry("New", "New", 1)
    assert kinds(OrderAudit("o", [record], entry=entry)) == set()
    committed_before_the_ledger_was_read = altered(record, is_earlier=True)
    assert kinds(OrderAudit("o", [committed_before_the_ledger_was_read], entry=entry)) == {LOST}


# ---- lost ----


@pytest.mark.parametrize("topic", [*NUMBERED, RESULT, PLAN])
def test_a_record_of_ours_that_is_not_there_is_lost(orders: list[OrderAudit], topic: str) -> None:
    dropped = 0
    for order, record in on(orders, topic):
        if order.entry is not None and not record.forwarded_from:
            assert LOST in kinds(without(order, record.__eq__)), f"{record.place} of {order.order_id}"
            dropped += 1
    assert dropped or topic == "order-held"


@pytest.mark.parametrize("topic", [CREATED, REPORT])
def test_an_event_that_changed_the_order_and_is_not_there_is_lost(orders: list[OrderAudit], topic: str) -> None:
    known = [(order, order.entry, each.event_id) for order, each in on(orders, topic) if order.entry]
    applied = [(order, event_id) for order, entry, event_id in known if event_id in entry.recent]
    assert applied
    for order, event_id in applied:
        gone = with_records(order, [each for each in order.records if each.event_id != event_id])
        assert any(each.kind is LOST and event_id in each.what for each in discrepancies(gone, WHOLE))


def test_all_rows_that_effects_asked_for_are_lost(orders: list[OrderAudit]) -> None:
    asked = {order.order_id: order for order, each in on(orders, *REQUESTS) if each.through == "dual-write"}
    assert asked
    for order in asked.values():
        assert LOST in kinds(without(order, lambda each: each.topic == OUR_ROWS))


def test_an_order_that_is_not_in_the_ledger_is_lost(orders: list[OrderAudit]) -> None:
    for order in orders:
        if order.entry is not None:
            gone = replace(order, entry=None)
            assert LOST in kinds(gone)
            assert LOST in kinds(without(gone, lambda each: each.topic == CREATED)), "order-status tells of it"


def test_a_ledger_that_went_back_has_lost_what_a_status_tells_of(orders: list[OrderAudit]) -> None:
    for order in orders:
        last = max((status.version for status in order.on(STATUS)), default=0)
        if order.entry is not None and last > 1:
            assert LOST in kinds(replace(order, entry=altered(order.entry, version=last - 1)))


def test_a_request_without_an_answer_is_lost_unless_it_is_under_way(orders: list[OrderAudit]) -> None:
    called = [(order, each) for order, each in on(orders, *REQUESTS) if each.through == "http"]
    assert called
    for order, request in called:
        unanswered = with_records(order, [each for each in order.records if each.cause_id != request.event_id])
        assert any(each.where == request.place for each in discrepancies(unanswered, WHOLE))
        under_way = changed(unanswered, request, is_folded=False)
        assert not any(each.where == request.place for each in discrepancies(under_way, WHOLE))


def test_an_answer_that_did_not_reach_the_order_is_lost(orders: list[OrderAudit]) -> None:
    for order, answer in on(orders, RESULT, PLAN):
        if order.entry is not None and answer.outcome in ("ok", "sourced"):
            request = next(each for each in order.on(*REQUESTS, SOURCING_REQUEST) if each.effect_id == answer.effect_id)
            waits = (answer.effect_id, request.attempt, request.at)
            stuck = replace(order, entry=altered(order.entry, effects=(*order.entry.effects, waits)))
            assert any(each.kind is LOST and each.where == answer.place for each in discrepancies(stuck, WHOLE))
            late = changed(stuck, answer, is_folded=False)
            assert not any(each.where == answer.place for each in discrepancies(late, WHOLE))


def test_a_failed_attempt_without_a_timer_is_lost(orders: list[OrderAudit]) -> None:
    order, answer = next(
        (o, each) for o, each in on(orders, RESULT) if o.entry and each.outcome in ("retry", "unknown")
    )
    assert order.entry is not None
    waits = ((answer.effect_id, answer.attempt, answer.at),)
    waiting = altered(order.entry, effects=waits, retried=(answer.effect_id,))
    others = [each for each in order.records if each.topic != RESULT or each is answer]
    assert not any(
        each.where == answer.place for each in discrepancies(replace(order, records=others, entry=waiting), WHOLE)
    )
    stuck = replace(order, records=others, entry=altered(waiting, retried=()))
    assert any(each.where == answer.place for each in discrepancies(stuck, WHOLE))


def test_a_report_that_changed_nothing_and_was_not_set_aside_is_lost(orders: list[OrderAudit]) -> None:
    parked = [(order, each) for order, each in on(orders, REPORT) if each.place in order.letters and each.is_own]
    parked = [(order, each) for order, each in parked if each.event != "order changed"]
    assert parked
    for order, record in parked:
        gone = replace(order, letters={place: code for place, code in order.letters.items() if place != record.place})
        assert any(each.kind is LOST and each.where == record.place for each in discrepancies(gone, WHOLE))


def test_a_report_that_waits_for_its_order_is_not_lost() -> None:
    report = AuditRecord(REPORT, 0, 7, 1_000, event_id="early", event="order shipped", is_folded=True)
    assert kinds(OrderAudit("o", [report])) == {LOST}
    assert kinds(OrderAudit("o", [report], waiting=(report.place,))) == set()
    assert OrderAudit("o", [report]).standing is Standing.NO_ORDER


def test_what_cannot_be_read_is_set_aside_or_lost(orders: list[OrderAudit]) -> None:
    unreadable = [(order, each) for order, each in on(orders, *OF_ORDERS, THEIR_ROWS) if each.problem]
    assert unreadable
    for order, record in unreadable:
        assert LOST in kinds(replace(order, letters={}))
        assert LOST not in kinds(changed(replace(order, letters={}), record, is_folded=False))


def test_a_row_whose_connectors_schema_is_not_known_here_is_not_called_lost() -> None:
    row = AuditRecord(THEIR_ROWS, 0, 3, 1_000, problem="unknown-schema", is_folded=True)
    assert kinds(OrderAudit("fno-usmf-1", [row])) == {UNOBSERVABLE}


def test_a_record_in_another_lane_that_was_not_passed_on_is_lost(orders: list[OrderAudit]) -> None:
    strays = [(order, each) for order, each in on(orders, *OF_ORDERS, THEIR_ROWS) if not each.is_own]
    strays = [(order, each) for order, each in strays if each.place not in order.letters]
    assert strays
    for order, record in strays:
        alone = with_records(order, [each for each in order.records if each.forwarded_from != record.place])
        assert any(each.kind is LOST and each.where == record.place for each in discrepancies(alone, WHOLE))
        on_its_way = changed(alone, record, is_folded=False)
        assert not any(each.where == record.place for each in discrepancies(on_its_way, WHOLE))


def test_a_row_of_the_erp_that_the_mirror_does_not_know_is_lost(orders: list[OrderAudit]) -> None:
    seen = [order for order in orders if order.mirrored and any(order.finished(THEIR_ROWS))]
    assert seen
    for order in seen:
        assert LOST in kinds(replace(order, mirrored=None))
        newest = max(row.version for row in order.finished(THEIR_ROWS))
        assert newest == 0 or LOST in kinds(replace(order, mirrored=newest - 1))


def test_an_order_of_the_erp_that_was_not_created_is_lost() -> None:
    row = AuditRecord(THEIR_ROWS, 0, 3, 1_000, event_id="row", event="c", version=2, is_folded=True)
    assert kinds(OrderAudit("fno-usmf-1", [row], mirrored=2)) == {LOST}
    assert kinds(OrderAudit("bc-1", [altered(row, is_ours=True)], mirrored=2)) == set()
    created = AuditRecord(CREATED, 0, 0, 1_000, event_id="created", source="waybill/mirror")
    assert kinds(OrderAudit("fno-usmf-1", [created, row], mirrored=2)) == set()


def test_reservations_that_no_command_closes_are_lost(orders: list[OrderAudit]) -> None:
    sourced = [order for order in orders if order.sourcing and order.entry and order.entry.is_over]
    assert sourced
    for order in sourced:
        assert LOST in kinds(replace(order, sourcing=SourcingEntry(order.sourcing.recent, ("1@EU-HAM",))))  # type: ignore[union-attr]
        assert LOST in kinds(replace(order, sourcing=SourcingEntry()))


# ---- doubled, differing ----


@pytest.mark.parametrize("topic", [*NUMBERED, OUR_ROWS, PLAN])
def test_a_record_that_only_a_role_writes_is_doubled_when_it_is_there_twice(
    orders: list[OrderAudit], topic: str
) -> None:
    copied = 0
    for order, record in on(orders, topic):
        if record.place in order.letters:  # an operator may have replayed it
            continue
        assert DOUBLED in kinds(repeated(order, record)), record.place
        assert {DOUBLED, DIFFERING} <= kinds(repeated(order, record, digest=record.digest ^ 1))
        copied += 1
    assert copied or topic == "order-held"


@pytest.mark.parametrize(("topic", "source"), [(RESULT, "waybill/perform"), (REPORT, "waybill/mirror")])
def test_what_a_role_writes_among_others_is_doubled_and_what_others_repeat_is_not(
    orders: list[OrderAudit], topic: str, source: str
) -> None:
    own = [(order, each) for order, each in on(orders, topic) if each.source == source and not each.forwarded_from]
    assert own
    for order, record in own:
        theirs = changed(order, record, source="somebody")
        again = next(each for each in theirs.on(topic) if each.place == record.place)
        assert DOUBLED not in kinds(repeated(theirs, again))
        if record.place not in order.letters:
            assert DOUBLED in kinds(repeated(order, record))


def test_a_record_that_was_passed_on_twice_is_doubled_and_another_value_differs(orders: list[OrderAudit]) -> None:
    copies = [(order, each) for order, each in on(orders, *OF_ORDERS) if each.forwarded_from and each.is_own]
    assert copies
    for order, copy in copies:
        if copy.place not in order.letters:
            assert DOUBLED in kinds(repeated(order, copy))
        assert DIFFERING in kinds(changed(order, copy, digest=copy.digest ^ 1))


def test_an_effect_that_was_requested_twice_and_a_milestone_that_was_raised_twice_are_doubled(
    orders: list[OrderAudit],
) -> None:
    for order, record in on(orders, *REQUESTS, *MILESTONES):
        again = repeated(order, record, event_id="another", cause_id="another")
        assert DOUBLED in kinds(again), record.place


@pytest.mark.parametrize("topic", [STATUS, *MILESTONES, *STOPS])
def test_an_event_that_says_something_else_differs(orders: list[OrderAudit], topic: str) -> None:
    for order, record in on(orders, topic):
        is_last = topic != STATUS or record is list(order.on(STATUS))[-1]
        wrong = kinds(changed(order, record, state="New", reason="Needs attention"))
        assert DIFFERING in wrong if is_last else wrong & {DIFFERING, LOST}, record.place


def test_a_ledger_that_says_something_else_differs(orders: list[OrderAudit]) -> None:
    for order in orders:
        if order.entry is not None:
            assert DIFFERING in kinds(replace(order, entry=altered(order.entry, state="On Hold", reason="Sent")))


def test_an_order_that_a_provider_made_and_has_not_is_lost_and_one_that_it_has_twice_doubled(
    orders: list[OrderAudit],
) -> None:
    made = [(order, provider) for order in orders for provider in order.makers]
    assert {provider for _, provider in made} >= {"fno", "flexe"}
    for order, provider in made:
        assert kinds(replace(order, references={})) == set(), "it was not asked"
        assert kinds(replace(order, references={provider: ["1"]})) == set()
        assert kinds(replace(order, references={provider: []})) == {LOST}
        assert kinds(replace(order, references={provider: ["1", "2"]})) == {DOUBLED}


def test_of_a_forgotten_order_rows_and_late_reports_are_not_missed(orders: list[OrderAudit]) -> None:
    asked = {order.order_id: order for order, each in on(orders, *REQUESTS) if each.through == "dual-write"}
    for order in asked.values():
        assert order.entry is not None
        rowless = without(order, lambda each: each.topic == OUR_ROWS)
        late = AuditRecord(REPORT, 0, 900_000, 5, event_id="late", event="order shipped", is_folded=True)
        with_report = with_records(rowless, [*rowless.records, late])
        assert LOST in kinds(with_report)
        assert kinds(replace(with_report, entry=altered(order.entry, is_forgotten=True))) == set()


# ---- what the log no longer has ----


def retained(order: OrderAudit, horizon: int, *topics: str) -> OrderAudit:
    """What is left of an order when all records up to a time were deleted from the topics."""
    return without(order, lambda each: each.topic in topics and each.at <= horizon)


@pytest.mark.parametrize("topics", [DELETED_IN_TIME, OF_ORDERS, NUMBERED, *((topic,) for topic in DELETED_IN_TIME)])
def test_what_retention_deleted_is_never_lost(orders: list[OrderAudit], topics: tuple[str, ...]) -> None:
    times = sorted({record.at for order in orders for record in order.records})
    for horizon in times[:: len(times) // 12]:
        limits = LogLimits(dict.fromkeys(topics, horizon))
        for order in orders:
            wrong = discrepancies(retained(order, horizon, *topics), limits)
            assert {each.kind for each in wrong} <= {UNOBSERVABLE}, (horizon, order.order_id, wrong)


def test_what_is_newer_than_all_that_was_deleted_is_lost_all_the_same(orders: list[OrderAudit]) -> None:
    limits = LogLimits(dict.fromkeys(DELETED_IN_TIME, 1))
    for order, record in on(orders, STATUS, "order-validated", "fulfillment-requested"):
        if order.entry is not None:
            assert LOST in kinds(without(order, record.__eq__), limits), record.place


def test_a_dead_letter_that_may_have_been_dealt_with_long_ago_explains_what_is_missing(
    orders: list[OrderAudit],
) -> None:
    for order, record in on(orders, *OF_ORDERS, THEIR_ROWS):
        if record.problem:
            limits = LogLimits(letters_since=record.at)
            assert LOST not in kinds(replace(order, letters={}), limits)


# ---- standings ----


@pytest.mark.parametrize(
    ("state", "reason", "standing"),
    [
        ("Completed", "Fulfilled", "completed"),
        ("Canceled", "Validation failed", "refused"),
        ("Canceled", "Canceled", "cancelled"),
        ("Canceled", "Backorder expired", "cancelled"),
        ("On Hold", "Needs attention", "held"),
        ("On Hold", "Backorder hold", "held"),
        ("Validated", "Assigned", "under way"),
        ("Fulfillment in Process", "Packed", "under way"),
    ],
)
def test_an_order_counts_by_its_ledger_entry(state: str, reason: str, standing: str) -> None:
    assert OrderAudit("o", [], entry=OrderEntry(state, reason, 3)).standing == standing


def test_an_order_whose_creation_is_a_dead_letter_was_never_accepted() -> None:
    created = AuditRecord(CREATED, 1, 4, 1_000, event_id="x", is_folded=True)
    order = OrderAudit("o", [created], letters={created.place: "no-flow"})
    verdict = judge([order], WHOLE)
    assert (order.standing, verdict.accepted, verdict.is_true) == (Standing.SET_ASIDE, 0, True)


def test_every_discrepancy_says_what_and_where(orders: list[OrderAudit]) -> None:
    order, record = next((o, each) for o, each in on(orders, STATUS) if o.entry and each.event == "order validated")
    wrong: list[Discrepancy] = discrepancies(without(order, record.__eq__), WHOLE)
    assert wrong
    assert all(each.what and each.where for each in wrong)


def test_the_notes_of_lanes_are_about_no_order() -> None:
    for note in (POSITION_KEY, OWNER_KEY):
        assert facts_of("order-ledger", note, b"acme-orchestrate-0") is None
