"""Orders from rows, rows from orders, and maps that are refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.domain.order import Effect, FulfillmentOrder, LineQuantity, OrderState
from app.dualwrite.sales_order_mapping import load
from app.dualwrite.write_plan import applied, plan
from app.errors import DefinitionError, RecordError
from app.events.sales_order_change import SalesOrderRow, line_id, order_id
from tests.dualwrite.rows import AT, ORDERS, TEXTS, a_line, a_row, an_order, our_row

FNO_TO_IOM = "app/dualwrite/maps/salesorders.fno-to-iom.yaml"
COUNTRIES = "app/dualwrite/maps/countries.yaml"


def test_an_order_of_fno_has_its_ids_company_and_places() -> None:
    order = ORDERS.to_order(a_row(RequestedShippingDate=AT + 5, OrderTotalTaxAmount=7))
    assert (order.order_id, order.origin, order.source_ref) == ("fno-usmf-SO-000123", "fno", "SO-000123")
    assert (order.company, order.customer, order.invoice_customer) == ("USMF", "C-1", "C-2")
    assert (order.site, order.warehouse, order.requested_ship_date) == ("1", "13", AT + 5)
    assert (order.subtotal, order.tax, order.total, order.placed_at) == (500_000, 7, 500_000, AT)
    assert (order.state, order.reason) == ("New", "New")
    line = order.lines[1]
    assert (line.line_id, line.sku, line.name, line.reference) == ("2", "1002", "Lamp 2", "LOT-2")
    assert (line.quantity, line.unit_price, line.total, line.site, line.warehouse) == (
        20_000,
        125_000,
        250_000,
        "1",
        "13",
    )


def test_what_comes_from_fno_is_ready_to_sync() -> None:
    assert ORDERS.to_order(a_row(isReadyToSync=False)).ready_to_sync


@pytest.mark.parametrize(("code", "channel"), [("", "fno"), ("PHONE", "PHONE"), ("Web", "Web")])
def test_the_channel_is_the_origin_code(code: str, channel: str) -> None:
    order = ORDERS.to_order(a_row(SalesOrderOriginCode=code))
    assert order.channel == channel
    assert ORDERS.to_row(order).SalesOrderOriginCode == code


def test_empty_text_is_none_where_the_order_knows_none_and_back() -> None:
    order = ORDERS.to_order(a_row(DefaultShippingSiteId="", InvoiceCustomerAccountNumber="", DeliveryAddressStateId=""))
    assert (order.site, order.invoice_customer, order.ship_to.region) == (None, None, "")
    row = ORDERS.to_row(order)
    assert (row.DefaultShippingSiteId, row.InvoiceCustomerAccountNumber) == ("", "")


@pytest.mark.parametrize(("region", "country"), [("USA", "US"), ("usa", "US"), ("NOR", "NO"), ("US", "US"), ("", "")])
def test_country_ids_become_alpha_2(region: str, country: str) -> None:
    assert ORDERS.to_order(a_row(DeliveryAddressCountryRegionId=region)).ship_to.country == country


def test_every_country_goes_there_and_back() -> None:
    codes = [line.strip().split(": ") for line in TEXTS[COUNTRIES].splitlines() if line.startswith("  ")]
    assert len(codes) == 249
    assert len({alpha_2 for _, alpha_2 in codes}) == 249
    for alpha_3, quoted in codes:
        order = ORDERS.to_order(a_row(DeliveryAddressCountryRegionId=alpha_3))
        assert order.ship_to.country == quoted.strip('"')
        assert ORDERS.to_row(order).DeliveryAddressCountryRegionId == alpha_3


def test_an_unknown_country_is_refused_by_name() -> None:
    with pytest.raises(RecordError, match="DeliveryAddressCountryRegionId 'Utopia' has no row in value map 'country'"):
        ORDERS.to_order(a_row(DeliveryAddressCountryRegionId="Utopia"))
    address = replace(an_order().ship_to, country="Utopia")
    with pytest.raises(RecordError, match=r"ship_to\.country 'Utopia'"):
        ORDERS.to_row(an_order(ship_to=address))


def test_an_order_that_we_made_keeps_its_id_its_line_ids_and_its_customer() -> None:
    order = ORDERS.to_order(our_row())
    assert order.order_id == "bc-s1-77"
    assert [line.line_id for line in order.lines] == ["91", "92"]
    assert order.customer == ""
    assert [line.reference for line in order.lines] == ["", ""]


def test_a_line_added_in_fno_to_our_order_has_an_id_that_meets_no_other() -> None:
    row = our_row(lines=1)
    row = replace(row, Lines=(*row.Lines, a_line(91)))
    assert [line_id(row, line) for line in row.Lines] == ["91", "fno-91"]
    again = ORDERS.to_row(replace(ORDERS.to_order(row), origin="bigcommerce"))
    assert [(line.LineNumber, line.ExternalItemNumber) for line in again.Lines] == [(1, "91"), (91, "")]


def test_our_order_becomes_a_row_with_our_ids() -> None:
    row = ORDERS.to_row(an_order(), "SO-7")
    assert (row.CustomersOrderReference, row.SalesOrderOriginCode, row.SalesOrderNumber) == ("bc-s1-77", "IOM", "SO-7")
    assert (row.OrderingCustomerAccountNumber, row.InvoiceCustomerAccountNumber) == ("C-2", "C-2")
    assert (row.DeliveryAddressCountryRegionId, row.isReadyToSync, row.OrderTotalAmount) == ("USA", True, 500_000)
    assert [(line.LineNumber, line.ExternalItemNumber, line.InventoryLotId) for line in row.Lines] == [
        (1, "91", ""),
        (2, "92", ""),
    ]


def test_an_order_of_fno_goes_there_and_back_unchanged() -> None:
    row = a_row(RequestedShippingDate=AT, SalesOrderOriginCode="PHONE")
    back = ORDERS.to_row(ORDERS.to_order(row))
    lines = tuple(replace(line, SalesOrderLineStatus="") for line in row.Lines)
    assert back == replace(row, Lines=lines)


@pytest.mark.parametrize(
    ("state", "reason", "status", "stopped"),
    [
        ("New", "New", "Active", "No"),
        ("New", "Confirmed", "Confirmed", "No"),
        ("Validated", "Assigned", "Active", "No"),
        ("Fulfillment in Process", "Picked", "Picked", "No"),
        ("Fulfillment in Process", "Packed", "Delivered", "No"),
        ("Completed", "Fulfilled", "Invoiced", "No"),
        ("Canceled", "Validation failed", "Canceled", "No"),
        ("On Hold", "Needs attention", "Active", "Yes"),
    ],
)
def test_status_and_hold_are_told_to_fno(state: str, reason: str, status: str, stopped: str) -> None:
    row = ORDERS.to_row(an_order(state=state, reason=reason))
    assert (row.SalesOrderProcessingStatus, row.IsSalesProcessingStopped) == (status, stopped)


def test_a_held_order_is_stopped_at_fno_until_it_is_sent() -> None:
    held = OrderState(replace(an_order(), state="On Hold", reason="Needs attention"), "bigcommerce-fno-fno", 1)
    asked = replace(held, effects=(Effect("e2", "send", "fno", "Send order to fulfillment", 1, AT),))
    there = replace(held, references=(("fno", "SO-1"),))
    stopped = [ORDERS.to_change(None, state, AT).row.IsSalesProcessingStopped for state in (held, asked, there)]
    assert stopped == ["Yes", "No", "No"]


def test_a_hold_does_not_hide_from_fno_how_far_the_goods_are() -> None:
    order = replace(an_order(), state="On Hold", reason="Needs attention")
    held = OrderState(order, "fno-flexe-fno", 1, references=(("fno", "SO-1"),))
    left = replace(held, raised=("order shipped",))
    told = [ORDERS.to_change(None, state, AT).row.SalesOrderProcessingStatus for state in (held, left)]
    assert told == ["Active", "Delivered"]


def test_a_change_carries_versions_origin_and_effect() -> None:
    before = OrderState(an_order(company=None), "f", 1, version=3)
    after = OrderState(an_order(), "f", 1, version=4, references=(("fno", "SO-9"),))
    effect = Effect("e1", "send", "fno", "Send order to fulfillment", 3, AT)
    change = ORDERS.to_change(before, after, AT, effect=effect)
    assert (change.op, change.ts_ms, change.source.version) == ("u", AT, 4)
    assert (change.source.effect_id, change.source.action, change.source.attempt) == ("e1", effect.action, 3)
    assert (change.source.origin, change.source.name) == ("iom", "iom")
    assert change.before is not None
    assert change.before.dataAreaId == ""
    assert (change.row.dataAreaId, change.row.SalesOrderNumber) == ("USMF", "SO-9")
    first = ORDERS.to_change(None, after, AT, origin="fno", origin_version=12)
    assert (first.op, first.before, first.source.origin, first.source.origin_version) == ("c", None, "fno", 12)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (a_row(SalesOrderNumber=""), "needs dataAreaId and SalesOrderNumber"),
        (a_row(dataAreaId=""), "needs dataAreaId and SalesOrderNumber"),
        (replace(our_row(), CustomersOrderReference=""), "our order id"),
    ],
)
def test_a_row_without_an_id_is_refused(row: SalesOrderRow, problem: str) -> None:
    with pytest.raises(RecordError, match=problem) as refused:
        order_id(row)
    assert refused.value.code == "invalid"


def test_two_lines_with_one_number_are_refused() -> None:
    with pytest.raises(RecordError, match="two lines with one id"):
        ORDERS.to_order(a_row(Lines=(a_line(1), a_line(1))))


def _texts(find: str, put: str) -> dict[str, str]:
    assert find in TEXTS[FNO_TO_IOM]
    return {**TEXTS, FNO_TO_IOM: TEXTS[FNO_TO_IOM].replace(find, put, 1)}


@pytest.mark.parametrize(
    ("find", "put", "problem"),
    [
        ("{from: Email,", "{from: EMail,", "header[16].from: SalesOrderRow has no field 'EMail'"),
        ("to: ship_to.email", "to: ship_to.mail", "header[16].to: Order has no field 'ship_to.mail'"),
        ("to: ship_to.email", "to: ship_to.city", "two rules set ship_to.city"),
        ("values: country", "values: land", "no value map 'land'"),
        ("  - {from: ItemNumber, to: sku}\n", "", "lines: no rule sets sku on orders of fno"),
        ("to: ship_to.email", "to: order_id", "has a rule of its own in the code"),
        ("{value: true,", "{value: true, from: Email,", "`value` stands beside"),
        ("{from: Email,", "{from: [Email, CurrencyCode],", "several fields in `from` without `values`"),
        (
            "customer, born: fno",
            "customer, born: here",
            "header[5].born: `here` is not a known value; use one of: any",
        ),
        ("version: 1", "version: 1\nversoin: 2", "versoin: unknown key; did you mean `version`?"),
        ("header:", "header: [", "line 10, column 3: not YAML"),
    ],
)
def test_a_wrong_map_is_refused_with_its_place(find: str, put: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        load(_texts(find, put))
    assert str(refused.value).startswith(FNO_TO_IOM)
    assert problem in str(refused.value)


def test_both_directions_are_needed() -> None:
    texts: dict[str, Any] = {file: text for file, text in TEXTS.items() if file != FNO_TO_IOM}
    with pytest.raises(DefinitionError, match=r"salesorders.fno-to-iom.yaml.*missing"):
        load(texts)


def test_a_line_that_is_sourced_later_changes_no_number_of_the_others() -> None:
    """S63c: F+O may have invoiced them by then, and would refuse any change."""
    order = an_order()
    lines = tuple(replace(order.lines[0], line_id=name, site=None, warehouse=None) for name in ("91", "92", "93"))
    lines = (lines[0], replace(lines[1], site="1", warehouse="13"), lines[2])
    later = (replace(lines[0], site="1", warehouse="13"), *lines[1:])
    found = (FulfillmentOrder("FO1", "1", "13", (LineQuantity("92", 20_000),)),)
    first = OrderState(replace(order, lines=lines), "f", 1, version=1, fulfillment_orders=found)
    second = replace(first, order=replace(order, lines=later), version=2)
    change = ORDERS.to_change(first, second, AT)
    numbers = [
        [(line.ExternalItemNumber, line.LineNumber) for line in row.Lines]
        for row in (change.before, change.after)
        if row
    ]
    assert numbers == [[("92", 2)], [("91", 1), ("92", 2)]]
    known = applied(ORDERS.to_change(None, first, AT), None, "SO-1", {"92": "LOT-1"})
    assert [(write.kind, write.line_id) for write in plan(change, known).lines] == [("create", "91")]
