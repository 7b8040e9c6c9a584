"""Actions that a consumer outside carries out: it answers in time or the order stops; copies change nothing."""

import pytest
from msgspec.structs import replace

from app.domain.order import Order
from app.errors import DefinitionError
from app.flows.installed import ActionSpec, Setup
from app.flows.loading.flow_check import check
from app.flows.loading.flow_compiler import compile_flow
from app.flows.loading.flow_spec import load
from tests.flows.journey import LIMITS, START_MS, Journey, an_order, policies

SEND = "Send order to fulfillment"
TEXT = """
flow: pigeons
version: 1
title: Orders that pigeons carry
steps:
  - step: validate
    on: order created
    policies: [order-lines-present]
    emits: order validated
    else: reject
  - step: send
    on: order validated
    provider: pigeon
    action: Send order to fulfillment
    within: 1h
    emits: order sent to fulfillment
    else: hold
  - step: await shipment
    wait: order shipped
    from: pigeon
    after: order sent to fulfillment
    within: 14d
    else: hold
"""
HOUR_MS = 3_600_000


def setup(through: str = "kafka") -> Setup:
    spec = ActionSpec("pigeon", SEND, "fulfillment requested", through)
    return Setup({"pigeon": {SEND: spec}}, {"pigeon": frozenset({"order shipped"})})


class Flight(Journey):
    """An order of the flow above, created."""

    def __init__(self, order: Order | None = None) -> None:
        super().__init__(order or an_order())
        self.flow = compile_flow(load(TEXT, "pigeons.yaml"), policies(), setup(), LIMITS)
        self.created()


def test_the_request_says_that_it_goes_through_kafka_and_must_be_answered_in_time() -> None:
    flight = Flight()
    (request,) = [event.body for event in flight.steps[-1].events if event.name == "fulfillment requested"]
    assert (request.provider, request.through, request.attempt) == ("pigeon", "kafka", 1)  # type: ignore[union-attr]
    (timer,) = flight.state.timers
    assert (timer.purpose, timer.subject, timer.due_at) == (
        "answer",
        flight.effect("send").effect_id,
        START_MS + HOUR_MS,
    )


def test_an_answer_ends_the_wait_for_it() -> None:
    flight = Flight()
    flight.answered("send", reference="P-7")
    assert flight.status == "Validated / Sent to fulfillment"
    assert [timer.purpose for timer in flight.state.timers] == ["wait"]
    assert dict(flight.state.references)["pigeon"] == "P-7"


@pytest.mark.parametrize("outcome", ["ok", "declined", "retry", "unknown"])
def test_an_answer_that_comes_again_changes_nothing_whatever_it_says_now(outcome: str) -> None:
    flight = Flight()
    first = flight.answered
    effect = flight.effect("send")
    first("send")
    before = flight.state
    again = replace(flight.events[-1].body, outcome=outcome, code=outcome)
    taken = flight.apply("provider result", again)
    assert (taken.outcome, taken.state, taken.events) == ("ignored", before, ())
    assert effect.effect_id in taken.detail


def test_a_retry_is_asked_again_under_the_same_id_and_the_limit_stays() -> None:
    flight = Flight()
    asked = flight.effect("send")
    due = next(timer.due_at for timer in flight.state.timers)
    flight.answered("send", "retry", retry_after_ms=5000)
    assert sorted(timer.purpose for timer in flight.state.timers) == ["answer", "retry"]
    assert flight.answered("send", "retry").outcome == "ignored", "the same attempt is answered once"
    retry = next(timer for timer in flight.state.timers if timer.purpose == "retry")
    flight.command("fire timer", subject=retry.timer_id)
    again = flight.effect("send")
    assert (again.effect_id, again.attempt) == (asked.effect_id, 2)
    assert [(timer.purpose, timer.due_at) for timer in flight.state.timers] == [("answer", due)]


def overdue() -> Flight:
    """Not answered in time."""
    flight = Flight()
    (timer,) = flight.state.timers
    flight.command("fire timer", subject=timer.timer_id)
    return flight


def test_without_an_answer_in_time_the_order_is_held() -> None:
    flight = overdue()
    assert flight.status == "On Hold / Needs attention"
    (held,) = [event.body for event in flight.steps[-1].events if event.name == "order held"]
    told = (held.code, held.detail)  # type: ignore[union-attr]
    assert told == ("timeout", f"pigeon did not answer '{SEND}' within 1 hours")
    assert flight.state.timers == ()


def test_an_answer_that_comes_late_is_as_good_as_one_in_time() -> None:
    flight = overdue()
    flight.answered("send", reference="P-7")
    assert flight.status == "Validated / Sent to fulfillment"
    assert (flight.state.failed, flight.state.effects) == ((), ())
    assert [timer.purpose for timer in flight.state.timers] == ["wait"]


def test_who_did_not_answer_may_be_asked_again_under_the_same_id() -> None:
    flight = overdue()
    asked = flight.effect("send")
    flight.command("reprocess")
    again = flight.effect("send")
    assert (again.effect_id, again.attempt) == (asked.effect_id, 2)
    flight.answered("send")
    assert flight.status == "Validated / Sent to fulfillment"


def test_what_was_never_answered_is_not_waited_for_once_the_order_is_final() -> None:
    flight = overdue()
    assert flight.state.settled_at == 0
    flight.reported("order invoiced", by="pigeon")
    assert flight.status == "Completed / Fulfilled"
    assert flight.state.effects == ()
    assert flight.state.settled_at > 0


def test_nobody_answers_for_another_provider() -> None:
    flight = Flight()
    flight.answered("send", "retry")
    forged = replace(flight.events[-1].body, provider="raven", outcome="ok")
    taken = flight.apply("provider result", forged)
    assert (taken.outcome, taken.code) == ("parked", "invalid")
    assert "'raven' answers what 'pigeon' was asked" in taken.detail


@pytest.mark.parametrize(
    ("old", "new", "through", "problem"),
    [
        ("    within: 1h\n", "", "kafka", "steps.send.within: an action through kafka with no limit for its answer"),
        ("", "", "http", "steps.send.within: an action through http is always answered"),
        ("within: 1h", "within: soon", "kafka", "steps.send.within: 'soon' is not a time limit"),
        (
            "    within: 1h",
            "    within: 1h\n    after: order validated",
            "kafka",
            "`from` and `after` belong to a wait",
        ),
    ],
)
def test_the_limit_is_checked(old: str, new: str, through: str, problem: str) -> None:
    try:
        found = [str(each) for each in check(load(TEXT.replace(old, new, 1), "f.yaml"), policies(), setup(through))]
    except DefinitionError as refusal:
        found = [str(refusal)]
    assert len(found) == 1
    assert problem in found[0]
