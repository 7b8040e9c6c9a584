"""Sending orders to Flexe: conflicts, credentials, the limit of calls, settings."""

from collections.abc import AsyncIterator

import pytest

from app.errors import SettingError
from app.providers import registry
from app.providers.flexe.client import Flexe
from app.providers.port import Code, Outcome, UnsharedLease
from app.sandbox.vendors.flexe import FlexeSimulator, options_of
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from app.sandbox.vendors.simulation_http import GENEROUS_QUOTA, VendorSetup
from tests.providers.bench import PATIENT, Clock
from tests.providers.flexe.bench import BENCH, a_request
from tests.providers.orders import a_line, an_order

ALWAYS = UnsharedLease()
GIVEN = {
    "WAYBILL_FLEXE_BASE_URL": "https://flexe.example/",
    "WAYBILL_FLEXE_API_KEY": "key",
    "WAYBILL_FLEXE_OWNER_ID": "owner-1",
    "WAYBILL_FLEXE_WEBHOOK_SECRET": "whsec_c2VjcmV0",
}


@pytest.fixture
async def simulators() -> AsyncIterator[Simulators]:
    async with serve(SimulatorOptions()) as simulators:
        await BENCH.seed(simulators)
        yield simulators


@pytest.fixture
async def flexe(simulators: Simulators) -> AsyncIterator[Flexe]:
    provider = BENCH.open(simulators.base_url, PATIENT, Clock())
    yield provider
    await provider.close()


@pytest.mark.parametrize("repeated", [True, False])
async def test_an_order_with_other_goods_is_not_taken_for_this_one(flexe: Flexe, repeated: bool) -> None:
    await flexe.perform(a_request(an_order()), ALWAYS)
    changed = an_order(lines=(a_line("1", 30_000), a_line("2")))
    result = await flexe.perform(a_request(changed, repeated=repeated), ALWAYS)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.CONFLICT)


@pytest.mark.parametrize("repeated", [True, False])
async def test_an_order_that_flexe_canceled_is_not_called_sent(
    flexe: Flexe, simulators: Simulators, repeated: bool
) -> None:
    first = await flexe.perform(a_request(an_order()), ALWAYS)
    simulators.of(FlexeSimulator).orders.cancel(simulators.of(FlexeSimulator).orders.get(first.reference), "damaged")
    result = await flexe.perform(a_request(an_order(), repeated=repeated), ALWAYS)
    assert (result.outcome, result.code, result.reference) == (Outcome.DECLINED, Code.CONFLICT, first.reference)


async def test_a_repeat_of_what_is_there_writes_nothing(flexe: Flexe, simulators: Simulators) -> None:
    await flexe.perform(a_request(an_order()), ALWAYS)
    result = await flexe.perform(a_request(an_order(), repeated=True), ALWAYS)
    assert result.outcome is Outcome.OK
    assert simulators.world.journal.calls["flexe", "POST /outbound-orders"] == 1
    assert simulators.world.journal.calls["flexe", "GET /outbound-orders"] == 1


async def test_refusals_are_told_in_the_words_of_flexe(flexe: Flexe) -> None:
    result = await flexe.perform(a_request(an_order(lines=(a_line("1", sku=""),))), ALWAYS)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)
    assert "$.items[0].sku" in result.detail


async def test_another_owner_is_refused(simulators: Simulators) -> None:
    provider = Flexe(
        f"{simulators.base_url}/flexe", lambda: "simulated-flexe-key", "owner-2", timeouts=PATIENT, clock=Clock()
    )
    result = await provider.perform(a_request(an_order()), ALWAYS)
    await provider.close()
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.FORBIDDEN)


async def test_the_limit_of_calls_is_honoured(flexe: Flexe, simulators: Simulators) -> None:
    simulators.of(FlexeSimulator).set_limits(1, 60_000)
    assert (await flexe.perform(a_request(an_order("a")), ALWAYS)).outcome is Outcome.OK
    for _ in range(2):
        result = await flexe.perform(a_request(an_order("b")), ALWAYS)
        assert (result.outcome, result.code) == (Outcome.RETRY, Code.RATE_LIMITED)
        assert 50_000 < result.retry_after_ms <= 60_000
    assert simulators.world.journal.calls["flexe", "POST /outbound-orders"] == 2


def test_generous_hosts_hardly_limit() -> None:
    assert options_of(VendorSetup()).quota == 100
    assert options_of(VendorSetup(generous=True)).quota == GENEROUS_QUOTA


async def test_the_host_tells_the_settings_that_lead_to_it(simulators: Simulators) -> None:
    provider = registry.build("flexe", simulators.environ())
    result = await provider.perform(a_request(an_order()), ALWAYS)
    await provider.close()
    assert result.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"WAYBILL_FLEXE_WEBHOOK_SECRET": "hunter2hunter2hunter2!"}, "WAYBILL_FLEXE_WEBHOOK_SECRET: .* base64"),
        ({"WAYBILL_FLEXE_WEBHOOK_SECRET": "whsec_"}, "WAYBILL_FLEXE_WEBHOOK_SECRET: .* base64"),
        ({"WAYBILL_FLEXE_BASE_URL": "flexe.example"}, "WAYBILL_FLEXE_BASE_URL.*must look like"),
        ({"WAYBILL_FLEXE_OWNER_ID": ""}, "flexe is set up in part: set WAYBILL_FLEXE_OWNER_ID"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message) as refusal:
        registry.build("flexe", GIVEN | change)
    assert "hunter2" not in str(refusal.value)
