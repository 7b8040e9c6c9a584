"""Authentication at SAP: Basic credentials, and sessions with a CSRF token."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from app.sandbox.vendors.sap.refusals import PlainError
from app.sandbox.vendors.simulation import Clock

HEADER: Final = "x-csrf-token"
SESSION: Final = "SAP_SESSIONID_S4H_100"
XSRF: Final = "sap-XSRF_S4H_100"
CONTEXT: Final = "sap-usercontext"
SESSIONS_MAX: Final = 10_000
_MODIFYING: Final = frozenset({"POST", "PUT", "PATCH", "MERGE", "DELETE"})


@dataclass(slots=True)
class _Session:
    token: str
    xsrf: str
    expires: int


class Access:
    def __init__(self, user: str, password: str, session_ms: int, clock: Clock) -> None:
        self._user, self._password = user, password
        self._session_ms, self._clock = session_ms, clock
        self._sessions: dict[str, _Session] = {}

    def check_user(self, authorization: str) -> None:
        """Check user and password. Raises PlainError with 401."""
        user, password = _credentials(authorization)
        user_matches = compare_digest(user.encode(), self._user.encode())
        if not user_matches & compare_digest(password.encode(), self._password.encode()):
            realm = {"WWW-Authenticate": 'Basic realm="SAP NetWeaver Application Server [S4H/100]"'}
            raise PlainError(401, "Logon failed", headers=realm)

    def headers(self, request: web.Request) -> Mapping[str, str]:
        """Return a token and the cookies of its session for a fetch; check that a write has both.

        Raises PlainError with 403.
        """
        session = self._session(request)
        if request.method in _MODIFYING:
            token = request.headers.get(HEADER, "")
            if session is None or not compare_digest(token.encode(), session.token.encode()):
                raise PlainError(403, "CSRF token validation failed", headers={HEADER: "Required"})
            return {}
        if request.headers.get(HEADER, "").lower() != "fetch":
            return {}
        return {HEADER: session.token} if session is not None else self._new()

    def expire_all(self) -> None:
        self._sessions.clear()

    def _session(self, request: web.Request) -> _Session | None:
        """Return the session that all of its cookies name together."""
        session = self._sessions.get(request.cookies.get(SESSION, ""))
        if session is None or session.expires <= self._clock():
            return None
        same = compare_digest(request.cookies.get(XSRF, "").encode(), session.xsrf.encode())
        return session if same and CONTEXT in request.cookies else None

    def _new(self) -> CIMultiDict[str]:
        while len(self._sessions) >= SESSIONS_MAX:
            self._sessions.pop(next(iter(self._sessions)))
        name, token, xsrf = (secrets.token_urlsafe(24) for _ in range(3))
        self._sessions[name] = _Session(token, xsrf, self._clock() + self._session_ms)
        cookies = (f"{SESSION}={name}; path=/; HttpOnly", f"{XSRF}={xsrf}; path=/", f"{CONTEXT}=sap-client=100; path=/")
        return CIMultiDict([(HEADER, token), *(("Set-Cookie", cookie) for cookie in cookies)])


def _credentials(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
