"""What YAML cases cannot say of `step`: ids, times, lineage, references, back-off, commands that are refused."""

import pytest
from msgspec.structs import replace

from app.domain.order import RECENT_EVENTS_MAX, TIMELINE_MAX, Effect
from app.events.ids import derive
from app.events.model import (
    ChannelUpdateRequested,
    Event,
    FulfillmentRequested,
    LineQuantity,
    OrderAssigned,
    OrderProgressed,
    OrderStatus,
    OrderStopped,
    ProviderEvent,
    ProviderResult,
)
from app.flows.engine import step
from app.flows.installed import EngineLimits
from app.flows.loading.flow_compiler import Flow, compile_flow
from app.flows.loading.flow_spec import load
from app.flows.reactions.provider_answers import delay_ms
from app.resources import flow_files
from tests.flows.journey import LIMITS, SETUP, START_MS, Journey, an_erp_order, an_order, effects, names, policies


def sent() -> Journey:
    journey = Journey(an_order())
    journey.created()
    journey.answered("send", reference="SO-1")
    return journey


def body_of(journey: Journey, name: str) -> object:
    return next(event.body for event in journey.steps[-1].events if event.name == name)


def test_output_ids_follow_from_the_input_and_their_place() -> None:
    taken = Journey(an_order()).created()
    assert [event.event_id for event in taken.events] == [derive(taken.cause.event_id, n) for n in range(6)]
    assert {event.cause_id for event in taken.events} == {taken.cause.event_id}
    assert {event.at for event in taken.events} == {START_MS}
    assert {event.trace for event in taken.events} == {taken.cause.trace}


def test_effect_id_is_the_same_over_attempts_and_new_in_each_round() -> None:
    journey = Journey(an_order())
    journey.created()
    first = journey.effect("send").effect_id
    assert first == derive("bc-shop-1/send", 0)
    journey.answered("send", "retry")
    journey.fires("send")
    assert journey.effect("send").effect_id == first
    journey.answered("send", "declined", "invalid")
    journey.command("reprocess")
    assert journey.effect("send").effect_id == derive("bc-shop-1/send", 1)


def test_request_carries_the_order_as_it_is_and_who_carries_it_out() -> None:
    journey = Journey(an_order())
    taken = journey.created()
    body = body_of(journey, "fulfillment requested")
    assert isinstance(body, FulfillmentRequested)
    assert taken.state is not None
    assert body.order == taken.state.order
    assert body.order.ready_to_sync
    assert (body.provider, body.action, body.through) == ("fno", "Send order to fulfillment", "dual-write")


def test_assignment_names_company_places_and_rules() -> None:
    journey = Journey(an_order())
    journey.created()
    body = body_of(journey, "order assigned")
    assert isinstance(body, OrderAssigned)
    assert (body.company, body.site, body.warehouse) == ("USMF", "US", "US-SEA")
    assert [(line.site, line.warehouse) for line in body.lines] == [("US", "US-SEA")] * 2
    set_by = {field.field: field for field in journey.state.lineage}
    assigned = next(event for event in journey.steps[-1].events if event.name == "order assigned")
    assert set_by["company"].rule.startswith("assign-company/americas-and-pacific")
    assert set_by["company"].event_id == assigned.event_id
    assert set_by["lines.2.warehouse"].rule.startswith("assign-site-warehouse/")
    assert "ready_to_sync" in set_by


def test_refusal_tells_every_policy_that_failed() -> None:
    journey = Journey(an_order(currency="XXX", total=1))
    journey.created()
    body = body_of(journey, "order rejected")
    assert isinstance(body, OrderStopped)
    assert (body.step, body.code, body.state, body.reason) == ("validate", "policy", "Canceled", "Validation failed")
    failed = {result.policy for result in body.policies if result.outcome == "failed"}
    assert failed == {"currency-known", "totals-add-up"}
    assert "XXX" in body.detail


def test_status_tells_before_and_after_and_the_lines_that_moved() -> None:
    journey = sent()
    taken = journey.reported("order picked", lines={"1": 0})
    (status,) = [event.body for event in taken.events]
    assert isinstance(status, OrderStatus)
    assert (status.event, status.version) == ("order picked", 3)
    assert (status.previous_reason, status.reason) == ("Sent to fulfillment", "Sent to fulfillment")
    assert [(line.line_id, line.reason) for line in status.lines] == [("1", "Picked")]


def test_progress_names_its_provider_and_document() -> None:
    journey = sent()
    journey.reported("order picked")
    body = body_of(journey, "order picked")
    assert isinstance(body, OrderProgressed)
    assert (body.provider, body.reference) == ("fno", "DOC-2")
    assert [line.reason for line in body.lines] == ["Picked", "Picked"]


