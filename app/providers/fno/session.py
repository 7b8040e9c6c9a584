"""Session with F+O: calls with an access token, all pages of a list, changes with an ETag."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from app.lanes.lease import Lease
from app.providers import failures
from app.providers.fno import odata
from app.providers.fno.access_token import AccessToken
from app.providers.http import Link
from app.providers.http_messages import Call, Reply
from app.providers.port import CallFailedError, Code, Outcome, Result

RECONCILE_AFTER_MS: Final = 2000
"""Milliseconds until a creation of unknown result is looked up: it may still be at work, and not visible yet."""
PAGES_MAX: Final = 100
_GONE: Final = 404
_PRECONDITION_FAILED: Final = 412
_UNAUTHORIZED: Final = 401

T = TypeVar("T")
Differing = Callable[[odata.Entity, Mapping[str, Any]], Mapping[str, Any]]
"""(entity as it is, values as they should be) -> values to write."""


class Session:
    """Every method raises CallFailedError for a failure, LeaseLostError when the order has a new owner."""

    def __init__(self, link: Link, token: AccessToken) -> None:
        self._link = link
        self._token = token

    async def ask(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """Send a call, and return what `read` makes of a success."""
        reply = self._require_success(await self._send(call, lease), call)
        return self._link.interpret(reply, call.intent, read)

    async def create(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """Create, and return what `read` makes of the reply. An unknown result carries a wait before the lookup."""
        try:
            return await self.ask(call, lease, read)
        except CallFailedError as failure:
            result = failure.result
            if result.outcome is not Outcome.UNKNOWN:
                raise
            wait_ms = max(result.retry_after_ms, RECONCILE_AFTER_MS)
            raise CallFailedError(replace(result, retry_after_ms=wait_ms)) from failure

    async def all(
        self, call: Call, lease: Lease, check: Callable[[dict[str, Any]], odata.Entity]
    ) -> list[odata.Entity]:
        """Return all entities of a list, each checked, however many pages it has."""
        entities: list[odata.Entity] = []
        for _ in range(PAGES_MAX):
            page = await self.ask(call, lease, lambda reply: odata.page_of(reply, self._link.base_url, check))
            entities += page.entities
            if not page.following:
                return entities
            call = call._replace(path=page.following, query=())
        raise self._link.failure(failures.unreadable(f"a list of more than {PAGES_MAX} pages", call.intent))

    async def change(
        self, target: odata.EntityState, values: Mapping[str, Any], lease: Lease, differing: Differing = odata.differing
    ) -> odata.EntityState:
        """Write the values that differ (PATCH), if any, and return the entity as it is now.

        When somebody changed it meanwhile, it is read again and what still differs is written, once.
        """
        if not target.etag:
            target = await self._read_again(target, lease)
        reply = await self._patch(target, differing(target.entity, values), lease)
        if reply is not None and reply.status == _PRECONDITION_FAILED:
            target = await self._read_again(target, lease)
            reply = await self._patch(target, differing(target.entity, values), lease)
        if reply is None:
            return target
        self._require_success(reply, odata.patch(target, {}))
        return odata.EntityState(target.path, {**target.entity, **values, odata.ETAG: reply.headers.get("etag", "")})

    async def remove(self, target: odata.EntityState, lease: Lease) -> None:
        """Delete an entity. One that is gone already is as good."""
        call = odata.delete(target)
        reply = await self._send(call, lease)
        if reply.status == _PRECONDITION_FAILED:
            call = odata.delete(await self._read_again(target, lease))
            reply = await self._send(call, lease)
        if reply.status != _GONE:
            self._require_success(reply, call)

    async def _read_again(self, target: odata.EntityState, lease: Lease) -> odata.EntityState:
        return odata.EntityState(target.path, await self.ask(odata.read(target.path), lease, odata.entity_of))

    async def _patch(self, target: odata.EntityState, values: Mapping[str, Any], lease: Lease) -> Reply | None:
        """Return the reply of F+O, None when there is nothing to write."""
        return await self._send(odata.patch(target, values), lease) if values else None

    async def _send(self, call: Call, lease: Lease) -> Reply:
        """Send a call with a token; when F+O refuses the token, fetch a new one and send again, once."""
        token = await self._token.get(lease)
        reply = await self._link.send(_authorized(call, token), lease)
        if reply.status != _UNAUTHORIZED:
            return reply
        self._token.forget(token)
        return await self._link.send(_authorized(call, await self._token.get(lease)), lease)

    def _require_success(self, reply: Reply, call: Call) -> Reply:
        """Return the reply if it is a success. What F+O's rules refuse did not happen, whatever the status is."""
        if reply.status >= 400 and odata.is_refused_by_rules(reply):
            raise self._link.failure(Result(Outcome.DECLINED, Code.INVALID, odata.message_of(reply)))
        return self._link.require_success(reply, call.intent)


def _authorized(call: Call, token: str) -> Call:
    return call._replace(headers=(*call.headers, ("authorization", f"Bearer {token}")))
