"""What must hold after every step: whenever a transaction becomes visible, a request leaves, or a provider acts.

Each check stands on its own knowledge of the world (topics, journals, what was seen before), not on the lanes' word.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import msgspec

from app.agents import order_ledger
from app.domain.lifecycle import STATUS_OF, TRANSITIONS
from app.domain.order import OrderState
from app.events.headers import FORGET, FORWARDED
from app.events.model import OrderStatus
from app.events.record import DEAD_LETTER, Record
from app.lanes.ledger_keys import POSITION_KEY
from app.lanes.position import Mark
from tests.simulation.replay import Replay
from tests.simulation.transaction import INPUTS, LEDGERS, Transaction, decoded, header, origin
from tests.simulation.truth import Truth
from tests.simulation.workers import LOG

_REPEATABLE: Final = frozenset({"order-command", DEAD_LETTER, "order-created"})
"""Topics where one id may come twice: a timer fires again after a crash, letters have no id, a shop is read again; and
a command to a pool is passed on as often as it comes."""
_OF_POOLS: Final = ("sourcing-requested", "sourcing-command")
_marks = msgspec.msgpack.Decoder(dict[str, Mark]).decode


def _owner(record: Record) -> bytes:
    """Whose lane a record is written to: its order's, or that of the pool in it."""
    if record.topic in _OF_POOLS:
        pool: str = decoded(record).body.pool
        return pool.encode()
    return record.key or b""


def _is_repeatable(record: Record) -> bool:
    return record.topic in _REPEATABLE or (record.topic == "sourcing-command" and _owner(record) == record.key)


