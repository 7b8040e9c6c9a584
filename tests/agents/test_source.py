"""The role `source` on real lanes over a cluster in memory: what is reserved, who waits, what each order is told."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.order import LineQuantity
from app.events.ids import derive, partition_of
from app.events.model import OrderCommand, ReservedLine
from app.inventory.item_stock import ItemStock
from app.inventory.ledger_values import PreferenceOverrides, SourcedOrder
from app.inventory.preferences import DAY_MS, Preferences
from app.optimizer import solver
from app.optimizer.demand import Demand
from app.optimizer.gazetteer import UNKNOWN
from app.optimizer.sourcing_network import Network, NetworkSource
from app.optimizer.sourcing_plan import SourcingPlan
from app.optimizer.sourcing_strategy import Constraint, Strategies
from tests.agents.source_cluster import FAR, NEAR, NETWORK, ONE, START, STRATEGY, Room, given, line_of, order_of
from tests.agents.stand_ins import CODEC, TRACE
from tests.lanes.lane_driver import CrashError
from tests.lanes.memory_log import STEPS

# ---- requests ----


async def test_an_order_is_sourced_and_told_so() -> None:
    room = Room()
    room.stock("A", 5)
    room.stock("B", 5, FAR)
    effect = room.request(order_of("o1", ("A", 2), ("B", 1)))
    driven = await room.start()
    await room.rest(driven)
    (result,) = room.results()
    assert (result.outcome, result.code, result.effect_id, result.waits) == ("sourced", "sourced", effect, False)
    assert [(fo.fulfillment_order_id, fo.site, fo.warehouse) for fo in result.fulfillment_orders] == [
        ("o1-FO1", "EU", NEAR),
        ("o1-FO2", "US", FAR),
    ]
    assert [fo.lines for fo in result.fulfillment_orders] == [
        (LineQuantity("1", 2 * ONE),),
        (LineQuantity("2", ONE),),
    ]
    assert (result.solver, result.strategy, result.gap) == ("optimal", "near", 0)
    assert (room.shelf("A"), room.shelf("B", FAR)) == ((5, 2), (5, 1))
    (event,) = room.events()
    assert (event.cause_id, event.source, event.trace[:36]) == ("e3", "waybill/source", TRACE[:36])
    room.reserved_once()


async def test_every_line_says_for_every_source_why() -> None:
    room = Room()
    room.stock("A", 5)
    room.request(order_of("o1", ("A", 2)))
    await room.rest(await room.start())
    (result,) = room.results()
    told = [(e.line_id, e.site, e.warehouse, e.chosen, e.code, e.quantity) for e in result.explanations]
    assert told == [("1", "EU", NEAR, True, "chosen", 2 * ONE), ("1", "US", FAR, False, "no-stock", None)]
    assert all(float(text) >= 0 for text in result.explanations[0].terms.values())
    (kept,) = room.explained("o1")
    assert kept.explanations == result.explanations


async def test_requests_wait_for_their_batch_and_are_planned_together() -> None:
    room = Room()
    room.stock("A", 1)
    room.request(order_of("o1", ("A", 1)))
    driven = await room.start()
    await driven.settle()
    assert room.results() == []
    room.clock.advance(0.04)
    room.request(order_of("o2", ("A", 1)))
    await driven.settle()
    assert room.results() == []
    room.clock.advance(0.01)
    await driven.settle()
    assert sorted((r.order_id, r.outcome) for r in room.results()) == [("o1", "sourced"), ("o2", "none")]
    assert room.reports.solves == ["optimal"]


async def test_a_full_batch_does_not_wait() -> None:
    room = Room(orders_max=2)
    for number in range(5):
        room.request(order_of(f"o{number}", ("A", 1)))
    driven = await room.start()
    await driven.settle()
    assert len(room.results()) == 4
    room.clock.advance(0.05)
    await driven.settle()
    assert len(room.results()) == 5


async def test_a_request_told_again_and_one_attempted_again_reserve_nothing_twice() -> None:
    room = Room()
    room.stock("A", 9)
    order = order_of("o1", ("A", 2))
    room.request(order, event_id="asked")
    driven = await room.start()
    await room.rest(driven)
    room.request(order, event_id="asked")
    room.request(order, attempt=2)
    await room.rest(driven)
    first, second = room.results()
    assert (second.outcome, second.fulfillment_orders, second.effect_id) == ("sourced", (), first.effect_id)
    assert room.shelf("A") == (9, 2)
    room.reserved_once()


async def test_lines_that_are_canceled_or_on_their_way_are_passed_over() -> None:
    room = Room()
    room.stock("A", 9)
    lines = (
        line_of(1, "A", 1),
        line_of(2, "A", 1, state="Canceled", reason="Canceled"),
        line_of(3, "A", 1, state="Fulfillment in Process", reason="Packed"),
    )
    room.request(replace(order_of("o1"), lines=lines))
    await room.rest(await room.start())
    assert given(room.results()) == {("o1", "1"): [(NEAR, 1)]}


async def test_results_go_to_the_partition_of_their_order_and_records_to_the_lane_of_their_pool() -> None:
    room = Room(partitions=4)
    home = partition_of(b"main", 4)
    wrong = (home + 1) % 4
    room.stock("A", 5, partition=wrong)
    orders = [f"o{number}" for number in range(8)]
    for order_id in orders:
        room.request(order_of(order_id, ("A", 1)))
    await room.rest(await room.start(wrong))
    await room.rest(await room.start(home))
    places = {record.key: record.partition for record in room.cluster.read_all("sourcing-result")}
    assert places == {order_id.encode(): partition_of(order_id.encode(), 4) for order_id in orders}
    assert len(set(places.values())) > 1
    assert len(given(room.results())) == 5


async def test_a_forwarded_request_is_read_though_its_key_is_the_pool() -> None:
    room = Room(partitions=4)
    home = partition_of(b"main", 4)
    wrong = (home + 1) % 4
    order = order_of("o1", ("A", 1))
    room.request(order)
    (record,) = room.cluster.read("sourcing-requested", home)
    room.cluster.recreate("sourcing-requested")
    room.cluster.produce(record.topic, wrong, record.key, record.value, record.headers)
    await room.rest(await room.start(wrong))
    await room.rest(await room.start(home))
    assert [(r.order_id, r.outcome) for r in room.results()] == [("o1", "none")]
    assert room.letters() == []


async def test_an_order_that_no_solver_takes_costs_the_others_nothing() -> None:
    def brittle(demands: Sequence[Demand], *rest: Any, **day: Any) -> SourcingPlan:
        if any(demand.order_id == "poison" for demand in demands):
            raise ZeroDivisionError("no way")
        return solver.solve(demands, *rest, **day)

    room = Room(solve=brittle)
    room.stock("A", 9)
    for order_id in ("o1", "poison", "o2"):
        room.request(order_of(order_id, ("A", 4)))
    driven = await room.start()
    await room.rest(driven)
    assert given(room.results()) == {("o1", "1"): [(NEAR, 4)], ("o2", "1"): [(NEAR, 4)]}
    (refused,) = room.results("poison")
    assert (refused.outcome, refused.code, refused.waits) == ("none", "exception", False)
    assert refused.detail == "ZeroDivisionError: no way"
    assert refused.unsourced == (LineQuantity("1", 4 * ONE),)
    assert sorted(room.reports.outcomes) == ["exception", "sourced", "sourced"]
    room.reserved_once()


async def test_a_plan_that_would_oversell_is_not_used() -> None:
    def careless(demands: Sequence[Demand], network: Network, stock: Any, *rest: Any, **day: Any) -> SourcingPlan:
        return solver.solve(demands, network, dict.fromkeys(stock, 1000 * ONE), *rest, **day)

    room = Room(solve=careless)
    room.stock("A", 5)
    for order_id in ("o1", "o2"):
        room.request(order_of(order_id, ("A", 4)))
    await room.rest(await room.start())
    assert [r.code for r in room.results()] == ["sourced", "exception"]
    assert room.shelf("A") == (5, 4)
    room.reserved_once()


async def test_a_pool_without_sources_is_said_so() -> None:
    room = Room()
    room.request(order_of("o1", ("A", 1)), pool="elsewhere")
    await room.rest(await room.start())
    (result,) = room.results()
    assert (result.outcome, result.code, result.waits) == ("none", "unknown-pool", False)
    assert "name one of main" in result.detail


# ---- stock ----


async def test_lines_that_left_are_gone_and_lines_that_are_canceled_are_free_again() -> None:
    room = Room()
    room.stock("A", 9)
    room.request(order_of("o1", ("A", 2), ("A", 3)))
    driven = await room.start()
    await room.rest(driven)
    for _ in range(2):
        room.command("confirm", "o1", ReservedLine("1", NEAR))
        room.command("release", "o1", ReservedLine("2"))
    room.command("confirm", "o1", ReservedLine("2", NEAR))
    room.command("release", "nobody", ReservedLine("2"))
    await room.rest(driven)
    assert room.shelf("A") == (7, 0)
    assert [part.status for part in room.order("o1").reservations] == ["confirmed", "released"]
    assert room.order("o1").settled_at > 0
    room.reserved_once()


async def test_a_command_about_another_warehouse_changes_nothing() -> None:
    room = Room()
    room.stock("A", 9)
    room.request(order_of("o1", ("A", 2)))
    driven = await room.start()
    await room.rest(driven)
    room.command("confirm", "o1", ReservedLine("1", FAR))
    await room.rest(driven)
    assert room.shelf("A") == (9, 2)


async def test_an_order_that_comes_back_after_it_was_settled_goes_on_where_it_was() -> None:
    room = Room()
    room.stock("A", 9)
    order = order_of("o1", ("A", 1))
    room.request(order)
    driven = await room.start()
    await room.rest(driven)
    room.command("release", "o1")
    await room.rest(driven)
    room.clock.advance(3600)
    await room.rest(driven)
    room.request(order, effect="again")
    await room.rest(driven)
    assert [fo.fulfillment_order_id for r in room.results() for fo in r.fulfillment_orders] == ["o1-FO1", "o1-FO2"]
    assert driven.log.fetched, "the settled order was read back"
    assert room.shelf("A") == (9, 1)


async def test_a_forgotten_order_is_nowhere_and_its_explanations_say_nothing() -> None:
    room = Room()
    room.stock("A", 9)
    room.request(order_of("o1", ("A", 1)))
    driven = await room.start()
    await room.rest(driven)
    assert room.explained("o1")[-1].explanations
    room.command("release", "o1")
    await room.rest(driven)
    room.clock.advance(3600)
    await room.rest(driven)
    room.command("forget", "o1")
    await room.rest(driven)
    assert room.letters() == []
    assert [plan.explanations for plan in room.explained("o1")] == [()]
    assert room.order("o1").place == UNKNOWN
    assert room.shelf("A") == (9, 0)


async def test_an_order_that_was_never_sourced_is_forgotten_without_a_trace() -> None:
    room = Room()
    room.command("forget", "o1")
    await room.rest(await room.start())
    assert room.letters() == []


async def test_stock_of_a_pool_that_is_not_the_warehouses_is_set_aside() -> None:
    room = Room()
    room.stock("A", 9, pool="other", partition=0)
    room.stock("A", 3, "UNKNOWN")
    await room.rest(await room.start())
    assert room.letters() == [("wrong-pool", "warehouse EU-HAM belongs to pool 'main', not 'other'; send `pool: main`")]
    assert room.seen.outcomes["no-source"] == 1
    assert room.shelf("A", "UNKNOWN") == (3, 0)


async def test_totals_of_warehouses_are_reported() -> None:
    room = Room()
    room.stock("A", 9)
    room.stock("B", 1)
    room.request(order_of("o1", ("A", 2), ("C", 1)))
    driven = await room.start()
    await room.rest(driven)
    room.stock("B", 0)
    await room.rest(driven)
    total = room.reports.totals[NEAR]
    assert [n // ONE for n in (total.on_hand, total.reserved, total.available, total.short)] == [9, 2, 7, 0]
    assert room.reports.lines == {"main": 1}
    (waiting,) = [line for order in room.kept(SourcedOrder) for line in order.waiting]
    assert room.reports.waiting_since == {"main": waiting.since}


async def test_order_lines_of_the_day_are_counted_where_the_source_is() -> None:
    narrow = Network((replace(NETWORK.sources[0], lines_per_day=2, time_zone="Europe/Berlin"), NETWORK.sources[1]))
    room = Room(narrow, strategies=Strategies(replace(STRATEGY, lines_per_day=Constraint())))
    room.stock("A", 9)
    room.request(order_of("o1", ("A", 1), ("A", 1), ("A", 1)))
    driven = await room.start()
    await room.rest(driven)
    (result,) = room.results()
    assert (len(given([result])), result.code) == (2, "full")
    room.clock.advance(24 * 3600)
    room.command("run backorders")
    await room.rest(driven)
    assert room.waiting() == set()


# ---- lines that wait ----


async def test_lines_without_stock_wait_and_a_receipt_releases_them_at_once() -> None:
    room = Room(preferences=Preferences(cancellation_sla_days=7))
    room.stock("A", 5)
    effect = room.request(order_of("o1", ("A", 2), ("B", 1), ("C", 1)))
    driven = await room.start()
    await room.rest(driven)
    (result,) = room.results()
    assert (result.outcome, result.code, result.waits) == ("partial", "no-stock", True)
    assert result.cancel_at == START + 7 * DAY_MS
    assert result.unsourced == (LineQuantity("2", ONE), LineQuantity("3", ONE))
    assert result.detail == "2 of 3 lines have no source (no-stock): line 2 (B), 3 (C)"
    cause = room.receive("B", 4, FAR)
    await driven.settle()
    released = room.results()[-1]
    assert (released.outcome, released.effect_id, released.waits) == ("released", effect, True)
    assert [(fo.fulfillment_order_id, fo.warehouse) for fo in released.fulfillment_orders] == [("o1-FO2", FAR)]
    assert (released.unsourced, released.cancel_at) == ((LineQuantity("3", ONE),), START + 7 * DAY_MS)
    assert [event.cause_id for event in room.events()][-1] == cause
    room.receive("C", 1)
    await room.rest(driven)
    last = room.results()[-1]
    assert (last.outcome, last.unsourced, last.waits, last.cancel_at) == ("released", (), False, None)
    assert room.waiting() == set()
    assert [told.explanations[0].line_id for told in room.explained("o1")] == ["1", "2", "3"]
    room.reserved_once()


async def test_with_backorders_off_nothing_waits() -> None:
    room = Room(preferences=Preferences(backorders=False))
    room.request(order_of("o1", ("A", 2)))
    driven = await room.start()
    await room.rest(driven)
    (result,) = room.results()
    assert (result.outcome, result.waits, result.cancel_at) == ("none", False, None)
    room.receive("A", 9)
    await room.rest(driven)
    assert len(room.results()) == 1
    assert room.order("o1").settled_at > 0


async def test_who_waits_is_served_by_priority_then_by_age_and_who_does_not_fit_is_passed_over() -> None:
    room = Room(preferences=Preferences(priorities={"vip": 10}))
    driven = await room.start()
    for order_id, pieces, channel in (
        ("old", 3, "shop"),
        ("large", 8, "shop"),
        ("young", 2, "shop"),
        ("late", 4, "vip"),
    ):
        room.request(order_of(order_id, ("A", pieces), channel=channel))
        await room.rest(driven)
        room.clock.advance(60)
    room.receive("A", 9)
    await room.rest(driven)
    assert given(room.results()) == {(order, "1"): [(NEAR, n)] for order, n in (("late", 4), ("old", 3), ("young", 2))}
    assert room.waiting() == {("large", "1")}


async def test_stock_that_no_single_warehouse_has_enough_of_goes_to_the_next_in_the_queue() -> None:
    """What is there suffices in sum for the first one only, and it cannot be split: the second one gets its share."""
    room = Room()
    driven = await room.start()
    for order_id, pieces in (("first", 8), ("second", 5)):
        room.request(order_of(order_id, ("A", pieces)))
        await room.rest(driven)
        room.clock.advance(60)
    room.receive("A", 5)
    room.receive("A", 5, FAR)
    await room.rest(driven)
    assert given(room.results()) == {("second", "1"): [(NEAR, 5)]}


async def test_a_cancellation_frees_stock_for_those_who_wait() -> None:
    room = Room()
    room.stock("A", 2)
    driven = await room.start()
    for order_id in ("o1", "o2"):
        room.request(order_of(order_id, ("A", 2)))
        await room.rest(driven)
    assert room.waiting() == {("o2", "1")}
    room.command("release", "o1", ReservedLine("1"))
    await room.rest(driven)
    assert room.results()[-1].outcome == "released"
    assert room.shelf("A") == (2, 2)
    room.reserved_once()


async def test_a_line_that_is_canceled_waits_no_more() -> None:
    room = Room()
    room.request(order_of("o1", ("A", 2), ("A", 1)))
    driven = await room.start()
    await room.rest(driven)
    room.command("release", "o1", ReservedLine("1"))
    await room.rest(driven)
    assert room.waiting() == {("o1", "2")}
    room.receive("A", 9)
    await room.rest(driven)
    assert given(room.results()) == {("o1", "2"): [(NEAR, 1)]}


async def test_a_line_that_is_canceled_before_its_batch_is_not_sourced() -> None:
    room = Room()
    room.stock("A", 9)
    driven = await room.start()
    room.request(order_of("o1", ("A", 2), ("A", 1)))
    await driven.settle()
    room.command("release", "o1", ReservedLine("1"))
    await room.rest(driven)
    assert given(room.results()) == {("o1", "2"): [(NEAR, 1)]}


async def test_an_order_that_is_canceled_whole_before_its_batch_is_answered_and_reserves_nothing() -> None:
    room = Room()
    room.stock("A", 9)
    driven = await room.start()
    effect = room.request(order_of("o1", ("A", 2)))
    await driven.settle()
    room.command("release", "o1", ReservedLine("1"))
    await room.rest(driven)
    (result,) = room.results()
    assert (result.effect_id, result.code, result.fulfillment_orders) == (effect, "nothing-to-source", ())
    assert room.shelf("A") == (9, 0)


async def test_who_waits_comes_before_who_asks_in_the_same_turn() -> None:
    room = Room()
    driven = await room.start()
    room.request(order_of("waits", ("A", 2)))
    await room.rest(driven)
    room.request(order_of("asks", ("A", 2)))
    await driven.settle()
    room.clock.advance(0.05)
    room.receive("A", 2)
    await room.rest(driven)
    assert given(room.results()) == {("waits", "1"): [(NEAR, 2)]}


async def test_an_order_that_ships_whole_or_not_at_all_waits_whole_and_is_released_whole() -> None:
    room = Room(strategies=Strategies(replace(STRATEGY, no_partial_orders=Constraint())))
    room.stock("A", 9)
    room.request(order_of("o1", ("A", 1), ("B", 1)))
    driven = await room.start()
    await room.rest(driven)
    assert room.results()[0].outcome == "none"
    room.receive("B", 1)
    await room.rest(driven)
    assert given(room.results()) == {("o1", "1"): [(NEAR, 1)], ("o1", "2"): [(NEAR, 1)]}


async def test_a_request_that_is_made_again_keeps_its_place_in_the_queue() -> None:
    room = Room()
    driven = await room.start()
    first = order_of("first", ("A", 2))
    for order in (first, order_of("second", ("A", 2))):
        room.request(order)
        await room.rest(driven)
        room.clock.advance(60)
    room.request(first, effect="again")
    await room.rest(driven)
    assert room.results()[-1].cancel_at == room.results()[0].cancel_at
    room.receive("A", 2)
    await room.rest(driven)
    assert given(room.results()) == {("first", "1"): [(NEAR, 2)]}
    assert room.results()[-1].effect_id == "again"


async def test_more_lines_than_one_plan_may_have_are_released_turn_by_turn() -> None:
    room = Room(orders_max=3)
    driven = await room.start()
    for number in range(10):
        room.request(order_of(f"o{number}", ("A", 1)))
    await room.rest(driven)
    room.receive("A", 10)
    await room.rest(driven)
    assert room.waiting() == set()
    assert len(room.reports.solves) == 8
    room.reserved_once()


# ---- runs, preferences ----


async def test_a_long_queue_of_one_item_holds_up_no_other_item() -> None:
    """Those who wait for the other item wait for less long, and come after all of the queue by age alone."""
    room = Room(orders_max=5)
    driven = await room.start()
    for number in range(30):
        room.request(order_of(f"long-{number:02}", ("A", 1)))
    await room.rest(driven)
    for number in range(2):
        room.request(order_of(f"other-{number}", ("B", 1)))
    await room.rest(driven)
    room.receive("A", 30)
    room.receive("B", 2)
    await driven.until(lambda: room.shelf("B")[1] > 0)
    assert (room.shelf("A")[1], room.shelf("B")[1]) == (3, 2)
    assert {f"long-{number:02}" for number in range(3)}.isdisjoint(order_id for order_id, _ in room.waiting())
    await room.rest(driven)
    assert not room.waiting()
    room.reserved_once()


async def test_pools_take_turns() -> None:
    network = Network((*NETWORK.sources, NetworkSource("JP-TYO", "JP", 35.6, 139.7, pool="zoo")))
    room = Room(network, orders_max=5)
    driven = await room.start()
    for number in range(20):
        room.request(order_of(f"o{number}", ("A", 1)))
        room.request(order_of(f"z{number}", ("A", 1)), pool="zoo")
    await room.rest(driven)
    room.receive("A", 20)
    room.receive("A", 20, "JP-TYO", pool="zoo")
    await driven.until(lambda: room.shelf("A", "JP-TYO")[1] >= 10)
    assert room.shelf("A")[1] == 10


async def test_a_run_looks_at_all_that_waits_and_is_written_down() -> None:
    room = Room(strategies=Strategies(replace(STRATEGY, maximum_distance_km=Constraint(1000))))
    room.stock("B", 9, FAR)
    room.request(order_of("o1", ("A", 1), ("B", 1)))
    driven = await room.start()
    await room.rest(driven)
    at = room.clock.now
    command = room.command("run backorders", actor="ana")
    await room.rest(driven)
    (run,) = room.runs().jobs
    assert (run.event_id, run.at, run.why, run.actor) == (command, at, "command", "ana")
    assert (run.looked_at, run.released, run.waiting, run.ended) == (2, 0, 2, True)
    room.receive("A", 1)
    await room.rest(driven)
    (receipt,) = room.runs().receipts
    assert (receipt.why, receipt.looked_at, receipt.released, receipt.waiting) == ("receipt", 1, 1, 1)


async def test_a_run_that_is_told_again_is_not_run_again() -> None:
    room = Room()
    driven = await room.start()
    for _ in range(2):
        room.command("run backorders", event_id="once")
    await room.rest(driven)
    assert len(room.runs().jobs) == 1


async def test_the_job_runs_on_schedule_as_a_command() -> None:
    room = Room(job_s=60)
    driven = await room.start()
    await driven.settle()
    room.clock.advance(61)
    await driven.settle()
    await driven.settle()
    (record,) = room.cluster.read_all("order-command")
    event = CODEC.decode(record)
    assert event.body == OrderCommand("main", "run backorders", "", "waybill/source", {"why": "schedule"})
    room.command("run backorders", values={"why": "schedule"})
    await driven.settle()
    again = await room.start()
    room.clock.advance(30)
    await again.settle()
    assert len(room.cluster.read_all("order-command")) == 1
    room.clock.advance(31)
    await again.settle()
    assert len(room.cluster.read_all("order-command")) == 2


async def test_only_the_lane_of_a_pool_runs_its_job() -> None:
    room = Room(partitions=4, job_s=60)
    lanes = [await room.start(partition) for partition in range(4)]
    for _ in range(2):
        for driven in lanes:
            await driven.settle()
        room.clock.advance(61)
    assert len(room.cluster.read_all("order-command")) == 1


async def test_preferences_change_while_running_and_leave_an_audit() -> None:
    room = Room()
    driven = await room.start()
    room.command("set preferences", values={"backorders": "off"}, actor="ana", event_id="p1")
    room.command("set preferences", values={"backorders": "off"}, actor="ana", event_id="p1")
    room.command("set preferences", values={"cancellation_sla_days": "0"}, actor="bo")
    room.command("set preferences", values={"backorder": "on"}, actor="bo")
    room.request(order_of("o1", ("A", 1)))
    await room.rest(driven)
    assert room.results()[0].waits is False
    (chosen,) = room.kept(PreferenceOverrides)
    (change,) = chosen.changes
    assert (change.actor, change.before["backorders"], change.after["backorders"]) == ("ana", "on", "off")
    assert [code for code, _ in room.letters()] == ["invalid", "invalid"]
    room.command("set preferences", values={"backorders": "on", "cancellation_sla_days": "2"})
    room.request(order_of("o2", ("A", 1)))
    await room.rest(driven)
    assert room.results("o2")[0].cancel_at == room.order("o2").waiting[0].since + 2 * DAY_MS


async def test_a_command_that_nobody_knows_is_set_aside() -> None:
    room = Room()
    room.command("dance")
    await room.rest(await room.start())
    assert room.letters() == [
        ("invalid", "command 'dance' is none of confirm, release, forget, run backorders, set preferences")
    ]


async def test_two_pools_in_one_lane_keep_to_themselves() -> None:
    network = Network((*NETWORK.sources, NetworkSource("JP-TYO", "JP", 35.6, 139.7, pool="asia")))
    room = Room(network)
    driven = await room.start()
    room.request(order_of("o1", ("A", 1)))
    room.request(order_of("o2", ("A", 1)), pool="asia")
    await room.rest(driven)
    room.receive("A", 5, "JP-TYO", pool="asia")
    room.command("set preferences", values={"backorders": "off"}, pool="asia")
    await room.rest(driven)
    assert given(room.results()) == {("o2", "1"): [("JP-TYO", 1)]}
    room.request(order_of("o3", ("A", 9)), pool="asia")
    room.request(order_of("o4", ("A", 9)))
    await room.rest(driven)
    assert [room.results(order)[0].waits for order in ("o3", "o4")] == [False, True]


# ---- the process dies ----


@pytest.mark.parametrize("step", [step for step in STEPS if step != "fetch before"])
async def test_a_death_at_any_step_reserves_nothing_twice_and_loses_nothing(step: str) -> None:
    """The step is reached several times: the process dies at the first, then at the second, each in a new room."""
    for occurrence in count(1):
        room = Room(orders_max=2)
        room.stock("A", 6)
        for number in range(6):
            room.request(order_of(f"o{number}", ("A", 2), ("B", 1)))
        room.fail_at(step, occurrence)
        try:
            await through(room)
        except CrashError:
            room.cluster.hook = lambda _id, _step: None
            await through(room)
            all_is_well(room)
        else:
            assert occurrence > 1, "this step is never reached"
            return


def all_is_well(room: Room) -> None:
    room.reserved_once()
    ids = [event.event_id for event in room.events()]
    assert len(ids) == len(set(ids))
    answers = [result for result in room.results() if result.outcome != "released"]
    assert sorted(result.order_id for result in answers) == [f"o{number}" for number in range(6)]
    assert (room.shelf("A"), room.shelf("B")) == ((6, 6), (4, 4))
    assert len(room.waiting()) == 3 + 2, "three lines of A and two of B wait still"
    assert len(room.runs().jobs) == 1


async def through(room: Room) -> None:
    """What happens to the six orders, as far as it has not happened yet."""
    driven = await room.start()
    await room.rest(driven)
    room.receive("B", 4, event_id="receipt")
    room.command("run backorders", event_id="run")
    await room.rest(driven)


DEEDS = st.one_of(
    st.tuples(st.just("receive"), st.sampled_from("AB"), st.integers(1, 4)),
    st.tuples(st.just("ask"), st.sampled_from("AB"), st.integers(1, 4)),
    st.tuples(st.sampled_from(("confirm", "release")), st.integers(1, 8), st.sampled_from("12")),
    st.tuples(st.sampled_from(("run", "rest", "turn", "die"))),
)


@settings(max_examples=60, deadline=None)
@for_any(st.lists(DEEDS, max_size=30), st.integers(1, 3))
def test_whatever_happens_in_whatever_order_stock_is_sold_once_and_nobody_waits_beside_it(
    deeds: list[tuple[Any, ...]], orders_max: int
) -> None:
    room = Room(orders_max=orders_max)
    asyncio.run(lived_through(room, deeds))
    room.reserved_once()
    free = {item.sku: sum(shelf.available for shelf in item.shelves.values()) for item in room.kept(ItemStock)}
    waiting = [line for order in room.kept(SourcedOrder) for line in order.waiting]
    assert all(line.quantity > free.get(line.sku, 0) for line in waiting)
    assert len([result for result in room.results() if result.outcome != "released"]) == asked(deeds)


def asked(deeds: list[tuple[Any, ...]]) -> int:
    return sum(deed[0] == "ask" for deed in deeds)


async def lived_through(room: Room, deeds: list[tuple[Any, ...]]) -> None:
    driven, orders = await room.start(), 0
    for name, *details in deeds:
        match name:
            case "receive":
                room.receive(*details)
            case "ask":
                orders += 1
                sku, pieces = details
                room.request(order_of(f"o{orders}", (sku, pieces), ("A", 1)))
            case "confirm" | "release":
                number, line = details
                room.command(name, f"o{number}", ReservedLine(line))
            case "run":
                room.command("run backorders")
            case "turn":
                await driven.settle()
            case "die":
                driven = await room.start()
            case _:
                await room.rest(driven)
    await room.rest(driven)


async def test_a_batch_that_waited_when_the_process_died_is_planned_by_the_next() -> None:
    room = Room()
    room.stock("A", 6)
    room.request(order_of("o1", ("A", 2)))
    driven = await room.start()
    await driven.settle()
    assert room.results() == []
    await room.rest(await room.start())
    assert given(room.results()) == {("o1", "1"): [(NEAR, 2)]}
    assert room.events()[0].event_id == derive("e2", "result")
