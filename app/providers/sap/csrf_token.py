"""CSRF token of SAP, required with every write: fetched once for all writes, and again when its session is over.

It is valid only with the cookies that come with it. The HTTP client keeps those, whatever their names.
"""

import asyncio
from typing import Final

from app.lanes.lease import Lease
from app.providers.http import Link
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply
from app.providers.sap import odata
from app.redaction import Redaction

_FETCH: Final = Call(Intent.READ, "GET", f"{odata.SALES_ORDERS}/", headers=((odata.CSRF, "fetch"),))


class CsrfToken:
    """`redaction` learns each token, so that none is ever shown."""

    def __init__(self, link: Link, redaction: Redaction) -> None:
        self._link = link
        self._redaction = redaction
        self._lock = asyncio.Lock()
        self._token = ""

    async def get(self, lease: Lease) -> str:
        """Return the token, fetched if there is none. Raises CallFailedError, LeaseLostError."""
        async with self._lock:
            if not self._token:
                self._token = await self._link.ask(_FETCH, lease, _token_of)
                self._redaction.learn("csrf token", self._token)
            return self._token

    def forget(self, token: str) -> None:
        """Drop a token that SAP refused; a newer one that another call fetched meanwhile stays."""
        if self._token == token:
            self._token = ""


def _token_of(reply: Reply) -> str:
    token = reply.headers.get(odata.CSRF, "")
    if not token or token.lower() == "required":
        raise MalformedReplyError(f"expected a token as header {odata.CSRF}")
    return token
