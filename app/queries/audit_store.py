"""What an audit has read, kept in a temporary file and given back order by order: memory does not grow with the log."""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import msgspec

from app.queries.audit import AuditRecord, OrderAudit, OrderEntry, SourcingEntry
from app.queries.audit_records import LEDGERS, Letter, OrderFacts, Place

CACHE_KIB: Final = 64 << 10
"""What SQLite may keep in memory, for its pages as well as for sorting."""
BATCH: Final = 5_000
"""Records that are written at once."""
_TABLES: Final = """
pragma cache_size = -{cache};
pragma temp_store = file;
create table records (owner text, topic text, part int, place int, body blob);
create table facts (owner text, ledger int, body blob, primary key (owner, ledger)) without rowid;
create table letters (
    topic text, part int, place int, letter text, code text, primary key (topic, part, place)
) without rowid;
create index by_letter on letters (letter);
create table open_letters (letter text primary key) without rowid;
"""
_SORTED: Final = """
select owner, r.topic, r.part, r.place, body, code from records r
left join letters l on l.topic = r.topic and l.part = r.part and l.place = r.place
order by owner, r.topic, r.part, r.place
"""
_encode = msgspec.msgpack.Encoder().encode
_record = msgspec.msgpack.Decoder(AuditRecord).decode
_FACTS: Final[tuple[Any, ...]] = (
    msgspec.msgpack.Decoder(OrderEntry).decode,
    msgspec.msgpack.Decoder(tuple[str, ...]).decode,
    msgspec.msgpack.Decoder(int).decode,
    msgspec.msgpack.Decoder(SourcingEntry).decode,
)
_KINDS: Final = (OrderEntry, tuple, int, SourcingEntry)


class AuditStore:
    """A store for one audit. Its file has no name, is readable by its owner alone, and goes with `close`."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.executescript(_TABLES.format(cache=CACHE_KIB))
        self._file.execute("begin")
        self._batch: list[tuple[Any, ...]] = []
        self.dealt_with: dict[Place, int] = {}
        """By topic and partition, when the last letter was dealt with of which nothing but that is left."""

    def add_record(self, owner: str, record: AuditRecord) -> None:
        """Keep a record of an order."""
        self._batch.append((owner, record.topic, record.partition, record.offset, _encode(record)))
        if len(self._batch) >= BATCH:
            self._flush()

    def put_facts(self, ledger: str, owner: str, facts: OrderFacts | None) -> None:
        """Keep what a ledger says of an order, in place of what it said before; None for a tombstone."""
        place = (owner, LEDGERS.index(ledger))
        if facts is None:
            self._file.execute("delete from facts where owner = ? and ledger = ?", place)
            return
        kind = next(number for number, kind in enumerate(_KINDS) if isinstance(facts, kind))
        self._file.execute("insert or replace into facts values (?, ?, ?)", (*place, bytes([kind]) + _encode(facts)))

    def put_letter(self, letter: Letter) -> None:
        """Keep which records were set aside; or, of a letter without a code, that nobody waits for them any more."""
        run = self._file.execute
        place = (letter.topic, letter.partition)
        if letter.code:
            run("insert or replace into open_letters values (?)", (letter.letter_id,))
            rows = ((*place, offset, letter.letter_id, letter.code) for each in letter.offsets for offset in each)
            self._file.executemany("insert or replace into letters values (?, ?, ?, ?, ?)", rows)
            return
        run("delete from open_letters where letter = ?", (letter.letter_id,))
        if not run("update letters set code = '' where letter = ?", (letter.letter_id,)).rowcount and letter.offsets:
            self.dealt_with[place] = max(letter.at, self.dealt_with.get(place, 0))

    def open_letters(self) -> int:
        """Return how many dead letters were not dealt with."""
        count: int = self._file.execute("select count(*) from open_letters").fetchone()[0]
        return count

    def orders(self) -> Iterator[OrderAudit]:
        """Yield all orders by id, each with all that was kept of it."""
        self._flush()
        facts = self._file.execute("select owner, body from facts order by owner, ledger")
        pending = groupby(facts, itemgetter(0))
        ahead = next(pending, None)
        for owner, rows in groupby(self._file.execute(_SORTED), itemgetter(0)):
            while ahead is not None and ahead[0] < owner:
                yield _order(*_listed(ahead), ())
                ahead = next(pending, None)
            own: list[bytes] = []
            if ahead is not None and ahead[0] == owner:
                own = _listed(ahead)[1]
                ahead = next(pending, None)
            yield _order(owner, own, rows)
        while ahead is not None:
            yield _order(*_listed(ahead), ())
            ahead = next(pending, None)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _flush(self) -> None:
        self._file.executemany("insert into records values (?, ?, ?, ?, ?)", self._batch)
        self._batch.clear()


def _listed(group: tuple[str, Iterator[Any]]) -> tuple[str, list[bytes]]:
    owner, rows = group
    return owner, [body for _, body in rows]


def _order(owner: str, facts: list[bytes], rows: Any) -> OrderAudit:
    records, letters = [], {}
    for _, _, _, _, body, code in rows:
        record = _record(body)
        records.append(record)
        if code is not None:
            letters[record.place] = code
    order = OrderAudit(owner, records, letters=letters)
    for body in facts:
        match _FACTS[body[0]](memoryview(body)[1:]):
            case OrderEntry() as entry:
                order.entry = entry
            case tuple() as places:
                order.waiting = places
            case int() as version:
                order.mirrored = version
            case SourcingEntry() as entry:
                order.sourcing = entry
    return order