def test_references_of_providers_are_kept() -> None:
    assert sent().state.references == (("bigcommerce", "1"), ("fno", "SO-1"))


def test_channel_update_reports_the_furthest_milestone_even_while_held() -> None:
    journey = sent()
    journey.reported("order shipped")
    journey.answered("report shipment", "retry", "unavailable")
    journey.fires("await invoice")
    assert journey.status == "On Hold / Needs attention"
    journey.fires("report shipment")
    body = body_of(journey, "channel update requested")
    assert isinstance(body, ChannelUpdateRequested)
    assert (body.state, body.reason, body.attempt) == ("Fulfillment in Process", "Packed", 2)
    assert body.lines == (LineQuantity("1", 20_000, "op-1"), LineQuantity("2", 20_000, "op-2"))


def test_gate_names_what_is_missing() -> None:
    journey = Journey(an_order())
    journey.flow = without_places()
    taken = journey.created()
    assert journey.status == "On Hold / Needs attention"
    body = body_of(journey, "order held")
    assert isinstance(body, OrderStopped)
    assert (body.step, body.code) == ("send", "gate")
    assert "lines.1.site, lines.1.warehouse" in body.detail
    assert not journey.state.order.ready_to_sync
    assert not taken.synced


def test_order_without_a_company_is_not_ready_whatever_its_producer_claims() -> None:
    """S5."""
    journey = Journey(an_order(ready_to_sync=True))
    journey.flow = without_places()
    assert not journey.created().synced


def without_places() -> Flow:
    """The shop's flow, but no policy gives the lines a site and warehouse."""
    return shop_flow("assign-company, assign-site-warehouse", "assign-company")


def shop_flow(old: str, new: str) -> Flow:
    file = "app/flows/bigcommerce-fno-fno.yaml"
    assert old in flow_files()[file]
    return compile_flow(load(flow_files()[file].replace(old, new), file), policies(), SETUP, LIMITS)


def test_nothing_is_waited_for_once_the_order_is_complete() -> None:
    paperwork = """steps:
  - step: await paperwork
    wait: order confirmed
    from: fno
    after: order picked
    within: 1d
    else: hold
"""
    journey = sent()
    journey.flow = shop_flow("steps:\n", paperwork)
    journey.reported("order picked")
    assert {timer.subject for timer in journey.state.timers} == {"await paperwork", "await shipment"}
    journey.reported("order invoiced")
    assert journey.state.timers == ()


def test_what_was_overtaken_starts_no_step() -> None:
    journey = sent()
    journey.reported("order invoiced")
    assert names(journey.reported("order shipped")) == ["order shipped", "status of order shipped"]


def test_canceled_order_starts_no_step() -> None:
    journey = Journey(an_erp_order())
    journey.created()
    journey.reported("order canceled")
    taken = journey.reported("order confirmed")
    assert (taken.outcome, names(taken)) == ("applied", ["status of order confirmed"])
    assert journey.status == "Canceled / Canceled"


def test_failed_step_is_not_run_by_a_repeated_event() -> None:
    journey = sent()
    journey.reported("order shipped")
    journey.answered("report shipment", "declined", "not_found")
    assert names(journey.reported("order shipped")) == ["status of order shipped"]


def test_steps_after_a_step_that_is_run_again_follow() -> None:
    journey = Journey(an_order())
    journey.created()
    journey.answered("send", "declined", "invalid")
    taken = journey.command("reprocess", subject="assign")
    assert names(taken) == ["order assigned", "status of order assigned", "fulfillment requested"]
    assert journey.state.failed == ()


@pytest.mark.parametrize(("by", "failed"), [("flexe", ()), ("fno", ("send",))])
def test_what_a_fulfiller_reports_shows_that_it_has_the_order(by: str, failed: tuple[str, ...]) -> None:
    """Its answer was lost or refused, and it has the order: nobody may send it once more, with other values."""
    journey = Journey(an_order(), "bigcommerce-flexe-fno")
    journey.created()
    journey.answered("send", "declined", "forbidden")
    assert (journey.status, journey.state.failed) == ("On Hold / Needs attention", ("send",))
    journey.reported("order shipped", by=by)
    assert (journey.status, journey.state.failed) == ("Fulfillment in Process / Packed", failed)
    journey.answered("bill", "declined", "forbidden")
    assert effects(journey.state) == []
    journey.command("reprocess")
    assert effects(journey.state) == ["bill #1"]


