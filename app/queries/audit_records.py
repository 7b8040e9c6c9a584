"""Records and ledger values, reduced to what an audit needs of them: no names, no addresses, no amounts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec

from app.agents import order_ledger
from app.agents.apply import Apply
from app.agents.mirror import MARK, Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.order_ledger import Early
from app.agents.perform import Perform
from app.agents.source import Source
from app.domain.order import OrderState, TimerPurpose
from app.dualwrite.status_handler import MirrorState
from app.errors import LedgerError, RecordError
from app.events import dead_letters, headers
from app.events.catalog import BY_TOPIC, ChangeEvent
from app.events.codec import Codec
from app.events.ids import partition_of
from app.events.model import Event, SourcingCommand, SourcingRequested
from app.events.record import DEAD_LETTER, Record
from app.events.sales_order_change import made_by_us
from app.inventory import source_ledger
from app.inventory.ledger_values import OPEN, SourcedOrder
from app.lanes.ledger_keys import is_lanes_own
from app.lanes.position import Mark
from app.queries.audit import AuditRecord, OrderEntry, SourcingEntry

READERS: Final = (Orchestrate, Perform, Apply, Mirror, Source)
"""Roles whose inputs an audit follows. What role pull reads are hints, which nobody misses."""
READER_OF: Final = {topic: role for role in READERS for topic in role.inputs}
LEDGERS: Final = tuple(role.ledger for role in READERS)
TOPICS: Final = (*BY_TOPIC, DEAD_LETTER)
"""Topics that are read, apart from the ledgers."""
CHANGES: Final = (*Mirror.inputs, *Apply.inputs)
"""Topics of rows."""
Place = tuple[str, int]
"""Topic and partition."""
OrderFacts = OrderEntry | tuple[str, ...] | int | SourcingEntry
"""What a ledger has of an order: of order-ledger its entry, or the places of what waits for it; of mirror-ledger the
version of its row; of source-ledger its requests and reservations."""
_decode_mirrored: Final = msgspec.msgpack.Decoder(MirrorState).decode
_decode_marks: Final = msgspec.msgpack.Decoder(dict[str, Mark]).decode


class LedgerCut:
    """How far each role was when its ledger was read. `ends` are the ends of all topics just before that."""

    def __init__(self, ends: Mapping[Place, int]) -> None:
        self._ends = ends
        self._marks: dict[Place, dict[str, Mark]] = {}

    def take(self, ledger: str, partition: int, position: bytes) -> None:
        """Take in a lane's position. Raises LedgerError when it is not one."""
        try:
            self._marks[ledger, partition] = _decode_marks(position)
        except msgspec.DecodeError as problem:
            raise LedgerError(f"{ledger}/{partition} has a position that this version cannot read") from problem

    def is_folded(self, topic: str, partition: int, offset: int) -> bool:
        """Return whether the role that reads the topic had finished the record."""
        role = READER_OF.get(topic)
        mark = self._marks.get((role.ledger, partition), {}).get(topic) if role else None
        return mark is not None and offset < mark.high and offset not in mark.unfinished

    def is_earlier(self, topic: str, partition: int, offset: int) -> bool:
        """Return whether the record was committed before the ledgers were read."""
        return offset < self._ends.get((topic, partition), 0)


class AuditReader:
    """Makes audit records of records. `partitions` are those of a topic that is keyed by order."""

    def __init__(self, codec: Codec, cut: LedgerCut, partitions: int) -> None:
        self._codec, self._cut, self._partitions = codec, cut, partitions

    def read(self, record: Record) -> tuple[str, AuditRecord] | None:
        """Return the order that a record is about, and the record; None for one about no order.

        The order of a record that names none is called after its place.
        """
        try:
            event = self._event(record)
        except RecordError as problem:
            owner = _key_text(record.key) or dead_letters.origin(record)
            return owner, self._reduced(record, owner, {"problem": problem.code})
        if event is None:
            return None
        body: Any = event.body
        match body:
            case SourcingRequested():
                owner = body.order.order_id
            case SourcingCommand():
                owner = body.order_id
            case _:
                owner = event.order_id
        if not owner:
            return None
        fields = {"event_id": event.event_id, "cause_id": event.cause_id, "source": event.source, **_fields_of(event)}
        return owner, self._reduced(record, owner, fields)

    def _event(self, record: Record) -> Event | ChangeEvent | None:
        if record.topic not in CHANGES:
            return self._codec.decode(record)
        if record.key and record.value is not None and MARK in record.key:
            record = record._replace(key=None)
        return self._codec.decode_change(record)

    def _reduced(self, record: Record, owner: str, fields: Mapping[str, Any]) -> AuditRecord:
        topic, partition, offset = record.topic, record.partition, record.offset
        is_unreadable = "problem" in fields
        key = record.key if is_unreadable and record.key else owner.encode()
        # Of the records of role source the pool decides; and what names nobody is set aside where it lies.
        is_anywhere = topic in Source.inputs or (is_unreadable and (not record.key or topic in CHANGES))
        return AuditRecord(
            topic=topic,
            partition=partition,
            offset=offset,
            at=record.timestamp,
            digest=crc32(record.value or b""),
            forwarded_from=_forwarded_from(record),
            is_own=is_anywhere or partition == partition_of(key, self._partitions),
            is_folded=self._cut.is_folded(topic, partition, offset),
            is_earlier=self._cut.is_earlier(topic, partition, offset),
            **fields,
        )


