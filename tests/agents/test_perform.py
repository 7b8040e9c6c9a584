"""`perform`: what is asked through HTTP is done and answered, what goes another way is left alone."""

import pytest
from msgspec.structs import replace

from app.agents.perform import Perform
from app.errors import RecordError
from app.events.model import ChannelUpdateRequested, Event, LineQuantity, ProviderResult
from app.events.record import Record
from app.lanes.role import Folded, Job
from app.providers.port import Code, Outcome, Result
from tests.agents.stand_ins import AT, CODEC, TRACE, Calls, Held, Provider, as_record, event_of, topics

OK = Result(Outcome.OK, Code.OK, "", "1")
BODY = ChannelUpdateRequested(
    "bc-shop-1", "1", "eff-1", "bigcommerce", "Update order status", 1, "http", "Completed", "Fulfilled",
    (LineQuantity("1", 20_000, "op-1"),),
)  # fmt: skip


def asked(**changes: object) -> Record:
    body = replace(BODY, **changes)
    event = Event("channel update requested", "e1", body.order_id, AT, "waybill/orchestrate", "e0", body, TRACE)
    return as_record(event)


def role(*providers: Provider, calls: Calls | None = None) -> Perform:
    return Perform(CODEC, {provider.name: provider for provider in providers}, calls or Calls())


def job(found: Folded | Job) -> Job:
    assert isinstance(found, Job)
    return found


async def run(performer: Perform, record: Record, *, repeated: bool = False) -> Folded:
    return await job(performer.fold(record, {}, repeated=repeated)).run(Held())


async def test_a_request_is_a_job_of_its_order_at_its_provider() -> None:
    found = job(role(Provider(OK)).fold(asked(), {}, repeated=False))
    assert (found.key, found.provider) == (b"bc-shop-1", "bigcommerce")


async def test_folding_alone_sends_nothing() -> None:
    provider = Provider(OK)
    role(provider).fold(asked(), {}, repeated=False)
    assert provider.asked == []


async def test_what_was_done_is_answered() -> None:
    provider, calls = Provider(OK), Calls()
    folded = await run(role(provider, calls=calls), asked())
    (action,) = provider.asked
    assert (action.name, action.effect_id, action.order_id) == ("Update order status", "eff-1", "bc-shop-1")
    assert action.body == BODY
    assert (topics(folded), folded.outcome, dict(folded.changes)) == (["provider-result"], "ok", {})
    answer = event_of(folded.outputs[0])
    assert isinstance(answer.body, ProviderResult)
    assert (answer.cause_id, answer.body.effect_id, answer.body.attempt) == ("e1", "eff-1", 1)
    assert answer.trace[:36] == TRACE[:36]
    assert calls.seen == [("bigcommerce", "Update order status", "ok", "ok")]


@pytest.mark.parametrize(
    ("attempt", "repeated", "looks_first"), [(1, False, False), (2, False, True), (1, True, True), (3, True, True)]
)
async def test_a_later_attempt_and_one_of_a_previous_owner_look_first(
    attempt: int, repeated: bool, looks_first: bool
) -> None:
    provider = Provider(OK)
    await run(role(provider), asked(attempt=attempt), repeated=repeated)
    assert provider.asked[0].repeated is looks_first


@pytest.mark.parametrize("outcome", [Outcome.DECLINED, Outcome.RETRY, Outcome.UNKNOWN])
async def test_failures_are_answers_too(outcome: Outcome) -> None:
    result = Result(outcome, Code.TIMEOUT, "no answer in 5 s", retry_after_ms=700)
    folded = await run(role(Provider(result)), asked())
    body = event_of(folded.outputs[0]).body
    assert isinstance(body, ProviderResult)
    assert (folded.outcome, body.outcome, body.code, body.retry_after_ms) == (str(outcome), outcome, "timeout", 700)
    assert body.detail == "no answer in 5 s"


async def test_a_mistake_of_a_client_is_an_answer_and_its_words_stay_here(caplog: pytest.LogCaptureFixture) -> None:
    """An order whose request became a dead letter would wait for the answer for ever."""
    folded = await run(role(Provider(TypeError("token=s3cret"))), asked())
    body = event_of(folded.outputs[0]).body
    assert isinstance(body, ProviderResult)
    assert (body.outcome, body.code) == ("unknown", "malformed")
    assert body.detail == "the client of bigcommerce failed (TypeError); see the log of this process"
    assert "stand_ins.py" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("through", ["dual-write", "kafka"])
def test_what_goes_another_way_is_not_ours(through: str) -> None:
    assert role().fold(asked(through=through), {}, repeated=False) == Folded(outcome="not-ours")


async def test_a_provider_that_is_not_set_up_is_answered_with_another_try() -> None:
    folded = await run(role(), asked())
    body = event_of(folded.outputs[0]).body
    assert isinstance(body, ProviderResult)
    assert (body.outcome, body.code) == ("retry", "unsupported")


def test_a_record_that_cannot_be_read_is_a_record_error() -> None:
    with pytest.raises(RecordError) as caught:
        role().fold(asked()._replace(value=b"\x00\x00\x00\xff\xff\x00"), {}, repeated=False)
    assert caught.value.code == "unknown-schema"
