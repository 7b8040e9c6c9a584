"""Calls to SAP: all pages of a list, and writes with a CSRF token. Which calls there are is decided elsewhere."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from app.lanes.lease import Lease
from app.providers import failures
from app.providers.http import Link
from app.providers.port import CallFailedError, Outcome
from app.providers.sap import odata
from app.providers.sap.csrf import CsrfToken
from app.providers.wire import Call, Intent, MalformedReplyError, Reply

RECONCILE_AFTER_MS: Final = 2000
"""A creation of unknown result may still be at work: looking for it at once could miss it."""
PAGES_MAX: Final = 100

T = TypeVar("T")


class Session:
    """Raises CallFailedError for every failure, LeaseLostError when the order has a new owner."""

    def __init__(self, link: Link, token: CsrfToken) -> None:
        self._link, self._token = link, token

    async def all(self, call: Call, lease: Lease) -> odata.EntityPage:
        """All entities of a list as one page, however many SAP makes of them; its time is that of the first one."""
        page = found = await self._link.ask(call, lease, odata.page_of)
        for _ in range(PAGES_MAX - 1):
            if not page.following:
                return found
            page = await self._link.ask(call._replace(query=page.following), lease, odata.page_of)
            found.entities.extend(page.entities)
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
        token = await self._token.get(lease)
        reply = await self._link.send(_with_token(call, token), lease)
        if not odata.wants_token(reply):
            return reply
        self._token.forget(token)
        return await self._link.send(_with_token(call, await self._token.get(lease)), lease)


def _with_token(call: Call, token: str) -> Call:
    return call._replace(headers=(*call.headers, (odata.CSRF, token)))
