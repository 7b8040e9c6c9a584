"""Billing documents come page by page, in windows, from a cursor; trouble half way loses and doubles none."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.providers.port import CallFailedError, Code, Outcome
from app.providers.sap import billing as documents
from app.providers.sap import feed
from tests.providers.bench import brought
from tests.providers.recording_proxy import RecordedRequest
from tests.providers.sap.invoice_stage import InvoiceStage, listed, open_invoice_stage
from tests.providers.sap.orders import a_line


@pytest.fixture
async def stage() -> AsyncIterator[InvoiceStage]:
    async with open_invoice_stage() as stage:
        yield stage


async def test_the_same_cursor_brings_the_same(stage: InvoiceStage) -> None:
    await stage.order()
    stage.invoice()
    first, again = await stage.provider.pull(None), await stage.provider.pull(None)
    assert len(first.events) == 1
    assert brought(again) == brought(first)
    assert [(await stage.provider.pull(page.cursor)).events for page in (first, again)] == [(), ()]


async def test_what_was_read_and_not_taken_follows_at_once(
    stage: InvoiceStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "INVOICES_PER_PULL", 1)
    await stage.order(lines=(a_line(1, quantity=20_000),))
    stage.invoice(item10=1)
    stage.invoice(item10=1)
    pages = [await stage.page() for _ in range(3)]
    assert [(len(page.events), page.more) for page in pages] == [(1, True), (1, False), (0, False)]


@pytest.mark.parametrize(
    "odd",
    [
        {"AccountingTransferStatus": "A"},
        {"BillingDocumentIsCancelled": True},
        {"BillingDocumentIsCancelled": None},
        {"CancelledBillingDocument": "90000001"},
        {"SDDocumentCategory": "O"},
    ],
)
async def test_a_filter_that_sap_does_not_apply_changes_nothing(stage: InvoiceStage, odd: dict[str, Any]) -> None:
    """What a document says is looked at here as well."""
    await stage.order()
    stage.invoice()
    for _ in range(2):
        stage.proxy.change(listed, lambda body: {"d": {"results": [{**row, **odd} for row in body["d"]["results"]]}})
    assert await stage.events() == []


async def test_many_invoices_come_page_by_page(stage: InvoiceStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """SAP chains its pages of three with $skiptoken, our windows are of five, and four are taken at once."""
    monkeypatch.setattr(documents, "PAGE_DOCUMENTS", 5)
    monkeypatch.setattr(documents, "ORDERS_PER_CALL", 2)
    monkeypatch.setattr(feed, "INVOICES_PER_PULL", 4)
    for number in range(23):
        await stage.order(f"o-{number}", lines=(a_line(1),))
        stage.invoice(f"o-{number}")
    assert [order for order, _ in await stage.lines()] == [f"o-{number}" for number in range(23)]
    assert any("%24skiptoken=" in request.path or "$skiptoken=" in request.path for request in stage.proxy.calls)
    await stage.order("o-last", lines=(a_line(1),))
    stage.invoice("o-last")
    assert await stage.lines() == [("o-last", [("1", 2)])], "behind many that are known"


async def test_one_that_slips_across_the_border_of_windows_is_not_lost(
    stage: InvoiceStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the second window is asked for, a known document changes: an unseen one moves into the first."""
    monkeypatch.setattr(documents, "PAGE_DOCUMENTS", 3)
    known = []
    for number in range(3):
        await stage.order(f"o-{number}", lines=(a_line(1),))
        known.append(stage.invoice(f"o-{number}", item10=1))
    assert len(await stage.events()) == 3
    for name in ("o-new", "o-newer"):
        await stage.order(name, lines=(a_line(1),))
        stage.invoice(name)

    def second_window(request: RecordedRequest) -> bool:
        if not (listed(request) and "skip=3" in request.path):
            return False
        if known:
            stage.orders.touch(known.pop(0))
            known.clear()
        return False

    stage.proxy.change(second_window, dict)
    assert [order for order, _ in await stage.lines()] == ["o-new", "o-newer"]


async def test_an_odd_document_does_not_stop_the_others(stage: InvoiceStage) -> None:
    for number in (1, 2):
        await stage.order(f"o-{number}", lines=(a_line(1),))
        stage.invoice(f"o-{number}")

    def odd(body: Any) -> Any:
        first, second = body["d"]["results"]
        return {"d": {"results": [{**first, "to_Item": {"__deferred": {}}}, second]}}

    stage.proxy.change(listed, odd)
    page = await stage.page()
    assert [event.order_id for event in page.events] == ["o-2"]
    assert [refused.source_ref for refused in page.refused] == ["90000000"]


@pytest.mark.parametrize(
    "odd",
    [{"d": {"results": [{"BillingDocument": "1"}]}}, {"d": {"results": [{"LastChangeDateTime": "/Date(1)/"}]}}, {}],
)
async def test_a_list_that_is_not_as_documented_moves_nothing(stage: InvoiceStage, odd: Any) -> None:
    stage.proxy.change(listed, lambda _: odd)
    with pytest.raises(CallFailedError) as caught:
        await stage.page()
    assert (caught.value.result.outcome, caught.value.result.code) == (Outcome.RETRY, Code.MALFORMED)


@pytest.mark.parametrize("path", [r"/A_BillingDocument\?", r"/A_SalesOrder\?.*to_Item", r"/A_BillingDocumentItem\?"])
async def test_trouble_half_way_moves_nothing(stage: InvoiceStage, path: str) -> None:
    await stage.order()
    stage.invoice()
    stage.proxy.answer(lambda request: request.matches("GET", path), 503)
    with pytest.raises(CallFailedError):
        await stage.page()
    assert len(await stage.events()) == 1


async def test_a_429_is_kept_to(stage: InvoiceStage) -> None:
    stage.proxy.answer(listed, 429, headers={"Retry-After": "7"})
    for _ in range(2):
        with pytest.raises(CallFailedError) as caught:
            await stage.page()
        assert caught.value.result.retry_after_ms == 7000
    assert stage.proxy.count(listed) == 1


async def test_nothing_yet_is_no_cursor_to_worry_about(stage: InvoiceStage) -> None:
    page = await stage.page()
    assert (page.events, page.orders, page.refused, page.more) == ((), (), (), False)
    assert await stage.provider.pull(page.cursor) == page
