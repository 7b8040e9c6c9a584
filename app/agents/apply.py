"""Role `apply`: writes our dual-write rows to the ERP over OData and answers the effects that asked for it.

Requirements: S3, S6.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from app.agents.calls import FORGOTTEN, Answering, CallObserver, mistake_of
from app.dualwrite.write_plan import ApplyState, WriteDecision, WritePlan, applied, echoed, plan
from app.errors import RecordError, WaybillError
from app.events.catalog import ChangeEvent
from app.events.codec import Codec
from app.events.dead_letters import dead_letter
from app.events.order_records import opened
from app.events.record import Output, Record
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock
from app.lanes.lease import Lease
from app.lanes.role import Folded, Job, Role
from app.providers.port import LeaseLostError, Outcome, Result
from app.providers.sales_order_writer import SalesOrderWriter, lots_of, refusal_of
from app.sealing.key_book import NO_ORDER_KEYS, KeyBook

PLAIN_ATTEMPTS_MAX: Final = 6
PLAIN_RETRY_S: Final = 0.5
"""A change of fields that no effect asked for is repeated here, with doubling pauses: no order waits for its result."""
PAUSE_S_MAX: Final = 10.0
"""Seconds between two proofs of the lease while the ERP wants to be left alone, which it may for an hour."""
DECLINED: Final = f"sync-{Outcome.DECLINED}"
HANDOVER_S: Final = 2.0
"""What the lane's previous owner sent may still be at work there: looking for it at once could miss it."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ApplyState).decode


class Apply(Role):
    """A lane of the role `apply`. Its ledger keeps what the ERP has of the orders of one partition."""

    name = "apply"
    inputs: tuple[str, ...] = ("dualwrite.iom.salesorders",)
    ledger = "apply-ledger"

    def __init__(
        self,
        codec: Codec,
        writer: SalesOrderWriter,
        observer: CallObserver,
        clock: Clock = SYSTEM_CLOCK,
        *,
        keys: KeyBook = NO_ORDER_KEYS,
    ) -> None:
        self._keys = keys
        self._codec, self._writer, self._observer, self._clock = codec, writer, observer, clock
        self._answering = Answering(codec, self.name, clock)
        self._handed_over_at = 0.0

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded | Job:
        sealed = self._codec.decode_change(record)
        if sealed is None:
            return Folded(outcome="tombstone")
        event = opened(sealed, record, self._keys.find(sealed.order_id))
        if event is None:
            return Folded(outcome=FORGOTTEN)
        key = event.order_id.encode()
        value = state.get(key)
        before = _decode(value) if value is not None else None
        planned = plan(event.body, before)

        async def run(lease: Lease) -> Folded:
            if repeated:
                await asyncio.sleep(max(0.0, self._handed_over_at - self._clock.monotonic()))
            result = await self._write(event, planned, lease)
            return self._answered(record, event, planned, before, result)

        return Job(key, self._writer.name, run)

    async def _write(self, event: ChangeEvent, planned: WritePlan, lease: Lease) -> Result:
        """Make one attempt where an effect waits for the answer, several where none does."""
        result = await self._attempt(event, planned, lease)
        for attempt in range(1, PLAIN_ATTEMPTS_MAX):
            if event.body.source.effect_id or result.outcome in (Outcome.OK, Outcome.DECLINED):
                break
            await _pause(max(PLAIN_RETRY_S * 2**attempt, result.retry_after_ms / 1000), lease)
            result = await self._attempt(event, planned, lease)
        return result

    async def _attempt(self, event: ChangeEvent, planned: WritePlan, lease: Lease) -> Result:
        began = self._clock.monotonic()
        row = event.body.row
        while True:
            await lease.confirm()
            try:
                result = await self._writer.upsert(row, planned, lease)
            except LeaseLostError:
                continue
            except WaybillError:
                raise
            except Exception as problem:
                result = mistake_of(self._writer.name, problem)
            seconds = self._clock.monotonic() - began
            self._observer.called(self._writer.name, planned.kind, result.outcome, result.code, seconds)
            return result

    def _answered(
        self, record: Record, event: ChangeEvent, planned: WritePlan, before: ApplyState | None, result: Result
    ) -> Folded:
        key = event.order_id.encode()
        outputs, dead = self._answer(event, result), list[str]()
        refused = refusal_of(result)
        if result.outcome is not Outcome.OK or planned.kind is WriteDecision.SKIP_STALE:
            return Folded(outputs, outcome=str(result.outcome))
        if planned.kind is WriteDecision.SKIP_ECHO:
            return Folded(outputs, {key: _encode(echoed(event.body, before))}, outcome=str(planned.kind))
        after = applied(event.body, before, result.reference, lots_of(result))
        if refused:
            # What it refused is still due: the next row brings it again, and a new line opens the order for it.
            after = replace(after, digest=b"")
            now_ms = self._clock.now_ms()
            outputs = (*outputs, dead_letter(record, DECLINED, self._refusal(refused), self.name, now_ms))
            dead.append(DECLINED)
        return Folded(outputs, {key: _encode(after)}, outcome=str(planned.kind), dead=dead)

    def _answer(self, event: ChangeEvent, result: Result) -> Sequence[Output]:
        source = event.body.source
        if source.effect_id:
            request = RowEffect(source.effect_id, source.action, source.attempt, self._writer.name)
            return (self._answering.output(event, request, result),)
        if refused := refusal_of(result):
            raise RecordError(DECLINED, self._refusal(refused))
        if result.outcome is Outcome.OK:
            return ()
        raise RecordError(f"sync-{result.outcome}", self._refusal(f"{result.code}: {result.detail}"))

    def _refusal(self, why: str) -> str:
        return f"{self._writer.title} did not take the change: {why}"

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        self._handed_over_at = self._clock.monotonic() + HANDOVER_S


async def _pause(seconds: float, lease: Lease) -> None:
    """Wait, and prove the lease now and then: a lane that commits nothing for long counts as one that stands still."""
    while seconds > 0:
        await asyncio.sleep(min(seconds, PAUSE_S_MAX))
        seconds -= PAUSE_S_MAX
        await lease.confirm()


class RowEffect(msgspec.Struct, frozen=True):
    """The effect that a row carries out, as its answer names it."""

    effect_id: str
    action: str
    attempt: int
    provider: str
