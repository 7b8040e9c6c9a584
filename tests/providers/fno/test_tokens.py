"""The access token: fetched once, renewed in time, refused once, never shown."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.providers.fno.access_token import LIFE_MAX_S, RENEW_BEFORE_S
from app.providers.fno.client import Fno
from app.providers.http import Timeouts
from app.providers.port import Action, Code, Outcome, Result, UnsharedLease
from app.sandbox.vendors.fno import FnoSimulator
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from tests.providers.bench import HASTY, PATIENT, Clock
from tests.providers.fno.bench import STAGES
from tests.providers.fno.sales_order_rows import a_row
from tests.providers.recording_proxy import RecordedRequest, RecordingProxy, open_recording_proxy

ALWAYS = UnsharedLease()


class TokenStage:
    def __init__(self, simulators: Simulators, proxy: RecordingProxy) -> None:
        self.simulators, self.proxy, self.clock = simulators, proxy, Clock()
        self.provider = self.opened("simulated-fno-secret")

    def opened(self, secret: str, timeouts: Timeouts = PATIENT) -> Fno:
        url = f"{self.proxy.url}/fno"
        return Fno(url, f"{url}/token", "simulated-client", lambda: secret, timeouts=timeouts, clock=self.clock)

    async def send(self, order: int = 1) -> Result:
        return await self.provider.perform(an_action(order), ALWAYS)

    def fetched(self) -> int:
        return self.proxy.count(token)


def an_action(order: int) -> Action:
    reference = f"bc-demo-{order}"
    return Action("Send order to fulfillment", "e", reference, 1, False, a_row(reference))


def token(request: RecordedRequest) -> bool:
    return request.matches("POST", "/token$")


@pytest.fixture
async def stage() -> AsyncIterator[TokenStage]:
    async with serve(SimulatorOptions()) as simulators, open_recording_proxy(simulators.base_url) as proxy:
        simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES))
        stage = TokenStage(simulators, proxy)
        yield stage
        await stage.provider.close()


async def test_one_token_serves_all_calls_at_once(stage: TokenStage) -> None:
    results = await asyncio.gather(*(stage.send(order) for order in range(8)))
    assert {result.outcome for result in results} == {Outcome.OK}
    assert stage.fetched() == 1


async def test_it_is_renewed_before_it_ends(stage: TokenStage) -> None:
    await stage.send(1)
    stage.clock.now += 3599 - RENEW_BEFORE_S - 1
    await stage.send(2)
    assert stage.fetched() == 1
    stage.clock.now += 1
    await stage.send(3)
    assert stage.fetched() == 2


async def test_a_short_life_is_halved(stage: TokenStage) -> None:
    stage.proxy.change(token, lambda body: {**body, "expires_in": "30"})
    await stage.send(1)
    stage.clock.now += 14
    await stage.send(2)
    assert stage.fetched() == 1
    stage.clock.now += 1
    await stage.send(3)
    assert stage.fetched() == 2


async def test_no_token_lives_longer_than_entras_do(stage: TokenStage) -> None:
    stage.proxy.change(token, lambda body: {**body, "expires_in": "999999999"})
    await stage.send(1)
    stage.clock.now += LIFE_MAX_S - RENEW_BEFORE_S
    await stage.send(2)
    assert stage.fetched() == 2


async def test_a_refused_token_is_fetched_anew_once_for_all(stage: TokenStage) -> None:
    await stage.send(1)
    stage.simulators.of(FnoSimulator).tokens.expire_all()
    results = await asyncio.gather(*(stage.send(order) for order in range(2, 8)))
    assert {result.outcome for result in results} == {Outcome.OK}
    assert stage.fetched() == 2


async def test_a_wrong_secret_is_declined_without_showing_it(stage: TokenStage) -> None:
    provider = stage.opened("wrong-secret")
    result = await provider.perform(an_action(1), ALWAYS)
    await provider.close()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNAUTHORIZED)
    assert "AADSTS7000215" in result.detail
    assert "wrong-secret" not in result.detail


@pytest.mark.parametrize("trouble", ["hang", "cut"])
async def test_a_lost_token_is_no_unknown_order(stage: TokenStage, trouble: str) -> None:
    hasty = stage.opened("simulated-fno-secret", HASTY)
    getattr(stage.proxy, trouble)(token)
    result = await hasty.perform(an_action(1), ALWAYS)
    await hasty.close()
    assert result.outcome is Outcome.RETRY
    assert (await stage.send()).outcome is Outcome.OK


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"<html>",
        b'{"access_token":3}',
        b'{"access_token":"x","expires_in":"soon"}',
        b'{"access_token":"x","expires_in":"1e999"}',
        b'{"access_token":"x","expires_in":"nan"}',
        b'{"access_token":"x","expires_in":-1}',
        b'{"access_token":"a\\nx: y","expires_in":3600}',
        '{"access_token":"\u00e9","expires_in":3600}'.encode(),
    ],
)
async def test_a_malformed_token_is_a_failure_not_a_crash(stage: TokenStage, body: bytes) -> None:
    stage.proxy.answer(token, 200, body)
    result = await stage.send()
    assert (result.outcome, result.code) == (Outcome.RETRY, Code.MALFORMED)


async def test_a_refused_application_is_unauthorized(stage: TokenStage) -> None:
    stage.proxy.answer(token, 400, b'{"error":"invalid_client","error_description":"unknown application"}')
    result = await stage.send()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNAUTHORIZED)
    assert "unknown application" in result.detail


async def test_a_new_secret_is_used_at_the_next_sign_in(stage: TokenStage) -> None:
    """One that is replaced while the old one is on its way to the token endpoint is sent again at once."""
    secrets = ["old-secret"]
    url = f"{stage.proxy.url}/fno"
    provider = Fno(url, f"{url}/token", "simulated-client", lambda: secrets[-1], timeouts=PATIENT, clock=stage.clock)
    refused = await provider.perform(an_action(1), ALWAYS)

    def rotate(request: RecordedRequest) -> bool:
        if token(request):
            secrets.append("simulated-fno-secret")
        return token(request)

    stage.proxy.change(rotate, lambda body: body)
    accepted = await provider.perform(an_action(1), ALWAYS)
    await provider.close()
    assert (refused.code, accepted.code) == (Code.UNAUTHORIZED, Code.OK)
