"""Tokens of OAuth 2 for brokers: asked for at a token endpoint with a client's credentials, kept while they last."""

import time
from typing import Any, Final

import httpx
from aiokafka.errors import AuthenticationFailedError

from app.secrets import ReadSecret

RENEW_AFTER: Final = 0.8
"""Part of a token's life after which the next one is asked for, as Kafka's own clients do."""
ASK_LIMIT_S: Final = 10.0
_LIFE_S: Final = 60.0
"""Of a token whose endpoint does not say how long it lasts."""


class ClientCredentials:
    """Tokens for a client's credentials (RFC 6749, 4.4). `secret` reads the client's secret."""

    def __init__(self, url: str, client_id: str, secret: ReadSecret, *, scope: str = "") -> None:
        self._url, self._client_id, self._secret, self._scope = url, client_id, secret, scope
        self._token = ""
        self._renew_at = self._ends_at = 0.0

    async def token(self) -> str:
        """Return a token that is good for a while. Raises AuthenticationFailedError when none can be had.

        While the old one is still good it is returned in place of a new one that cannot be had.
        """
        if time.monotonic() < self._renew_at:
            return self._token
        try:
            answer = await self._ask()
            self._token, life_s = str(answer["access_token"]), float(answer.get("expires_in", _LIFE_S))
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as problem:
            if time.monotonic() < self._ends_at:
                return self._token
            raise AuthenticationFailedError(
                f"KAFKA_OAUTH_TOKEN_URL={self._url} gave no token ({_reason(problem)}); look at it, at"
                " KAFKA_OAUTH_CLIENT_ID and at KAFKA_OAUTH_CLIENT_SECRET"
            ) from None
        now = time.monotonic()
        self._renew_at, self._ends_at = now + life_s * RENEW_AFTER, now + life_s
        return self._token

    async def _ask(self) -> dict[str, Any]:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        async with httpx.AsyncClient(timeout=ASK_LIMIT_S, auth=(self._client_id, self._secret())) as client:
            response = await client.post(self._url, data=form)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


def _reason(problem: Exception) -> str:
    if isinstance(problem, httpx.HTTPStatusError):
        return f"it answered {problem.response.status_code}"
    return type(problem).__name__
