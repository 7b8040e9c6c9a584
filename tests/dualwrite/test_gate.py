"""The sync gate: what keeps an order from F+O, by name (S5, S6)."""

import pytest
from msgspec.structs import replace

from app.dualwrite.sync_gate import missing, missing_in, passes
from tests.dualwrite.rows import a_row, an_order, our_row


def test_an_assigned_order_passes() -> None:
    assert missing(an_order()) == ()
    assert passes(an_order())


@pytest.mark.parametrize("field", ["company", "invoice_customer"])
@pytest.mark.parametrize("nothing", [None, ""])
def test_a_header_field_is_named(field: str, nothing: str | None) -> None:
    order = an_order(**{field: nothing})
    assert missing(order) == (field,)
    assert not passes(order)


@pytest.mark.parametrize("field", ["site", "warehouse"])
def test_a_line_needs_its_own_place_whatever_the_header_says(field: str) -> None:
    order = an_order()
    first, second = order.lines
    order = replace(order, lines=(first, replace(second, **{field: None})))
    assert missing(order) == (f"lines.92.{field}",)
    assert not passes(order)


def test_everything_that_is_missing_is_named_at_once() -> None:
    order = an_order(company=None, lines=(replace(an_order().lines[0], site=None, warehouse=None),))
    assert missing(order) == ("company", "lines.91.site", "lines.91.warehouse")


def test_an_order_without_lines_does_not_sync() -> None:
    assert missing(an_order(lines=())) == ("lines",)


def test_the_switch_is_not_a_missing_field() -> None:
    order = an_order(ready_to_sync=False)
    assert missing(order) == ()
    assert not passes(order)


def test_a_completed_order_is_read_only() -> None:
    assert not passes(an_order(state="Completed", reason="Fulfilled"))


def test_a_row_is_judged_in_the_names_of_fno() -> None:
    assert missing_in(a_row()) == ()
    row = our_row(lines=1, dataAreaId="", isReadyToSync=False)
    row = replace(row, Lines=(replace(row.Lines[0], ShippingWarehouseId=""),))
    assert missing_in(row) == ("dataAreaId", "isReadyToSync", "Lines.91.ShippingWarehouseId")
