"""How a dead letter is written and read: the original bytes with why and where from, enough to send it again."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from app.events.headers import rfc3339
from app.events.record import DEAD_LETTER, Headers, Output, Record

MARK: Final = "waybill-dead-"
"""What the names of a dead letter's own headers begin with."""
DETAIL_CHARACTERS_MAX: Final = 500
SAMPLE_BYTES_MAX: Final = 1_024
"""Of the first of many records that share a letter."""
_KEY_BYTES_MAX: Final = 4_096
_NO_VALUE: Final = "no-value"
_OFFSETS: Final = "offsets"
_RUNS: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}(,[0-9]{1,19}-[0-9]{1,19})*", re.ASCII)
_FIRST_MARK: Final = f"{MARK}code"
_PLACE: Final = re.compile(r"([a-zA-Z0-9._-]+)/([0-9]+)/[0-9]+", re.ASCII)


def origin(record: Record) -> str:
    """Return where the record lies: topic/partition/offset."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def dead_letter(record: Record, code: str, detail: str, role: str, now_ms: int) -> Output:
    """Return the record as a dead letter of the lane's own partition (docs/adr/0011).

    Its own headers go along, except those that look like marks: a producer's would be taken for ours. A record without
    a value becomes an empty letter that says so, since a letter without a value is one that was dealt with.
    """
    marks = {**_marks(record, code, detail, role, now_ms), "key": record.key}
    if record.value is None:
        marks[_NO_VALUE] = b"1"
    return _letter(record, without_marks(record.headers), marks, record.value or b"")


def gathered_letter(first: Record, offsets: Iterable[int], code: str, detail: str, *, role: str, now_ms: int) -> Output:
    """Return one dead letter for many records of a partition. It names their offsets; the records stay in their topic.

    Its value is the beginning of the first one's, to be looked at.
    """
    marks = {**_marks(first, code, detail, role, now_ms), **_offset_marks(offsets)}
    if first.key is not None and len(first.key) <= _KEY_BYTES_MAX:
        marks["key"] = first.key
    return _letter(first, [], marks, (first.value or b"")[:SAMPLE_BYTES_MAX])


def _letter(record: Record, headers: Headers, marks: Mapping[str, bytes | None], value: bytes) -> Output:
    own = [(MARK + name, mark) for name, mark in marks.items() if mark is not None]
    return Output(DEAD_LETTER, origin(record).encode(), value, [*headers, *own])


def _marks(record: Record, code: str, detail: str, role: str, now_ms: int) -> dict[str, bytes | None]:
    return {
        "code": code.encode(),
        "detail": detail[:DETAIL_CHARACTERS_MAX].encode(errors="replace"),
        "topic": record.topic.encode(),
        "partition": str(record.partition).encode(),
        "offset": str(record.offset).encode(),
        "timestamp": str(record.timestamp).encode(),
        "role": role.encode(),
        "at": rfc3339(now_ms).encode(),
    }


def _offset_marks(offsets: Iterable[int]) -> dict[str, bytes]:
    ordered = sorted(offsets)
    runs = [list(run) for _, run in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])]
    text = ",".join(f"{run[0][1]}-{run[-1][1]}" for run in runs)
    return {_OFFSETS: text.encode()}


def offsets_of(letter: Record) -> list[range]:
    """Return the offsets of the records that share the letter, in order; empty for the letter of a single record."""
    text = marks_of(letter).get(_OFFSETS, b"").decode(errors="replace")
    runs = [run.split("-") for run in text.split(",")] if _RUNS.fullmatch(text) else []
    return [range(int(first), int(last) + 1) for first, last in runs]


def value_of(letter: Record) -> bytes | None:
    """Return the value of the record that the letter holds."""
    return None if _NO_VALUE in marks_of(letter) else letter.value


def without_marks(headers: Headers) -> Headers:
    """Return the headers of the record itself, without those that have the name of a mark."""
    return [header for header in headers if not header[0].startswith(MARK)]


def marks_of(letter: Record) -> dict[str, bytes]:
    """Return what the lane wrote about the record, by the mark's name without its beginning.

    Letters that were written before a producer's look-alikes were left out have them before our first mark, the code.
    """
    first = max((at for at, (name, _) in enumerate(letter.headers) if name == _FIRST_MARK), default=0)
    return {name.removeprefix(MARK): mark or b"" for name, mark in letter.headers[first:] if name.startswith(MARK)}


def place_of(letter: Record) -> tuple[str, int] | None:
    """Return topic and partition that the record was read from, as the letter's own key says; None for one of no topic.

    The key is the lane's: no producer has a say in it, as it has in headers.
    """
    place = _PLACE.fullmatch((letter.key or b"").decode(errors="replace"))
    return (place[1], int(place[2])) if place else None


def topic_of(letter: Record) -> str:
    """Return the topic that the record was read from, empty for one of no topic."""
    place = place_of(letter)
    return place[0] if place else ""
