"""A call is made under a lease that was just proved, and after a lost one it looks before it acts again."""

import pytest

from app.agents.calls import Answering, call, not_set_up
from app.errors import LaneError
from app.events.ids import derive
from app.events.model import Event, ProviderResult
from app.providers.port import Action, Code, LeaseLostError, Outcome, Result
from tests.agents.stand_ins import CODEC, Calls, Held, Provider, event_of
from tests.flows.journey import Journey, an_order

OK = Result(Outcome.OK, Code.OK, "", "7", 0, {"status_id": "2"})


def an_action() -> tuple[Event, Action]:
    journey = Journey(an_order(1))
    (event,) = (event for event in journey.created().events if event.name == "fulfillment requested")
    body = event.body
    return event, Action(body.action, body.effect_id, event.order_id, body.attempt, False, body)  # type: ignore[union-attr,arg-type]


async def test_the_lease_is_proved_before_the_call() -> None:
    lease, provider, calls = Held(), Provider(OK), Calls()
    assert await call(provider, an_action()[1], lease, calls) == OK
    assert lease.confirmed == 1
    assert [action.repeated for action in provider.asked] == [False]
    assert calls.seen == [("bigcommerce", "Send order to fulfillment", "ok", "ok")]


async def test_a_lost_lease_is_proved_again_and_the_call_repeated_as_one_that_may_have_happened() -> None:
    lease, provider, calls = Held(), Provider(LeaseLostError(), LeaseLostError(), OK), Calls()
    assert await call(provider, an_action()[1], lease, calls) == OK
    assert lease.confirmed == 3
    assert [action.repeated for action in provider.asked] == [False, True, True]
    assert len({action.effect_id for action in provider.asked}) == 1
    assert len(calls.seen) == 1


class Gone(Held):
    async def confirm(self) -> None:
        raise LaneError("another process owns the lane")


async def test_nothing_is_sent_once_another_process_owns_the_lane() -> None:
    provider = Provider(OK)
    with pytest.raises(LaneError):
        await call(provider, an_action()[1], Gone(), Calls())
    assert provider.asked == []


def test_a_provider_that_is_not_set_up_is_tried_again() -> None:
    result = not_set_up("flexe")
    assert (result.outcome, result.code) == (Outcome.RETRY, Code.UNSUPPORTED)
    assert "flexe is not set up here" in result.detail


def test_an_answer_names_the_effect_and_is_caused_by_the_request() -> None:
    request, action = an_action()
    output = Answering(CODEC, "perform").output(request, action.body, OK)  # type: ignore[arg-type]
    answer = event_of(output)
    assert (output.topic, output.key, output.partition) == ("provider-result", b"bc-shop-1", None)
    assert (answer.event_id, answer.cause_id) == (derive(request.event_id, "result"), request.event_id)
    assert answer.source == "waybill/perform"
    assert answer.body == ProviderResult(
        "bc-shop-1", action.effect_id, "fno", "Send order to fulfillment", 1, "ok", "ok", "", "7", 0, {"status_id": "2"}
    )
