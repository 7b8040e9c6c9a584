"""How a dead letter is written and read: the original bytes with why and where from, enough to send it again."""

import re
from collections.abc import Mapping
from typing import Final

from app.events.headers import rfc3339
from app.events.record import DEAD_LETTER, Headers, Output, Record

MARK: Final = "waybill-dead-"
"""What the names of a dead letter's own headers begin with."""
DETAIL_CHARACTERS_MAX: Final = 500
_FIRST_MARK: Final = f"{MARK}code"
_PLACE: Final = re.compile(r"([a-zA-Z0-9._-]+)/[0-9]+/[0-9]+", re.ASCII)


def origin(record: Record) -> str:
    """Return where the record lies: topic/partition/offset."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def dead_letter(record: Record, code: str, detail: str, role: str, now_ms: int) -> Output:
    """Return the record as a dead letter of the lane's own partition (docs/adr/0011).

    Its own headers go along, except those that look like marks: a producer's would be taken for ours.
    """
    marks: Mapping[str, bytes | None] = {
        "code": code.encode(),
        "detail": detail[:DETAIL_CHARACTERS_MAX].encode(errors="replace"),
        "topic": record.topic.encode(),
        "partition": str(record.partition).encode(),
        "offset": str(record.offset).encode(),
        "timestamp": str(record.timestamp).encode(),
        "key": record.key,
        "role": role.encode(),
        "at": rfc3339(now_ms).encode(),
    }
    headers = [
        *without_marks(record.headers),
        *((MARK + name, mark) for name, mark in marks.items() if mark is not None),
    ]
    return Output(DEAD_LETTER, origin(record).encode(), record.value, headers)


def without_marks(headers: Headers) -> Headers:
    """Return the headers of the record itself, without those that have the name of a mark."""
    return [header for header in headers if not header[0].startswith(MARK)]


def marks_of(letter: Record) -> dict[str, bytes]:
    """Return what the lane wrote about the record, by the mark's name without its beginning.

    Letters that were written before a producer's look-alikes were left out have them before our first mark, the code.
    """
    first = max((at for at, (name, _) in enumerate(letter.headers) if name == _FIRST_MARK), default=0)
    return {name.removeprefix(MARK): mark or b"" for name, mark in letter.headers[first:] if name.startswith(MARK)}


def topic_of(letter: Record) -> str:
    """Return the topic that the record was read from, as the letter's own key says; empty for one of no topic.

    The key is the lane's: no producer has a say in it, as it has in headers.
    """
    place = _PLACE.fullmatch((letter.key or b"").decode(errors="replace"))
    return place[1] if place else ""
