"""How a dead letter is written: the original bytes with why and where from, enough to read it and send it again."""

from collections.abc import Mapping
from typing import Final

from app.events.headers import rfc3339
from app.events.record import DEAD_LETTER, Output, Record

MARK: Final = "waybill-dead-"
"""What the names of a dead letter's own headers begin with."""
DETAIL_CHARACTERS_MAX: Final = 500


def origin(record: Record) -> str:
    """Return where the record lies: topic/partition/offset."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def dead_letter(record: Record, code: str, detail: str, role: str, now_ms: int) -> Output:
    """Return the record as a dead letter of the lane's own partition (docs/adr/0011)."""
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
    headers = [*record.headers, *((MARK + name, mark) for name, mark in marks.items() if mark is not None)]
    return Output(DEAD_LETTER, origin(record).encode(), record.value, headers)
