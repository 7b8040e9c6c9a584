"""HTTP messages as values: a call, its reply, and JSON read without loss. Providers' pure files make and read them."""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec


class Intent(Enum):
    """What a call does at the provider, which decides what its failure means."""

    READ = "read"
    SET = "set"
    """Writes, but twice is the same as once."""
    CREATE = "create"
    """Writes something new each time."""


class Call(NamedTuple):
    """A request. `path` is below the provider's base address, its parts already quoted; `query` is plain text."""

    intent: Intent
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query, quote_via=quote, safe='$,:')}" if self.query else self.path


class Reply(NamedTuple):
    """A response of any status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class MalformedReplyError(ValueError):
    """A reply that is not what the vendor's documents say; the message says what was expected."""


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def decode(reply: Reply) -> Any:
    """Return the JSON of a reply, numbers with a point as Decimal. Raises MalformedReplyError."""
    try:
        return _DECODER.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise MalformedReplyError(f"expected JSON with status {reply.status}: {exc}") from exc


def decode_object(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a reply. Raises MalformedReplyError."""
    value = decode(reply)
    if not isinstance(value, dict):
        raise MalformedReplyError(f"expected a JSON object, got {type(value).__name__}")
    return value
