"""The only place where a request leaves for a provider: httpx on aiohttp's connections, every limit named.

Deliberately absent: retries (the flow's), redirects, environment proxies, and any mention of a header's value in a log.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from msgspec.structs import replace

from app.errors import SettingError
from app.lanes.lease import Lease
from app.providers import failures
from app.providers.breaker import Admission, Breaker
from app.providers.port import CallFailedError, Code, LeaseLostError, Outcome, Result
from app.providers.redaction import Redaction
from app.providers.wire import Call, Intent, MalformedReplyError, Reply

T = TypeVar("T")
logger: Final = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 64
CALLS_AT_ONCE: Final = 48
"""To one address. F+O takes 52 of a user at a time; more would wait for a connection after the lease was asked."""
KEEPALIVE_S: Final = 15.0
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one reply, unpacked: 250 orders of BigCommerce take less than 1 MiB."""


@dataclass(frozen=True)
class Timeouts:
    """`read_s` is between two pieces of a reply, `pool_s` for a free connection, `call_s` for a whole call."""

    connect_s: float = 3.0
    read_s: float = 10.0
    pool_s: float = 5.0
    call_s: float = 20.0


def open_client(timeouts: Timeouts) -> httpx.AsyncClient:
    """A client with its own connections; whoever opens it closes it."""
    return httpx.AsyncClient(
        transport=AiohttpTransport(client=_open_session),
        timeout=httpx.Timeout(timeouts.read_s, connect=timeouts.connect_s, pool=timeouts.pool_s),
        headers={"accept": "application/json", "user-agent": "waybill"},
        follow_redirects=False,
        trust_env=False,
    )


OpenHttp = Callable[[Timeouts], httpx.AsyncClient]
"""What opens a provider's HTTP client."""


def _open_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S, ssl=httpx.create_ssl_context(trust_env=False)
    )
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    # aiohttp sends GET, PUT and DELETE again by itself when a connection is lost: behind the lease's back, and PUT may
    # have happened. It has no public switch; its own test client uses this one.
    session._retry_connection = False
    return session


def checked_base(variable: str, value: str) -> str:
    """A base address without its trailing slash. Raises SettingError when it is not one."""
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL as exc:
        raise SettingError(f"{variable}={value!r}: not an address ({exc}); it looks like https://host/path") from exc
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise SettingError(f"{variable}={value!r}: must look like https://host/path, with no user, query or fragment")
    return value.rstrip("/")


class Link:
    """One base address of a provider: breaker, pace, size and time limits. The provider owns the httpx client.

    `message_of` finds the provider's own words in an error, `throttle_ms` is the pause after a 429 that names none.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        client: httpx.AsyncClient,
        redaction: Redaction,
        timeouts: Timeouts,
        message_of: Callable[[Reply], str],
        throttle_ms: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider, self.base_url = provider, base_url
        self._message_of, self._throttle_ms = message_of, throttle_ms
        self.breaker = Breaker(clock)
        self._client, self._redaction, self._timeouts, self._clock = client, redaction, timeouts, clock
        self._not_before = 0.0
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)

    async def ask(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """What `read` makes of the reply to a call. Raises CallFailedError for all but a success that can be read."""
        reply = self.expected(await self.send(call, lease), call.intent)
        return self.understood(reply, call.intent, read)

    def expected(self, reply: Reply, intent: Intent) -> Reply:
        """The reply if it is a success. Raises CallFailedError with what it means, in the provider's own words."""
        result = failures.judge(reply, intent, self._message_of(reply) if reply.status >= 300 else "")
        if result is None:
            return reply
        if result.code is Code.RATE_LIMITED:
            result = replace(result, retry_after_ms=max(result.retry_after_ms, self.pause_ms()))
        raise self.failed(result)

    def understood(self, reply: Reply, intent: Intent, read: Callable[[Reply], T]) -> T:
        """What `read` makes of a success. Raises CallFailedError when it is not what the documents say."""
        try:
            return read(reply)
        except MalformedReplyError as exc:
            raise self.failed(failures.unreadable(str(exc), intent)) from exc

    async def send(self, call: Call, lease: Lease) -> Reply:
        """One request, one reply, whatever its status.

        Raises CallFailedError when there is no reply or the provider must not be called now, and LeaseLostError, before
        anything leaves, when the order has a new owner.
        """
        async with self._turns:
            return await self._send(call, lease)

    async def _send(self, call: Call, lease: Lease) -> Reply:
        self._check_pace()
        if not lease.valid():
            await lease.confirm()
        admission = self.breaker.admit()
        if admission.wait_ms:
            raise self.failed(_wait(Code.CIRCUIT_OPEN, f"{self.provider} is ill and not called", admission.wait_ms))
        return await self._admitted(call, lease, admission)

    def pause_ms(self) -> int:
        """How long the provider asked us to stay away, from now on."""
        return max(0, round((self._not_before - self._clock()) * 1000))

    def pause_for(self, wait_ms: int) -> None:
        """Sends nothing for that long; a longer pause that was asked for before stays."""
        self._not_before = max(self._not_before, self._clock() + wait_ms / 1000)

    def failed(self, result: Result) -> CallFailedError:
        """A failure that may be shown: its detail is bounded and free of secrets."""
        return CallFailedError(replace(result, detail=self._redaction.clean(result.detail)))

    def _check_pace(self) -> None:
        wait_ms = self.pause_ms()
        if wait_ms:
            raise self.failed(_wait(Code.RATE_LIMITED, f"{self.provider} asked for a pause", wait_ms))

    async def _admitted(self, call: Call, lease: Lease, admission: Admission) -> Reply:
        healthy: bool | None = None
        try:
            if not lease.valid():
                raise LeaseLostError(f"{self.provider}: {call.method} {call.path} not sent: the order has a new owner")
            reply = await self._exchange(call)
            healthy = None if reply.status == 429 else reply.status < 500
        except failures.TROUBLE as exc:
            healthy = False
            raise self.failed(failures.lost(exc, call.intent)) from exc
        finally:
            self.breaker.settle(admission, healthy)
        logger.debug("%s %s %s -> %d", self.provider, call.method, call.path, reply.status)
        self._keep_pace(reply)
        return reply

    async def _exchange(self, call: Call) -> Reply:
        request = self._client.build_request(
            call.method, self.base_url + call.target, content=call.body, headers=list(call.headers)
        )
        async with asyncio.timeout(self._timeouts.call_s):
            response = await self._client.send(request, stream=True)
            try:
                body = await self._body(response, call)
            finally:
                await response.aclose()
        return Reply(response.status_code, dict(response.headers), body)

    async def _body(self, response: httpx.Response, call: Call) -> bytes:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                raise self.failed(failures.unreadable(f"reply of more than {BODY_BYTES_MAX} bytes", call.intent))
        return bytes(body)

    def _keep_pace(self, reply: Reply) -> None:
        """Stays away as asked: after 429, and when a window's quota is used up (BigCommerce says so beforehand)."""
        if reply.status == 429:
            self.pause_for(failures.throttled_ms(reply.headers) or self._throttle_ms)
        elif reply.headers.get("x-rate-limit-requests-left") == "0":
            self.pause_for(failures.throttled_ms(reply.headers))


def _wait(code: Code, detail: str, wait_ms: int) -> Result:
    return Result(Outcome.RETRY, code, f"{detail} for {wait_ms} ms", retry_after_ms=wait_ms)
