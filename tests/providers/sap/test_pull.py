"""Invoices are told once each, only when posted and standing, line by line, for our orders alone."""

from collections.abc import AsyncIterator

import pytest

from app.events.model import LineQuantity, ProviderEvent
from tests.providers.sap.invoice_stage import InvoiceStage, open_invoice_stage
from tests.providers.sap.orders import a_line
from tests.providers.sap.simulated_sap import ITEM, ORDER


@pytest.fixture
async def stage() -> AsyncIterator[InvoiceStage]:
    async with open_invoice_stage() as stage:
        yield stage


async def test_an_invoice_is_told_once_with_its_lines(stage: InvoiceStage) -> None:
    await stage.order()
    document = stage.invoice().values
    created = document["CreationDate"] + document["CreationTime"] // 1000 * 1000
    lines = (LineQuantity("1", 20_000), LineQuantity("2", 20_000))
    event = ProviderEvent("o-1", "sap", "order invoiced", document["BillingDocument"], created, lines)
    assert await stage.events() == [event]
    assert await stage.events() == []


async def test_one_that_is_not_posted_is_not_told_until_it_is(stage: InvoiceStage) -> None:
    await stage.order()
    document = stage.invoice(posted=False)
    for status in ("", "A", "B", "D", "E", "F", "G", "K", "?"):
        document.values["AccountingTransferStatus"] = status
        stage.orders.touch(document)
        assert await stage.events() == [], status
    document.values["AccountingTransferStatus"] = ""
    stage.orders.post(document)
    assert await stage.lines() == [("o-1", [("1", 2), ("2", 2)])]


async def test_a_cancelled_one_and_its_cancellation_are_never_told(stage: InvoiceStage) -> None:
    await stage.order()
    stage.orders.cancel(stage.invoice())
    assert await stage.events() == []


@pytest.mark.parametrize("category", ["O", "P", "U", "N", "5"])
async def test_credit_memos_and_others_are_no_invoices(stage: InvoiceStage, category: str) -> None:
    await stage.order()
    stage.invoice().values["SDDocumentCategory"] = category
    assert await stage.events() == []


async def test_parts_add_up_line_by_line(stage: InvoiceStage) -> None:
    await stage.order(lines=(a_line(1, quantity=30_000), a_line(2, quantity=20_000)))
    stage.invoice(item10=1)
    assert await stage.lines() == [("o-1", [("1", 1)])]
    stage.invoice(item10=1, item20=2)
    stage.invoice()
    assert await stage.lines() == [("o-1", [("1", 1), ("2", 2)]), ("o-1", [("1", 1)])]


async def test_an_invoice_that_takes_a_cancelled_ones_place_does_not_count_twice(stage: InvoiceStage) -> None:
    await stage.order(lines=(a_line(1, quantity=40_000),))
    wrong = stage.invoice(item10=2)
    assert await stage.lines() == [("o-1", [("1", 2)])]
    stage.orders.cancel(wrong)
    stage.invoice(item10=2)
    assert await stage.lines() == [], "two of four are invoiced, as before"
    stage.invoice(item10=1)
    stage.invoice(item10=1)
    assert await stage.lines() == [("o-1", [("1", 1)]), ("o-1", [("1", 1)])]


async def test_two_that_take_its_place_at_once_do_not_either(stage: InvoiceStage) -> None:
    await stage.order(lines=(a_line(1, quantity=40_000),))
    wrong = stage.invoice(item10=2)
    assert await stage.lines() == [("o-1", [("1", 2)])]
    stage.orders.cancel(wrong)
    stage.invoice(item10=2)
    stage.invoice(item10=2)
    assert await stage.lines() == [("o-1", [("1", 2)])], "four of four in all"


async def test_one_that_was_cancelled_before_it_was_seen_does_not_count(stage: InvoiceStage) -> None:
    await stage.order(lines=(a_line(1, quantity=40_000),))
    stage.orders.cancel(stage.invoice(item10=4))
    stage.invoice(item10=3)
    assert await stage.lines() == [("o-1", [("1", 3)])]


