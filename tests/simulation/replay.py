"""The model beside the lanes: each transaction is folded again by the pure core and must come out byte for byte.

In what order a lane met records of several topics only the order's state says; so the model follows the state's word
about the order of events, and proves everything else.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from msgspec import msgpack
from msgspec.structs import replace

from app.agents import order_ledger
from app.agents.orchestrate import OF_POOLS, UNKNOWN
from app.agents.order_ledger import Early
from app.domain.command_names import OrderCommandName
from app.domain.order import OrderState
from app.dualwrite.status_handler import MirrorState, StatusHandler
from app.errors import RecordError
from app.events.headers import FORGET
from app.events.ids import derive
from app.events.model import Event, OrderCommand, OrderCreated
from app.events.order_records import encoded, is_sealed
from app.events.record import Record
from app.events.sales_order_change import SalesOrderRow
from app.flows.engine import Step, is_forget, step
from app.flows.loading.published import Published
from tests.simulation.reserving import Reserving
from tests.simulation.stockroom import POOL
from tests.simulation.transaction import KEYS, Transaction, decoded, header, keyed, origin, shared_codec

ROWS: Final = "dualwrite.iom.salesorders"

IDLE_MAX: Final = 40
"""Empty transactions in a row that rebalances may ask of a lane as proofs."""


class Replay:
    """Keeps what each order's state was after the last transaction."""

    def __init__(self, published: Published, orders: Any) -> None:
        self._published, self._orders = published, orders
        self._mirror = StatusHandler(orders)
        self.states: dict[bytes, bytes] = {}
        self.mirrored: dict[bytes, MirrorState] = {}
        self.reserving = Reserving()
        self._idle = 0
        self._applied: dict[bytes, set[str]] = {}

    def check(self, transaction: Transaction, rest: Sequence[Record]) -> None:
        """Raises AssertionError. `rest` are the records that the lane itself had to fold."""
        match transaction.role:
            case "orchestrate":
                self._orchestrated(transaction, rest)
            case "mirror":
                self._mirrored(transaction, rest)
            case "source":
                self.reserving.check(transaction, rest)
            case "pull":
                self._pulled(transaction, rest)
            case _:
                self._answered(transaction, rest)

    # ---- mirror: one input, so the order is known ----

    def _mirrored(self, transaction: Transaction, rest: Sequence[Record]) -> None:
        expected: list[tuple[str, Any]] = []
        touched: dict[bytes, bytes] = {}
        for record in rest:
            letter = transaction.letters.pop(origin(record), None)
            code = "" if letter is None else header(letter, "waybill-dead-code")
            raised, refused = self._row(record, touched)
            expected += raised
            assert code == refused, f"{origin(record)} was set aside as {code!r}, not as {refused!r}"
        found = [(header(record, "ce_id"), decoded(record).body) for record in transaction.outputs]
        assert found == expected, f"mirrored {[i for i, _ in found]} instead of {[i for i, _ in expected]}"
        assert transaction.changes == touched, "the mirror's states are not those of its rows"
        assert not transaction.letters, f"letters of nothing that was read: {list(transaction.letters)}"

    def _row(self, record: Record, touched: dict[bytes, bytes]) -> tuple[list[tuple[str, Any]], str]:
        """What one row raises, as (event id, body), or the code with which it is refused."""
        try:
            record = keyed(record)
            event, key = decoded(record), record.key or b""
            known = self.mirrored.get(key)
            if event is None:
                if header(record, FORGET) and known is not None:
                    self._keep_mirrored(key, self._mirror.forget(known), touched)
                return [], ""
            shown = self._mirror.handle(known, event.body)
        except RecordError as refused:
            return [], refused.code
        if shown.state is not None:
            self._keep_mirrored(key, shown.state, touched)
        created = [] if shown.created is None else [(derive(event.order_id, "created"), OrderCreated(shown.created))]
        return created + [(derive(event.event_id, place), body) for place, body in enumerate(shown.events)], ""

    def _keep_mirrored(self, key: bytes, state: MirrorState, touched: dict[bytes, bytes]) -> None:
        if state != self.mirrored.get(key):
            self.mirrored[key] = state
            touched[key] = msgpack.encode(state)

    # ---- perform and apply: each request is answered once ----

    def _answered(self, transaction: Transaction, rest: Sequence[Record]) -> None:
        expected = [answer for record in rest if (answer := self._answer_of(transaction, record))]
        found = [header(record, "ce_causationid") for record in transaction.outputs]
        assert sorted(found) == sorted(expected), f"answered {found}, was asked {expected}"
        assert not transaction.letters, f"letters of nothing that was read: {list(transaction.letters)}"

    def _answer_of(self, transaction: Transaction, record: Record) -> str:
        """The event that must be answered for this record, if one must."""
        letter = transaction.letters.pop(origin(record), None)
        event = decoded(record)
        if event is None:
            return ""
        asks = bool(event.body.source.effect_id) if record.topic == ROWS else event.body.through == "http"
        refused = letter is not None and header(letter, "waybill-dead-code") == "sync-declined"
        assert letter is None or refused or not asks, f"{origin(record)} asked for an effect and was set aside"
        return event.event_id if asks else ""

    def _pulled(self, transaction: Transaction, rest: Sequence[Record]) -> None:
        """Hints are its input. Without any, what it writes must not make it write again, and again."""
        assert all(record.topic == "pull-requested" for record in rest)
        says_nothing = not (transaction.changes or transaction.outputs or transaction.letters or rest)
        self._idle = self._idle + 1 if says_nothing else 0
        assert self._idle < IDLE_MAX, f"{self._idle} transactions in a row that say nothing"

    # ---- orchestrate ----

    def _orchestrated(self, transaction: Transaction, rest: Sequence[Record]) -> None:
        met: dict[bytes, list[Record]] = {}
        rest = self._without_pools(transaction, rest)
        for record in rest:
            try:
                owned = keyed(record)
            except RecordError as refused:
                _expect_letter(transaction, record, {refused.code})
            else:
                met.setdefault(owned.key or b"", []).append(owned)
        outputs: dict[bytes, list[Record]] = {}
        erasures = [record for record in transaction.outputs if header(record, FORGET)]
        _check_erasures(erasures, rest)
        for record in transaction.outputs:
            if record not in erasures and not self._is_timer(record) and record.key != POOL.encode():
                outputs.setdefault(record.key or b"", []).append(record)
        for key in sorted({*met, *transaction.changes, *outputs}):
            self._order(transaction, key, met.get(key, []), outputs.get(key, []))
        assert not transaction.letters, f"letters of nothing that was read: {list(transaction.letters)}"

    def _without_pools(self, transaction: Transaction, rest: Sequence[Record]) -> list[Record]:
        """The records about orders. Each command to the pool of warehouses is passed on as it comes."""
        asked, others = [], []
        for record in rest:
            try:
                event = decoded(keyed(record))
            except RecordError:
                event = None
            if event is not None and isinstance(event.body, OrderCommand) and event.body.command in OF_POOLS:
                asked.append(event.event_id)
            else:
                others.append(record)
        passed_on = [r for r in transaction.outputs if r.key == POOL.encode() and r.topic == "sourcing-command"]
        found = [header(record, "ce_causationid") for record in passed_on]
        assert sorted(found) == sorted(asked), f"passed on {found}, was asked {asked}"
        return others

    def _is_timer(self, record: Record) -> bool:
        """A timer of the order's state that fired."""
        if record.topic != "order-command":
            return False
        body = decoded(record).body
        assert body.command == OrderCommandName.FIRE_TIMER, f"orchestrate wrote the command {body.command!r}"
        known = self._known(record.key or b"")
        timers = {timer.timer_id for timer in known.timers} if isinstance(known, OrderState) else {"early"}
        assert known is None or body.subject in timers, f"timer {body.subject} of {record.key!r} fired out of nothing"
        return True

    def _known(self, key: bytes) -> OrderState | Early | None:
        value = self.states.get(key)
        return None if value is None else order_ledger.decode(value)

    def _order(self, transaction: Transaction, key: bytes, met: list[Record], outputs: list[Record]) -> None:
        before = self._known(key)
        changed = key in transaction.changes
        value = transaction.changes.get(key) if changed else self.states.get(key)
        after = None if value is None else order_ledger.decode(value)
        if changed and value is not None:
            self.states[key] = value
        elif changed:
            self.states.pop(key, None)
        if isinstance(after, OrderState):
            self._folded(transaction, key, before, after, met, outputs)
        else:
            assert not isinstance(before, OrderState), f"the state of {key!r} was thrown away"
            assert not outputs, f"outputs of {key!r}, which does not exist"
            _waited(transaction, before, after, met)

    def _folded(
        self,
        transaction: Transaction,
        key: bytes,
        before: OrderState | Early | None,
        after: OrderState,
        met: list[Record],
        outputs: list[Record],
    ) -> None:
        pool = _Pool(transaction, [*(before.records if isinstance(before, Early) else ()), *met])
        state = before if isinstance(before, OrderState) else None
        count = after.version - (state.version if state else 0)
        states: list[OrderState | None] = [state]
        written: list[Record] = list(outputs)
        for event_id in after.recent[len(after.recent) - count :] if count else ():
            applied = self._applied.setdefault(key, set())
            assert event_id not in applied, f"event {event_id} changed {key!r} twice"
            applied.add(event_id)
            taken = self._step(state, pool.take(event_id))
            assert taken.outcome == "applied", f"event {event_id} of {key!r} is {taken.outcome}: {taken.detail}"
            written = self._check_written(taken, written)
            state = taken.state
            states.append(state)
        assert state is not None
        assert order_ledger.encode(state) == order_ledger.encode(after), (
            f"the state of {key!r} is not the fold of its events"
        )
        assert not written, f"{key!r}: outputs of nothing: {[record.topic for record in written]}"
        for record, event in pool.left():
            self._explain(transaction, record, event, states)

    def _step(self, state: OrderState | None, event: Event) -> Step:
        if state is not None:
            return step(self._published.flow_of(state), state, event)
        assert isinstance(event.body, OrderCreated), "an order begins with its creation"
        return step(self._published.choose(event.body), None, event)

    def _check_written(self, taken: Step, written: list[Record]) -> list[Record]:
        """What remains of the outputs once those of one step, in their order, are taken off."""
        for event in taken.events:
            assert written, f"{event.name!r} of {event.order_id} was not written"
            found = written.pop(0)
            cipher = KEYS.find(event.order_id) if is_sealed(found) else None
            wanted = encoded(shared_codec(), event, cipher)
            same = (found.topic, found.value, found.headers) == (wanted.topic, wanted.value, tuple(wanted.headers))
            assert same, (
                f"{event.order_id}: {found.topic} {header(found, 'ce_id')} instead of {event.name!r} {event.event_id}"
            )
        if taken.synced and taken.state is not None:
            topics = [record.topic for record in written[:1]]
            assert topics == [ROWS], f"{taken.state.order.order_id} was not synced"
            change = decoded(written.pop(0)).body
            number = taken.state.reference("fno") or ""
            row = _selected(taken.state, self._orders.to_row(taken.state.order, number))
            if number or any(effect.provider == "fno" for effect in taken.state.effects):
                row = replace(row, IsSalesProcessingStopped="No")
            if taken.state.order.state == "On Hold" and "order shipped" in taken.state.raised:
                row = replace(row, SalesOrderProcessingStatus="Delivered")
            assert (change.after, change.source.version) == (row, taken.state.version), "the row is not the order's"
        return written

    def _explain(
        self, transaction: Transaction, record: Record, event: Event | None, states: Sequence[OrderState | None]
    ) -> None:
        """A record that changed nothing: a copy, about something that is over, or set aside with its code."""
        letter = transaction.letters.pop(origin(record), None)
        if event is None:
            assert letter is not None, f"{origin(record)} cannot be decoded and is not a letter"
            return
        taken = [self._step(state, event) for state in states if state is not None]
        if letter is None:
            outcomes = {result.outcome for result in taken}
            assert outcomes & {"duplicate", "ignored"}, f"{origin(record)} was lost, it is {outcomes}"
        else:
            codes = {result.code for result in taken} | ({UNKNOWN} if states[0] is None else set())
            code = header(letter, "waybill-dead-code")
            assert code in codes, f"{origin(record)} was set aside as {code}, the order says {codes}"


