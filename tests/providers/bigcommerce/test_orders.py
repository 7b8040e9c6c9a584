"""Orders of BigCommerce as orders of ours."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.order import Address, Line, Order
from app.providers.bigcommerce.order_mapping import UnmappableError, amount, modified_at, to_order
from app.providers.port import RefusedOrder
from tests.providers.bigcommerce.wire_orders import Wire, a_product, a_wire_order, an_address

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def mapped(wire: Wire) -> Order:
    order = to_order("demo", wire)
    assert isinstance(order, Order), order
    return order


def refused(wire: Wire) -> RefusedOrder:
    refusal = to_order("demo", wire)
    assert isinstance(refusal, RefusedOrder), refusal
    return refusal


def test_an_order_is_mapped_field_by_field() -> None:
    home = Address(
        "Jane Doe", "", "555 East Street", "Austin", "Texas", "78108", "US", "jane@example.com", "1234567890"
    )
    assert mapped(a_wire_order()) == Order(
        order_id="bc-demo-218",
        origin="bigcommerce",
        source_ref="218",
        channel="bigcommerce-1",
        placed_at=1_551_822_011_000,
        currency="USD",
        subtotal=500_000,
        shipping=50_000,
        tax=0,
        discount=40_000,
        total=510_000,
        ship_to=home,
        bill_to=home,
        lines=(
            Line("1", "SKU-1", "Œuvre 1", 20_000, 125_000, 250_000, "7001"),
            Line("2", "SKU-2", "Œuvre 2", 20_000, 125_000, 250_000, "7002"),
        ),
        customer="11",
    )


def test_s4_an_order_of_a_shop_has_no_company() -> None:
    order = mapped(a_wire_order())
    assert (order.company, order.invoice_customer, order.site, order.warehouse) == (None, None, None, None)
    assert (order.state, order.reason) == ("New", "New")


def test_the_documented_sample_adds_up_with_tax_inside() -> None:
    """The sums without tax of the vendor's own sample do not add up: 62.6793 + 11.09 - 10.00 is not 64.53."""
    sample: dict[str, Any] = {
        "subtotal_ex_tax": "62.6793",
        "subtotal_inc_tax": "67.8400",
        "shipping_cost_ex_tax": "11.0900",
        "shipping_cost_inc_tax": "12.0000",
        "total_ex_tax": "64.5300",
        "total_inc_tax": "69.8400",
        "total_tax": "5.3100",
        "discount_amount": "5.0000",
        "coupon_discount": "5.0000",
    }
    order = mapped(a_wire_order(**sample))
    assert order.subtotal + order.shipping + order.tax - order.discount == order.total


def test_other_charges_count_as_shipping() -> None:
    fees = [{"id": 1, "type": "custom_fee", "cost_inc_tax": "0.2500"}]
    order = mapped(a_wire_order(handling_cost_inc_tax="1.0000", wrapping_cost_inc_tax="0.5000", fees=fees))
    assert order.shipping == 50_000 + 10_000 + 5_000 + 2_500


def test_fees_that_are_still_a_link_are_no_amount() -> None:
    """The client follows the link; without what it leads to the order would be cheaper than it is."""
    refusal = refused(a_wire_order(fees={"url": "https://x", "resource": "/orders/218/fees"}))
    assert "fees" in refusal.reason


@pytest.mark.parametrize("fees", [None, []])
def test_an_order_may_have_no_fees(fees: Any) -> None:
    assert mapped(a_wire_order(fees=fees)).shipping == 50_000


@pytest.mark.parametrize("status_id", [0, 1, 7])
def test_unfinished_orders_are_ignored_by_id(status_id: int) -> None:
    assert to_order("demo", a_wire_order(status_id=status_id, status="Awaiting Fulfillment")) is None


def test_a_renamed_or_unknown_status_changes_nothing() -> None:
    assert mapped(a_wire_order(status="Prête", custom_status="Prête", payment_status="paid in shells", status_id=99))


def test_a_guest_is_known_by_email() -> None:
    assert mapped(a_wire_order(customer_id=0)).customer == "jane@example.com"


def test_children_of_a_bundle_are_lines_without_a_price() -> None:
    child = a_product(3, parent_order_product_id=7001, price_inc_tax="0.0000", total_inc_tax="0.0000")
    order = mapped(a_wire_order(products=[a_product(1), a_product(2), child]))
    assert [(line.line_id, line.total) for line in order.lines] == [("1", 250_000), ("2", 250_000), ("3", 0)]
    assert sum(line.total for line in order.lines) == order.subtotal


def test_digital_goods_need_no_address() -> None:
    goods = [a_product(1, type="digital", order_address_id=0), a_product(2, type="digital", order_address_id=None)]
    order = mapped(a_wire_order(products=goods, shipping_addresses=[], order_is_digital=True))
    assert order.ship_to == order.bill_to


def test_goods_for_one_of_several_addresses_go_there() -> None:
    addresses = [an_address(id=1, city="Oslo"), an_address(id=2, city="Porto")]
    products = [a_product(1, order_address_id=2), a_product(2, order_address_id=1, type="digital")]
    assert mapped(a_wire_order(products=products, shipping_addresses=addresses)).ship_to.city == "Porto"


