"""HTTP messages as values: a call, its reply, and JSON read without loss. Providers' pure files make and read them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from app.events import json_text
from app.events.json_text import NESTING_MAX, is_too_deep


class Intent(Enum):
    """What a call does at the provider, which decides what its failure means."""

    READ = "read"
    SET = "set"
    """Writes, but twice is the same as once."""
    CREATE = "create"
    """Writes something new each time."""


class Call(NamedTuple):
    """A request. `path` is below the provider's base address, its parts already quoted; `query` is plain text.

    `brings_secret`: a success is a secret itself, such as a token, and is read as it came. All other replies are freed
    of the secrets that the provider was sent. Body and headers may hold secrets, so that `repr` leaves them out.
    """

    intent: Intent
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    brings_secret: bool = False

    def __repr__(self) -> str:
        return f"Call({self.method} {self.target})"

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query, quote_via=quote, safe='$,:')}" if self.query else self.path


class Reply(NamedTuple):
    """A response of any status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


EXPONENT_MAX: Final = 308
"""Of a number as JSON may have it between two systems: the range of a double (RFC 8259, section 6)."""


class MalformedReplyError(ValueError):
    """A reply that is not what the vendor's documents say; the message says what was expected."""


def _number(text: str) -> Decimal:
    number = json_text.number(text)
    if abs(number.adjusted()) > EXPONENT_MAX:
        raise ValueError(f"the number {json_text.excerpt(text)} is none that a double can hold")
    return number


_DECODER: Final = msgspec.json.Decoder(float_hook=_number)


def decode(reply: Reply) -> Any:
    """Return the JSON of a reply, numbers with a point as Decimal. Raises MalformedReplyError.

    Whoever reads the value may turn its numbers into integers, and walk it without end: both are bounded here.
    """
    try:
        value = _DECODER.decode(reply.body)
    except RecursionError as exc:
        raise _too_deep(reply) from exc
    except (msgspec.DecodeError, ValueError) as exc:
        raise MalformedReplyError(f"expected JSON with status {reply.status}: {exc}") from exc
    if is_too_deep(value):
        raise _too_deep(reply)
    return value


def _too_deep(reply: Reply) -> MalformedReplyError:
    return MalformedReplyError(f"expected JSON of at most {NESTING_MAX} levels with status {reply.status}")


def decode_object(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a reply. Raises MalformedReplyError."""
    value = decode(reply)
    if not isinstance(value, dict):
        raise MalformedReplyError(f"expected a JSON object, got {type(value).__name__}")
    return value


def http_date(text: str) -> datetime | None:
    """Return the time in a header such as Date, in UTC; None for what is no time between the years 1 and 9999 there."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
