"""Invoices are pulled: once each, only when posted and standing, line by line, for our orders alone."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from app.domain.order import Order
from app.events.model import LineQuantity, ProviderEvent
from app.providers.port import Always, CallFailedError, Code, Outcome, Page
from app.providers.sap import billing as documents
from app.providers.sap import invoices
from app.providers.sap.client import Sap
from app.providers.sap.simulator import SapOptions
from app.providers.sap.simulator.entities import Entity
from app.runtime.simulators import SimulatorOptions, Simulators, serve
from tests.providers.bench import PATIENT, Clock
from tests.providers.sap.orders import AREA, PASSWORD, USER, a_line, an_order, billing
from tests.providers.tap import Seen, Tap, open_tap
from tests.providers.tenant import ORDER


class Accounts:
    """Orders are billed when told to, and the cursor goes on from pull to pull."""

    def __init__(self, simulators: Simulators, tap: Tap) -> None:
        self.tap, self.book, self.life = tap, simulators.sap.book, simulators.sap.life
        self.simulators = simulators
        self.provider = Sap(f"{tap.url}/sap", USER, PASSWORD, AREA, PATIENT, Clock())
        self.cursor: str | None = None

    async def order(self, order_id: str = "o-1", **fields: Any) -> Order:
        order = an_order(order_id, **fields)
        result = await self.provider.perform(billing(order), Always())
        assert result.outcome is Outcome.OK, result
        return order

    def invoice(self, order_id: str = "o-1", posted: bool = True, **quantities: int) -> Entity:
        """`item10=2`; no quantities: all that is left."""
        order = next(order for order in self.book.orders.values() if _id(order) == order_id)
        parts = {name.removeprefix("item"): Decimal(quantity) for name, quantity in quantities.items()}
        document = self.life.bill(order, parts)
        if posted:
            self.book.post(document)
        return document

    async def page(self) -> Page:
        page = await self.provider.pull(self.cursor)
        self.cursor = page.cursor
        return page

    async def events(self) -> list[ProviderEvent]:
        """All that is to be had now."""
        page = await self.page()
        events = list(page.events)
        while page.more:
            page = await self.page()
            events += page.events
        assert not page.orders
        return events

    async def lines(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """(order, [(line, whole pieces)]) of each event."""
        return [
            (event.order_id, [(line.line_id, line.quantity // 10_000) for line in event.lines])
            for event in await self.events()
        ]


def _id(order: Entity) -> str:
    texts = [str(text.values["LongText"]) for text in order.lists["to_Text"]]
    return texts[0] if texts else str(order.values["PurchaseOrderByCustomer"])


def listed(seen: Seen) -> bool:
    return seen.matches("GET", r"/A_BillingDocument\?")


@pytest.fixture
async def accounts() -> AsyncIterator[Accounts]:
    async with serve(SimulatorOptions(sap=SapOptions(page_size=3))) as simulators, open_tap(simulators.base_url) as tap:
        simulators.sap.set_delays({"Billed": None, "Posted": None})
        accounts = Accounts(simulators, tap)
        yield accounts
        await accounts.provider.close()


async def test_an_invoice_is_told_once_with_its_lines(accounts: Accounts) -> None:
    await accounts.order()
    document = accounts.invoice().values
    created = document["CreationDate"] + document["CreationTime"] // 1000 * 1000
    lines = (LineQuantity("1", 20_000), LineQuantity("2", 20_000))
    event = ProviderEvent("o-1", "sap", "order invoiced", document["BillingDocument"], created, lines)
    assert await accounts.events() == [event]
    assert await accounts.events() == []


async def test_the_same_cursor_brings_the_same(accounts: Accounts) -> None:
    await accounts.order()
    accounts.invoice()
    assert await accounts.provider.pull(None) == await accounts.provider.pull(None)


async def test_one_that_is_not_posted_is_not_told_until_it_is(accounts: Accounts) -> None:
    await accounts.order()
    document = accounts.invoice(posted=False)
    for status in ("", "A", "B", "D", "E", "F", "G", "K", "?"):
        document.values["AccountingTransferStatus"] = status
        accounts.book.touch(document)
        assert await accounts.events() == [], status
    document.values["AccountingTransferStatus"] = ""
    accounts.book.post(document)
    assert await accounts.lines() == [("o-1", [("1", 2), ("2", 2)])]


async def test_a_cancelled_one_and_its_cancellation_are_never_told(accounts: Accounts) -> None:
    await accounts.order()
    accounts.book.cancel(accounts.invoice())
    assert await accounts.events() == []


@pytest.mark.parametrize("category", ["O", "P", "U", "N", "5"])
async def test_credit_memos_and_others_are_no_invoices(accounts: Accounts, category: str) -> None:
    await accounts.order()
    accounts.invoice().values["SDDocumentCategory"] = category
    assert await accounts.events() == []


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


async def test_parts_add_up_line_by_line(accounts: Accounts) -> None:
    await accounts.order(lines=(a_line(1, quantity=30_000), a_line(2, quantity=20_000)))
    accounts.invoice(item10=1)
    assert await accounts.lines() == [("o-1", [("1", 1)])]
    accounts.invoice(item10=1, item20=2)
    accounts.invoice()
    assert await accounts.lines() == [("o-1", [("1", 1), ("2", 2)]), ("o-1", [("1", 1)])]


async def test_an_invoice_that_takes_a_cancelled_ones_place_does_not_count_twice(accounts: Accounts) -> None:
    await accounts.order(lines=(a_line(1, quantity=40_000),))
    wrong = accounts.invoice(item10=2)
    assert await accounts.lines() == [("o-1", [("1", 2)])]
    accounts.book.cancel(wrong)
    accounts.invoice(item10=2)
    assert await accounts.lines() == [], "two of four are invoiced, as before"
    accounts.invoice(item10=1)
    accounts.invoice(item10=1)
    assert await accounts.lines() == [("o-1", [("1", 1)]), ("o-1", [("1", 1)])]


async def test_one_that_was_cancelled_before_it_was_seen_does_not_count(accounts: Accounts) -> None:
    await accounts.order(lines=(a_line(1, quantity=40_000),))
    accounts.book.cancel(accounts.invoice(item10=4))
    accounts.invoice(item10=3)
    assert await accounts.lines() == [("o-1", [("1", 3)])]


async def test_a_document_that_changes_later_is_not_told_again(accounts: Accounts) -> None:
    await accounts.order()
    document = accounts.invoice()
    assert len(await accounts.events()) == 1
    accounts.book.touch(document)
    assert await accounts.events() == []


async def test_a_line_split_over_items_of_one_invoice_is_one_quantity(accounts: Accounts) -> None:
    await accounts.order(lines=(a_line(1, quantity=30_000),))
    document = accounts.invoice(item10=2)
    second = accounts.invoice(item10=1, posted=False).lists["to_Item"][0]
    document.lists["to_Item"].append(second)
    second.parent = document
    assert await accounts.lines() == [("o-1", [("1", 3)])]


async def test_one_invoice_over_two_orders_is_told_to_both(accounts: Accounts) -> None:
    for number in (1, 2):
        await accounts.order(f"o-{number}", lines=(a_line(1),))
    document = accounts.invoice("o-1")
    other = accounts.invoice("o-2", posted=False).lists["to_Item"][0]
    document.lists["to_Item"].append(other)
    other.parent = document
    assert await accounts.lines() == [("o-1", [("1", 2)]), ("o-2", [("1", 2)])]


async def test_orders_of_others_are_left_alone(accounts: Accounts) -> None:
    accounts.book.create({**ORDER, "PurchaseOrderByCustomer": "o-1"})
    accounts.book.create({**ORDER, "PurchaseOrderByCustomer": ""})
    for order in accounts.book.orders.values():
        accounts.book.post(accounts.life.bill(order, {}))
    assert await accounts.events() == []


async def test_items_that_sap_added_are_left_alone(accounts: Accounts) -> None:
    await accounts.order()
    order = next(iter(accounts.book.orders.values()))
    item = dict(order.lists["to_Item"][0].values) | {"SalesOrderItem": "90", "UnderlyingPurchaseOrderItem": ""}
    order.add("to_Item", item)
    accounts.invoice()
    assert await accounts.lines() == [("o-1", [("1", 2), ("2", 2)])]


async def test_items_without_a_sales_order_are_left_alone(accounts: Accounts) -> None:
    await accounts.order()
    accounts.invoice().lists["to_Item"][0].values["SalesDocument"] = ""
    assert await accounts.lines() == [("o-1", [("2", 2)])]


async def test_ids_that_do_not_fit_are_found_all_the_same(accounts: Accounts) -> None:
    long_id, long_line = "order/" + "x" * 122, "line-" + "y" * 30
    await accounts.order(long_id, lines=(a_line(1, line_id=long_line),))
    await accounts.order("o'2", lines=(a_line(1, line_id="0012345"),))
    for order_id in (long_id, "o'2"):
        accounts.invoice(order_id)
    assert await accounts.lines() == [(long_id, [(long_line, 2)]), ("o'2", [("0012345", 2)])]


async def test_a_long_id_whose_text_was_lost_is_nobodys(accounts: Accounts) -> None:
    await accounts.order("x" * 50)
    order = next(iter(accounts.book.orders.values()))
    accounts.invoice("x" * 50)
    order.lists["to_Text"].clear()
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
        known.append(accounts.invoice(f"o-{number}"))
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


async def test_one_in_another_unit_cannot_be_counted_and_is_put_aside(accounts: Accounts) -> None:
    await accounts.order()
    document = accounts.invoice()
    document.lists["to_Item"][0].values["BillingQuantityUnit"] = "BOX"
    page = await accounts.page()
    assert [(line.line_id, line.quantity) for line in page.events[0].lines] == [("2", 20_000)]
    assert [refused.source_ref for refused in page.refused] == [document.values["BillingDocument"]]
    assert "'BOX', not 'PC'" in page.refused[0].reason
    document.lists["to_Item"][0].values["BillingQuantityUnit"] = "PC"
    accounts.book.touch(document)
    assert await accounts.lines() == [("o-1", [("1", 2)])], "once it is put right at SAP"


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
