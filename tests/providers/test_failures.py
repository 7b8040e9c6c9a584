"""What each failure means: may it be repeated, may it have happened?"""

import aiohttp
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from app.providers import failures
from app.providers.bigcommerce.order_mapping import modified_at
from app.providers.http_messages import Intent, Reply, http_date
from app.providers.port import Code, Outcome

KEY = ConnectionKey("host", 443, True, True, None, None, None)
WRITES = (Intent.SET, Intent.CREATE)


def caused(cause: BaseException) -> BaseException:
    """The exception as httpx-aiohttp raises it: a lost connection of any kind is a ConnectTimeout there."""
    error = httpx.ConnectTimeout("lost")
    error.__cause__ = cause
    return error


NEVER_SENT = [
    (caused(aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))), Code.UNAVAILABLE),
    (caused(aiohttp.ClientConnectorDNSError(KEY, OSError("no such name"))), Code.UNAVAILABLE),
    (caused(aiohttp.ClientConnectorSSLError(KEY, OSError("tls"))), Code.UNAVAILABLE),
    (caused(aiohttp.ConnectionTimeoutError()), Code.TIMEOUT),
    (httpx.ConnectError("refused"), Code.UNAVAILABLE),
    (httpx.PoolTimeout("no free connection"), Code.TIMEOUT),
    (httpx.UnsupportedProtocol("ftp"), Code.UNAVAILABLE),
]
MAYBE_SENT = [
    (caused(aiohttp.ServerDisconnectedError()), Code.UNAVAILABLE),
    (caused(aiohttp.ClientConnectionResetError("reset")), Code.UNAVAILABLE),
    (caused(aiohttp.ClientOSError(104, "reset by peer")), Code.UNAVAILABLE),
    (caused(aiohttp.ClientPayloadError("half a body")), Code.UNAVAILABLE),
    (caused(aiohttp.SocketTimeoutError()), Code.TIMEOUT),
    (httpx.ReadTimeout("slow"), Code.TIMEOUT),
    (httpx.ReadError("gone"), Code.UNAVAILABLE),
    (TimeoutError(), Code.TIMEOUT),
    (httpx.DecodingError("not gzip"), Code.MALFORMED),
]


@pytest.mark.parametrize("intent", Intent)
@pytest.mark.parametrize(("error", "code"), NEVER_SENT, ids=lambda case: repr(getattr(case, "__cause__", None) or case))
def test_what_never_left_may_be_repeated(error: BaseException, code: Code, intent: Intent) -> None:
    result = failures.judge_exception(error, intent)
    assert (result.outcome, result.code) == (Outcome.RETRY, code)


@pytest.mark.parametrize(("error", "code"), MAYBE_SENT, ids=lambda case: repr(getattr(case, "__cause__", None) or case))
def test_a_write_that_may_have_left_is_unknown(error: BaseException, code: Code) -> None:
    for intent in WRITES:
        result = failures.judge_exception(error, intent)
        assert (result.outcome, result.code) == (Outcome.UNKNOWN, code)
    assert failures.judge_exception(error, Intent.READ).outcome is Outcome.RETRY


@given(st.integers(100, 999), st.sampled_from(Intent))
def test_every_status_has_a_meaning(status: int, intent: Intent) -> None:
    result = failures.judge_reply(Reply(status, {}, b""), intent)
    if 200 <= status < 300:
        assert result is None
        return
    assert result is not None
    assert result.outcome is not Outcome.OK
    assert (result.outcome is Outcome.UNKNOWN) <= (intent is Intent.CREATE)
    assert f"{status}" in result.detail


@pytest.mark.parametrize(
    ("status", "intent", "outcome"),
    [
        (500, Intent.READ, Outcome.RETRY),
        (502, Intent.SET, Outcome.RETRY),
        (503, Intent.CREATE, Outcome.UNKNOWN),
        (501, Intent.CREATE, Outcome.DECLINED),
        (429, Intent.CREATE, Outcome.RETRY),
        (412, Intent.SET, Outcome.RETRY),
        (408, Intent.CREATE, Outcome.RETRY),
        (404, Intent.SET, Outcome.DECLINED),
        (301, Intent.READ, Outcome.DECLINED),
    ],
)
def test_statuses(status: int, intent: Intent, outcome: Outcome) -> None:
    result = failures.judge_reply(Reply(status, {}, b""), intent)
    assert result is not None
    assert result.outcome is outcome


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7000),
        ({"retry-after": "7", "x-retry-after": "9"}, 9000),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "９"}, 0),
        ({"retry-after": "99999999999999999999"}, 0),
        ({"retry-after": "999999"}, failures.RETRY_AFTER_MAX_MS),
        ({"retry-after": "Tue, 05 Mar 2019 21:40:31 GMT", "date": "Tue, 05 Mar 2019 21:40:11 GMT"}, 20_000),
        ({"retry-after": "Tue, 05 Mar 2019 21:40:01 GMT", "date": "Tue, 05 Mar 2019 21:40:11 GMT"}, 0),
        ({"retry-after": "Tue, 05 Mar 2019 21:40:31 GMT"}, 0),
        ({"x-rate-limit-time-reset-ms": "30000"}, 0),
    ],
)
def test_retry_after(headers: dict[str, str], wait_ms: int) -> None:
    assert failures.retry_after_ms(headers) == wait_ms


def test_a_throttle_waits_for_the_longer_of_both() -> None:
    window = {"x-rate-limit-time-reset-ms": "15000"}
    assert failures.throttled_ms(window | {"x-retry-after": "3"}) == 15_000
    assert failures.throttled_ms(window | {"x-retry-after": "20"}) == 20_000


@given(st.dictionaries(st.sampled_from(["retry-after", "x-retry-after", "date"]), st.text(max_size=40)))
def test_no_header_makes_it_fail(headers: dict[str, str]) -> None:
    assert 0 <= failures.retry_after_ms(headers) <= failures.RETRY_AFTER_MAX_MS


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 99999999999999999999 Nov 2026 10:00:00 GMT",
        "Mon, 9 Nov 2026 99999999999999999999:00:00 GMT",
        "Mon, 9 Nov 2026 10:00:00 +99999999999999999999",
        "9" * 100_000,
        "Fri, 31 Dec 9999 23:59:59 -2300",
    ],
)
def test_a_date_that_no_calendar_has_asks_for_no_wait(date: str) -> None:
    sent_at = "Mon, 09 Nov 2026 10:00:00 GMT"
    assert failures.retry_after_ms({"retry-after": date, "date": sent_at}) == 0
    assert failures.retry_after_ms({"retry-after": sent_at, "date": date}) == 0
    assert http_date(date) is None
    assert modified_at({"date_modified": date}) is None
