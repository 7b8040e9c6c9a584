"""HTTP to providers, the only place from which a request leaves: httpx on aiohttp's connections, every limit named.

Deliberately absent: retries (the flow's), redirects, environment proxies, and any mention of a header's value in a log.
"""

import asyncio
import ipaddress
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from msgspec.structs import replace

from app.errors import SettingError
from app.lanes.lease import Lease
from app.providers import failures
from app.providers.breaker import Admission, Breaker
from app.providers.http_body import ACCEPTED_CODINGS, ReplyBody
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply
from app.providers.port import CallFailedError, Code, LeaseLostError, Outcome, Result
from app.redaction import Redaction, printable_address

T = TypeVar("T")
Headers = tuple[tuple[str, str], ...]
logger: Final = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 64
CALLS_AT_ONCE: Final = 48
"""To one address. F+O takes 52 of a user at a time; more would wait for a connection after the lease was checked."""
CALLS_LEFT_MAX: Final = 1_000_000_000
"""Of what a reply says of the provider's quota."""
KEEPALIVE_S: Final = 15.0
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one reply, unpacked: 250 orders of BigCommerce take less than 1 MiB."""
_UNAUTHORIZED: Final = 401


@dataclass(frozen=True)
class Timeouts:
    """Seconds. `read_s` is between two pieces of a reply, `pool_s` for a free connection, `call_s` for a whole call."""

    connect_s: float = 3.0
    read_s: float = 10.0
    pool_s: float = 5.0
    call_s: float = 20.0


def open_client(timeouts: Timeouts) -> httpx.AsyncClient:
    """Open a client with its own connections; whoever opens it closes it."""
    return httpx.AsyncClient(
        transport=AiohttpTransport(verify=_certificates(), client=_open_session),
        timeout=httpx.Timeout(timeouts.read_s, connect=timeouts.connect_s, pool=timeouts.pool_s),
        headers={"accept": "application/json", "accept-encoding": ACCEPTED_CODINGS, "user-agent": "waybill"},
        follow_redirects=False,
        trust_env=False,
    )


OpenHttp = Callable[[Timeouts], httpx.AsyncClient]
"""Opens the HTTP client of a provider."""


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that are trusted, which take a while to read: once for all clients."""
    return httpx.create_ssl_context(trust_env=False)


def _open_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S, ssl=_certificates())
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    # aiohttp sends GET, PUT and DELETE again by itself when a connection is lost: behind the lease's back, and PUT may
    # have happened. It has no public switch; its own test client uses this one.
    session._retry_connection = False
    return session


