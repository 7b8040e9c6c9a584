"""Session with SAP: all pages of a list, and writes with a CSRF token."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from app.lanes.lease import Lease
from app.providers import failures
from app.providers.http import Link
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply
from app.providers.port import CallFailedError, Outcome
from app.providers.sap import odata
from app.providers.sap.csrf_token import CsrfToken

RECONCILE_AFTER_MS: Final = 2000
"""Milliseconds until a creation of unknown result is looked up: it may still be at work, and not visible yet."""
PAGES_MAX: Final = 100

T = TypeVar("T")


class Session:
    """Every method raises CallFailedError for a failure, LeaseLostError when the order has a new owner."""

    def __init__(self, link: Link, token: CsrfToken) -> None:
        self._link, self._token = link, token

    async def all(self, call: Call, lease: Lease) -> odata.EntityPage:
        """Return all entities of a list as one page, however many pages it has; its time is that of the first one."""
        page = whole = await self._link.ask(call, lease, odata.page_of)
        for _ in range(PAGES_MAX - 1):
            if not page.following:
                return whole
            page = await self._link.ask(call._replace(query=page.following), lease, odata.page_of)
            whole.entities.extend(page.entities)
        raise self.failure(f"a list of more than {PAGES_MAX} pages")

    def failure(self, detail: str) -> CallFailedError:
        """Return the failure of a read whose reply is not as documented."""
        return self._link.failure(failures.unreadable(detail, Intent.READ))

    def interpret(self, entities: list[dict[str, Any]], read: Callable[[list[dict[str, Any]]], T]) -> T:
        """Return what `read` makes of entities. Raises CallFailedError when they are not as documented."""
        try:
            return read(entities)
        except MalformedReplyError as exc:
            raise self.failure(str(exc)) from exc

    async def create(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """Create, and return what `read` makes of the reply. An unknown result carries a wait before the lookup."""
        try:
            reply = self._link.require_success(await self._write(call, lease), call.intent)
            return self._link.interpret(reply, call.intent, read)
        except CallFailedError as failure:
            if failure.result.outcome is not Outcome.UNKNOWN:
                raise
            wait_ms = max(failure.result.retry_after_ms, RECONCILE_AFTER_MS)
            raise CallFailedError(replace(failure.result, retry_after_ms=wait_ms)) from failure

    async def _write(self, call: Call, lease: Lease) -> Reply:
        """Write with a token. A write that SAP refuses for its token did not happen: it is sent again, once."""
        token = await self._token.get(lease)
        reply = await self._link.send(_with_token(call, token), lease)
        if not odata.wants_token(reply):
            return reply
        self._token.forget(token)
        return await self._link.send(_with_token(call, await self._token.get(lease)), lease)


def _with_token(call: Call, token: str) -> Call:
    return call._replace(headers=(*call.headers, (odata.CSRF, token)))
