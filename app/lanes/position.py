"""The position of a lane in its inputs, and whether a topic is still the one that it was read from.

A lane with jobs finishes records out of order, so one offset cannot say how far it is: the lowest unfinished one would
have everything behind it folded twice, the highest would lose what is below. A position is therefore a high watermark,
from which on all is new, and the unfinished offsets below it. Nothing is read or written here; the lane stores the
encoded position with every transaction.
"""

from collections.abc import Iterable
from enum import Enum
from zlib import crc32

import msgspec

from app.errors import LedgerError
from app.events.record import Record
from app.lanes.lane_log import Bounds


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The stored position in one input. `timestamp` and `digest` are those of the record at `high - 1`.

    An offset alone does not identify a record: a topic that was deleted and created again has other ones at the same
    offsets. Timestamp and digest of the last record tell the two topics apart.
    """

    high: int
    unfinished: tuple[int, ...] = ()
    timestamp: int = -1
    digest: int = 0


_PARTITIONS = "\x00partitions"
"""Stands among the topics for the number of lanes. No topic has that name; a version that does not know it keeps it."""
_FORMAT = "\x00format"
"""Stands there for the number of the ledger's format."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Mark]).decode


def digest(record: Record) -> int:
    """Return a number that tells two records apart which lie at the same offset of a topic and its namesake."""
    return crc32(record.value or b"", crc32(record.key or b""))


class Progress:
    """The progress in one input. Offsets are taken in ascending order; each is finished once, in any order.

    `high`: everything from there on is new. `unfinished`: what this owner took and has not finished, in the order in
    which it was taken, which is that of the offsets. What a previous owner had not finished stays in `_to_repeat` until
    it is read again.
    """

    __slots__ = ("_last", "_mark", "_to_repeat", "high", "unfinished")

    def __init__(self, mark: Mark | None = None) -> None:
        self._mark = mark or Mark(0)
        self._last: Record | None = None
        self.high = self._mark.high
        self.unfinished: dict[int, None] = {}
        self._to_repeat = set(self._mark.unfinished)

    def restart(self, begin: int) -> None:
        """Start over at `begin`: the topic was created anew."""
        self._mark, self._last, self.high = Mark(begin), None, begin
        self._to_repeat.clear()

    def forget_below(self, begin: int) -> list[int]:
        """Drop what retention removed before it was finished. Return the offsets that are lost."""
        lost = sorted(offset for offset in self._to_repeat if offset < begin)
        self._to_repeat.difference_update(lost)
        return lost

    @property
    def low(self) -> int:
        """The low watermark: everything below is finished."""
        low = min(self._to_repeat, default=self.high)
        return min(low, next(iter(self.unfinished), self.high))

    @property
    def next(self) -> int:
        """The offset at which reading goes on."""
        return min(self._to_repeat, default=self.high)

    def take(self, record: Record) -> bool:
        """Take a record that was read. Return whether it is to be folded: it is new, or a previous owner did not
        finish it.

        Reading begins at the lowest offset to repeat and is in order. So when the first new record comes, all that are
        to be repeated have come, and one that has not is no longer there.
        """
        offset = record.offset
        if offset >= self.high:
            if self._to_repeat:
                self._to_repeat.clear()
            self.high, self._last = offset + 1, record
            return True
        if offset in self._to_repeat:
            self._to_repeat.remove(offset)
            return True
        return False

    def mark(self) -> Mark:
        """Return what to store now.

        The digest is worked out here, once for a checkpoint, and not for each record that is taken.
        """
        unfinished = tuple(sorted((*self.unfinished, *self._to_repeat))) if self.unfinished or self._to_repeat else ()
        if self._last is not None:
            self._mark = Mark(self.high, unfinished, self._last.timestamp, digest(self._last))
            self._last = None
        elif unfinished != self._mark.unfinished:
            self._mark = msgspec.structs.replace(self._mark, unfinished=unfinished)
        return self._mark


class Position:
    """All inputs of a lane. `partitions` is how many lanes there were when it was stored, 0 before that was noted."""

    def __init__(self, topics: Iterable[str], partitions: int = 0, ledger_format: int = 1) -> None:
        self._topics = {topic: Progress() for topic in topics}
        self._others: dict[str, Mark] = {}
        self.partitions, self._format = partitions, ledger_format

    def __getitem__(self, topic: str) -> Progress:
        return self._topics[topic]

    def items(self) -> Iterable[tuple[str, Progress]]:
        """Return each input with its progress."""
        return self._topics.items()

    def load(self, value: bytes) -> None:
        """Load the stored position. Raises LedgerError when it is not one, or a newer version of Waybill stored it."""
        try:
            marks = _decode(value)
        except msgspec.DecodeError as exc:
            raise LedgerError(f"the stored position cannot be read ({exc}): a newer version wrote it?") from exc
        self._require_format(marks.pop(_FORMAT, Mark(1)).high)
        self.partitions = marks.pop(_PARTITIONS, Mark(0)).high
        # What an input that is no longer read had reached is kept, in case the input comes back.
        self._others = {topic: mark for topic, mark in marks.items() if topic not in self._topics}
        self._topics = {topic: Progress(marks.get(topic)) for topic in self._topics}

    def encode(self) -> bytes:
        """Return the position as the ledger stores it."""
        marks = {topic: progress.mark() for topic, progress in self._topics.items()}
        notes = {_PARTITIONS: Mark(self.partitions), _FORMAT: Mark(self._format)}
        return _encode(marks | self._others | notes)

    def _require_format(self, stored_format: int) -> None:
        if stored_format > self._format:
            # A field that was added is not seen by an older version, which would write the value back without it.
            raise LedgerError(
                f"a newer version of Waybill has written the ledger (format {stored_format}, this one knows"
                f" {self._format}): start that version again; nothing was changed"
            )


class Finding(Enum):
    """Whether an input is still the topic of the stored position, and why not."""

    SAME = "the topic is the one that was read"
    SHORTER = "the topic ends before the position"
    OTHER = "the record before the position is another one"


def compare(progress: Progress, bounds: Bounds, last: Record | None) -> Finding:
    """Return whether the input is still the topic of the position.

    `last` is the record at `high - 1`; one that is not there (retention, compaction) proves nothing.
    """
    mark = progress.mark()
    if mark.high > bounds.end:
        return Finding.SHORTER
    if last is not None and mark.timestamp >= 0 and (last.timestamp, digest(last)) != (mark.timestamp, mark.digest):
        return Finding.OTHER
    return Finding.SAME


def lost_ledger(progress: Progress, committed: int | None, bounds: Bounds) -> bool:
    """Return whether the group's committed offset says that more was folded than the ledger knows of.

    The group's offset is committed after the transaction, so it is never ahead of a ledger that is whole. Going on with
    a lost one would fold as new what other systems have answered long ago. An offset beyond the topic's end was
    committed for a former topic of that name and says nothing.
    """
    return committed is not None and progress.low < committed <= bounds.end