def checked_base(variable: str, value: str) -> str:
    """Return a base address without its trailing slash.

    Raises SettingError when it is not one, and for http to another machine: every call carries a token or a password.
    """
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        # The parser's own words repeat parts of the address, and a part may be a password.
        raise SettingError(
            f"{variable}={printable_address(value)!r}: not an address; it looks like https://host/path"
        ) from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        address = printable_address(value)
        raise SettingError(f"{variable}={address!r}: must look like https://host/path, with no user, query or fragment")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise SettingError(
            f"{variable}={printable_address(value)!r}: credentials would cross the network in the clear; write https://,"
            " or name a proxy on this machine that encrypts (http://127.0.0.1:port)"
        )
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Link:
    """One base address of a provider: circuit breaker, bulkhead, pace, size and time limits.

    The provider owns the httpx client. `message_of` finds the provider's own words in an error, `throttle_ms` is the
    pause after a 429 that names none, `clock` gives monotonic seconds. `credentials` returns the headers that prove who
    calls; it reads their secrets each time, because they may change.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        client: httpx.AsyncClient,
        *,
        redaction: Redaction,
        timeouts: Timeouts,
        message_of: Callable[[Reply], str],
        throttle_ms: int,
        clock: Callable[[], float] = time.monotonic,
        credentials: Callable[[], Headers] = tuple,
    ) -> None:
        self.provider = provider
        self.base_url = base_url
        self.breaker = Breaker(clock)
        self._client = client
        self._redaction = redaction
        self._timeouts = timeouts
        self._message_of = message_of
        self._throttle_ms = throttle_ms
        self._clock = clock
        self._credentials = credentials
        self._not_before = 0.0
        self.calls_left: int | None = None
        """Calls that the provider's quota has left, as its last reply said; None for a provider that does not say."""
        self._bulkhead = asyncio.Semaphore(CALLS_AT_ONCE)
        self._current_credentials()

    async def ask(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """Send a call, and return what `read` makes of its success. Raises CallFailedError for anything else."""
        reply = self.require_success(await self.send(call, lease), call.intent)
        return self.interpret(reply, call.intent, read)

    def require_success(self, reply: Reply, intent: Intent) -> Reply:
        """Return the reply if it is a success. Raises CallFailedError with its meaning, in the provider's own words."""
        result = failures.judge_reply(reply, intent, self._message_of(reply) if reply.status >= 300 else "")
        if result is None:
            return reply
        if result.code is Code.RATE_LIMITED:
            result = replace(result, retry_after_ms=max(result.retry_after_ms, self.pause_ms()))
        raise self.failure(result)

    def interpret(self, reply: Reply, intent: Intent, read: Callable[[Reply], T]) -> T:
        """Return what `read` makes of a success. Raises CallFailedError when it is not as documented."""
        try:
            return read(reply)
        except MalformedReplyError as exc:
            raise self.failure(failures.unreadable(str(exc), intent)) from exc

    async def send(self, call: Call, lease: Lease) -> Reply:
        """Send one request, and return its reply, whatever the status.

        Raises CallFailedError when there is no reply or the provider must not be called now, and LeaseLostError, before
        anything leaves, when the order has a new owner.
        """
        async with self._bulkhead:
            return await self._send(call, lease)

    async def _send(self, call: Call, lease: Lease) -> Reply:
        self._check_headers(call)
        self._check_pace()
        if not lease.valid():
            await lease.confirm()
        admission = self.breaker.admit()
        if admission.wait_ms:
            raise self.failure(_wait(Code.CIRCUIT_OPEN, f"{self.provider} is ill and not called", admission.wait_ms))
        return await self._send_admitted(call, lease, admission)

    @property
    def circuit_state(self) -> str:
        """The state of the circuit breaker: closed, open or half-open."""
        return self.breaker.state

    def pause_ms(self) -> int:
        """Return for how long from now the provider asked for no calls."""
        return max(0, round((self._not_before - self._clock()) * 1000))

    def pause_for(self, wait_ms: int) -> None:
        """Send nothing for that long; a longer pause from before stays."""
        self._not_before = max(self._not_before, self._clock() + wait_ms / 1000)

    def failure(self, result: Result) -> CallFailedError:
        """Return a failure that may be shown: its detail is bounded and free of secrets."""
        return CallFailedError(replace(result, detail=self._redaction.clean(result.detail)))

    def _check_headers(self, call: Call) -> None:
        """Refuse a header that could not be sent: tokens and ETags come from replies, which may hold any character."""
        for name, value in call.headers:
            if not (value.isascii() and value.isprintable()):
                detail = f"header {name} would have characters that no header may have; nothing was sent"
                raise self.failure(Result(Outcome.RETRY, Code.MALFORMED, detail))

    def _check_pace(self) -> None:
        wait_ms = self.pause_ms()
        if wait_ms:
            raise self.failure(_wait(Code.RATE_LIMITED, f"{self.provider} asked for a pause", wait_ms))

    async def _send_admitted(self, call: Call, lease: Lease, admission: Admission) -> Reply:
        is_healthy: bool | None = None
        try:
            if not lease.valid():
                raise LeaseLostError(f"{self.provider}: {call.method} {call.path} not sent: the order has a new owner")
            reply = await self._exchange_authorized(call)
            is_healthy = None if reply.status == 429 else reply.status < 500
        except failures.TRANSPORT_ERRORS as exc:
            is_healthy = False
            raise self.failure(failures.judge_exception(exc, call.intent)) from exc
        finally:
            self.breaker.settle(admission, is_healthy)
        logger.debug("%s %s %s -> %d", self.provider, call.method, call.path, reply.status)
        self._keep_pace(reply)
        return reply

    async def _exchange_authorized(self, call: Call) -> Reply:
        """Send with the credentials of now. What is refused for old ones did not happen: it is sent again, once."""
        credentials = self._current_credentials()
        reply = await self._exchange(call, credentials)
        if reply.status == _UNAUTHORIZED and (newer := self._current_credentials()) != credentials:
            return await self._exchange(call, newer)
        return reply

    def _current_credentials(self) -> Headers:
        credentials = self._credentials()
        for name, value in credentials:
            self._redaction.learn(name, value.rpartition(" ")[2])
        return credentials

    async def _exchange(self, call: Call, credentials: Headers) -> Reply:
        request = self._client.build_request(
            call.method, self.base_url + call.target, content=call.body, headers=[*call.headers, *credentials]
        )
        self._learn_cookies(request)
        async with asyncio.timeout(self._timeouts.call_s):
            response = await self._client.send(request, stream=True)
            try:
                body = await self._body(response, call)
            finally:
                await response.aclose()
        return Reply(response.status_code, dict(response.headers), body)

    def _learn_cookies(self, request: httpx.Request) -> None:
        """A cookie of a session is as good as a password while the session lasts."""
        for cookie in request.headers.get("cookie", "").split("; "):
            name, _, value = cookie.partition("=")
            self._redaction.learn(f"cookie {name}", value)

    async def _body(self, response: httpx.Response, call: Call) -> bytes:
        # httpx would unpack each piece whole, one coding after the other, before anything could be counted.
        try:
            body = ReplyBody(response.headers.get_list("content-encoding", split_commas=True), BODY_BYTES_MAX)
            async for piece in response.aiter_raw():
                body.add(piece)
            # Before anything reads it: whoever cuts a text might leave the half of a secret.
            is_secret = call.brings_secret and response.is_success
            return body.whole() if is_secret else self._redaction.clean_data(body.whole())
        except MalformedReplyError as exc:
            raise self.failure(failures.unreadable(str(exc), call.intent)) from exc

    def _keep_pace(self, reply: Reply) -> None:
        """Pause as the provider asks: after 429, and when a quota is used up (BigCommerce announces that)."""
        if (calls_left := reply.headers.get("x-rate-limit-requests-left", "")).isdecimal():
            self.calls_left = min(int(calls_left[:12]), CALLS_LEFT_MAX)
        if reply.status == 429:
            self.pause_for(failures.throttled_ms(reply.headers) or self._throttle_ms)
        elif reply.headers.get("x-rate-limit-requests-left") == "0":
            self.pause_for(failures.throttled_ms(reply.headers))


def _wait(code: Code, detail: str, wait_ms: int) -> Result:
    return Result(Outcome.RETRY, code, f"{detail} for {wait_ms} ms", retry_after_ms=wait_ms)
