"""Lines cut into what each source ships: nothing of a quantity or an amount is lost, and no id is used twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.fulfillment_orders import place_lines, select_sourced_lines, split_lines
from app.domain.order import FulfillmentOrder, LineQuantity, OrderState
from app.errors import RecordError
from tests.flows.journey import a_line, an_order

QUANTITIES = st.lists(st.integers(1, 50_000), min_size=1, max_size=5)


def orders(line: str, quantities: list[int]) -> list[FulfillmentOrder]:
    return [
        FulfillmentOrder(f"FO{number}", "S", f"W{number}", (LineQuantity(line, quantity),))
        for number, quantity in enumerate(quantities)
    ]


@given(QUANTITIES, st.integers(0, 10**9), st.sampled_from(("2", "1/2", "1/3")))
def test_a_cut_line_adds_up_to_what_it_was(quantities: list[int], total: int, neighbour: str) -> None:
    line = replace(a_line(1), quantity=sum(quantities), total=total)
    order = replace(an_order(1), lines=(line, replace(a_line(2), line_id=neighbour)))
    after, named = split_lines(order, orders("1", quantities))
    first, other, *others = after.lines
    assert other == order.lines[1]
    cut = [first, *others]
    assert cut[0].line_id == "1"
    assert (sum(part.quantity for part in cut), sum(part.total for part in cut)) == (line.quantity, total)
    assert len({part.line_id for part in after.lines}) == len(after.lines)
    assert [part.quantity for part in cut] == quantities
    assert all(part.total >= 0 and part.sku == line.sku for part in cut)
    assert [part.line_id for found in named for part in found.lines] == [part.line_id for part in cut]
    assert {part.reference for found in named for part in found.lines} == {"1"}


@pytest.mark.parametrize("quantities", [[10_000], [20_001], [20_000, 0], [30_000, -10_000]])
def test_a_line_is_sourced_as_a_whole(quantities: list[int]) -> None:
    with pytest.raises(RecordError, match="line '1' has 20000"):
        split_lines(an_order(1), orders("1", quantities))


def test_lines_get_the_warehouse_of_their_source_and_others_stay_empty() -> None:
    order, found = split_lines(an_order(2), orders("2", [20_000]))
    after, paths = place_lines(order, found)
    assert [(line.site, line.warehouse) for line in after.lines] == [(None, None), ("S", "W0")]
    assert paths == ("lines.2.site", "lines.2.warehouse")
    assert place_lines(after, found) == (after, ())
    state = OrderState(after, "f", 1, fulfillment_orders=found)
    assert [line.line_id for line in select_sourced_lines(state).lines] == ["2"]
    assert select_sourced_lines(replace(state, fulfillment_orders=())) is after