def test_a_report_does_not_end_a_call_whose_answer_may_come() -> None:
    journey = Journey(an_order(), "bigcommerce-flexe-fno")
    journey.created()
    journey.reported("order shipped", by="flexe")
    assert effects(journey.state) == ["send #1", "bill #1"]
    journey.answered("send")
    assert effects(journey.state) == ["bill #1"]


def test_order_that_is_too_far_to_be_rejected_is_held() -> None:
    journey = sent()
    node = journey.flow.nodes["send"]
    nodes = {**journey.flow.nodes, "send": replace(node, otherwise="reject")}
    journey.flow = replace(journey.flow, nodes=nodes)
    journey.command("reprocess", subject="send")
    journey.answered("send", "declined", "invalid")
    assert journey.status == "On Hold / Needs attention"


def test_failure_of_a_completed_order_is_noted() -> None:
    journey = Journey(an_order())
    journey.created()
    journey.reported("order invoiced")
    taken = journey.answered("send", "declined", "conflict")
    assert names(taken) == ["status of provider action failed"]
    assert journey.status == "Completed / Fulfilled"


def test_timeline_tells_what_caused_what() -> None:
    journey = sent()
    journey.reported("order picked")
    created, validated, *_, picked = journey.state.timeline
    assert (created.event, created.event_id, created.cause_id) == ("order created", journey.events[0].event_id, "")
    assert (validated.step, validated.cause_id) == ("validate", journey.events[0].event_id)
    assert (picked.step, picked.note, picked.cause_id) == ("await picking", "fno DOC-2", journey.events[2].event_id)


def test_retry_waits_longer_each_time_and_spreads_out() -> None:
    limits = EngineLimits(retry_initial_ms=1000, retry_max_ms=8000)

    def delays(effect_id: str) -> list[int]:
        return [delay_ms(limits, Effect(effect_id, "s", "p", "a", attempt, 0), 0) for attempt in range(1, 8)]

    for seed in range(50):
        found = delays(derive("effect", seed))
        for attempt, delay in enumerate(found):
            full = min(8000, 1000 << attempt)
            assert full // 2 <= delay <= full
    assert len({delays(derive("effect", seed))[0] for seed in range(50)}) > 25


def test_retry_honours_what_the_provider_asks_for_up_to_a_limit() -> None:
    effect = Effect("e", "s", "p", "a", 1, 0)
    assert delay_ms(LIMITS, effect, 60_000) == 60_000
    assert delay_ms(LIMITS, effect, 10**12) == LIMITS.retry_after_max_ms
    assert delay_ms(LIMITS, effect, -5) <= LIMITS.retry_initial_ms


def test_answer_to_an_attempt_that_is_over_is_ignored() -> None:
    journey = Journey(an_order())
    journey.created()
    journey.answered("send", "retry")
    assert journey.answered("send", "unknown").outcome == "ignored"
    journey.fires("send")
    assert journey.answered("send", "unknown", attempt=1).outcome == "ignored"
    assert journey.answered("send", "ok", attempt=1).outcome == "applied"


def test_answer_to_an_unknown_effect_is_ignored() -> None:
    journey = sent()
    before = journey.state
    result = ProviderResult("bc-shop-1", "nobody's", "fno", "x", 1, "ok", "ok")
    taken = journey.apply("provider result", result)
    assert (taken.outcome, taken.state, taken.events) == ("ignored", before, ())


def test_timer_that_is_gone_is_ignored() -> None:
    journey = sent()
    timer = journey.timer("await picking")
    journey.reported("order picked")
    assert journey.command("fire timer", subject=timer.timer_id).outcome == "ignored"


@pytest.mark.parametrize(
    ("command", "more", "code"),
    [
        ("explode", {}, "invalid"),
        ("reprocess", {"subject": "nosuch"}, "unknown-step"),
        ("reprocess", {}, "unknown-step"),
        ("reprocess", {"subject": "await picking"}, "not-failed"),
        ("reprocess", {"subject": "report shipment"}, "not-failed"),
        ("change", {"values": {"total": "1"}}, "unknown-field"),
        ("change", {"values": {"lines.9.site": "X"}}, "unknown-line"),
        ("change", {"values": {"requested_ship_date": "soon"}}, "invalid"),
        ("change", {"values": {"ship_to.city": "x" * 501}}, "invalid"),
    ],
)
def test_command_that_cannot_be_carried_out_is_parked(command: str, more: dict[str, object], code: str) -> None:
    journey = sent()
    before = journey.state
    taken = journey.command(command, **more)
    assert (taken.outcome, taken.code, taken.state, taken.events) == ("parked", code, before, ())
    assert taken.detail


