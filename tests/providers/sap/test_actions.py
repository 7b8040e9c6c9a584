"""What an order is to SAP: keys that are found again, exact prices, and what SAP's fields cannot hold."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.external_keys import line_ids, units
from app.domain.order import Order
from app.providers.http_messages import Call
from app.providers.port import Code, Outcome, Result
from app.providers.sap import actions
from tests.providers.sap.orders import AREA, a_line, an_order

LONG_ID = "x" * 36


def body_of(order: Order, area: actions.SalesArea = AREA) -> dict[str, Any]:
    call = actions.create_order(order, area)
    assert isinstance(call, Call), call
    body: dict[str, Any] = msgspec.json.decode(call.body or b"")
    return body


def items_of(order: Order, area: actions.SalesArea = AREA) -> list[dict[str, Any]]:
    return list(body_of(order, area)["to_Item"]["results"])


def test_the_order_as_it_leaves() -> None:
    body = body_of(an_order(requested_ship_date=1_551_822_011_000, lines=(a_line(1),)))
    assert body == {
        "SalesOrderType": "OR",
        "SalesOrganization": "1010",
        "DistributionChannel": "10",
        "OrganizationDivision": "00",
        "SoldToParty": "10100001",
        "PurchaseOrderByCustomer": "fno-usmf-so-500",
        "PurchaseOrderByShipToParty": actions.mark_of("fno-usmf-so-500"),
        "CustomerPurchaseOrderDate": "/Date(1551744000000)/",
        "TransactionCurrency": "USD",
        "RequestedDeliveryDate": "/Date(1551744000000)/",
        "to_Item": {
            "results": [
                {
                    "SalesOrderItem": "10",
                    "UnderlyingPurchaseOrderItem": "1",
                    "Material": "SKU-1",
                    "RequestedQuantity": "2.000",
                    "RequestedQuantityUnit": "PC",
                    "to_PricingElement": {
                        "results": [
                            {
                                "ConditionType": "PPR0",
                                "ConditionRateValue": "12.5000",
                                "ConditionQuantity": "1",
                                "ConditionQuantityUnit": "PC",
                                "ConditionCurrency": "USD",
                            }
                        ]
                    },
                }
            ]
        },
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128))
def test_a_reference_always_fits_and_is_the_orders_own(order_id: str) -> None:
    reference = actions.reference_of(order_id)
    assert units(reference) <= 35
    assert (reference == order_id) is (units(order_id) <= 35)
    assert len(actions.mark_of(order_id)) <= 35


def test_a_long_order_id_is_kept_as_a_text() -> None:
    body = body_of(an_order(LONG_ID))
    assert body["PurchaseOrderByCustomer"] == actions.mark_of(LONG_ID) == body["PurchaseOrderByShipToParty"]
    assert body["to_Text"]["results"] == [{"Language": "EN", "LongTextID": "TX01", "LongText": LONG_ID}]
    assert "to_Text" not in body_of(an_order("x" * 35))


MARK = actions.mark_of("fno-usmf-so-500")
OLDER = AREA._replace(item_reference=actions.SHIP_TO_REFERENCE)


@pytest.mark.parametrize(
    ("line_id", "area", "fields"),
    [
        ("000001", AREA, {"UnderlyingPurchaseOrderItem": "000001"}),
        ("1234567", AREA, {"PurchaseOrderByShipToParty": "1234567"}),
        ("abc", AREA, {"PurchaseOrderByShipToParty": "abc"}),
        ("x" * 35, AREA, {"PurchaseOrderByShipToParty": "x" * 35}),
        ("000001", OLDER, {"PurchaseOrderByShipToParty": "000001"}),
        ("abc", OLDER, {"PurchaseOrderByShipToParty": "abc"}),
    ],
)
def test_a_line_id_goes_where_it_fits_and_is_read_back(
    line_id: str, area: actions.SalesArea, fields: dict[str, str]
) -> None:
    item = items_of(an_order(lines=(a_line(line_id=line_id),)), area)[0]
    names = ("UnderlyingPurchaseOrderItem", "PurchaseOrderByShipToParty", "MaterialByCustomer")
    assert {name: value for name, value in item.items() if name in names} == fields
    assert actions.line_id_of(item, MARK) == line_id


@pytest.mark.parametrize("line_id", ["x" * 36, "L" * 128, "1 ", " 1", "a\tb", "~" + "a" * 16, "\U0001f69a" * 18])
def test_a_line_id_that_does_not_fit_has_a_key_that_the_order_knows(line_id: str) -> None:
    order = an_order(lines=(a_line(1), a_line(line_id=line_id)))
    item = items_of(order)[1]
    key = actions.line_id_of(item, MARK)
    assert ("UnderlyingPurchaseOrderItem" in item, key) == (False, item["PurchaseOrderByShipToParty"])
    assert units(key) <= 35
    assert line_ids(order.lines, ["1", key]) == {key: line_id}


@pytest.mark.parametrize("reference", ["", None, MARK])
def test_an_item_of_somebody_else_has_no_line_id(reference: str | None) -> None:
    """An item that is added at SAP inherits the header's reference, or has none."""
    theirs = {"MaterialByCustomer": "theirs", "PurchaseOrderByShipToParty": reference}
    assert actions.line_id_of({"UnderlyingPurchaseOrderItem": "", **theirs}, MARK) == ""
    assert actions.line_id_of(theirs, MARK) == ""


