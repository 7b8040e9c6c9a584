"""Meaning of failed calls, as tables: may it be repeated, may it have happened? No I/O.

httpx-aiohttp reports every lost connection, even after the request was sent, as a connect time-out: only the cause
behind the exception tells one from the other.
"""

from collections.abc import Mapping
from typing import Final

import aiohttp
import httpx

from app.providers.http_messages import Intent, Reply, http_date
from app.providers.port import Code, Outcome, Result

TRANSPORT_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, TimeoutError, OSError)
"""All that a call over httpx-aiohttp raises when there is no reply."""
RETRY_AFTER_MAX_MS: Final = 3_600_000

_NEVER_SENT: Final = (
    aiohttp.ClientConnectorError,  # refused, no route, no such name, TLS
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_TIMEOUTS: Final = (TimeoutError, httpx.TimeoutException)
_UNREADABLE: Final = (aiohttp.ClientResponseError, httpx.DecodingError, httpx.RemoteProtocolError)

_DECLINED: Final[Mapping[int, Code]] = {
    401: Code.UNAUTHORIZED,
    402: Code.FORBIDDEN,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.UNSUPPORTED,
    406: Code.UNSUPPORTED,
    409: Code.CONFLICT,
    410: Code.NOT_FOUND,
    415: Code.UNSUPPORTED,
    501: Code.UNSUPPORTED,
    505: Code.UNSUPPORTED,
}
_NOT_DONE: Final[Mapping[int, Code]] = {
    408: Code.TIMEOUT,
    412: Code.CONFLICT,  # changed since it was read: read again
    423: Code.CONFLICT,
    425: Code.UNAVAILABLE,
    429: Code.RATE_LIMITED,
}


def judge_exception(exc: BaseException, intent: Intent) -> Result:
    """Return the meaning of a call without a reply. A write that may have left is unknown; all else may be repeated."""
    cause = exc.__cause__ if isinstance(exc.__cause__, aiohttp.ClientError) else exc
    name = type(cause).__name__
    if isinstance(cause, _NEVER_SENT):
        timed_out = isinstance(cause, _TIMEOUTS)
        code = Code.TIMEOUT if timed_out else Code.UNAVAILABLE
        return Result(Outcome.RETRY, code, f"no connection ({name}); nothing was sent")
    if isinstance(cause, _UNREADABLE):
        return unreadable(f"not HTTP as expected ({name})", intent)
    code = Code.TIMEOUT if isinstance(cause, _TIMEOUTS) else Code.UNAVAILABLE
    return Result(_after_sending(intent), code, f"no reply ({name})")


def unreadable(detail: str, intent: Intent) -> Result:
    """Return the meaning of a reply that cannot be read. The write behind it may well have happened."""
    return Result(_after_sending(intent), Code.MALFORMED, detail)


def _after_sending(intent: Intent) -> Outcome:
    return Outcome.RETRY if intent is Intent.READ else Outcome.UNKNOWN


def judge_reply(reply: Reply, intent: Intent, detail: str = "") -> Result | None:
    """Return the meaning of a reply that is no success; None for 2xx. `detail` is the provider's own message."""
    status = reply.status
    if 200 <= status < 300:
        return None
    outcome, code = _meaning(status, intent)
    sentence = f"status {status}" + (f": {detail}" if detail else "")
    wait = 0 if outcome is Outcome.DECLINED else retry_after_ms(reply.headers)
    return Result(outcome, code, sentence, retry_after_ms=wait)


def _meaning(status: int, intent: Intent) -> tuple[Outcome, Code]:
    if status in _NOT_DONE:
        return Outcome.RETRY, _NOT_DONE[status]
    if status in _DECLINED:
        return Outcome.DECLINED, _DECLINED[status]
    if status >= 500:
        return (Outcome.UNKNOWN if intent is Intent.CREATE else Outcome.RETRY), Code.UNAVAILABLE
    # A redirect means that the base address is not the API's; following it would send the token elsewhere.
    return Outcome.DECLINED, Code.UNSUPPORTED if status < 400 else Code.INVALID


def retry_after_ms(headers: Mapping[str, str]) -> int:
    """Return the wait that a reply asks for, in milliseconds; 0 if none, an hour at most."""
    wait_ms = _wait_ms(headers.get("retry-after", ""), headers.get("date", ""))
    return min(max(wait_ms, _wait_ms(headers.get("x-retry-after", ""), "")), RETRY_AFTER_MAX_MS)


def throttled_ms(headers: Mapping[str, str]) -> int:
    """Return the wait (ms) after "too many requests": until BigCommerce's window ends too, whichever is longer."""
    window = _whole_number(headers.get("x-rate-limit-time-reset-ms", ""))
    return min(max(retry_after_ms(headers), window), RETRY_AFTER_MAX_MS)


def _wait_ms(value: str, now: str) -> int:
    """Return the milliseconds of a Retry-After: seconds, or a date, compared with the server's own clock."""
    seconds = _whole_number(value)
    if seconds or not value or not now:
        return seconds * 1000
    until, sent_at = http_date(value), http_date(now)
    if until is None or sent_at is None:
        return 0
    return max(0, round((until - sent_at).total_seconds() * 1000))


def _whole_number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 12 else 0
