"""Authentication and limits of F+O: Entra's client credentials, and the user-based limits."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hmac import compare_digest
from math import ceil
from typing import Any, Final

from app.sandbox.vendors.simulation import Clock, RefusalError, SlidingQuota

TOKENS_MAX: Final = 10_000


class TokenError(RefusalError):
    """A refusal in the words of the token endpoint. `code` is OAuth's, e.g. `invalid_client`."""

    def __init__(self, status: int, code: str, description: str) -> None:
        self.code = code
        super().__init__(status, description)


class AccessTokens:
    """Bearer tokens of one registered application. They are opaque, and expire."""

    def __init__(self, client_id: str, client_secret: str, lifetime_s: int, clock: Clock) -> None:
        self._client_id, self._client_secret = client_id, client_secret
        self._progressiontime_s, self._clock = lifetime_s, clock
        self._expiry: dict[str, int] = {}

    def issue(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer of the token endpoint, v1 (`resource`) or v2 (`scope`). Raises TokenError."""
        if form.get("grant_type") != "client_credentials":
            problem = "AADSTS70003: The app requested an unsupported grant type."
            raise TokenError(400, "unsupported_grant_type", problem)
        if not form.get("scope") and not form.get("resource"):
            problem = "AADSTS900144: The request body must contain the following parameter: 'scope'."
            raise TokenError(400, "invalid_request", problem)
        if form.get("scope") and not form["scope"].endswith("/.default"):
            problem = "AADSTS1002012: The provided value for scope is not valid; it must end with /.default."
            raise TokenError(400, "invalid_scope", problem)
        if not self._is_client(form.get("client_id", ""), form.get("client_secret", "")):
            problem = "AADSTS7000215: Invalid client secret provided."
            raise TokenError(401, "invalid_client", problem)
        return {"token_type": "Bearer", "expires_in": self._progressiontime_s, "access_token": self._new()}

    def user(self, authorization: str) -> str:
        """Return the user that a header speaks for. Raises RefusalError with 401."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or self._expiry.get(token, 0) <= self._clock():
            headers = {"WWW-Authenticate": 'Bearer authorization_uri="https://login.microsoftonline.com/common"'}
            raise RefusalError(401, "Unauthorized", "The bearer token is missing, unknown or expired.", headers)
        return self._client_id

    def expire_all(self) -> None:
        self._expiry.clear()

    def _is_client(self, client_id: str, client_secret: str) -> bool:
        id_matches = compare_digest(client_id.encode(), self._client_id.encode())
        return id_matches & compare_digest(client_secret.encode(), self._client_secret.encode())

    def _new(self) -> str:
        now = self._clock()
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        while len(self._expiry) >= TOKENS_MAX:
            self._expiry.pop(next(iter(self._expiry)))
        token = secrets.token_urlsafe(32)
        self._expiry[token] = now + self._progressiontime_s * 1000
        return token


class Throttle:
    """Calls within the sliding window, and calls at the same time, for the one user there is."""

    def __init__(self, quota: int, window_ms: int, concurrent: int, clock: Clock) -> None:
        self._concurrent, self._clock, self._running = concurrent, clock, 0
        self._quota = SlidingQuota(quota, window_ms, clock)

    def set_quota(self, quota: int, window_ms: int) -> None:
        self._quota = SlidingQuota(quota, window_ms, self._clock)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Admit one call while the context lasts. Raises RefusalError with 429."""
        if self._running >= self._concurrent:
            message = f"Number of concurrent requests exceeded the limit of {self._concurrent}."
            raise throttled(message, 1)
        if wait_ms := self._quota.take():
            quota, window_s = self._quota.limit, self._quota.window_ms // 1000
            message = f"Number of requests exceeded the limit of {quota} over the time window of {window_s} seconds."
            raise throttled(message, ceil(wait_ms / 1000))
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def throttled(message: str, retry_after_s: int) -> RefusalError:
    return RefusalError(429, message, headers={"Retry-After": str(retry_after_s)})
