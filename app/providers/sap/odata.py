"""OData V2 as SAP Gateway speaks it: literals, dates, exact decimals as text, envelopes. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from app.domain.order import AMOUNT_SCALE
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply, decode, decode_object, http_date

ROOT: Final = "/sap/opu/odata/sap"
SALES_ORDERS: Final = f"{ROOT}/API_SALES_ORDER_SRV"
BILLING: Final = f"{ROOT}/API_BILLING_DOCUMENT_SRV"
CSRF: Final = "x-csrf-token"
DAY_MS: Final = 86_400_000
_JSON: Final = ("content-type", "application/json")
_TIMES: Final = range(-62_135_596_800_000, 253_402_300_800_000)
_DATE: Final = re.compile(r"/Date\((-?[0-9]{1,15})([+-][0-9]{4})?\)/")
_TIME: Final = re.compile(r"PT(?:([0-9]{1,2})H)?(?:([0-9]{1,2})M)?(?:([0-9]{1,2})(?:\.[0-9]+)?S)?")
_DECIMAL: Final = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,4})0*)?")

Entity = Mapping[str, Any]


class EntityPage(NamedTuple):
    """`following` is the query of the next page, () after the last one; `at` SAP's own time in ms, if it says so."""

    entities: list[dict[str, Any]]
    following: tuple[tuple[str, str], ...]
    at: int | None


def literal(text: str) -> str:
    """Quote a text for a filter, its own quotes doubled."""
    return "'" + text.replace("'", "''") + "'"


def any_of(field: str, values: Iterable[str]) -> str:
    """Return a filter: the field has one of these values. OData V2 has no `in`."""
    return " or ".join(f"{field} eq {literal(value)}" for value in values)


def instant(ms: int) -> str:
    """Write a point in time for a filter."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"datetimeoffset'{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z'"


def date(ms: int) -> str:
    """Write the day of a time (ms) as SAP writes dates: midnight, in ms since the epoch."""
    return f"/Date({ms - ms % DAY_MS})/"


def decimal(amount: int, places: int = 4) -> str:
    """Write ten-thousandths as SAP writes decimals: text. There must be no more than `places` decimals."""
    sign = "-" if amount < 0 else ""
    digits = f"{abs(amount):05}"
    return f"{sign}{digits[:-4]}.{digits[-4:][:places]}"


def read(path: str, *query: tuple[str, str]) -> Call:
    return Call(Intent.READ, "GET", path, query)


def create(path: str, values: Mapping[str, Any]) -> Call:
    return Call(Intent.CREATE, "POST", path, body=msgspec.json.encode(values), headers=(_JSON,))


def entity_of(reply: Reply) -> dict[str, Any]:
    """Return the one entity of a reply. Raises MalformedReplyError."""
    entity = decode_object(reply).get("d")
    if not isinstance(entity, dict):
        raise MalformedReplyError("expected an object as `d`")
    return entity


def page_of(reply: Reply) -> EntityPage:
    """Read one page. Of the next page's address only the query counts: its host may be known inside SAP alone.

    Raises MalformedReplyError.
    """
    answer = decode_object(reply).get("d")
    following = answer.get("__next") if isinstance(answer, dict) else ""
    query = parse_qsl(urlsplit(str(following)).query, keep_blank_values=True) if following else ()
    return EntityPage(_rows(answer), tuple(query), _sent_at(reply))


def _sent_at(reply: Reply) -> int | None:
    sent_at = http_date(reply.headers.get("date", ""))
    return None if sent_at is None else int(sent_at.timestamp() * 1000)


def expanded(entity: Entity, name: str) -> list[dict[str, Any]]:
    """Return the entities of a navigation property. Raises MalformedReplyError where it was not expanded."""
    return _rows(entity.get(name))


def _rows(value: Any) -> list[dict[str, Any]]:
    """Return the rows of a list: `{"results": [...]}`, or from older gateways the bare array."""
    rows = value.get("results") if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedReplyError("expected an array of entities as `results`")
    return rows


def text_of(entity: Entity, name: str) -> str:
    """Return a text that an entity must have. Raises MalformedReplyError."""
    value = entity.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedReplyError(f"expected a text as {name}, got {value!r}")
    return value


def number_of(entity: Entity, name: str) -> str:
    """Return the number of a document or item without leading zeros: some APIs show them, others do not."""
    value = text_of(entity, name)
    return value.lstrip("0") or value


def amount_of(entity: Entity, name: str) -> int:
    """Read ten-thousandths from a decimal, which SAP writes as text. Raises MalformedReplyError."""
    match = _DECIMAL.fullmatch(str(entity.get(name)))
    if match is None:
        raise MalformedReplyError(f"expected a decimal of up to four places as {name}, got {entity.get(name)!r}")
    sign, whole, fraction = match.groups()
    amount = int(whole) * AMOUNT_SCALE + int((fraction or "").ljust(4, "0"))
    return -amount if sign else amount


def time_of(entity: Entity, name: str) -> int:
    """Read ms since the epoch from `/Date(1492098664000+0000)/`; the offset is ignored.

    Raises MalformedReplyError, also for a time that is not within the years 1 to 9999.
    """
    match = _DATE.fullmatch(str(entity.get(name)))
    if match is None or int(match[1]) not in _TIMES:
        raise MalformedReplyError(f"expected /Date(...)/ as {name}, got {entity.get(name)!r}")
    return int(match[1])


def duration_of(entity: Entity, name: str) -> int:
    """Read milliseconds since midnight from `PT12H30M00S`. Raises MalformedReplyError."""
    match = _TIME.fullmatch(str(entity.get(name)))
    if match is None:
        raise MalformedReplyError(f"expected PT..H..M..S as {name}, got {entity.get(name)!r}")
    hours, minutes, seconds = (int(part or "0") for part in match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000


def message_of(reply: Reply) -> str:
    """Return SAP's own message with its number, such as `V1/302`. Any body will do: some errors are HTML or text."""
    try:
        answer = decode(reply)
    except MalformedReplyError:
        return reply.body[:1000].decode("utf-8", "replace")
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return str(answer)
    message = error.get("message")
    words = message.get("value") if isinstance(message, dict) else message
    return f"{words or error} ({error['code']})" if error.get("code") else str(words or error)


def wants_token(reply: Reply) -> bool:
    """Return whether a write was refused for its CSRF token alone: it was missing, or its session is over."""
    if reply.status != 403:
        return False
    return reply.headers.get(CSRF, "").lower() == "required" or b"CSRF token validation failed" in reply.body
