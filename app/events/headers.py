"""CloudEvents 1.0 in Kafka headers (binary mode) and W3C trace context: always written, read leniently."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from app.errors import RecordError
from app.events.catalog import ChangeEvent
from app.events.ids import derive
from app.events.model import Event

Headers = list[tuple[str, bytes]]

AVRO: Final = b"avro/binary"
JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents"
FORWARDED: Final = "waybill-forwarded"
"""Header of a record that a lane passed on to the lane of its order: `topic/partition/offset` where it was met."""
UNREADABLE: Final = "waybill-unreadable"
"""Header of the record that stands for a batch which could not be unpacked: a sentence that says why."""
FORGET: Final = "waybill-forget"
"""Header of a tombstone that removes an order's rows because it is forgotten: the id of the command."""
OUR_SOURCES: Final = "waybill/"
"""What `ce_source` of each record that Waybill itself writes begins with."""
SEALED: Final = "waybill-sealed"
"""Header of a record whose personal fields are sealed with its order's key (app/sealing): the number of the form."""
OF_CONNECTORS: Final = "__"
"""What the names of headers begin with that Kafka Connect and Debezium add."""
ID_CHARS_MAX: Final = 256
TIME_MS_MAX: Final = 253_402_300_799_999
"""The end of the year 9999: the last millisecond that RFC 3339 can name."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_FIRST_PLACE: Final = re.compile(r"([^/]+)/([0-9]{1,10}/[0-9]{1,19})")
_SPAN: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")
_VERSION: Final = ("ce_specversion", b"1.0")
_CONTENT: Final = ("content-type", AVRO)


def write(event: Event | ChangeEvent) -> Headers:
    """Return the headers of an event's record."""
    headers = [
        ("ce_id", event.event_id.encode()),
        ("ce_type", event.name.encode()),
        ("ce_source", event.source.encode()),
        ("ce_subject", event.order_id.encode()),
        ("ce_time", rfc3339(event.at).encode()),
        _VERSION,
        ("traceparent", traceparent(event).encode()),
        _CONTENT,
    ]
    if event.cause_id:
        headers.append(("ce_causationid", event.cause_id.encode()))
    return headers


def traceparent(event: Event | ChangeEvent) -> str:
    """Return the trace of the causing record, else the order's own, with the event as its span."""
    trace = event.trace[3:35] if event.trace else derive(event.order_id, "trace")
    span = event.event_id[:16]
    if not _SPAN.fullmatch(span):
        span = derive(event.event_id, "span")[:16]
    return f"00-{trace}-{span}-01"


def read(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Name -> text, of which the last of several with one name counts. Raises RecordError("malformed") unless UTF-8.

    What connectors add may be in Avro: it says nothing that cannot be done without.
    """
    attributes: dict[str, str] = {}
    for name, value in headers:
        try:
            if value is not None:
                attributes[name] = value.decode()
        except UnicodeDecodeError as exc:
            if not name.startswith(OF_CONNECTORS):
                raise RecordError("malformed", f"a header is not UTF-8 ({exc}); send text in headers") from exc
    return attributes


def event_id(attributes: Mapping[str, str], topic: str, partition: int, offset: int) -> str:
    """Return `ce_id`, or an id derived from where the record lay first.

    Raises RecordError("invalid") for one too long.
    """
    own_id = attributes.get("ce_id", "")
    if len(own_id) > ID_CHARS_MAX:
        raise RecordError("invalid", f"ce_id has {len(own_id)} characters; at most {ID_CHARS_MAX}")
    if own_id:
        return own_id
    return derive(topic, first_place(attributes.get(FORWARDED, ""), topic) or f"{partition}/{offset}")


def first_place(mark: str, topic: str) -> str:
    """Return `partition/offset` of a forwarded record's mark; empty for a mark that no lane of `topic` writes.

    Anyone may send a well-formed one: it says as much of a record as `ce_id`, which anyone may send, too. One that a
    program copied from another topic would give all its records one id, and all but the first pass for repetitions.
    """
    place = _FIRST_PLACE.fullmatch(mark)
    return place[2] if place and place[1] == topic else ""


def at(attributes: Mapping[str, str], timestamp: int) -> int:
    """Return `ce_time`, or the record's own time, in ms.

    Raises RecordError("invalid") when it is no time with a zone.
    """
    if "ce_time" in attributes:
        return milliseconds(attributes["ce_time"], "ce_time")
    if not 0 <= timestamp <= TIME_MS_MAX:
        raise RecordError("invalid", f"the record's timestamp {timestamp} is no time; send ms since 1970, or ce_time")
    return timestamp


def trace(attributes: Mapping[str, str]) -> str:
    """Return `traceparent` if it is one; whatever else stands there starts a new trace, as W3C asks."""
    parent = attributes.get("traceparent", "")
    return parent if _TRACEPARENT.fullmatch(parent) else ""


def rfc3339(at: int) -> str:
    """Return `at` (ms) in UTC with milliseconds. Raises ValueError outside the years 1970 to 9999."""
    if not 0 <= at <= TIME_MS_MAX:
        raise ValueError(f"{at} ms is not a time between the years 1970 and 9999")
    second, millisecond = divmod(at, 1000)
    return f"{_second(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def milliseconds(text: str, where: str) -> int:
    """Return an ISO 8601 time with a zone, in ms since the epoch. Raises RecordError("invalid") that names `where`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise RecordError("invalid", f"{where}: {text[:40]!r} is no time; write e.g. 2026-01-31T12:00:00Z") from exc
    if moment.tzinfo is None:
        raise RecordError("invalid", f"{where}: {text!r} has no time zone; add Z or e.g. +02:00")
    if not 0 <= (result := (moment - _EPOCH) // _MILLISECOND) <= TIME_MS_MAX:
        raise RecordError("invalid", f"{where}: {text!r} is before 1970")
    return result
