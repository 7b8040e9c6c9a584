"""`apply`: our rows become F+O's orders; an effect gets its answer, a plain change is repeated and then set aside."""

import asyncio
from typing import Any

import pytest
from msgspec import msgpack

from app.agents import apply
from app.agents.apply import PLAIN_ATTEMPTS_MAX, Apply
from app.dualwrite.write_plan import ApplyState, WriteDecision
from app.errors import RecordError
from app.events.catalog import CHANGED_AT_IOM, ChangeEvent
from app.events.model import ProviderResult
from app.events.record import Record
from app.events.sales_order_change import ChangeSource, SalesOrderChange
from app.lanes.role import Folded, Job
from app.providers.port import Code, LeaseLostError, Outcome, Result
from tests.agents.stand_ins import AT, CODEC, TRACE, Calls, Erp, Held, as_record, event_of, marks_of, topics
from tests.dualwrite.rows import our_row

OK = Result(Outcome.OK, Code.OK, "", "SO-000123", 0, {"lot.91": "L1", "lot.92": "L2"})
BUSY = Result(Outcome.RETRY, Code.UNAVAILABLE, "503", retry_after_ms=40)
NO = Result(Outcome.DECLINED, Code.INVALID, "item 1001 is blocked")
KEY = b"bc-s1-77"
EFFECT: dict[str, Any] = {"effect_id": "eff-1", "action": "Send order to fulfillment", "attempt": 2}


def a_row(version: int = 1, *, origin: str = "iom", **source: Any) -> Record:
    row = our_row(SalesOrderNumber="")
    change = SalesOrderChange("c", AT, None, row, ChangeSource(origin, version, name="iom", **source))
    event = ChangeEvent(CHANGED_AT_IOM, f"row-{version}", KEY.decode(), AT, "waybill/orchestrate", "e0", change, TRACE)
    return as_record(event)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses a thousand times shorter."""
    monkeypatch.setattr(apply, "PLAIN_RETRY_S", apply.PLAIN_RETRY_S / 1000)


async def run(erp: Erp, record: Record, state: dict[bytes, bytes], calls: Calls | None = None) -> Folded:
    """Folds, runs the job, and takes its changes over as a lane does."""
    job = Apply(CODEC, erp, calls or Calls()).fold(record, state, repeated=False)
    assert isinstance(job, Job)
    assert (job.key, job.provider) == (KEY, "fno")
    folded = await job.run(Held())
    for key, value in folded.changes.items():
        assert value is not None
        state[key] = value
    return folded


def kept(state: dict[bytes, bytes]) -> ApplyState:
    return msgpack.decode(state[KEY], type=ApplyState)


async def test_an_effect_is_carried_out_and_answered() -> None:
    erp, state, calls = Erp(OK), dict[bytes, bytes](), Calls()
    folded = await run(erp, a_row(**EFFECT), state, calls)
    ((_, plan),) = erp.rows
    assert (plan.kind, folded.outcome) == (WriteDecision.CREATE, "create")
    assert topics(folded) == ["provider-result"]
    answer = event_of(folded.outputs[0])
    assert isinstance(answer.body, ProviderResult)
    assert (answer.body.effect_id, answer.body.action, answer.body.attempt) == tuple(EFFECT.values())
    assert (answer.body.provider, answer.body.outcome, answer.body.reference) == ("fno", "ok", "SO-000123")
    assert (answer.cause_id, answer.source) == ("row-1", "waybill/apply")
    assert (kept(state).number, kept(state).version, kept(state).lots) == (
        "SO-000123", 1, (("91", "L1"), ("92", "L2")),
    )  # fmt: skip
    assert calls.seen == [("fno", "create", "ok", "ok")]


async def test_a_row_that_was_applied_is_answered_again_and_changes_nothing() -> None:
    state: dict[bytes, bytes] = {}
    await run(Erp(OK), a_row(3, **EFFECT), state)
    before = dict(state)
    erp = Erp(OK)
    folded = await run(erp, a_row(2, **EFFECT), state)
    assert erp.rows[0][1].kind is WriteDecision.SKIP_STALE
    assert topics(folded) == ["provider-result"]
    assert event_of(folded.outputs[0]).body.outcome == "ok"  # type: ignore[union-attr]
    assert (dict(folded.changes), state) == ({}, before)


@pytest.mark.parametrize("result", [BUSY, NO, Result(Outcome.UNKNOWN, Code.TIMEOUT)])
async def test_an_effect_that_failed_is_answered_after_one_attempt_and_keeps_the_state(result: Result) -> None:
    erp, state = Erp(result), dict[bytes, bytes]()
    folded = await run(erp, a_row(**EFFECT), state)
    body = event_of(folded.outputs[0]).body
    assert isinstance(body, ProviderResult)
    assert (body.outcome, body.code, body.retry_after_ms) == (result.outcome, result.code, result.retry_after_ms)
    assert (len(erp.rows), state) == (1, {})


async def test_a_plain_change_is_repeated_until_it_is_taken() -> None:
    erp, state, calls = Erp(BUSY, Result(Outcome.UNKNOWN, Code.TIMEOUT), OK), dict[bytes, bytes](), Calls()
    folded = await run(erp, a_row(), state, calls)
    assert (topics(folded), folded.outcome) == ([], "create")
    assert len(erp.rows) == 3
    assert [code for *_, code in calls.seen] == ["unavailable", "timeout", "ok"]
    assert kept(state).version == 1


async def test_a_plain_change_that_is_never_taken_is_set_aside_with_the_reason() -> None:
    erp = Erp(*[BUSY] * PLAIN_ATTEMPTS_MAX)
    with pytest.raises(RecordError, match="F\\+O did not take the change: unavailable: 503") as caught:
        await run(erp, a_row(), {})
    assert caught.value.code == "sync-retry"
    assert len(erp.rows) == PLAIN_ATTEMPTS_MAX


LATE = Result(Outcome.OK, Code.OK, "F+O keeps the header", "SO-000123", 0, {"lot.91": "L1", "refused": "is invoiced"})


async def test_what_came_too_late_is_set_aside_beside_the_answer_of_the_effect() -> None:
    state: dict[bytes, bytes] = {}
    folded = await run(Erp(LATE), a_row(**EFFECT), state)
    answer, letter = folded.outputs
    body = event_of(answer).body
    assert isinstance(body, ProviderResult)
    assert body.outcome == "ok"
    assert (marks_of(letter)["code"], folded.dead) == ("sync-declined", ["sync-declined"])
    assert marks_of(letter)["detail"] == "F+O did not take the change: is invoiced"
    assert letter.value == a_row(**EFFECT).value
    assert (kept(state).version, kept(state).digest) == (1, b""), "the next row brings it again"


async def test_a_plain_change_that_came_too_late_is_set_aside() -> None:
    state: dict[bytes, bytes] = {}
    with pytest.raises(RecordError, match="did not take the change: is invoiced") as caught:
        await run(Erp(LATE), a_row(), state)
    assert (caught.value.code, state) == ("sync-declined", {})


async def test_a_lane_proves_its_lease_while_f_o_wants_to_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause may be longer than a lane may be without a commit."""
    monkeypatch.setattr(apply, "PAUSE_S_MAX", 0.01)
    lease = Held()
    job = Apply(CODEC, Erp(BUSY, OK), Calls()).fold(a_row(), {}, repeated=False)
    assert isinstance(job, Job)
    await job.run(lease)
    assert lease.confirmed >= 2 + 4, "40 ms are four pauses"


