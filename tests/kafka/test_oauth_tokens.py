"""Tokens from a token endpoint: one for as long as it lasts, and a sentence when there is none."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka.errors import AuthenticationFailedError

from app.kafka import oauth_tokens
from app.kafka.oauth_tokens import ClientCredentials


class Endpoint:
    """A token endpoint that numbers its tokens, or answers with `status`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.status, self.life_s, self.url = 200, 100.0, ""

    async def answer(self, request: web.Request) -> web.Response:
        login = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        self.requests.append((login, dict(await request.post())))
        token = f"token-{len(self.requests)}"
        return web.json_response({"access_token": token, "expires_in": self.life_s}, status=self.status)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made, application = Endpoint(), web.Application()
    application.router.add_post("/token", made.answer)
    async with TestServer(application) as server:
        made.url = str(server.make_url("/token"))
        yield made


class Clock:
    """The time that tokens are measured by."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


async def test_a_token_is_asked_for_again_before_it_ends_and_with_the_secret_of_that_time(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, secrets = Clock(), ["first"]
    monkeypatch.setattr(oauth_tokens, "time", clock)
    tokens = ClientCredentials(endpoint.url, "waybill", lambda: secrets[-1], scope="kafka")
    assert [await tokens.token(), await tokens.token()] == ["token-1", "token-1"]
    clock.now += 79
    assert await tokens.token() == "token-1"
    clock.now += 2
    secrets.append("second")
    assert await tokens.token() == "token-2"
    form = {"grant_type": "client_credentials", "scope": "kafka"}
    assert endpoint.requests == [("waybill:first", form), ("waybill:second", form)]


async def test_a_token_serves_until_its_end_while_there_is_no_other(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(oauth_tokens, "time", clock)
    tokens = ClientCredentials(endpoint.url, "waybill", lambda: "secret-4711")
    assert await tokens.token() == "token-1"
    endpoint.status = 401
    clock.now += 90
    assert await tokens.token() == "token-1"
    clock.now += 20
    with pytest.raises(AuthenticationFailedError, match=r"KAFKA_OAUTH_TOKEN_URL=.* \(it answered 401\)") as refused:
        await tokens.token()
    assert "secret-4711" not in str(refused.value)