def _forwarded_from(record: Record) -> str:
    mark = dict(record.headers).get(headers.FORWARDED) or b""
    place = headers.first_place(mark.decode(errors="replace"), record.topic)
    return f"{record.topic}/{place}" if place else ""


def _key_text(key: bytes | None) -> str:
    return (key or b"").decode(errors="backslashreplace")


_FIELDS: Final = (
    "event", "state", "reason", "previous_state", "previous_reason", "version", "effect_id", "attempt", "through",
    "provider", "outcome",
)  # fmt: skip


def _fields_of(event: Event | ChangeEvent) -> dict[str, Any]:
    """Return the fields of an audit record that are in the body."""
    body: Any = event.body
    if isinstance(event, ChangeEvent):
        source = event.body.source
        return {
            "event": event.body.op,
            "version": source.version,
            "effect_id": source.effect_id,
            "attempt": source.attempt,
            "is_ours": made_by_us(event.body.row),
        }
    fields = {name: getattr(body, name) for name in _FIELDS if hasattr(body, name)}
    if isinstance(body, SourcingCommand):
        fields["event"] = body.command
        fields["lines"] = tuple(f"{line.line_id}@{line.warehouse}".rstrip("@") for line in body.lines)
    return fields


def facts_of(ledger: str, key: bytes, value: bytes | None) -> tuple[str, OrderFacts | None] | None:
    """Return the order of a ledger's record and what it says of it, None for a tombstone; None for a value about none.

    Raises LedgerError for a value that this version cannot read.
    """
    reduce = _REDUCTIONS.get(ledger)
    if reduce is None or is_lanes_own(key):
        return None
    if ledger == Source.ledger:
        prefix = source_ledger.key_of(SourcedOrder, "")
        if not key.startswith(prefix):
            return None
        key = key.removeprefix(prefix)
    return key.decode(), None if value is None else reduce(value)


def _order_entry(value: bytes) -> OrderFacts:
    entry = order_ledger.decode(value)
    if isinstance(entry, Early):
        return tuple(map(dead_letters.origin, entry.records))
    return entry_of(entry)


def entry_of(order: OrderState) -> OrderEntry:
    """Return an order as an audit needs it."""
    return OrderEntry(
        state=order.order.state,
        reason=order.order.reason,
        version=order.version,
        recent=order.recent,
        timeline=tuple((entry.event, entry.event_id, entry.cause_id, entry.at) for entry in order.timeline),
        effects=tuple((effect.effect_id, effect.attempt, effect.requested_at) for effect in order.effects),
        retried=tuple(timer.subject for timer in order.timers if timer.purpose == TimerPurpose.RETRY),
        is_forgotten=order.forgotten_at > 0,
    )


def _mirrored(value: bytes) -> OrderFacts:
    try:
        return _decode_mirrored(value).version
    except msgspec.DecodeError as problem:
        raise LedgerError(f"mirror-ledger holds a value that this version cannot read: {problem}") from problem


def _sourcing(value: bytes) -> OrderFacts:
    order = source_ledger.decode(SourcedOrder, value)
    lines: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for reservation in order.reservations:
        lines[reservation.status == OPEN][f"{reservation.line_id}@{reservation.warehouse}"] = None
    return SourcingEntry(order.recent, open_lines=tuple(lines[True]), closed_lines=tuple(lines[False]))


_REDUCTIONS: Final[Mapping[str, Callable[[bytes], OrderFacts]]] = {
    Orchestrate.ledger: _order_entry,
    Mirror.ledger: _mirrored,
    Source.ledger: _sourcing,
}


class Letter(NamedTuple):
    """A dead letter: its id, the partition and the offsets of the records that it is of, why, and when it was written.

    One without a `code` marks the letter of its first offset as dealt with. One of no topic, of what was pulled and
    could not be used, has no offsets.
    """

    letter_id: str
    topic: str
    partition: int
    offsets: Sequence[range]
    code: str
    at: int


def letter_of(record: Record) -> Letter:
    """Return the letter in a record of dead-letter."""
    letter_id = _key_text(record.key)
    place = dead_letters.place_of(record)
    offsets = dead_letters.offsets_of(record)
    if place is not None and not offsets:
        first = int(letter_id.rpartition("/")[2])
        offsets = [range(first, first + 1)]
    code = dead_letters.marks_of(record).get("code", b"").decode(errors="replace")
    return Letter(letter_id, *(place or ("", 0)), offsets=offsets, code=code, at=record.timestamp)
