"""The CSRF token: fetched once for all, refetched once when it is refused, with every cookie of its session."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from app.providers.http import Link, Timeouts, open_client
from app.providers.port import Code, Outcome, Result, UnsharedLease
from app.providers.registry import build
from app.providers.sap import odata
from app.providers.sap.client import Sap
from app.providers.sap.csrf_token import CsrfToken
from app.redaction import Redaction
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from app.sandbox.vendors.sap import SapOptions, SapSimulator
from tests.providers.bench import HASTY, PATIENT, Clock
from tests.providers.recording_proxy import RecordedRequest, RecordingProxy, open_recording_proxy
from tests.providers.sap.orders import AREA, PASSWORD, USER, an_order, billing

ALWAYS = UnsharedLease()
TOKEN = "x-csrf-token"


class SessionStage:
    def __init__(self, simulators: Simulators, proxy: RecordingProxy) -> None:
        self.simulators, self.proxy, self.clock = simulators, proxy, Clock()
        self.provider = self.opened(PASSWORD)

    def opened(self, password: str, timeouts: Timeouts = PATIENT) -> Sap:
        return Sap(f"{self.proxy.url}/sap", USER, lambda: password, AREA, timeouts=timeouts, clock=self.clock)

    async def send(self, order: int = 1, *, repeated: bool = False) -> Result:
        return await self.provider.perform(billing(an_order(f"o-{order}"), repeated=repeated), ALWAYS)

    def writes(self) -> list[RecordedRequest]:
        return [request for request in self.proxy.calls if written(request)]

    def orders(self) -> int:
        return len(self.simulators.of(SapSimulator).orders.by_number)


def fetched(request: RecordedRequest) -> bool:
    return request.headers.get(TOKEN, "").lower() == "fetch"


def written(request: RecordedRequest) -> bool:
    return request.matches("POST", "/A_SalesOrder$")


def looked(request: RecordedRequest) -> bool:
    return request.matches("GET", r"/A_SalesOrder\?")


@pytest.fixture
async def stage() -> AsyncIterator[SessionStage]:
    options = SimulatorOptions(vendors={"sap": lambda world: SapSimulator(world, SapOptions(page_size=2))})
    async with serve(options) as simulators, open_recording_proxy(simulators.base_url) as proxy:
        simulators.of(SapSimulator).set_delays({"Billed": None, "Posted": None})
        stage = SessionStage(simulators, proxy)
        yield stage
        await stage.provider.close()


async def test_one_token_serves_all_calls_at_once(stage: SessionStage) -> None:
    results = await asyncio.gather(*(stage.send(order) for order in range(8)))
    assert {result.outcome for result in results} == {Outcome.OK}
    assert stage.proxy.count(fetched) == 1
    assert stage.orders() == 8


async def test_every_cookie_comes_back_whatever_its_name(stage: SessionStage) -> None:
    await stage.send()
    cookies = stage.writes()[0].headers["cookie"]
    assert [name in cookies for name in ("SAP_SESSIONID_S4H_100=", "sap-XSRF_S4H_100=", "sap-usercontext=")] == [
        True
    ] * 3


async def test_a_refused_token_is_fetched_anew_once_for_all(stage: SessionStage) -> None:
    await stage.send(1)
    stage.simulators.of(SapSimulator).access.expire_all()
    results = await asyncio.gather(*(stage.send(order) for order in range(2, 8)))
    assert {result.outcome for result in results} == {Outcome.OK}
    assert stage.orders() == 7
    assert 2 <= stage.proxy.count(fetched) <= 3, "one that was under way may have been told the old session is over"


async def test_a_token_that_was_fetched_meanwhile_stays(stage: SessionStage) -> None:
    """Two calls were under way when the session ended: the second refusal is of the old token as well."""
    http = open_client(PATIENT)
    http.headers["authorization"] = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
    redaction = Redaction()
    link = Link(
        "sap",
        f"{stage.proxy.url}/sap",
        http,
        redaction=redaction,
        timeouts=PATIENT,
        message_of=odata.message_of,
        throttle_ms=0,
        clock=stage.clock,
    )
    token = CsrfToken(link, redaction)
    old = await token.get(ALWAYS)
    stage.simulators.of(SapSimulator).access.expire_all()
    token.forget(old)
    new = await token.get(ALWAYS)
    token.forget(old)
    assert await token.get(ALWAYS) == new != old
    assert stage.proxy.count(fetched) == 2
    await http.aclose()


async def test_a_token_that_is_refused_twice_is_not_fetched_for_ever(stage: SessionStage) -> None:
    for _ in range(2):
        stage.proxy.answer(written, 403, b"CSRF token validation failed", {TOKEN: "Required"})
    result = await stage.send()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.FORBIDDEN)
    assert (len(stage.writes()), stage.proxy.count(fetched), stage.orders()) == (2, 2, 0)


async def test_another_403_is_no_reason_for_a_second_try(stage: SessionStage) -> None:
    stage.proxy.answer(written, 403, b'{"error": {"message": {"value": "No authorization"}}}')
    result = await stage.send()
    assert (result.outcome, result.code, len(stage.writes())) == (Outcome.DECLINED, Code.FORBIDDEN, 1)
    assert "No authorization" in result.detail


async def test_a_wrong_password_is_declined_without_showing_it(stage: SessionStage) -> None:
    provider = stage.opened("wrong-password")
    result = await provider.perform(billing(an_order()), ALWAYS)
    await provider.close()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNAUTHORIZED)
    assert "wrong-password" not in repr(result)


async def test_tokens_and_cookies_are_never_shown(stage: SessionStage) -> None:
    await stage.send(1)
    write = stage.writes()[0]
    secrets = [write.headers[TOKEN], *(part.split("=", 1)[1] for part in write.headers["cookie"].split("; "))]
    stage.proxy.answer(written, 400, " ".join(secrets).encode())
    result = await stage.send(2)
    assert "***" in result.detail
    assert not [secret for secret in secrets if secret in result.detail]


@pytest.mark.parametrize(("status", "code"), [(200, Code.MALFORMED), (503, Code.UNAVAILABLE)])
async def test_a_token_that_does_not_come_may_be_asked_for_again(stage: SessionStage, status: int, code: Code) -> None:
    stage.proxy.answer(fetched, status)
    result = await stage.send()
    assert (result.outcome, result.code, stage.writes()) == (Outcome.RETRY, code, [])
    assert (await stage.send()).outcome is Outcome.OK


async def test_a_lost_creation_asks_for_time_before_anybody_looks(stage: SessionStage) -> None:
    provider = stage.opened(PASSWORD, HASTY)
    stage.proxy.hang(written)
    result = await provider.perform(billing(an_order("o-1")), ALWAYS)
    await provider.close()
    assert (result.outcome, result.retry_after_ms) == (Outcome.UNKNOWN, 2000)
    assert (await stage.send(1, repeated=True)).detail == "was there already"
    assert stage.orders() == 1


async def test_orders_with_the_same_reference_are_all_reported(stage: SessionStage) -> None:
    """A creation that took effect after it was given up leaves two; they come in more than one page."""
    for number in range(4):
        stage.proxy.answer(looked, 200, b'{"d": {"results": []}}')
        assert (await stage.send(7)).reference == str(number + 1)
    result = await stage.send(7, repeated=True)
    assert (result.outcome, result.reference) == (Outcome.OK, "1")
    assert "2, 3, 4" in result.detail
    assert stage.orders() == 4


async def test_a_list_without_end_is_given_up(stage: SessionStage) -> None:
    for _ in range(100):
        stage.proxy.change(looked, lambda _: {"d": {"results": [], "__next": "x?$skiptoken=1"}})
    result = await stage.send()
    assert (result.outcome, result.code) == (Outcome.RETRY, Code.MALFORMED)
    assert "100 pages" in result.detail


async def test_saps_refusal_of_an_order_is_in_its_own_words(stage: SessionStage) -> None:
    area = AREA._replace(sold_to="999")
    provider = Sap(f"{stage.proxy.url}/sap", USER, lambda: PASSWORD, area, timeouts=PATIENT, clock=stage.clock)
    result = await provider.perform(billing(an_order()), ALWAYS)
    await provider.close()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)
    assert "Sold-to party 999 not maintained for sales area 1010 10 00 (V1/302)" in result.detail


async def test_what_cannot_be_held_is_declined_without_a_call(stage: SessionStage) -> None:
    result = await stage.provider.perform(billing(an_order(lines=())), ALWAYS)
    assert (result.outcome, result.code, stage.proxy.calls) == (Outcome.DECLINED, Code.INVALID, [])


async def test_the_settings_open_it(stage: SessionStage) -> None:
    environ = stage.simulators.environ()
    environ.pop("WAYBILL_SAP_WEBHOOK_SECRET")
    provider = build("sap", environ)
    result = await provider.perform(billing(an_order("o-set")), ALWAYS)
    await provider.close()
    assert (result.outcome, stage.orders()) == (Outcome.OK, 1)