async def test_a_plain_change_that_is_declined_is_not_repeated() -> None:
    erp = Erp(NO)
    with pytest.raises(RecordError, match="item 1001 is blocked") as caught:
        await run(erp, a_row(), {})
    assert (caught.value.code, len(erp.rows)) == ("sync-declined", 1)


async def test_a_lost_lease_is_proved_again_before_the_next_request() -> None:
    erp, lease = Erp(LeaseLostError(), OK), Held()
    job = Apply(CODEC, erp, Calls()).fold(a_row(**EFFECT), {}, repeated=False)
    assert isinstance(job, Job)
    assert (await job.run(lease)).outcome == "create"
    assert (lease.confirmed, len(erp.rows)) == (2, 2)


async def test_an_echo_leaves_nothing_but_its_version() -> None:
    erp, state = Erp(OK, OK), dict[bytes, bytes]()
    await run(erp, a_row(1, **EFFECT), state)
    folded = await run(erp, a_row(2, origin="fno"), state)
    assert (erp.rows[1][1].kind, folded.outcome) == (WriteDecision.SKIP_ECHO, "skip-echo")
    assert (kept(state).version, kept(state).digest) == (2, b"")


async def test_what_a_previous_owner_sent_may_arrive_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "HANDOVER_S", 0.05)
    erp = Erp(OK)
    role = Apply(CODEC, erp, Calls())
    began = asyncio.get_running_loop().time()
    role.restored(())
    job = role.fold(a_row(**EFFECT), {}, repeated=True)
    assert isinstance(job, Job)
    await job.run(Held())
    assert asyncio.get_running_loop().time() - began >= 0.04


def test_a_tombstone_is_nothing_to_do() -> None:
    record = a_row()._replace(value=None)
    assert Apply(CODEC, Erp(), Calls()).fold(record, {}, repeated=False) == Folded(outcome="tombstone")


async def test_a_mistake_of_the_client_is_an_answer() -> None:
    folded = await run(Erp(TypeError("token=s3cret")), a_row(**EFFECT), {})
    body = event_of(folded.outputs[0]).body
    assert isinstance(body, ProviderResult)
    assert (body.outcome, body.code) == ("unknown", "malformed")
    assert "s3cret" not in body.detail