def test_step_that_waits_for_its_answer_is_not_run_again() -> None:
    journey = Journey(an_order())
    journey.created()
    assert journey.command("reprocess", subject="send").code == "pending"


def test_done_step_may_be_run_again_under_a_new_effect() -> None:
    journey = sent()
    assert names(journey.command("reprocess", subject="send")) == ["fulfillment requested"]
    assert effects(journey.state) == ["send #1"]


def test_change_by_command_is_traced() -> None:
    journey = sent()
    taken = journey.command("change", values={"ship_to.city": "Olympia", "lines.1.warehouse": "US-PDX"})
    assert taken.synced
    rules = {field.field: field.rule for field in journey.state.lineage}
    assert rules["ship_to.city"] == rules["lines.1.warehouse"] == "command"
    assert journey.state.order.lines[0].warehouse == "US-PDX"


def test_event_of_an_unknown_order_is_early() -> None:
    event = Event("provider event", "e", "x", 0, "test", "", ProviderEvent("x", "fno", "order picked"))
    taken = step(Journey(an_order()).flow, None, event)
    assert (taken.outcome, taken.state) == ("early", None)


def test_event_about_another_order_is_parked() -> None:
    journey = sent()
    taken = journey.apply("provider event", ProviderEvent("bc-shop-2", "fno", "order picked"))
    assert (taken.outcome, taken.code) == ("parked", "invalid")


@pytest.mark.parametrize("event", ["order validated", "order held", "order exploded"])
def test_provider_reports_only_what_is_a_providers_to_report(event: str) -> None:
    assert sent().reported(event).outcome == "parked"


@pytest.mark.parametrize(("lines", "code"), [({"9": 1}, "unknown-line"), ({"1": -1}, "invalid")])
def test_report_of_lines_that_make_no_sense_is_parked(lines: dict[str, int], code: str) -> None:
    assert sent().reported("order shipped", lines=lines).code == code


def test_line_may_be_named_by_its_reference() -> None:
    journey = sent()
    journey.reported("order shipped", lines={"op-1": 0, "op-2": 0})
    assert journey.status == "Fulfillment in Process / Packed"


def test_milestone_is_raised_once() -> None:
    journey = sent()
    journey.reported("order shipped")
    assert names(journey.reported("order shipped")) == ["status of order shipped"]


def test_order_starts_as_new_whatever_its_producer_claims() -> None:
    journey = Journey(an_order(state="Completed", reason="Fulfilled", ready_to_sync=True))
    taken = journey.created()
    assert isinstance(taken.events[0].body, OrderStatus)
    assert (taken.events[0].body.state, taken.events[0].body.reason) == ("New", "New")
    assert journey.status == "Validated / Assigned"


def test_line_added_after_shipment_has_to_be_shipped_itself() -> None:
    journey = Journey(an_erp_order())
    journey.created()
    journey.reported("order confirmed")
    journey.reported("order shipped")
    added = {"sku": "NEW", "name": "New", "quantity": "1", "unit_price": "1", "total": "1"}
    journey.reported("order changed", values={f"lines.3.{name}": text for name, text in added.items()})
    assert [line.reason for line in journey.state.order.lines] == ["Packed", "Packed", "Sent to fulfillment"]
    journey.reported("order shipped", lines={"3": 0})
    assert [line.reason for line in journey.state.order.lines] == ["Packed", "Packed", "Packed"]


def test_number_too_large_for_a_record_is_parked() -> None:
    journey = Journey(an_erp_order())
    journey.created()
    assert journey.reported("order changed", values={"total": "9" * 18}).code == "invalid"
    assert journey.reported("order changed", values={"requested_ship_date": "9" * 30}).code == "invalid"


def test_settled_when_no_answer_is_open() -> None:
    journey = sent()
    journey.reported("order invoiced")
    assert journey.state.settled_at == 0
    journey.answered("report completion")
    settled = journey.state.settled_at
    assert settled == START_MS + 3000
    journey.reported("order confirmed")
    assert journey.state.settled_at == settled


def test_state_stays_bounded() -> None:
    journey = sent()
    for _ in range(TIMELINE_MAX + 50):
        journey.reported("order confirmed")
    assert len(journey.state.timeline) == TIMELINE_MAX
    assert len(journey.state.recent) == RECENT_EVENTS_MAX


def test_copy_of_an_order_is_told_from_another_one() -> None:
    journey = Journey(an_order())
    journey.created()
    assert journey.created().outcome == "duplicate"
    assert journey.created(replace(an_order(), customer="other")).code == "other-content"