@given(st.integers(1, 10**6).map(lambda thousandths: thousandths * 10), st.integers(-(10**12), 10**12), st.booleans())
def test_the_price_of_a_line_is_its_total_to_the_last_place(quantity: int, amount: int, by_unit: bool) -> None:
    price, total = amount, amount * quantity // 10_000 if by_unit else amount
    if total * 10_000 != price * quantity and quantity % 1000:
        quantity = quantity // 1000 * 1000 or 1000
    item = items_of(an_order(lines=(a_line(quantity=quantity, unit_price=price, total=total),)))[0]
    cost = item["to_PricingElement"]["results"][0]
    rate, per = Decimal(cost["ConditionRateValue"]), Decimal(cost["ConditionQuantity"])
    assert rate * Decimal(item["RequestedQuantity"]) == per * Decimal(total).scaleb(-4)
    assert 0 < per <= 99_999


def test_canceled_lines_are_not_billed() -> None:
    lines = (a_line(1, state="Canceled", reason="Canceled"), a_line(2))
    assert [item["Material"] for item in items_of(an_order(lines=lines))] == ["SKU-2"]


def test_without_a_currency_sap_takes_its_own() -> None:
    body = body_of(an_order(currency=""))
    assert "TransactionCurrency" not in body
    assert "ConditionCurrency" not in body["to_Item"]["results"][0]["to_PricingElement"]["results"][0]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (an_order(lines=()), "no line to bill"),
        (an_order(lines=(a_line(state="Canceled"),)), "no line to bill"),
        (an_order(lines=(a_line(sku=""),)), "no material"),
        (an_order(lines=(a_line(sku="x" * 41),)), "no material"),
        (an_order(lines=(a_line(quantity=0),)), "no quantity 0.0000"),
        (an_order(lines=(a_line(quantity=-10_000),)), "no quantity -1.0000"),
        (an_order(lines=(a_line(quantity=12_345),)), "no quantity 1.2345"),
        (an_order(lines=(a_line(quantity=1_000_010_010, total=1),)), "up to 99999 at once"),
    ],
)
def test_what_saps_fields_cannot_hold_is_declined(order: Order, words: str) -> None:
    result = actions.create_order(order, AREA)
    assert isinstance(result, Result)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)
    assert words in result.detail


def test_of_two_orders_the_lowest_that_stands_is_ours() -> None:
    rows = [
        {"SalesOrder": number, "OverallSDDocumentRejectionSts": status, "PurchaseOrderByShipToParty": mark}
        for number, status, mark in ROWS
    ]
    numbers = actions.by_preference(rows, "po-1")
    assert numbers == ["9", "10", "8"]
    result = actions.existing_result(numbers)
    assert (result.outcome, result.reference) == (Outcome.OK, "9")
    assert "10, 8" in result.detail


OUR_MARK = actions.mark_of("po-1")
ROWS = [
    ("10", "A", OUR_MARK),
    ("0000000009", "A", f"{OUR_MARK.upper()} "),
    ("8", "C", OUR_MARK),
    ("1", "A", actions.mark_of("PO-1")),
    ("2", "A", ""),
]
"""The last two are of others: somebody typed the same reference, or SAP did not tell it from ours."""