async def test_a_document_that_changes_later_adds_nothing(stage: InvoiceStage) -> None:
    await stage.order()
    document = stage.invoice(item10=1)
    assert len(await stage.events()) == 1
    stage.orders.touch(document)
    assert await stage.events() == []


async def test_of_a_complete_order_the_same_words_are_told_again(stage: InvoiceStage) -> None:
    """It need not be remembered for ever: the order's lane knows the event."""
    await stage.order()
    document = stage.invoice()
    events = await stage.events()
    stage.orders.touch(document)
    assert await stage.events() == events


async def test_a_line_split_over_items_of_one_invoice_is_one_quantity(stage: InvoiceStage) -> None:
    await stage.order(lines=(a_line(1, quantity=30_000),))
    document = stage.invoice(item10=2)
    second = stage.invoice(item10=1, posted=False).lists["to_Item"][0]
    document.lists["to_Item"].append(second)
    second.parent = document
    assert await stage.lines() == [("o-1", [("1", 3)])]


async def test_one_invoice_over_two_orders_is_told_to_both(stage: InvoiceStage) -> None:
    for number in (1, 2):
        await stage.order(f"o-{number}", lines=(a_line(1),))
    document = stage.invoice("o-1")
    other = stage.invoice("o-2", posted=False).lists["to_Item"][0]
    document.lists["to_Item"].append(other)
    other.parent = document
    assert await stage.lines() == [("o-1", [("1", 2)]), ("o-2", [("1", 2)])]


async def test_orders_of_others_are_left_alone(stage: InvoiceStage) -> None:
    item = {**ITEM, "UnderlyingPurchaseOrderItem": "1"}
    stage.orders.create({**ORDER, "PurchaseOrderByCustomer": "o-1", "to_Item": [item]})
    stage.orders.create({**ORDER, "PurchaseOrderByCustomer": ""})
    for order in stage.orders.by_number.values():
        stage.orders.post(stage.progression.bill(order, {}))
    assert await stage.events() == []


async def test_items_that_sap_added_are_left_alone(stage: InvoiceStage) -> None:
    await stage.order()
    order = next(iter(stage.orders.by_number.values()))
    item = dict(order.lists["to_Item"][0].values) | {"SalesOrderItem": "90", "UnderlyingPurchaseOrderItem": ""}
    order.add("to_Item", item)
    stage.invoice()
    assert await stage.lines() == [("o-1", [("1", 2), ("2", 2)])]


async def test_items_without_a_sales_order_are_left_alone(stage: InvoiceStage) -> None:
    await stage.order()
    stage.invoice().lists["to_Item"][0].values["SalesDocument"] = ""
    assert await stage.lines() == [("o-1", [("2", 2)])]


async def test_ids_that_do_not_fit_are_found_all_the_same(stage: InvoiceStage) -> None:
    long_id, long_line = "order/" + "x" * 122, "line-" + "y" * 30
    await stage.order(long_id, lines=(a_line(1, line_id=long_line),))
    await stage.order("o'2", lines=(a_line(1, line_id="0012345"),))
    for order_id in (long_id, "o'2"):
        stage.invoice(order_id)
    assert await stage.lines() == [(long_id, [(long_line, 2)]), ("o'2", [("0012345", 2)])]


async def test_a_long_id_whose_text_was_lost_is_nobodys(stage: InvoiceStage) -> None:
    await stage.order("x" * 50)
    order = next(iter(stage.orders.by_number.values()))
    stage.invoice("x" * 50)
    order.lists["to_Text"].clear()
    assert await stage.events() == []


async def test_one_in_another_unit_cannot_be_counted_and_is_put_aside(stage: InvoiceStage) -> None:
    await stage.order()
    document = stage.invoice()
    document.lists["to_Item"][0].values["BillingQuantityUnit"] = "BOX"
    page = await stage.page()
    assert [(line.line_id, line.quantity) for line in page.events[0].lines] == [("2", 20_000)]
    assert [refused.source_ref for refused in page.refused] == [document.values["BillingDocument"]]
    assert "'BOX', not 'PC'" in page.refused[0].reason
    document.lists["to_Item"][0].values["BillingQuantityUnit"] = "PC"
    stage.orders.touch(document)
    assert await stage.lines() == [("o-1", [("1", 2)])], "once it is put right at SAP"
