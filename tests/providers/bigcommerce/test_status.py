"""Reporting a status to BigCommerce: which one, and when nothing is written."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from app.providers.bigcommerce.actions import message_of, status_id_of
from app.providers.bigcommerce.client import BigCommerce
from app.providers.http_messages import MalformedReplyError, Reply
from app.providers.port import Code, Outcome, UnsharedLease
from app.sandbox.vendors.bigcommerce import BigCommerceSimulator
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from tests.providers.bench import PATIENT, Clock
from tests.providers.bigcommerce.bench import an_update
from tests.providers.bigcommerce.wire_orders import a_wire_order

ALWAYS = UnsharedLease()


@pytest.fixture
async def simulators() -> AsyncIterator[Simulators]:
    async with serve(SimulatorOptions()) as simulators:
        simulators.of(BigCommerceSimulator).orders.seed([a_wire_order(218)], touch=False)
        yield simulators


@pytest.fixture
async def shop(simulators: Simulators) -> AsyncIterator[BigCommerce]:
    provider = BigCommerce(
        f"{simulators.base_url}/bigcommerce",
        "demo",
        lambda: "simulated-bigcommerce-token",
        timeouts=PATIENT,
        clock=Clock(),
    )
    yield provider
    await provider.close()


def status_of(simulators: Simulators) -> int:
    return int(simulators.of(BigCommerceSimulator).orders.get(218).fields["status_id"])


async def test_s18_s21_shipped_then_completed(shop: BigCommerce, simulators: Simulators) -> None:
    for reason, status_id in (("Packed", 2), ("Fulfilled", 10)):
        result = await shop.perform(an_update("218", reason=reason), ALWAYS)
        assert (result.outcome, result.reference) == (Outcome.OK, "218")
        assert result.values == {"status_id": str(status_id)}
        assert status_of(simulators) == status_id


async def test_a_repeated_report_of_shipment_leaves_a_completed_order(
    shop: BigCommerce, simulators: Simulators
) -> None:
    await shop.perform(an_update("218", reason="Fulfilled"), ALWAYS)
    result = await shop.perform(an_update("218", repeated=True), ALWAYS)
    assert (result.outcome, result.values) == (Outcome.OK, {"status_id": "10"})
    assert status_of(simulators) == 10


@pytest.mark.parametrize("source_ref", ["0218", "218 ", "+218", "\uff12\uff11\uff18", "2" * 20, "0", ""])
async def test_only_an_order_id_as_bigcommerce_writes_it_leads_to_its_order(
    shop: BigCommerce, simulators: Simulators, source_ref: str
) -> None:
    before = status_of(simulators)
    result = await shop.perform(an_update(source_ref), ALWAYS)
    assert (result.outcome, result.code, status_of(simulators)) == (Outcome.DECLINED, Code.INVALID, before)


async def test_an_order_that_was_pulled_from_another_store_is_not_taken_for_one_of_this(
    shop: BigCommerce, simulators: Simulators
) -> None:
    before, theirs = status_of(simulators), an_update("218")
    body = replace(theirs.body, order_id="bc-other-218")
    result = await shop.perform(replace(theirs, body=body, order_id="bc-other-218"), ALWAYS)
    assert (result.outcome, result.code, status_of(simulators)) == (Outcome.DECLINED, Code.CONFLICT, before)
    assert "store 'other'" in result.detail
    assert "WAYBILL_BIGCOMMERCE_STORE_HASH is 'demo'" in result.detail


async def test_a_reply_about_another_order_is_no_answer() -> None:
    reply = Reply(200, {}, b'{"id": 219, "status_id": 2}')
    with pytest.raises(MalformedReplyError, match="expected order 218, got 219"):
        status_id_of(reply, "218")


async def test_a_repeated_report_is_not_written_twice(shop: BigCommerce, simulators: Simulators) -> None:
    await shop.perform(an_update("218"), ALWAYS)
    writes = simulators.world.journal.calls["bigcommerce", "PUT /orders/{order_id}"]
    result = await shop.perform(an_update("218", repeated=True), ALWAYS)
    assert result.detail == "was so already"
    assert simulators.world.journal.calls["bigcommerce", "PUT /orders/{order_id}"] == writes


@pytest.mark.parametrize("repeated", [True, False])
async def test_an_order_that_is_not_there_is_declined(shop: BigCommerce, repeated: bool) -> None:
    result = await shop.perform(an_update("999", repeated=repeated), ALWAYS)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.NOT_FOUND)


@pytest.mark.parametrize("source_ref", ["", "SO-1", "1/../2", "²", "-1"])
async def test_what_is_no_order_id_is_never_put_into_a_path(shop: BigCommerce, source_ref: str) -> None:
    result = await shop.perform(an_update(source_ref), ALWAYS)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)


async def test_a_reason_without_a_status_is_declined(shop: BigCommerce) -> None:
    result = await shop.perform(an_update("218", reason="Picked"), ALWAYS)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNSUPPORTED)
    assert "'Picked'" in result.detail


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'[{"status":404,"message":"not here"}]', "not here"),
        (b'{"status":422,"title":"wrong"}', "wrong"),
        (b"[]", "[]"),
        (b"[3]", "3"),
        (b"<html>503</html>", "<html>503</html>"),
        (b"\xff", "\ufffd"),
    ],
)
def test_errors_of_any_shape_are_read(body: bytes, message: str) -> None:
    assert message_of(Reply(400, {}, body)) == message
