"""Changes of fields as text by path, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.order import Line, Order
from app.dualwrite.changed_fields import amount, amount_text, assign
from app.errors import RecordError
from tests.dualwrite.rows import AT, ORDERS, a_line, a_row

AMOUNTS = st.integers(min_value=-(10**12), max_value=10**12)
TEXTS = st.text(max_size=6)
LINES = st.lists(st.integers(min_value=1, max_value=4), unique=True, max_size=4)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    lines = tuple(
        a_line(number, OrderedSalesQuantity=draw(AMOUNTS), LineDescription=draw(TEXTS), ShippingSiteId=draw(TEXTS))
        for number in sorted(draw(LINES))
    )
    row = a_row(
        DeliveryAddressCity=draw(TEXTS),
        DefaultShippingSiteId=draw(TEXTS),
        OrderTotalTaxAmount=draw(AMOUNTS),
        RequestedShippingDate=draw(st.none() | st.integers(min_value=0, max_value=AT)),
        Lines=lines,
    )
    return ORDERS.to_order(row)


def _by_id(order: Order) -> list[Line]:
    return sorted(order.lines, key=lambda line: line.line_id)


@given(orders(), orders())
def test_what_changed_makes_the_one_from_the_other(before: Order, after: Order) -> None:
    made = assign(before, ORDERS.changed(before, after))
    assert replace(made, lines=()) == replace(after, lines=())
    assert _by_id(made) == _by_id(after)


@given(orders())
def test_nothing_changed_is_nothing_told(order: Order) -> None:
    assert ORDERS.changed(order, order) == {}


@given(AMOUNTS)
def test_amounts_are_exact(value: int) -> None:
    assert amount(amount_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"), [(125_000, "12.5"), (-1, "-0.0001"), (0, "0"), (10_000, "1"), (1_000_000, "100")]
)
def test_amounts_are_written_shortly(value: int, text: str) -> None:
    assert amount_text(value) == text


@pytest.mark.parametrize(
    "text", ["", "-", "1.00001", "1e3", "NaN", " 1", "1,5", "--1", "0x1", ".5", "1.", "1.²", "9" * 19]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal"):
        amount(text)


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("ship_to.planet", "Mars", "'ship_to.planet' is no field"),
        ("lines.1.state", "Packed", "'lines.1.state' is no field"),
        ("company", "DEMF", "'company' is no field"),
        ("order_id", "x", "'order_id' is no field"),
        ("lines", "", "'lines' is no field"),
        ("total", "many", "values.total: 'many' is not a decimal"),
        ("requested_ship_date", "soon", "values.requested_ship_date: invalid literal"),
        ("lines.7.sku", "100", "line '7' is new, but lacks a field"),
    ],
)
def test_a_value_that_cannot_be_taken_over_is_refused(path: str, text: str, problem: str) -> None:
    with pytest.raises(RecordError) as refused:
        assign(ORDERS.to_order(a_row()), {path: text})
    assert problem in str(refused.value)


def test_the_paths_are_those_of_the_order() -> None:
    before = ORDERS.to_order(a_row())
    after = ORDERS.to_order(
        a_row(
            DeliveryAddressCity="Shelbyville",
            InvoiceCustomerAccountNumber="C-9",
            Lines=(a_line(1, ShippingWarehouseId="", LineAmount=1),),
        )
    )
    assert ORDERS.changed(before, after) == {
        "subtotal": "0.0001",
        "invoice_customer": "C-9",
        "ship_to.city": "Shelbyville",
        "lines.1.warehouse": "",
        "lines.1.total": "0.0001",
        "lines.2.removed": "true",
    }
