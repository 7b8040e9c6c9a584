"""Billing documents come page by page, in windows, from a cursor; trouble half way loses and doubles none."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.providers.port import CallFailedError, Code, Outcome
from app.providers.sap import billing as documents
from app.providers.sap import invoices
from tests.providers.bench import brought
from tests.providers.sap.accounts import Accounts, listed, open_accounts
from tests.providers.sap.orders import a_line
from tests.providers.tap import Seen


@pytest.fixture
async def accounts() -> AsyncIterator[Accounts]:
    async with open_accounts() as accounts:
        yield accounts


async def test_the_same_cursor_brings_the_same(accounts: Accounts) -> None:
    await accounts.order()
    accounts.invoice()
    first, again = await accounts.provider.pull(None), await accounts.provider.pull(None)
    assert len(first.events) == 1
    assert brought(again) == brought(first)
    assert [(await accounts.provider.pull(page.cursor)).events for page in (first, again)] == [(), ()]


async def test_what_was_read_and_not_taken_follows_at_once(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoices, "INVOICES_PER_PULL", 1)
    await accounts.order(lines=(a_line(1, quantity=20_000),))
    accounts.invoice(item10=1)
    accounts.invoice(item10=1)
    pages = [await accounts.page() for _ in range(3)]
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
async def test_a_filter_that_sap_does_not_apply_changes_nothing(accounts: Accounts, odd: dict[str, Any]) -> None:
    """What a document says is looked at here as well."""
    await accounts.order()
    accounts.invoice()
    for _ in range(2):
        accounts.tap.change(listed, lambda body: {"d": {"results": [{**row, **odd} for row in body["d"]["results"]]}})
    assert await accounts.events() == []


async def test_many_invoices_come_page_by_page(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """SAP chains its pages of three with $skiptoken, our windows are of five, and four are taken at once."""
    monkeypatch.setattr(documents, "PAGE_DOCUMENTS", 5)
    monkeypatch.setattr(documents, "ORDERS_PER_CALL", 2)
    monkeypatch.setattr(invoices, "INVOICES_PER_PULL", 4)
    for number in range(23):
        await accounts.order(f"o-{number}", lines=(a_line(1),))
        accounts.invoice(f"o-{number}")
    assert [order for order, _ in await accounts.lines()] == [f"o-{number}" for number in range(23)]
    assert any("%24skiptoken=" in seen.path or "$skiptoken=" in seen.path for seen in accounts.tap.calls)
    await accounts.order("o-last", lines=(a_line(1),))
    accounts.invoice("o-last")
    assert await accounts.lines() == [("o-last", [("1", 2)])], "behind many that are known"


async def test_one_that_slips_across_the_border_of_windows_is_not_lost(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the second window is asked for, a known document changes: an unseen one moves into the first."""
    monkeypatch.setattr(documents, "PAGE_DOCUMENTS", 3)
    known = []
    for number in range(3):
        await accounts.order(f"o-{number}", lines=(a_line(1),))
        known.append(accounts.invoice(f"o-{number}", item10=1))
    assert len(await accounts.events()) == 3
    for name in ("o-new", "o-newer"):
        await accounts.order(name, lines=(a_line(1),))
        accounts.invoice(name)

    def second_window(seen: Seen) -> bool:
        if not (listed(seen) and "skip=3" in seen.path):
            return False
        if known:
            accounts.book.touch(known.pop(0))
            known.clear()
        return False

    accounts.tap.change(second_window, dict)
    assert [order for order, _ in await accounts.lines()] == ["o-new", "o-newer"]


async def test_an_odd_document_does_not_stop_the_others(accounts: Accounts) -> None:
    for number in (1, 2):
        await accounts.order(f"o-{number}", lines=(a_line(1),))
        accounts.invoice(f"o-{number}")

    def odd(body: Any) -> Any:
        first, second = body["d"]["results"]
        return {"d": {"results": [{**first, "to_Item": {"__deferred": {}}}, second]}}

    accounts.tap.change(listed, odd)
    page = await accounts.page()
    assert [event.order_id for event in page.events] == ["o-2"]
    assert [refused.source_ref for refused in page.refused] == ["90000000"]


@pytest.mark.parametrize(
    "odd",
    [{"d": {"results": [{"BillingDocument": "1"}]}}, {"d": {"results": [{"LastChangeDateTime": "/Date(1)/"}]}}, {}],
)
async def test_a_list_that_is_not_as_documented_moves_nothing(accounts: Accounts, odd: Any) -> None:
    accounts.tap.change(listed, lambda _: odd)
    with pytest.raises(CallFailedError) as caught:
        await accounts.page()
    assert (caught.value.result.outcome, caught.value.result.code) == (Outcome.RETRY, Code.MALFORMED)


@pytest.mark.parametrize("path", [r"/A_BillingDocument\?", r"/A_SalesOrder\?.*to_Item", r"/A_BillingDocumentItem\?"])
async def test_trouble_half_way_moves_nothing(accounts: Accounts, path: str) -> None:
    await accounts.order()
    accounts.invoice()
    accounts.tap.answer(lambda seen: seen.matches("GET", path), 503)
    with pytest.raises(CallFailedError):
        await accounts.page()
    assert len(await accounts.events()) == 1


async def test_a_429_is_kept_to(accounts: Accounts) -> None:
    accounts.tap.answer(listed, 429, headers={"Retry-After": "7"})
    for _ in range(2):
        with pytest.raises(CallFailedError) as caught:
            await accounts.page()
        assert caught.value.result.retry_after_ms == 7000
    assert accounts.tap.count(listed) == 1


async def test_nothing_yet_is_no_cursor_to_worry_about(accounts: Accounts) -> None:
    page = await accounts.page()
    assert (page.events, page.orders, page.refused, page.more) == ((), (), (), False)
    assert await accounts.provider.pull(page.cursor) == page