def test_goods_for_several_addresses_are_refused_with_the_fix() -> None:
    products = [a_product(1, order_address_id=1), a_product(2, order_address_id=2)]
    refusal = refused(a_wire_order(products=products))
    assert refusal.source_ref == "218"
    assert refusal.reason == (
        "order 218: order_address_id: goods go to 2 addresses; make one order of each in the shop"
    )


def test_the_currency_is_that_of_the_amounts() -> None:
    assert mapped(a_wire_order(currency_code="USD", default_currency_code="EUR")).currency == "EUR"
    assert mapped(a_wire_order(currency_code="USD", default_currency_code=None)).currency == "USD"


def test_an_order_without_a_display_currency_has_that_of_its_amounts() -> None:
    """The vendor's sample "Multiple Items" has no `currency_code`."""
    wire = a_wire_order(default_currency_code="EUR")
    del wire["currency_code"]
    assert mapped(wire).currency == "EUR"
    assert mapped(a_wire_order(currency_code=None, default_currency_code="EUR")).currency == "EUR"


def test_an_order_without_any_currency_is_for_policies_to_refuse() -> None:
    wire = a_wire_order()
    del wire["currency_code"]
    assert mapped(wire).currency == ""


@pytest.mark.parametrize(
    "consignments",
    [
        {"url": "https://x", "resource": "/orders/218/consignments"},
        {"pickups": [], "shipping": [{"id": 51, "cost_inc_tax": 6.2}], "downloads": [], "email": {}},
        [],
        None,
    ],
)
def test_consignments_in_any_shape_change_nothing(consignments: Any) -> None:
    assert mapped(a_wire_order(consignments=consignments)) == mapped(a_wire_order())


def test_goods_that_are_picked_up_are_refused_with_the_fix() -> None:
    """They have no address, and the billing address is not where they go."""
    goods = [a_product(1), a_product(2, order_pickup_method_id=3, order_address_id=0)]
    refusal = refused(a_wire_order(products=goods))
    assert refusal.reason == (
        "order 218: products[1].order_pickup_method_id: the goods are picked up in a shop; ship such orders there"
    )


def test_an_order_without_lines_is_for_policies_to_refuse() -> None:
    assert mapped(a_wire_order(products=[])).lines == ()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"total_inc_tax": "12.34.56"}, "total_inc_tax"),
        ({"total_inc_tax": "1.00001"}, "total_inc_tax"),
        ({"total_inc_tax": "NaN"}, "total_inc_tax"),
        ({"total_inc_tax": "1e40"}, "total_inc_tax"),
        ({"total_inc_tax": None}, "total_inc_tax"),
        ({"date_created": "yesterday"}, "'yesterday' is neither RFC 2822 nor ISO 8601"),
        ({"date_created": ""}, "date ''"),
        ({"products": [a_product(1, quantity="many")]}, r"products"),
        ({"products": [a_product(1, price_inc_tax="x")]}, r"products"),
        ({"products": {"url": "https://x"}}, "products"),
        ({"products": [a_product(at) for at in range(1001)]}, "1001 lines, at most 1000"),
        ({"billing_address": []}, "billing_address"),
        ({"id": "none"}, r"\$.id"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_the_place(change: dict[str, Any], where: str) -> None:
    refusal = refused(a_wire_order(**change))
    assert where.replace("\\", "") in refusal.reason
    assert msgspec.json.decode(refusal.wire)["date_modified"] == "Mon, 11 Mar 2019 15:17:25 +0000"


@pytest.mark.parametrize("name", ["id", "date_created", "total_inc_tax", "products", "billing_address"])
def test_a_missing_field_is_named(name: str) -> None:
    wire = a_wire_order()
    del wire[name]
    assert f"`{name}`" in refused(wire).reason


@given(st.sampled_from(sorted(a_wire_order())), JUNK)
def test_no_order_ever_stops_the_others(name: str, junk: Any) -> None:
    to_order("demo", a_wire_order(**{name: junk}))


@given(st.integers(-(10**15), 10**15))
def test_amounts_round_trip_exactly(value: int) -> None:
    assert amount("x", Decimal(value).scaleb(-4)) == value


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_an_amount_is_exact_or_refused(value: Decimal) -> None:
    try:
        scaled = amount("x", value)
    except UnmappableError:
        return
    assert Decimal(scaled).scaleb(-4) == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Tue, 05 Mar 2019 21:40:11 +0000", 1_551_822_011),
        ("Tue, 05 Mar 2019 22:40:11 +0100", 1_551_822_011),
        ("Tue, 05 Mar 2019 21:40:11 -0000", 1_551_822_011),
        ("2019-03-05T21:40:11Z", 1_551_822_011),
        ("2019-03-05T21:40:11", 1_551_822_011),
        ("", None),
        (None, None),
        (17, None),
        ("Thu, 01 Jan 1970 00:00:00 +9999", None),
    ],
)
def test_dates(text: object, seconds: int | None) -> None:
    assert modified_at({"date_modified": text}) == seconds