class Checker:
    def __init__(self, world: Any) -> None:
        self._world = world
        self.replay = Replay(world.published, world.orders)
        self._marks: dict[tuple[str, int], dict[str, Mark]] = {}
        self._ids: set[tuple[str, str]] = set()
        self._milestones: set[tuple[str, str, str]] = set()
        self._last_status: dict[str, tuple[str, str, int]] = {}
        self.truth = Truth(world)
        world.cluster.committed = self.committed
        world.cluster.produced = lambda record: world.trace.add([record])
        world.providers.network.leaving = self.leaving
        world.providers.network.arrived = self.arrived

    # ---- a transaction became visible ----

    def committed(self, transactional_id: str, records: Sequence[Record]) -> None:
        self._world.trace.add(records)
        _, role, number = transactional_id.split("-")
        try:
            self._check(role, int(number), records)
        except AssertionError as broken:
            self._world.violated(f"{role}-{number}: {broken}", broken)

    def _check(self, role: str, partition: int, records: Sequence[Record]) -> None:
        self._check_writer(role, records)
        finished = self._finished(role, partition, records)
        transaction = Transaction(role, partition, records, finished)
        rest = self._accounted(transaction)
        for record in transaction.outputs:
            self._check_output(role, record)
        self.replay.check(transaction, rest)
        for value in transaction.changes.values() if role == "orchestrate" else ():
            state = None if value is None else order_ledger.decode(value)
            if isinstance(state, OrderState) and state.order.state == "Completed":
                self.truth.check_complete(state.order)

    def _check_writer(self, role: str, records: Sequence[Record]) -> None:
        for record in records:
            writers = self._world.topics[record.topic].writers
            forwarded = header(record, FORWARDED) and record.topic in INPUTS[role]
            assert role in writers or "each" in writers or forwarded, (
                f"{role} wrote to {record.topic}, which is {writers}'s"
            )

    def _finished(self, role: str, partition: int, records: Sequence[Record]) -> list[Record]:
        """The input records that the position left behind with this transaction."""
        written = [r.value for r in records if r.topic == LEDGERS[role] and r.key == POSITION_KEY]
        assert len(written) == 1, "a transaction carries its lane's position once"
        now, before = _marks(written[0] or b""), self._marks.get((role, partition), {})
        self._marks[role, partition] = now
        found: list[Record] = []
        for topic in INPUTS[role]:
            old, new = before.get(topic, Mark(0)), now.get(topic, Mark(0))
            found += self._passed(topic, partition, old, new)
        return found

    def _passed(self, topic: str, partition: int, old: Mark, new: Mark) -> list[Record]:
        place = f"{topic}/{partition}"
        assert new.high >= old.high, f"{place} went back from {old.high} to {new.high}"
        bounds = self._world.cluster.bounds(topic, partition)
        assert new.high <= bounds.end, f"{place} was folded to {new.high}, beyond what is committed ({bounds.end})"
        left = set(new.unfinished)
        fresh = set(range(old.high, new.high))
        assert left <= set(old.unfinished) | fresh, f"{place}: finished offsets became unfinished again"
        low = min([*old.unfinished, old.high])
        records = self._world.cluster.read(topic, partition, low) if new.high > low else []
        gone = (set(old.unfinished) | fresh) - left
        return [record for record in records if record.offset in gone]

    def _accounted(self, transaction: Transaction) -> list[Record]:
        """What was neither forwarded nor set aside, each exactly once; the role must have done something with it."""
        forwards = [header(record, FORWARDED) for record in transaction.forwards]
        assert len(forwards) == len(set(forwards)), f"a record was forwarded twice: {forwards}"
        rest = []
        for record in transaction.finished:
            first = header(record, FORWARDED) or origin(record)
            if first in forwards:
                forwards.remove(first)
                copy = next(r for r in transaction.forwards if header(r, FORWARDED) == first)
                assert copy.value == record.value, f"{first} was forwarded changed"
                assert self._world.lane_of(copy.key or b"") == copy.partition, (
                    f"{first} was forwarded to the wrong lane"
                )
            else:
                rest.append(record)
        assert not forwards, f"forwarded without having been read: {forwards}"
        return rest

    def _check_output(self, role: str, record: Record) -> None:
        ce_id, lane = header(record, "ce_id"), self._world.lane_of(_owner(record))
        assert record.key, f"{origin(record)} has no key"
        assert ce_id, f"{origin(record)} has no ce_id"
        is_erasure = record.topic == "dualwrite.fno.salesorders" and bool(header(record, FORGET))
        assert record.partition == lane or is_erasure, f"{origin(record)} lies in another lane's partition"
        if role == "mirror" or not _is_repeatable(record):
            assert (record.topic, ce_id) not in self._ids, f"{record.topic}: {ce_id} of {record.key!r} came twice"
            self._ids.add((record.topic, ce_id))
        if record.topic == "order-status":
            self._check_status(decoded(record).body, decoded(record).at)
        elif record.topic == "dualwrite.iom.salesorders" and record.value is not None:
            change = decoded(record).body
            assert change.row.dataAreaId, f"a dual-write row of {record.key!r} has no company"
            self.truth.check_row((record.key or b"").decode(), change)
        elif record.topic == "provider-event" and role == "mirror":
            self._check_milestone(decoded(record).body)

    def _check_status(self, status: OrderStatus, at: int) -> None:
        before = (status.previous_state, status.previous_reason)
        after = (status.state, status.reason)
        last = self._last_status.get(status.order_id)
        if last is not None:
            assert last[:2] == before, f"{status.order_id} was {last[:2]}, {status.event!r} says {before}"
            assert status.version >= last[2], f"{status.order_id}: version {status.version} after {last[2]}"
        self._last_status[status.order_id] = (*after, status.version)
        if before != after:
            target = TRANSITIONS.get((STATUS_OF[before], status.event))
            assert target is STATUS_OF[after], f"no transition {before} - {status.event} -> {after}"
        self.truth.check_status(status, at)

    def _check_milestone(self, body: Any) -> None:
        """F+O's milestones: once for the order, once for each line."""
        if body.event == "order changed":
            return
        for what in [line.line_id for line in body.lines] or ["the order"]:
            seen = (body.order_id, body.event, what)
            assert seen not in self._milestones, f"{body.event!r} was raised twice for {what} of {body.order_id}"
            self._milestones.add(seen)

    # ---- outside ----

    def leaving(self, request: httpx.Request) -> None:
        """Nobody but the lane's owner may act: a zombie's request must not leave. Pulling only reads.

        A process that stood still on its way to fence a lane may fence the owner that the group has named meanwhile;
        until that learns of it, it is still the owner by the group's word.
        """
        log = LOG.get()
        if log is not None and log.fenced and log.role != "pull" and not self._world.group.names_owner(log):
            self._world.violated(f"{request.method} {request.url} left a process that does not own the lane any more")
        try:
            self.truth.check_request(request)
        except AssertionError as broken:
            self._world.violated(str(broken), broken)

    def arrived(self) -> None:
        try:
            self.truth.check_effects()
        except AssertionError as broken:
            self._world.violated(str(broken), broken)

    # ---- at rest ----

    def position(self, role: str, partition: int) -> Mapping[str, Mark]:
        return self._marks.get((role, partition), {})
