"""Access token of Microsoft Entra (client credentials): fetched once for all calls, renewed before it expires."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from msgspec.structs import replace

from app.lanes.lease import Lease
from app.providers.http import Link
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply, decode_object
from app.providers.port import CallFailedError, Code
from app.redaction import Redaction

_CONTENT: Final = ("content-type", "application/x-www-form-urlencoded")
RENEW_BEFORE_S: Final = 60.0
LIFE_MAX_S: Final = 86_400.0
"""Entra gives no token of an application a longer life; one that is said to live longer is renewed after it."""
_SHARE_MAX: Final = 0.5
"""A token that lives shorter than two minutes is renewed after half its life."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class AccessToken:
    """`link` leads to the token endpoint. `form` returns what proves the application, with its secret as it is now.

    `redaction` learns each token, so that none is ever shown.
    """

    def __init__(
        self, link: Link, form: Callable[[], Mapping[str, str]], redaction: Redaction, clock: Callable[[], float]
    ) -> None:
        self._form = form
        self._link = link
        self._redaction = redaction
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0

    async def get(self, lease: Lease) -> str:
        """Return a valid token. Raises CallFailedError: `unauthorized` when the endpoint refuses the application."""
        async with self._lock:
            if not self._token or self._clock() >= self._renew_at:
                await self._fetch(lease)
            return self._token

    def forget(self, token: str) -> None:
        """Drop a token that F+O refused; a newer one that another call fetched meanwhile stays."""
        if self._token == token:
            self._token = ""

    async def _fetch(self, lease: Lease) -> None:
        form = self._form()
        body = urlencode({"grant_type": "client_credentials", **form}).encode()
        call = Call(Intent.READ, "POST", "", body=body, headers=(_CONTENT,), brings_secret=True)
        try:
            token, lives_s = await self._link.ask(call, lease, _token_of)
        except CallFailedError as failure:
            if failure.result.code not in (Code.INVALID, Code.UNAUTHORIZED):
                raise
            if self._form() == form:
                raise CallFailedError(replace(failure.result, code=Code.UNAUTHORIZED)) from failure
            # The secret was replaced while the old one was on its way.
            await self._fetch(lease)
            return
        self._redaction.learn("token", token)
        self._token = token
        self._renew_at = self._clock() + max(lives_s - RENEW_BEFORE_S, lives_s * _SHARE_MAX)


def _token_of(reply: Reply) -> tuple[str, float]:
    answer = decode_object(reply)
    token, lives_s = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token:
        raise MalformedReplyError("expected a text as access_token")
    if not _SECONDS.fullmatch(str(lives_s)):
        raise MalformedReplyError(f"expected seconds as expires_in, got {str(lives_s)[:80]!r}")
    return token, min(float(str(lives_s)), LIFE_MAX_S)
