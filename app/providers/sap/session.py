"""Calls to SAP: reads as they are, writes with a CSRF token and the cookies of its session.

The cookies are kept by the HTTP client, all of them and whatever their names; this module never looks at one but to
keep it out of logs.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import httpx
from msgspec.structs import replace

from app.providers import failures
from app.providers.http import Link
from app.providers.port import CallFailedError, Lease, Outcome
from app.providers.redaction import Redaction
from app.providers.sap import odata
from app.providers.wire import Call, Intent, MalformedReplyError, Reply

RECONCILE_AFTER_MS: Final = 2000
"""A creation of unknown result may still be at work: looking for it at once could miss it."""
PAGES_MAX: Final = 100

T = TypeVar("T")


class Session:
    """Raises CallFailedError for every failure, LeaseLostError when the order has a new owner."""

    def __init__(self, link: Link, cookies: httpx.Cookies, redaction: Redaction) -> None:
        self._link, self._cookies, self._redaction = link, cookies, redaction
        self._lock = asyncio.Lock()
        self._token = ""

    async def all(self, call: Call, lease: Lease) -> odata.EntityPage:
        """All entities of a list as one page, however many SAP makes of them."""
        found: list[dict[str, Any]] = []
        for _ in range(PAGES_MAX):
            page = await self._link.ask(call, lease, odata.page_of)
            found += page.entities
            if not page.following:
                return page._replace(entities=found)
            call = call._replace(query=page.following)
        raise self._link.failed(failures.unreadable(f"a list of more than {PAGES_MAX} pages", call.intent))

    def understood(self, entities: list[dict[str, Any]], read: Callable[[list[dict[str, Any]]], T]) -> T:
        """What `read` makes of entities."""
        try:
            return read(entities)
        except MalformedReplyError as exc:
            raise self._link.failed(failures.unreadable(str(exc), Intent.READ)) from exc

    async def create(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """What `read` makes of a success; where the result is unknown, it also asks for time before anybody looks."""
        try:
            reply = self._link.expected(await self._written(call, lease), call.intent)
            return self._link.understood(reply, call.intent, read)
        except CallFailedError as failure:
            if failure.result.outcome is not Outcome.UNKNOWN:
                raise
            wait_ms = max(failure.result.retry_after_ms, RECONCILE_AFTER_MS)
            raise CallFailedError(replace(failure.result, retry_after_ms=wait_ms)) from failure

    async def _written(self, call: Call, lease: Lease) -> Reply:
        """A write with a token. One that SAP refuses for its token did not happen: it is sent again, once."""
        token = await self._valid(lease)
        reply = await self._link.send(_with_token(call, token), lease)
        if not odata.wants_token(reply):
            return reply
        self._forget(token)
        return await self._link.send(_with_token(call, await self._valid(lease)), lease)

    async def _valid(self, lease: Lease) -> str:
        async with self._lock:
            if not self._token:
                await self._fetch(lease)
            return self._token

    def _forget(self, token: str) -> None:
        """SAP refused this token; a newer one that another call fetched meanwhile stays."""
        if self._token == token:
            self._token = ""

    async def _fetch(self, lease: Lease) -> None:
        call = Call(Intent.READ, "GET", f"{odata.SALES_ORDERS}/", headers=((odata.CSRF, "fetch"),))
        self._token = await self._link.ask(call, lease, _token_of)
        self._redaction.learn("csrf token", self._token)
        for cookie in self._cookies.jar:
            self._redaction.learn(f"cookie {cookie.name}", cookie.value or "")


def _with_token(call: Call, token: str) -> Call:
    return call._replace(headers=(*call.headers, (odata.CSRF, token)))


def _token_of(reply: Reply) -> str:
    token = reply.headers.get(odata.CSRF, "")
    if not token or token.lower() == "required":
        raise MalformedReplyError(f"expected a token as header {odata.CSRF}")
    return token