def _check_erasures(erasures: Sequence[Record], rest: Sequence[Record]) -> None:
    """Rows are erased by a command to forget their order, and by nothing else."""
    events = map(decoded, rest) if erasures else ()
    asked = {event.event_id for event in events if event is not None and is_forget(event)}
    assert all(record.value is None and header(record, FORGET) in asked for record in erasures)


def _selected(state: OrderState, row: SalesOrderRow) -> SalesOrderRow:
    """Of an order that is sourced line by line just the lines that have a warehouse go to F+O."""
    if not state.fulfillment_orders:
        return row
    both = zip(state.order.lines, row.Lines, strict=True)
    return replace(row, Lines=tuple(shown for line, shown in both if line.warehouse))


class _Pool:
    """Events that a transaction may have applied."""

    def __init__(self, transaction: Transaction, records: Sequence[Record]) -> None:
        self._events: list[tuple[Record, Event | None]] = []
        for record in records:
            try:
                self._events.append((record, decoded(record)))
            except RecordError as refused:
                _expect_letter(transaction, record, {refused.code})

    def take(self, event_id: str) -> Event:
        for index, (_, event) in enumerate(self._events):
            if event is not None and event.event_id == event_id:
                del self._events[index]
                return event
        raise AssertionError(f"event {event_id} was applied and not read")

    def left(self) -> list[tuple[Record, Event | None]]:
        return self._events


def _waited(transaction: Transaction, before: Early | None, after: Early | None, met: list[Record]) -> None:
    """Records of an order that does not exist (yet): kept for it, or set aside in the end."""
    pool = [*(before.records if isinstance(before, Early) else ()), *met]
    kept = Counter(after.records) if after is not None else Counter()
    for record in pool:
        if kept[record] > 0:
            kept[record] -= 1
            continue
        letter = transaction.letters.pop(origin(record), None)
        assert letter is not None or _is_fire(record), f"{origin(record)} of an unknown order was lost"
    assert not +kept, "the ledger keeps early records that were never read"


def _is_fire(record: Record) -> bool:
    body = decoded(record).body
    return isinstance(body, OrderCommand) and body.command == OrderCommandName.FIRE_TIMER


def _expect_letter(transaction: Transaction, record: Record, codes: set[str]) -> None:
    letter = transaction.letters.pop(origin(record), None)
    assert letter is not None, f"{origin(record)} is {codes} and was lost"
    assert header(letter, "waybill-dead-code") in codes, f"{origin(record)} is {codes}, set aside as another"
