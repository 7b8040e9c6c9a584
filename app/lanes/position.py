"""How far a lane is in its inputs, and whether a topic is still the one that it read from.

An asynchronous lane finishes records out of order: its position is the next offset to take and those below it that are
not finished. Nothing is read or written here; the lane stores the encoded position with every transaction.
"""

from collections.abc import Iterable
from enum import Enum
from zlib import crc32

import msgspec

from app.errors import LedgerError
from app.events.record import Record
from app.lanes.lane_log import Bounds

POSITION_KEY = b"\x00position"
"""Key of the lane's own record in its ledger partition. No order id begins with a zero byte."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The stored position in one input. `timestamp` and `digest` are those of the record at `taken - 1`."""

    taken: int
    unfinished: tuple[int, ...] = ()
    timestamp: int = -1
    digest: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Mark]).decode


def digest(record: Record) -> int:
    """A number that tells two records apart which lie at the same offset of a topic and its namesake."""
    return crc32(record.value or b"", crc32(record.key or b""))


class Progress:
    """One input. Offsets are taken in ascending order; each is finished once, in any order."""

    __slots__ = ("_again", "_last", "_mark", "taken", "unfinished")

    def __init__(self, mark: Mark | None = None) -> None:
        self._mark = mark or Mark(0)
        self._last: Record | None = None
        self.taken = self._mark.taken
        self.unfinished: dict[int, None] = {}
        self._again = set(self._mark.unfinished)

    def restart(self, begin: int) -> None:
        """Forget everything: the topic begins anew."""
        self._mark, self._last, self.taken = Mark(begin), None, begin
        self._again.clear()

    def forget_below(self, begin: int) -> list[int]:
        """Drop what retention removed before it was finished; the offsets that are lost."""
        lost = sorted(offset for offset in self._again if offset < begin)
        self._again.difference_update(lost)
        return lost

    @property
    def low(self) -> int:
        """Everything below is finished."""
        low = min(self._again, default=self.taken)
        return min(low, next(iter(self.unfinished), self.taken))

    @property
    def next(self) -> int:
        """Where reading goes on."""
        return min(self._again, default=self.taken)

    def take(self, record: Record) -> bool:
        """Whether the record is to be folded: it is new, or a previous owner did not finish it."""
        offset = record.offset
        if offset >= self.taken:
            if self._again:  # reading is in order: what was not met by now is not there any more
                self._again.clear()
            self.taken, self._last = offset + 1, record
            return True
        if offset in self._again:
            self._again.remove(offset)
            return True
        return False

    def mark(self) -> Mark:
        """What to store now."""
        unfinished = tuple(sorted((*self.unfinished, *self._again))) if self.unfinished or self._again else ()
        if self._last is not None:
            self._mark = Mark(self.taken, unfinished, self._last.timestamp, digest(self._last))
            self._last = None
        elif unfinished != self._mark.unfinished:
            self._mark = msgspec.structs.replace(self._mark, unfinished=unfinished)
        return self._mark


class Position:
    """All inputs of a lane."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = {topic: Progress() for topic in topics}
        self._others: dict[str, Mark] = {}

    def __getitem__(self, topic: str) -> Progress:
        return self._topics[topic]

    def items(self) -> Iterable[tuple[str, Progress]]:
        return self._topics.items()

    def load(self, value: bytes) -> None:
        """Take over the stored position. Raises LedgerError when it is not one."""
        try:
            marks = _decode(value)
        except msgspec.DecodeError as exc:
            raise LedgerError(f"the stored position cannot be read ({exc}): a newer version wrote it?") from exc
        # What an input that is no longer read had reached is kept, in case the input comes back.
        self._others = {topic: mark for topic, mark in marks.items() if topic not in self._topics}
        self._topics = {topic: Progress(marks.get(topic)) for topic in self._topics}

    def encode(self) -> bytes:
        return _encode({topic: progress.mark() for topic, progress in self._topics.items()} | self._others)


class Finding(Enum):
    """What a look at an input says about the stored position."""

    SAME = "the topic is the one that was read"
    SHORTER = "the topic ends before the position"
    OTHER = "the record before the position is another one"


def compare(progress: Progress, bounds: Bounds, last: Record | None) -> Finding:
    """Whether the input is still the topic of the position.

    `last` is the record at `taken - 1`; one that is not there (retention, compaction) proves nothing.
    """
    mark = progress.mark()
    if mark.taken > bounds.end:
        return Finding.SHORTER
    if last is not None and mark.timestamp >= 0 and (last.timestamp, digest(last)) != (mark.timestamp, mark.digest):
        return Finding.OTHER
    return Finding.SAME


def lost_ledger(progress: Progress, committed: int | None, bounds: Bounds) -> bool:
    """Whether the group's committed offset says that more was folded than the ledger knows of.

    An offset beyond the topic's end was committed for a former topic of that name and says nothing.
    """
    return committed is not None and progress.low < committed <= bounds.end
