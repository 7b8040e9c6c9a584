"""What scenario 6 finds in the warehouses: from files, made to fit the orders, and held against what was given away."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.errors import SettingError
from app.sandbox.demo.evidence import Case, ObservedRecord
from app.sandbox.demo.made_orders import COMPLETED, REFUSED, DemoOrder
from app.sandbox.demo.supply import StockRow, Supply, holds, made_for, read


def an_order(number: int, wanted: dict[str, int], expected: tuple[str, str] = COMPLETED) -> DemoOrder:
    products = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()]
    return DemoOrder(f"o{number}", str(number), 6, expected, {"products": products})


def a_case(number: int, wanted: int, *results: tuple[str, int]) -> Case:
    """An order of one line of TEA. Each result: its outcome, and how much of the line EU-HAM ships, 0 for nothing."""
    case = Case(an_order(number, {"TEA": wanted}))
    line = {"line_id": "1", "sku": "TEA", "quantity": Decimal(wanted)}
    bodies: list[tuple[str, Any]] = [("order-created", {"order": {"lines": [line]}})]
    for outcome, given in results:
        ships = {"warehouse": "EU-HAM", "lines": [{"line_id": "1", "quantity": Decimal(given)}]}
        orders, lacking = ([ships], []) if given else ([], [{"line_id": "1"}])
        bodies.append(("sourcing-result", {"outcome": outcome, "fulfillment_orders": orders, "unsourced": lacking}))
    for offset, (topic, body) in enumerate(bodies):
        case.records.append(ObservedRecord(topic, 0, offset, case.order.order_id, f"e{offset}", "", "", "", 0, body))
    return case


SUPPLY = Supply([StockRow("TEA", "EU", "EU-HAM", Decimal(5))], [StockRow("TEA", "EU", "EU-HAM", Decimal(5))])
SERVED, WAITED = a_case(1, 4, ("sourced", 4)), a_case(2, 3, ("none", 0), ("released", 3))


def test_what_was_lacking_lacked_and_nothing_was_given_twice() -> None:
    assert holds([SUPPLY], [SERVED, WAITED])


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param([SERVED, a_case(2, 1, ("none", 0), ("released", 1))], id="what waited could have been covered"),
        pytest.param(
            [a_case(1, 4, ("sourced", 4)), a_case(3, 4, ("sourced", 4)), WAITED], id="given before it came in"
        ),
        pytest.param([SERVED, WAITED, a_case(3, 4, ("none", 0), ("released", 4))], id="more than ever came in"),
        pytest.param([SERVED], id="nothing had to wait"),
    ],
)
def test_a_stock_that_does_not_add_up_is_seen(cases: list[Case]) -> None:
    assert not holds([SUPPLY], cases)


def test_stock_that_is_made_covers_all_but_some_items_and_receipts_bring_the_rest() -> None:
    wanted = {f"SKU-{number:02}": 10 * number for number in range(1, 11)}
    supply = made_for([an_order(1, wanted), an_order(2, {"SKU-01": 7}), an_order(3, {"SKU-02": 99}, REFUSED)])
    opening = {sku: sum(row.quantity for row in supply.opening if row.sku == sku) for sku in wanted}
    receipts = {row.sku: row.quantity for row in supply.receipts}
    assert {sku: opening[sku] + receipts.get(sku, 0) for sku in wanted} == {**wanted, "SKU-01": 17}
    assert sorted(receipts) == ["SKU-01", "SKU-06"]


def test_files_are_read_and_every_mistake_is_named(tmp_path: Path) -> None:
    stock, receipts = tmp_path / "stock.csv", tmp_path / "receipts.csv"
    stock.write_text("sku,site,warehouse,on_hand\nTEA,EU,EU-HAM,2.5\n")
    receipts.write_text("sku,site,warehouse,quantity\nTEA,EU,EU-HAM,7\n")
    supply = read(None, stock, receipts)
    assert supply == Supply(
        [StockRow("TEA", "EU", "EU-HAM", Decimal("2.5"))], [StockRow("TEA", "EU", "EU-HAM", Decimal(7))]
    )
    for text, named in (
        ("sku,site,warehouse\n", "'on_hand' is missing"),
        ("sku,site,warehouse,on_hand\nTEA,EU,EU-HAM,many\n", "stock.csv:2: on_hand 'many' is no number"),
        ("sku,site,warehouse,on_hand\nTEA,EU,EU-HAM,-1\n", "stock.csv:2: sku, warehouse and a on_hand of 0 or more"),
        ("sku,site,warehouse,on_hand\nTEA,EU,,1\n", "stock.csv:2: sku, warehouse"),
        ("sku,site,warehouse,on_hand\nTEA,EU,EU-HAM,NaN\n", "stock.csv:2"),
    ):
        stock.write_text(text)
        with pytest.raises(SettingError, match=named):
            read(None, stock, None)
    with pytest.raises(SettingError, match="cannot be read"):
        read(None, tmp_path / "nosuch.csv", None)
