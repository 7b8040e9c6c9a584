"""Who may ask a worker for what: the check that every request passes before its view (docs/adr/0028)."""

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from app.secrets import Secret

OPEN: Final = frozenset({"/health", "/ready", "/metrics", "/webhooks/{provider}"})
"""Routes that need no token: they show no order, and a webhook is proven by its provider's signature."""
_LOOPBACK: Final = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_BEARER: Final = "bearer "
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Count = Callable[[str], None]
"""Counts a refusal by its cause, of a closed list."""
_journal = logging.getLogger(__name__)


class HttpAccess:
    """The check of one worker. `token` is a setting that may be absent; `on_loopback`: only this machine gets here.

    With a token every route but the open ones needs it. Without one they are closed, unless the worker is on a loopback
    address. Raises SettingError for a token that cannot be read.
    """

    def __init__(self, token: Secret, *, on_loopback: bool, count: Count) -> None:
        self._token, self._on_loopback, self._count = token, on_loopback, count
        token.accepted()

    @property
    def shows_orders(self) -> bool:
        """Whether anybody is shown orders and schemas."""
        return self._on_loopback or self._token.is_set

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request that may not be served: 421, 401 or 403, with the fix. Pass on any other."""
        if self._on_loopback and not _is_for_loopback(request):
            fix = "this worker serves its own machine: ask for localhost or 127.0.0.1"
            return self._refuse(request, 421, "foreign_host", fix)
        if _is_open(request):
            return await handler(request)
        if not self.shows_orders:
            fix = f"set {self._token.variable} at the worker: only with it this is shown"
            return self._refuse(request, 403, "no_token_set", fix)
        if self._token.is_set and not _has_token(request, self._token.accepted()):
            fix = f"send authorization: Bearer and the worker's {self._token.variable}"
            return self._refuse(request, 401, "bad_token", fix)
        return await handler(request)

    def _refuse(self, request: web.Request, status: int, cause: str, fix: str) -> web.Response:
        self._count(cause)
        _journal.warning("a request of %s was refused: %s", request.remote, cause)
        headers = {"www-authenticate": "Bearer"} if status == 401 else None
        return web.json_response({"error": fix}, status=status, headers=headers)


def _is_open(request: web.Request) -> bool:
    """Return whether the route that the request is served by is open. What has no route is not."""
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in OPEN


def _is_for_loopback(request: web.Request) -> bool:
    """Return whether `Host` is a name of the loopback address.

    A page in a browser on this machine can make its own name lead here (DNS rebinding), but sends that name as `Host`.
    HTTP/1.0, which load balancers check health with, need not say it; browsers always do.
    """
    return all(_LOOPBACK.fullmatch(host) for host in request.headers.getall("host", ()))


def _has_token(request: web.Request, tokens: Iterable[str]) -> bool:
    authorization = request.headers.get("authorization", "")
    if authorization[: len(_BEARER)].lower() != _BEARER:
        return False
    token_bytes = authorization[len(_BEARER) :].strip().encode("utf-8", "surrogateescape")
    return any(hmac.compare_digest(token_bytes, token.encode()) for token in tokens)
