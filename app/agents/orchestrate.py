"""Orchestrates: takes what producers, providers and operators say of an order through its flow, and writes what follows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from app.agents.records import decoded, encoded, owner
from app.agents.role import Folded, Output, Record
from app.agents.timers import Timers
from app.domain import ledger
from app.domain.ledger import Early, EarlyRecord
from app.domain.order import OrderState, Timer
from app.dualwrite.mapping import Mapping as FieldMapping
from app.errors import RecordError
from app.events.catalog import CHANGED_AT_IOM, ChangeEvent
from app.events.codec import Codec
from app.events.ids import derive
from app.events.model import Event, OrderCommand, OrderCreated
from app.flows.engine import Step, step
from app.flows.published import Published

EARLY_RECORDS_MAX: Final = 32
EARLY_WAIT_MS: Final = 3_600_000
WAITED: Final = "waybill-waited"
"""Header of an event that waited for its order in vain: the second time it is a dead letter."""
EARLY_TIMER: Final = "early"
FIRE: Final = "fire timer"


class Orchestrate:
    """A lane of the role `orchestrate`: the orders of one partition."""

    name: Final = "orchestrate"
    inputs: Final = ("order-created", "order-command", "provider-event", "provider-result")
    ledger: Final = "order-ledger"

    def __init__(self, codec: Codec, published: Published, mapping: FieldMapping) -> None:
        self._codec, self._published, self._mapping = codec, published, mapping
        self._timers = Timers()

    def owner_key(self, record: Record) -> bytes | None:
        return owner(self._codec, record)

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded:  # noqa: ARG002
        event = decoded(self._codec, record)
        key = event.order_id.encode()
        value = state.get(key)
        known = ledger.decode(value) if value is not None else None
        if isinstance(known, OrderState):
            return self._folded(key, known, [self._step(known, event)])
        if isinstance(event.body, OrderCreated):
            return self._created(key, event, event.body, known)
        return self._early(key, record, event, known)

    # ---- an order that is known ----

    def _step(self, known: OrderState, event: Event) -> Step:
        taken = step(self._published.flow_of(known), known, event)
        if taken.outcome == "parked":
            raise RecordError(taken.code, taken.detail)
        return taken

    def _folded(
        self, key: bytes, before: OrderState | None, steps: Sequence[Step], extra: Sequence[Output] = ()
    ) -> Folded:
        last = steps[-1]
        if last.state is before:
            return Folded(extra, outcome=last.outcome)
        outputs = [encoded(self._codec, event) for taken in steps for event in taken.events]
        previous = before
        for taken in steps:
            if taken.synced:
                outputs.append(encoded(self._codec, self._change(previous, taken)))
            previous = taken.state
        return Folded(
            [*outputs, *extra],
            {key: ledger.encode(last.state)},
            outcome=last.outcome,
            settled=bool(last.state.settled_at),
        )

    def _change(self, before: OrderState | None, taken: Step) -> ChangeEvent:
        """The dual-write row of the order as it is after the step."""
        cause = taken.cause
        body = self._mapping.to_change(before, taken.state, cause.at)
        event_id = derive(cause.event_id, "dual-write")
        return ChangeEvent(
            CHANGED_AT_IOM,
            event_id,
            cause.order_id,
            cause.at,
            f"waybill/{self.name}",
            cause.event_id,
            body,
            cause.trace,
        )

    # ---- an order that is not known yet ----

    def _created(self, key: bytes, event: Event, body: OrderCreated, early: Early | None) -> Folded:
        flow = self._published.choose(body)
        first = step(flow, None, event)
        if first.outcome == "parked":
            raise RecordError(first.code, first.detail)
        steps, late = [first], []
        for record in early.records if early else ():
            try:
                steps.append(self._step(steps[-1].state, decoded(self._codec, _record(record))))
            except RecordError:
                late.append(_again(record))
        return self._folded(key, None, steps, late)

    def _early(self, key: bytes, record: Record, event: Event, early: Early | None) -> Folded:
        if isinstance(event.body, OrderCommand) and event.body.command == FIRE:
            return self._waited_in_vain(key, early)
        records = early.records if early else ()
        if any(name == WAITED for name, _ in record.headers):
            raise RecordError(
                "unknown-order", f"no order {event.order_id} was created in the hour after its {event.name}"
            )
        if len(records) >= EARLY_RECORDS_MAX:
            raise RecordError(
                "unknown-order", f"order {event.order_id} is not known, and {len(records)} events wait for it already"
            )
        waiting = Early(
            (*records, EarlyRecord(*record)), early.expires_at if early else record.timestamp + EARLY_WAIT_MS
        )
        return Folded((), {key: ledger.encode(waiting)}, outcome="early")

    def _waited_in_vain(self, key: bytes, early: Early | None) -> Folded:
        if early is None:
            return Folded(outcome="ignored")
        return Folded([_again(record) for record in early.records], {key: None}, outcome="expired")

    # ---- timers ----

    def due(self, now_ms: int) -> Sequence[Output]:
        return [
            encoded(self._codec, self._fire(key.decode(), timer, now_ms)) for key, timer in self._timers.due(now_ms)
        ]

    def _fire(self, order_id: str, timer: Timer, now_ms: int) -> Event:
        event_id = derive(f"{order_id}/{timer.timer_id}", timer.due_at)
        body = OrderCommand(order_id, FIRE, timer.timer_id, f"waybill/{self.name}")
        return Event("order command", event_id, order_id, now_ms, f"waybill/{self.name}", "", body)

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        for key, value in items:
            self.changed(key, value)

    def changed(self, key: bytes, value: bytes | None) -> None:
        self._timers.keep(key, _timers(value))

    def settled_at(self, value: bytes) -> int:
        return ledger.settled_at(value)

    async def poll(self, state: Mapping[bytes, bytes]) -> Folded | None:  # noqa: ARG002
        return None


def _timers(value: bytes | None) -> Sequence[Timer]:
    if value is None or ledger.settled_at(value):
        return ()
    entry = ledger.decode(value)
    if isinstance(entry, Early):
        return (Timer(EARLY_TIMER, entry.expires_at, EARLY_TIMER, ""),)
    return entry.timers


def _record(early: EarlyRecord) -> Record:
    return Record(early.topic, early.partition, early.offset, early.timestamp, early.key, early.value, early.headers)


def _again(early: EarlyRecord) -> Output:
    """The record once more on its own topic, marked: its lane then sets it aside with the reason."""
    return Output(early.topic, early.key, early.value, (*early.headers, (WAITED, b"1")))
