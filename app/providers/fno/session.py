"""Calls to F+O with an access token: one entity, all pages of a list, a change with an ETag."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from app.lanes.lease import Lease
from app.providers import failures
from app.providers.fno import odata
from app.providers.fno.tokens import Tokens
from app.providers.http import Link
from app.providers.port import CallFailedError, Code, Outcome, Result
from app.providers.wire import Call, Reply

RECONCILE_AFTER_MS: Final = 2000
"""A creation of unknown result may still be at work: looking for it at once could miss it."""
PAGES_MAX: Final = 100
_GONE: Final = 404
_PRECONDITION_FAILED: Final = 412
_UNAUTHORIZED: Final = 401

T = TypeVar("T")
Differing = Callable[[odata.Entity, Mapping[str, Any]], Mapping[str, Any]]
"""(entity as held, values as wanted) -> those to write."""


class Session:
    """Raises CallFailedError for every failure, LeaseLostError when the order has a new owner."""

    def __init__(self, link: Link, tokens: Tokens) -> None:
        self._link, self._tokens = link, tokens

    async def ask(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """What `read` makes of a success."""
        reply = self._checked(await self._send(call, lease), call)
        return self._link.understood(reply, call.intent, read)

    async def create(self, call: Call, lease: Lease, read: Callable[[Reply], T]) -> T:
        """As `ask`; where the result is unknown, it also asks for time before anybody looks."""
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
        """All entities of a list, each checked, however many pages F+O makes of them."""
        found: list[odata.Entity] = []
        for _ in range(PAGES_MAX):
            page = await self.ask(call, lease, lambda reply: odata.page_of(reply, self._link.base_url, check))
            found += page.entities
            if not page.following:
                return found
            call = call._replace(path=page.following, query=())
        raise self._link.failed(failures.unreadable(f"a list of more than {PAGES_MAX} pages", call.intent))

    async def change(
        self, target: odata.Target, wanted: Mapping[str, Any], lease: Lease, differing: Differing = odata.differing
    ) -> odata.Target:
        """PATCH of what differs, nothing if all is as wanted; the entity as it is now.

        When somebody changed it meanwhile, it is read again and what still differs is written, once.
        """
        if not target.etag:
            target = await self._again(target, lease)
        reply = await self._patch(target, differing(target.entity, wanted), lease)
        if reply is not None and reply.status == _PRECONDITION_FAILED:
            target = await self._again(target, lease)
            reply = await self._patch(target, differing(target.entity, wanted), lease)
        if reply is None:
            return target
        self._checked(reply, odata.patch(target, {}))
        return odata.Target(target.path, {**target.entity, **wanted, odata.ETAG: reply.headers.get("etag", "")})

    async def remove(self, target: odata.Target, lease: Lease) -> None:
        """DELETE; one that is gone already is as good."""
        call = odata.delete(target)
        reply = await self._send(call, lease)
        if reply.status == _PRECONDITION_FAILED:
            call = odata.delete(await self._again(target, lease))
            reply = await self._send(call, lease)
        if reply.status != _GONE:
            self._checked(reply, call)

    async def _again(self, target: odata.Target, lease: Lease) -> odata.Target:
        return odata.Target(target.path, await self.ask(odata.read(target.path), lease, odata.entity_of))

    async def _patch(self, target: odata.Target, values: Mapping[str, Any], lease: Lease) -> Reply | None:
        """The reply of F+O, None when there is nothing to say."""
        return await self._send(odata.patch(target, values), lease) if values else None

    async def _send(self, call: Call, lease: Lease) -> Reply:
        """A call with a token; one that F+O refuses is fetched anew, once."""
        token = await self._tokens.get(lease)
        reply = await self._link.send(_authorized(call, token), lease)
        if reply.status != _UNAUTHORIZED:
            return reply
        self._tokens.forget(token)
        return await self._link.send(_authorized(call, await self._tokens.get(lease)), lease)

    def _checked(self, reply: Reply, call: Call) -> Reply:
        """The reply if it is a success. What F+O's rules refuse did not happen, whatever the status says."""
        if reply.status >= 400 and odata.refused_by_rules(reply):
            raise self._link.failed(Result(Outcome.DECLINED, Code.INVALID, odata.message_of(reply)))
        return self._link.expected(reply, call.intent)


def _authorized(call: Call, token: str) -> Call:
    return call._replace(headers=(*call.headers, ("authorization", f"Bearer {token}")))
