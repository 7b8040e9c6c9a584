"""Role `source`: owns the stock of pools of warehouses, reserves it for orders, and keeps backorders until stock comes.

The pool of a record decides its lane, so that one writer owns all stock that a plan may use. Records are taken in as
they come; what they lead to together (a batch of requests, lines whose stock came) is planned at the end of a turn, in
the same transaction.

Requirements: S61, S62, S64, S65.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, cast

from msgspec.structs import replace

from app.agents.earliest import Earliest
from app.domain.command_names import PoolCommandName
from app.domain.event_names import EventName
from app.domain.order import Address
from app.domain.personal_data import redact
from app.errors import RecordError
from app.events.codec import Codec
from app.events.ids import derive, partition_of
from app.events.model import Event, OrderCommand, SourcingCommand, SourcingRequested, StockChange
from app.events.order_records import RecordReader, encoded, opened
from app.events.record import Output, Record
from app.inventory import preferences, record_effects, source_ledger
from app.inventory.allocator import Allocator, Cause
from app.inventory.checked_plans import EXCEPTION, Solve
from app.inventory.ledger_values import BackorderRuns, PreferenceOverrides, RunTrigger, SourcedOrder, WarehouseTotals
from app.inventory.record_effects import RecordEffect
from app.inventory.sourcing_agenda import Batching, RunRequest, SourcingAgenda
from app.inventory.sourcing_answers import SourcingAnswer
from app.inventory.stock_book import StockBook
from app.lanes.role import Folded, Role
from app.optimizer.gazetteer import Place
from app.optimizer.sourcing_plan import SourcingPlan
from app.sealing.key_book import NO_ORDER_KEYS, KeyBook

SOURCE: Final = "waybill/source"
_journal = logging.getLogger(__name__)


class Observer(Protocol):
    """Where the role reports. Totals by warehouse and pool, never an order."""

    def sourced(self, outcome: str) -> None:
        """One order was answered."""

    def solved(self, seconds: float, status: str, gap: float) -> None:
        """One plan was made."""

    def waiting(self, partition: int, pool: str, lines: int, since_ms: int | None) -> None:
        """So many lines of the pool wait for stock, the first one since then (ms)."""

    def stocked(self, partition: int, total: WarehouseTotals) -> None:
        """Totals of one warehouse."""


class Source(Role):
    """A lane of the role `source`: the pools of warehouses of one partition."""

    name = "source"
    inputs: tuple[str, ...] = ("sourcing-requested", "sourcing-command", "stock-change")
    ledger = "source-ledger"

    def __init__(
        self,
        codec: Codec,
        allocator: Allocator,
        find: Callable[[Address], Place],
        batching: Batching,
        job_s: int,
        lane: tuple[int, int],
        observer: Observer,
        keys: KeyBook = NO_ORDER_KEYS,
    ) -> None:
        """`job_s`: seconds between two runs of the backorder job, 0 for none. `lane`: its number, and how many."""
        self._codec, self._allocator, self._find, self._observer = codec, allocator, find, observer
        self._partition, self._partitions = lane
        self._keys = keys
        self._agenda = SourcingAgenda(allocator, batching)
        self._pools = [
            p for p in allocator.planner.pools if partition_of(p.encode(), self._partitions) == self._partition
        ]
        self._job_ms, self._due_at = job_s * 1000, dict[str, int]()
        self._reader = RecordReader(codec)
        self._waiting_since = dict[str, Earliest]()
        """By pool: since when each order waits for stock."""

    # ---- records ----

    def owner_key(self, record: Record) -> bytes | None:
        """Return the pool. It stands in the value alone, whatever the key is."""
        event = self._reader.event(record._replace(key=None))
        return cast(SourcingRequested | SourcingCommand | StockChange, event.body).pool.encode()

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded:
        event = self._opened(record, self._reader.event(record._replace(key=None)))
        book = StockBook(state)
        effect = self._apply(book, event)
        self._agenda.wake(effect.woken, Cause(event.event_id, event.at))
        return Folded((), book.changes(), outcome=effect.outcome, settled=True)

    def _opened(self, record: Record, event: Event) -> Event:
        """Return the event with its personal fields; of an order that was forgotten they are empty.

        Stock was reserved for it all the same, and left the warehouse.
        """
        cipher = self._keys.find(event.order_id)
        return opened(event, record, cipher) or replace(event, body=redact(event.body))

    def _apply(self, book: StockBook, event: Event) -> RecordEffect:
        """Return what a record does to the stock book."""
        match event.body:
            case StockChange() as body:
                source = self._allocator.planner.sources.get(body.warehouse)
                return record_effects.apply_stock_change(book, body, event.event_id, source.pool if source else None)
            case SourcingRequested() as body:
                priority = self._allocator.priority(body.order.channel)
                effect = record_effects.take_request(
                    book, event, body, place=self._find(body.order.ship_to), priority=priority
                )
                self._agenda.add_request(body.order.order_id)
                return effect
            case SourcingCommand() as body:
                return self._carry_out(book, event, body)
        raise RecordError("invalid", f"{event.name} is nothing that {self.name} takes")

    def _carry_out(self, book: StockBook, event: Event, body: SourcingCommand) -> RecordEffect:
        match body.command:
            case PoolCommandName.CONFIRM:
                return record_effects.confirm_reservations(book, body, event.at)
            case PoolCommandName.RELEASE:
                return record_effects.release_reservations(book, body, event.at)
            case PoolCommandName.FORGET:
                return record_effects.forget_order(book, body)
            case PoolCommandName.RUN_BACKORDERS:
                trigger: RunTrigger = "schedule" if body.values.get("why") == "schedule" else "command"
                cause = Cause(event.event_id, event.at)
                self._agenda.add_run(RunRequest(body.pool, cause, trigger, body.actor))
                return RecordEffect("run")
            case PoolCommandName.SET_PREFERENCES:
                overrides = preferences.change_preferences(
                    self._allocator.file_preferences,
                    book.find(PreferenceOverrides, body.pool) or PreferenceOverrides(body.pool),
                    body.values,
                    event_id=event.event_id,
                    at=event.at,
                    actor=body.actor,
                )
                book.keep(overrides)
                return RecordEffect("preferences")
        commands = ", ".join(PoolCommandName)
        raise RecordError("invalid", f"command {body.command[:40]!r} is none of {commands}")

    # ---- what they lead to ----

    def conclude(self, state: Mapping[bytes, bytes], now_ms: int) -> Folded | None:
        if self._agenda.is_idle:
            return None
        book = StockBook(state)
        answers = self._agenda.work(book, now_ms)
        changes = book.changes()
        if not answers and not changes:
            return None
        for answer in answers:
            self._tell(answer)
        return Folded([self._result(answer) for answer in answers], changes, outcome="planned", settled=True)

    def _result(self, answer: SourcingAnswer) -> Output:
        """Return the record of an answer, on the partition of its order, which is not the pool's."""
        body = answer.body
        event = Event(
            name=EventName.SOURCING_RESULT,
            event_id=answer.event_id,
            order_id=body.order_id,
            at=answer.at,
            source=SOURCE,
            cause_id=answer.cause_id,
            body=body,
            trace=answer.trace,
        )
        output = encoded(self._codec, event, self._keys.find(body.order_id))
        return output._replace(partition=partition_of(output.key or b"", self._partitions))

    def _tell(self, answer: SourcingAnswer) -> None:
        body = answer.body
        if body.code == EXCEPTION:
            _journal.error("order %s could not be planned and was answered so: %s", body.order_id, body.detail)
        self._observer.sourced(EXCEPTION if body.code == EXCEPTION else body.outcome)

    # ---- the backorder job ----

    def due(self, now_ms: int) -> Sequence[Output]:
        """Return commands that run the backorder job: like an operator's, so that they are on record and replayed."""
        outputs = []
        for pool in self._pools if self._job_ms else ():
            due_at = self._due_at.setdefault(pool, now_ms + self._job_ms)
            if due_at <= now_ms:
                self._due_at[pool] = now_ms + self._job_ms
                body = OrderCommand(
                    order_id=pool,
                    command=PoolCommandName.RUN_BACKORDERS,
                    subject="",
                    actor=SOURCE,
                    values={"why": "schedule"},
                )
                event_id = derive(f"{pool}/{PoolCommandName.RUN_BACKORDERS}", due_at)
                outputs.append(
                    encoded(
                        self._codec,
                        Event(
                            name=EventName.ORDER_COMMAND,
                            event_id=event_id,
                            order_id=pool,
                            at=now_ms,
                            source=SOURCE,
                            cause_id="",
                            body=body,
                        ),
                    )
                )
        return outputs

    # ---- what stands beside the state ----

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        super().restored(items)
        self._agenda.wake(self._agenda.queue.items(), None)

    def changed(self, key: bytes, value: bytes | None) -> None:
        kind: type[Any] | None = source_ledger.kind_of(value) if value is not None else None
        if value is None:
            return
        if kind is SourcedOrder:
            self._order_changed(source_ledger.decode(SourcedOrder, value))
        elif kind is WarehouseTotals:
            self._observer.stocked(self._partition, source_ledger.decode(WarehouseTotals, value))
        elif kind is BackorderRuns:
            self._runs_changed(source_ledger.decode(BackorderRuns, value))

    def _order_changed(self, order: SourcedOrder) -> None:
        self._agenda.keep(order)
        since, key = self._waiting_since.setdefault(order.pool, Earliest()), order.order_id.encode()
        if order.waiting:
            since.put(key, min(line.since for line in order.waiting))
        else:
            since.remove(key)
        self._observer.waiting(self._partition, order.pool, self._agenda.queue.count(order.pool), since.first())

    def _runs_changed(self, runs: BackorderRuns) -> None:
        """Keep the job's runs. After a restart the job goes on in its rhythm."""
        self._agenda.keep_runs(runs)
        scheduled = [run.at for run in runs.jobs if run.why == "schedule"]
        if scheduled:
            self._due_at.setdefault(runs.pool, scheduled[-1] + self._job_ms)

    def settled_at(self, value: bytes) -> int:
        return source_ledger.settled_at(value)


def measure_plans(solve: Solve, observer: Observer) -> Solve:
    """Return the solver with the duration, status and gap of each plan reported."""

    def timed(*problem: Any, **day: Any) -> SourcingPlan:
        began = time.monotonic()
        plan = solve(*problem, **day)
        observer.solved(time.monotonic() - began, plan.status, plan.gap)
        return plan

    return timed
