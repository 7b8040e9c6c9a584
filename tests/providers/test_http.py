"""The one way out: pace, lease, addresses. Failures are in test_failures, the whole of it in the contract."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from app.errors import SettingError
from app.providers.http import BODY_BYTES_MAX, CALLS_AT_ONCE, Link, Timeouts, checked_base, open_client
from app.providers.http_body import ReplyBody
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply
from app.providers.port import CallFailedError, Code, Outcome, UnsharedLease
from app.redaction import Redaction
from tests.providers.bench import PATIENT, Clock
from tests.providers.recording_proxy import RecordingProxy, open_recording_proxy

READ = Call(Intent.READ, "GET", "/x")
ALWAYS = UnsharedLease()
UNSENT = "header if-match would have characters that no header may have; nothing was sent"


@pytest.fixture
async def proxy() -> AsyncIterator[RecordingProxy]:
    async with open_recording_proxy("http://127.0.0.1:1") as proxy:
        yield proxy


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def link(proxy: RecordingProxy, clock: Clock) -> AsyncIterator[Link]:
    async with open_client(PATIENT) as client:
        yield Link(
            "shop",
            proxy.url,
            client,
            redaction=Redaction(),
            timeouts=PATIENT,
            message_of=_no_message,
            throttle_ms=5000,
            clock=clock,
        )


def _no_message(_reply: Reply) -> str:
    return ""


async def test_a_used_up_quota_pauses_before_the_provider_refuses(
    link: Link, proxy: RecordingProxy, clock: Clock
) -> None:
    quota = {"X-Rate-Limit-Requests-Left": "0", "X-Rate-Limit-Time-Reset-Ms": "12000"}
    proxy.answer(lambda _: True, 200, headers=quota)
    assert (await link.send(READ, ALWAYS)).status == 200
    with pytest.raises(CallFailedError) as failure:
        await link.send(READ, ALWAYS)
    assert failure.value.result.code is Code.RATE_LIMITED
    assert failure.value.result.retry_after_ms == 12_000
    assert len(proxy.calls) == 1
    clock.now += 12
    proxy.answer(lambda _: True, 200)
    assert (await link.send(READ, ALWAYS)).status == 200


async def test_a_throttled_provider_is_not_ill(link: Link, proxy: RecordingProxy, clock: Clock) -> None:
    for _ in range(30):
        proxy.answer(lambda _: True, 429, headers={"Retry-After": "1"})
        await link.send(READ, ALWAYS)
        clock.now += 1
    assert link.breaker.state == "closed"


async def test_the_longer_pause_stays(link: Link) -> None:
    link.pause_for(9000)
    link.pause_for(2000)
    assert link.pause_ms() == 9000


class Stale:
    """A lease whose proof is too old, until it is asked for another."""

    def __init__(self) -> None:
        self.confirmed = False

    def valid(self) -> bool:
        return self.confirmed

    async def confirm(self) -> None:
        self.confirmed = True


async def test_a_stale_lease_is_confirmed_before_a_request_leaves(link: Link, proxy: RecordingProxy) -> None:
    proxy.answer(lambda _: True, 200)
    lease = Stale()
    await link.send(READ, lease)
    assert lease.confirmed


async def test_a_reply_that_trickles_ends_with_the_call(proxy: RecordingProxy, clock: Clock) -> None:
    slow = Timeouts(read_s=5.0, call_s=0.2)
    proxy.silence(lambda _: True)
    async with open_client(slow) as client:
        link = Link(
            "shop",
            proxy.url,
            client,
            redaction=Redaction(),
            timeouts=slow,
            message_of=_no_message,
            throttle_ms=5000,
            clock=clock,
        )
        with pytest.raises(CallFailedError) as failure:
            await link.send(READ, ALWAYS)
    assert failure.value.result.code is Code.TIMEOUT


@pytest.mark.parametrize("value", ['W/"1\n2"', "\u00e9", "\ud800", "\0"])
async def test_a_header_that_http_cannot_carry_is_not_sent(link: Link, proxy: RecordingProxy, value: str) -> None:
    """Tokens and ETags come from replies, whose JSON may hold any character."""
    call = Call(Intent.SET, "PATCH", "/x", headers=(("if-match", value),))
    with pytest.raises(CallFailedError) as failure:
        await link.send(call, ALWAYS)
    assert failure.value.result.outcome is Outcome.RETRY
    assert (failure.value.result.code, failure.value.result.detail) == (Code.MALFORMED, UNSENT)
    assert not proxy.calls


class Waiting:
    """A lease that is never confirmed, and counts who waits for it."""

    def __init__(self) -> None:
        self.waiting = 0

    def valid(self) -> bool:
        return False

    async def confirm(self) -> None:
        self.waiting += 1
        await asyncio.Event().wait()


async def test_only_so_many_calls_are_out_at_once(link: Link) -> None:
    """A call waits for its turn before the lease is asked, never between the lease and the wire."""
    lease = Waiting()
    calls = [asyncio.create_task(link.send(READ, lease)) for _ in range(CALLS_AT_ONCE + 5)]
    await asyncio.sleep(0)
    assert lease.waiting == CALLS_AT_ONCE
    for call in calls[:5]:
        call.cancel()
    await asyncio.gather(*calls[:5], return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert lease.waiting == CALLS_AT_ONCE + 5
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def test_aiohttp_has_the_switch_that_keeps_it_from_repeating() -> None:
    assert "_retry_connection" in aiohttp.ClientSession.ATTRS


@pytest.mark.parametrize(
    "value",
    [
        "shop.example.com",
        "ftp://host",
        "https://",
        "https://me:pw@host",
        "https://host/?x=1",
        "https://h/#x",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="WAYBILL_SHOP_BASE_URL"):
        checked_base("WAYBILL_SHOP_BASE_URL", value)


@pytest.mark.parametrize(
    "value",
    [
        "https://me:s3cret@host/x",
        "https://me:s3c/r?s3cret#s3cret@host/x",
        "https://me:s3cret@host:s3cret@[::1",
        "me:s3cret@host/x",
        "ftp://me:s3cret@host",
        "https://host/x?token=s3cret",
        "https://host/x#s3cret",
        "https://host:port/x?token=s3cret\ns3cret",
    ],
)
def test_a_refused_address_is_named_without_what_is_secret_in_it(value: str) -> None:
    with pytest.raises(SettingError, match="WAYBILL_SHOP_BASE_URL") as refused:
        checked_base("WAYBILL_SHOP_BASE_URL", value)
    assert "s3c" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("host", ["erp.example", "10.0.0.7", "[fe80::1]", "localhost.example", "0.0.0.0", "127.1"])
def test_credentials_do_not_cross_the_network_in_the_clear(host: str) -> None:
    with pytest.raises(SettingError, match=r"WAYBILL_SHOP_BASE_URL=.*in the clear; write https://"):
        checked_base("WAYBILL_SHOP_BASE_URL", f"http://{host}/x")
    assert checked_base("WAYBILL_SHOP_BASE_URL", f"https://{host}/x") == f"https://{host}/x"


@pytest.mark.parametrize("host", ["127.0.0.1:9", "127.9.9.9", "[::1]:9", "localhost:9", "LOCALHOST"])
def test_http_stays_on_this_machine(host: str) -> None:
    assert checked_base("WAYBILL_SHOP_BASE_URL", f"http://{host}/x") == f"http://{host}/x"


def test_an_address_keeps_its_path() -> None:
    assert checked_base("X", "http://127.0.0.1:9/bigcommerce/") == "http://127.0.0.1:9/bigcommerce"


def _gzip(body: bytes, times: int) -> bytes:
    for _ in range(times):
        body = gzip.compress(body, mtime=0)
    return body


async def test_a_packed_reply_is_unpacked(link: Link, proxy: RecordingProxy) -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bare = packer.compress(b'{"a": 1}') + packer.flush()
    for coding, body in (("gzip", _gzip(b'{"a": 1}', 1)), ("deflate", zlib.compress(b'{"a": 1}')), ("deflate", bare)):
        proxy.answer(lambda _: True, 200, body, {"Content-Encoding": coding})
        assert (await link.send(READ, ALWAYS)).body == b'{"a": 1}'


@pytest.mark.parametrize(
    ("body", "coding", "problem"),
    [
        (_gzip(b" " * (BODY_BYTES_MAX + 1), 1), "gzip", f"reply of more than {BODY_BYTES_MAX} bytes"),
        (_gzip(b" " * BODY_BYTES_MAX, 2), "gzip, gzip", "expected one content coding, got 2 on top of each other"),
        (b"{}", "br", "expected content coding gzip, deflate, got 'br'"),
        (_gzip(b"{}", 1)[:-1], "gzip", "expected gzip to its end, got 21 bytes of it"),
        (b"{}", "gzip", "expected gzip: Error -3 while decompressing data: incorrect header check"),
    ],
    ids=["too large", "packed twice", "another coding", "cut off", "not packed"],
)
async def test_a_reply_that_cannot_be_unpacked_is_refused(
    link: Link, proxy: RecordingProxy, body: bytes, coding: str, problem: str
) -> None:
    proxy.answer(lambda _: True, 200, body, {"Content-Encoding": coding})
    with pytest.raises(CallFailedError) as failure:
        await link.send(READ, ALWAYS)
    assert (failure.value.result.code, failure.value.result.detail) == (Code.MALFORMED, problem)


def test_a_piece_is_unpacked_no_further_than_the_limit() -> None:
    """200 MB in 200 kB, of which 1 MiB may be kept."""
    packed = _gzip(bytes(200_000_000), 1)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedReplyError):
            ReplyBody(["gzip"], 1 << 20).add(packed)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
