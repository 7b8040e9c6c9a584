"""The access token: fetched once, renewed in time, refused once, never shown."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.providers.fno.client import Fno
from app.providers.fno.tokens import RENEW_BEFORE_S
from app.providers.http import Timeouts
from app.providers.port import Action, Always, Code, Outcome, Result
from app.sandbox.vendors.fno import FnoSimulator
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from tests.providers.bench import HASTY, PATIENT, Clock
from tests.providers.fno.bench import STAGES
from tests.providers.fno.rows import a_row
from tests.providers.tap import Seen, Tap, open_tap

ALWAYS = Always()


class Erp:
    def __init__(self, simulators: Simulators, tap: Tap) -> None:
        self.simulators, self.tap, self.clock = simulators, tap, Clock()
        self.provider = self.opened("simulated-fno-secret")

    def opened(self, secret: str, timeouts: Timeouts = PATIENT) -> Fno:
        url = f"{self.tap.url}/fno"
        return Fno(url, f"{url}/token", "simulated-client", secret, timeouts, self.clock)

    async def send(self, order: int = 1) -> Result:
        return await self.provider.perform(an_action(order), ALWAYS)

    def fetched(self) -> int:
        return self.tap.count(token)


def an_action(order: int) -> Action:
    reference = f"bc-demo-{order}"
    return Action("Send order to fulfillment", "e", reference, 1, False, a_row(reference))


def token(seen: Seen) -> bool:
    return seen.matches("POST", "/token$")


@pytest.fixture
async def erp() -> AsyncIterator[Erp]:
    async with serve(SimulatorOptions()) as simulators, open_tap(simulators.base_url) as tap:
        simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES))
        erp = Erp(simulators, tap)
        yield erp
        await erp.provider.close()


async def test_one_token_serves_all_calls_at_once(erp: Erp) -> None:
    results = await asyncio.gather(*(erp.send(order) for order in range(8)))
    assert {result.outcome for result in results} == {Outcome.OK}
    assert erp.fetched() == 1


async def test_it_is_renewed_before_it_ends(erp: Erp) -> None:
    await erp.send(1)
    erp.clock.now += 3599 - RENEW_BEFORE_S - 1
    await erp.send(2)
    assert erp.fetched() == 1
    erp.clock.now += 1
    await erp.send(3)
    assert erp.fetched() == 2


async def test_a_short_life_is_halved(erp: Erp) -> None:
    erp.tap.change(token, lambda body: {**body, "expires_in": "30"})
    await erp.send(1)
    erp.clock.now += 14
    await erp.send(2)
    assert erp.fetched() == 1
    erp.clock.now += 1
    await erp.send(3)
    assert erp.fetched() == 2


async def test_a_refused_token_is_fetched_anew_once_for_all(erp: Erp) -> None:
    await erp.send(1)
    erp.simulators.of(FnoSimulator).tokens.expire_all()
    results = await asyncio.gather(*(erp.send(order) for order in range(2, 8)))
    assert {result.outcome for result in results} == {Outcome.OK}
    assert erp.fetched() == 2


async def test_a_wrong_secret_is_declined_without_showing_it(erp: Erp) -> None:
    provider = erp.opened("wrong-secret")
    result = await provider.perform(an_action(1), ALWAYS)
    await provider.close()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNAUTHORIZED)
    assert "AADSTS7000215" in result.detail
    assert "wrong-secret" not in result.detail


@pytest.mark.parametrize("trouble", ["hang", "cut"])
async def test_a_lost_token_is_no_unknown_order(erp: Erp, trouble: str) -> None:
    hasty = erp.opened("simulated-fno-secret", HASTY)
    getattr(erp.tap, trouble)(token)
    result = await hasty.perform(an_action(1), ALWAYS)
    await hasty.close()
    assert (result.outcome, result.may_have_happened) == (Outcome.RETRY, False)
    assert (await erp.send()).outcome is Outcome.OK


@pytest.mark.parametrize("body", [b"{}", b'{"access_token":3}', b'{"access_token":"x","expires_in":"soon"}', b"<html>"])
async def test_a_malformed_token_is_a_failure_not_a_crash(erp: Erp, body: bytes) -> None:
    erp.tap.answer(token, 200, body)
    result = await erp.send()
    assert (result.outcome, result.code) == (Outcome.RETRY, Code.MALFORMED)


async def test_a_refused_application_is_unauthorized(erp: Erp) -> None:
    erp.tap.answer(token, 400, b'{"error":"invalid_client","error_description":"unknown application"}')
    result = await erp.send()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNAUTHORIZED)
    assert "unknown application" in result.detail
