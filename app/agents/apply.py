"""Applies our rows at F+O: plans what a row means there, writes it over OData, answers the effect that asked."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from app.agents.calls import Answering, CallObserver
from app.agents.letters import dead_letter
from app.agents.records import decoded_change
from app.agents.role import Folded, Job, Lease, Output, Record
from app.dualwrite.apply import ApplyState, Kind, Plan, applied, echoed, plan
from app.dualwrite.change import SalesOrderRow
from app.errors import RecordError
from app.events.catalog import ChangeEvent
from app.events.codec import Codec
from app.providers.fno.actions import lots_of, refusal_of
from app.providers.port import LeaseLostError, Outcome, Result

PROVIDER: Final = "fno"
PLAIN_ATTEMPTS_MAX: Final = 6
PLAIN_RETRY_S: Final = 0.5
"""A change of fields that no effect asked for is repeated here, with doubling pauses: no order waits for its result."""
PAUSE_S_MAX: Final = 10.0
"""Seconds between two proofs of the lease while F+O wants to be left alone, which it may for an hour."""
DECLINED: Final = f"sync-{Outcome.DECLINED}"
HANDOVER_S: Final = 2.0
"""What the lane's previous owner sent may still be at work at F+O: looking for it at once could miss it."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ApplyState).decode


class SalesOrderWriter(Protocol):
    """F+O as this agent needs it."""

    async def upsert(self, row: SalesOrderRow, plan: Plan, lease: Lease) -> Result: ...


class Apply:
    """A lane of the role `apply`: what F+O was told of the orders of one partition."""

    name = "apply"
    inputs: tuple[str, ...] = ("dualwrite.iom.salesorders",)
    ledger = "apply-ledger"

    def __init__(self, codec: Codec, writer: SalesOrderWriter, observer: CallObserver) -> None:
        self._codec, self._writer, self._observer = codec, writer, observer
        self._answering = Answering(codec, self.name)
        self._handed_over_at = 0.0

    def owner_key(self, record: Record) -> bytes | None:
        return record.key

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded | Job:
        event = decoded_change(self._codec, record)
        if event is None:
            return Folded(outcome="tombstone")
        key = event.order_id.encode()
        value = state.get(key)
        known = _decode(value) if value is not None else None
        asked = plan(event.body, known)

        async def run(lease: Lease) -> Folded:
            if repeated:
                await asyncio.sleep(max(0.0, self._handed_over_at - time.monotonic()))
            result = await self._write(event, asked, lease)
            return self._answered(record, event, asked, known, result)

        return Job(key, PROVIDER, run)

    async def _write(self, event: ChangeEvent, asked: Plan, lease: Lease) -> Result:
        """One attempt where an effect waits for the answer; several where none does."""
        result = await self._attempt(event, asked, lease)
        for attempt in range(1, PLAIN_ATTEMPTS_MAX):
            if event.body.source.effect_id or result.outcome in (Outcome.OK, Outcome.DECLINED):
                break
            await _pause(max(PLAIN_RETRY_S * 2**attempt, result.retry_after_ms / 1000), lease)
            result = await self._attempt(event, asked, lease)
        return result

    async def _attempt(self, event: ChangeEvent, asked: Plan, lease: Lease) -> Result:
        began = time.monotonic()
        row = event.body.row
        while True:
            await lease.confirm()
            try:
                result = await self._writer.upsert(row, asked, lease)
            except LeaseLostError:
                continue
            self._observer.called(PROVIDER, asked.kind, result.outcome, result.code, time.monotonic() - began)
            return result

    def _answered(
        self, record: Record, event: ChangeEvent, asked: Plan, known: ApplyState | None, result: Result
    ) -> Folded:
        key = event.order_id.encode()
        outputs = self._answer(event, result)
        refused = refusal_of(result)
        if result.outcome is not Outcome.OK or asked.kind is Kind.SKIP_STALE:
            return Folded(outputs, outcome=str(result.outcome))
        if asked.kind is Kind.SKIP_ECHO:
            return Folded(outputs, {key: _encode(echoed(event.body, known))}, outcome=str(asked.kind))
        after = applied(event.body, known, result.reference, lots_of(result))
        if refused:
            # What it refused is still due: the next row brings it again, and a new line opens the order for it.
            after = replace(after, digest=b"")
            outputs = (*outputs, dead_letter(record, DECLINED, _refusal(refused), self.name, int(time.time() * 1000)))
        return Folded(outputs, {key: _encode(after)}, outcome=str(asked.kind))

    def _answer(self, event: ChangeEvent, result: Result) -> Sequence[Output]:
        source = event.body.source
        if source.effect_id:
            return (self._answering.output(event, Asked(source.effect_id, source.action, source.attempt), result),)
        if refused := refusal_of(result):
            raise RecordError(DECLINED, _refusal(refused))
        if result.outcome is Outcome.OK:
            return ()
        raise RecordError(f"sync-{result.outcome}", _refusal(f"{result.code}: {result.detail}"))

    def conclude(self, state: Mapping[bytes, bytes], now_ms: int) -> Folded | None:
        return None

    def due(self, now_ms: int) -> Sequence[Output]:
        return ()

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        self._handed_over_at = time.monotonic() + HANDOVER_S

    def changed(self, key: bytes, value: bytes | None) -> None:
        pass

    def settled_at(self, value: bytes) -> int:
        return 0

    async def poll(self, state: Mapping[bytes, bytes]) -> Folded | None:
        return None


async def _pause(seconds: float, lease: Lease) -> None:
    """Wait, and prove the lease now and then: a lane that commits nothing for long counts as one that stands still."""
    while seconds > 0:
        await asyncio.sleep(min(seconds, PAUSE_S_MAX))
        seconds -= PAUSE_S_MAX
        await lease.confirm()


def _refusal(why: str) -> str:
    return f"F+O did not take the change: {why}"


class Asked(msgspec.Struct, frozen=True):
    """The effect that a row carries out, as its answer names it."""

    effect_id: str
    action: str
    attempt: int
    provider: str = PROVIDER
