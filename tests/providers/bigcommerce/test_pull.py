"""Orders pulled from the simulator, over HTTP: paging, quota, what goes wrong half-way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from typing import Any

import pytest

from app.errors import ProviderError
from app.providers.bigcommerce import actions, feed
from app.providers.bigcommerce.client import BigCommerce
from app.providers.port import CallFailedError, Code, Outcome
from app.sandbox.vendors.bigcommerce import BigCommerceSimulator
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from tests.providers.bench import PATIENT, Clock
from tests.providers.bigcommerce.bench import everything
from tests.providers.bigcommerce.wire_orders import a_product, a_wire_order
from tests.providers.recording_proxy import RecordedRequest, RecordingProxy, open_recording_proxy

LIST = r"/orders\?"
MODIFIED = 1_551_822_011


@dataclass
class PullStage:
    simulators: Simulators
    proxy: RecordingProxy
    provider: BigCommerce
    clock: Clock
    slept: list[float] = field(default_factory=list)

    def seed(self, *wires: dict[str, Any]) -> None:
        self.simulators.of(BigCommerceSimulator).orders.seed(list(wires), touch=False)

    async def ids(self) -> list[int]:
        return [int(order.source_ref) for order in await everything(self.provider)]


@pytest.fixture
async def stage() -> AsyncIterator[PullStage]:
    clock, slept = Clock(), list[float]()

    async def sleep(seconds: float) -> None:
        clock.now += seconds
        slept.append(seconds)
        await asyncio.sleep(0)

    async with serve(SimulatorOptions()) as simulators, open_recording_proxy(simulators.base_url) as proxy:
        simulators.of(BigCommerceSimulator).set_limits(100_000, 30_000)
        provider = BigCommerce(
            f"{proxy.url}/bigcommerce",
            "demo",
            lambda: "simulated-bigcommerce-token",
            timeouts=PATIENT,
            clock=clock,
            sleep=sleep,
        )
        yield PullStage(simulators, proxy, provider, clock, slept)
        await provider.close()


def an_order(order_id: int, second: int = 0, **fields: Any) -> dict[str, Any]:
    return a_wire_order(order_id, date_modified=formatdate(MODIFIED + second, usegmt=True), **fields)


def lists(request: RecordedRequest) -> bool:
    return request.matches("GET", LIST)


async def test_s10_orders_come_once_oldest_change_first(stage: PullStage) -> None:
    stage.seed(an_order(3, 1), an_order(1, 2), an_order(2, 1))
    first = await stage.provider.pull(None)
    assert [order.order_id for order in first.orders] == ["bc-demo-2", "bc-demo-3", "bc-demo-1"]
    assert not first.more
    again = await stage.provider.pull(first.cursor)
    assert again.orders == ()
    assert (await stage.provider.pull(None)).orders == first.orders


async def test_s10_only_orders_that_wait_for_fulfillment_come(stage: PullStage) -> None:
    stage.seed(*(an_order(100 + status_id, status_id=status_id) for status_id in range(15)))
    assert await stage.ids() == [111]


async def test_an_empty_shop_says_204(stage: PullStage) -> None:
    page = await stage.provider.pull(None)
    assert (page.orders, page.more) == ((), False)


async def test_an_order_of_the_same_second_is_not_skipped(stage: PullStage) -> None:
    stage.seed(an_order(5, 0), an_order(6, 9))
    page = await stage.provider.pull(None)
    stage.seed(an_order(4, 9))
    assert [order.source_ref for order in (await stage.provider.pull(page.cursor)).orders] == ["4"]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """Ten orders a page, so that few orders make many pages."""
    monkeypatch.setattr(actions, "PAGE_ORDERS", 10)
    return actions.PAGE_ORDERS


@pytest.mark.usefixtures("small_pages")
async def test_more_orders_than_a_page_holds_and_all_of_one_second(stage: PullStage) -> None:
    stage.seed(*(an_order(order_id) for order_id in range(1, 36)))
    assert await stage.ids() == list(range(1, 36))


@pytest.mark.usefixtures("small_pages")
async def test_an_order_that_leaves_between_two_pages_moves_none_out_of_sight(stage: PullStage) -> None:
    """All of page 1 is known. Before page 2 is read, orders of page 1 are shipped, and order 12 moves to page 1."""
    stage.seed(*(an_order(order_id) for order_id in range(1, 12)))
    page = await stage.provider.pull(None)
    while page.more:
        page = await stage.provider.pull(page.cursor)
    stage.seed(an_order(12), an_order(13, 5))
    orders = stage.simulators.of(BigCommerceSimulator).orders

    def ship(body: Any) -> Any:
        for order_id in (1, 2):
            orders.update(orders.get(order_id), {"status_id": 2})
        return body

    stage.proxy.change(lambda request: request.matches("GET", r"/orders\?.*page=1$"), ship)
    found = [order.source_ref for order in (await stage.provider.pull(page.cursor)).orders]
    assert found == ["12", "13"]


async def test_lines_and_addresses_are_fetched_page_by_page(stage: PullStage) -> None:
    stage.seed(an_order(1, products=[a_product(at) for at in range(1, 301)]))
    [order] = await everything(stage.provider)
    assert [line.line_id for line in order.lines] == [str(at) for at in range(1, 301)]


FEES: list[dict[str, Any]] = [{"id": 1, "cost_inc_tax": "0.2500"}, {"id": 2, "cost_inc_tax": 1.5}]


async def test_fees_come_with_the_list(stage: PullStage) -> None:
    stage.seed(an_order(1, fees=FEES))
    [order] = await everything(stage.provider)
    assert order.shipping == 50_000 + 17_500
    assert stage.proxy.count(lambda request: request.matches("GET", "/fees")) == 0


@pytest.mark.parametrize(
    ("answer", "charge"),
    [(None, 17_500), (b'[{"id": 1, "cost_inc_tax": "0.2500"}]', 2_500), (b'{"fees": []}', 0), (b"", 0)],
)
async def test_fees_that_are_a_link_are_read_there(stage: PullStage, answer: bytes | None, charge: int) -> None:
    """The document has both, and of their own path the example and the schema differ. None: as the simulator has it."""
    stage.seed(an_order(1, fees=FEES))
    stage.proxy.change(lists, lambda orders: [{**order, "fees": {"url": "https://x"}} for order in orders])
    if answer is not None:
        stage.proxy.answer(lambda request: request.matches("GET", "/orders/1/fees"), 200 if answer else 204, answer)
    [order] = await everything(stage.provider)
    assert order.shipping == 50_000 + charge


async def test_fees_that_cannot_be_read_stop_their_order_alone(stage: PullStage) -> None:
    stage.seed(an_order(1), an_order(2))
    stage.proxy.change(lists, lambda orders: [{**order, "fees": {"url": "https://x"}} for order in orders])
    stage.proxy.answer(
        lambda request: request.matches("GET", "/orders/1/fees"), 404, b'[{"status":404,"message":"gone"}]'
    )
    page = await stage.provider.pull(None)
    assert [order.source_ref for order in page.orders] == ["2"]
    assert "fees cannot be read: status 404: gone" in page.refused[0].reason


async def test_consignments_in_the_list_change_nothing(stage: PullStage) -> None:
    stage.seed(an_order(1))
    plain = await everything(stage.provider)
    consignments = {"pickups": [], "shipping": [{"id": 51, "line_items": []}], "downloads": [], "email": {}}
    stage.proxy.change(lists, lambda orders: [{**order, "consignments": consignments} for order in orders])
    assert await everything(stage.provider) == plain


async def test_an_order_that_cannot_be_mapped_stops_no_other(stage: PullStage) -> None:
    split = [a_product(1, order_address_id=1), a_product(2, order_address_id=2)]
    stage.seed(an_order(1), an_order(2, products=split), an_order(3))
    page = await stage.provider.pull(None)
    assert [order.source_ref for order in page.orders] == ["1", "3"]
    assert [(refused.source_ref, "2 addresses" in refused.reason) for refused in page.refused] == [("2", True)]
    assert (await stage.provider.pull(page.cursor)).refused == ()


async def test_an_order_that_vanishes_while_it_is_read_is_refused(stage: PullStage) -> None:
    stage.seed(an_order(1), an_order(2))
    stage.proxy.answer(
        lambda request: request.matches("GET", "/orders/1/products"), 404, b'[{"status":404,"message":"gone"}]'
    )
    page = await stage.provider.pull(None)
    assert [order.source_ref for order in page.orders] == ["2"]
    assert "gone" in page.refused[0].reason


async def test_a_used_up_quota_is_waited_for(stage: PullStage) -> None:
    stage.seed(*(an_order(order_id) for order_id in range(1, 31)))
    stage.simulators.of(BigCommerceSimulator).set_limits(20, 200)
    cursor, found = None, list[str]()
    for _ in range(40):
        page = await stage.provider.pull(cursor)
        cursor = page.cursor
        found += [order.source_ref for order in page.orders]
        if not page.more:
            break
        # The pull waits on the test's clock; the simulator's windows go by on the wall's.
        await asyncio.sleep(0.2)
    assert sorted(map(int, found)) == list(range(1, 31))


async def test_429_is_waited_out_as_long_as_it_says(stage: PullStage) -> None:
    stage.seed(an_order(1))
    stage.proxy.answer(lists, 429, headers={"X-Retry-After": "9", "X-Rate-Limit-Time-Reset-Ms": "4000"})
    assert await stage.ids() == [1]
    assert 9.0 in stage.slept


async def test_a_shop_that_only_says_429_is_left_for_now(stage: PullStage) -> None:
    for _ in range(feed.READ_ATTEMPTS):
        stage.proxy.answer(lists, 429)
    with pytest.raises(CallFailedError) as failure:
        await stage.provider.pull(None)
    assert failure.value.result.code is Code.RATE_LIMITED


async def test_a_pause_of_an_hour_is_not_waited_out(stage: PullStage) -> None:
    stage.proxy.answer(lists, 429, headers={"X-Retry-After": "3600"})
    with pytest.raises(CallFailedError) as failure:
        await stage.provider.pull(None)
    assert failure.value.result.retry_after_ms == 3_600_000
    assert max(stage.slept) == 0.0


async def test_what_was_read_before_a_failure_is_kept(stage: PullStage) -> None:
    stage.seed(*(an_order(order_id) for order_id in range(1, 31)))
    stage.proxy.cut(lambda request: request.matches("GET", "/orders/12/products"))
    page = await stage.provider.pull(None)
    assert [order.source_ref for order in page.orders] == [str(order_id) for order_id in range(1, 12)]
    assert page.more
    rest = await stage.provider.pull(page.cursor)
    assert [order.source_ref for order in rest.orders] == [str(order_id) for order_id in range(12, 31)]


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[1]", b"3"])
async def test_a_list_that_is_none_is_a_failure_not_a_crash(stage: PullStage, body: bytes) -> None:
    stage.proxy.answer(lists, 200, body)
    with pytest.raises(CallFailedError) as failure:
        await stage.provider.pull(None)
    assert (failure.value.result.outcome, failure.value.result.code) == (Outcome.RETRY, Code.MALFORMED)


async def test_an_order_that_was_changed_in_no_year_does_not_end_the_next_pull(stage: PullStage) -> None:
    stage.proxy.answer(lists, 200, b'[{"id": 1, "date_modified": "Fri, 31 Dec 9999 23:59:59 -2300"}]')
    page = await stage.provider.pull(None)
    assert len(page.refused) == 1
    assert (await stage.provider.pull(page.cursor)).orders == ()


@pytest.mark.parametrize("field", ["products", "shipping_addresses"])
async def test_rows_whose_ids_are_no_ids_refuse_their_order_alone(stage: PullStage, field: str) -> None:
    stage.seed(an_order(1), an_order(2))
    stage.proxy.answer(lambda request: request.matches("GET", f"/orders/1/{field}"), 200, b'[{"id": []}, {"id": {}}]')
    page = await stage.provider.pull(None)
    assert [order.source_ref for order in page.orders] == ["2"]
    assert [refused.source_ref for refused in page.refused] == ["1"]


@pytest.mark.usefixtures("small_pages")
async def test_a_list_that_never_ends_is_given_up(stage: PullStage) -> None:
    """A proxy that passes over `page` shows the first page for ever."""
    first = b"[" + b",".join(b'{"id": %d}' % number for number in range(10)) + b"]"
    stage.proxy.answer(lists, 200, first)
    page = await stage.provider.pull(None)
    for _ in range(feed.PAGES_MAX):
        stage.proxy.answer(lists, 200, first)
    with pytest.raises(CallFailedError, match=f"a list of more than {feed.PAGES_MAX} pages"):
        await stage.provider.pull(page.cursor)


@pytest.mark.usefixtures("small_pages")
async def test_an_order_whose_products_never_end_is_refused(stage: PullStage) -> None:
    stage.seed(an_order(1))
    numbers = count()

    def endless(_page: Any) -> Any:
        return [{"id": next(numbers)} for _ in range(10)]

    for _ in range(feed.PAGES_OF_AN_ORDER_MAX):
        stage.proxy.change(lambda request: request.matches("GET", "/orders/1/products"), endless)
    [refused] = (await stage.provider.pull(None)).refused
    assert "a list of more than" in refused.reason


async def test_a_cursor_of_somebody_else_is_refused(stage: PullStage) -> None:
    with pytest.raises(ProviderError):
        await stage.provider.pull("yesterday")
