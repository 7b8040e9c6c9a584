"""The orders of the demo: the same for the same seed, as odd as real ones, and some that must be refused."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random

import pytest

from app.domain.order import Order
from app.events.codec import load
from app.events.record import Record
from app.policies import all_rules
from app.providers.bigcommerce.order_mapping import to_order
from app.resources import policy_files
from app.sandbox.demo.made_orders import (
    BIGCOMMERCE_FAULTS,
    COMPLETED,
    FNO_FAULTS,
    LINES_MAX,
    REFUSED,
    REFUSED_EVERY,
    DemoOrder,
    bigcommerce_order,
    bigcommerce_orders,
    fno_orders,
)
from app.worker.composition import sales_orders

MANY = 400
RULES, CODEC, SALES_ORDERS = all_rules(policy_files()), load(), sales_orders()


def shop_orders(count: int = MANY, seed: int = 7) -> list[DemoOrder]:
    return list(bigcommerce_orders("demo", count, seed))


def erp_orders(count: int = MANY, seed: int = 7) -> list[DemoOrder]:
    return list(fno_orders("usmf", "x", count, seed))


def lines(order: DemoOrder) -> Sequence[object]:
    found: Sequence[object] = order.wire["products"] if "products" in order.wire else order.wire["Lines"]
    return found


def test_the_same_seed_gives_the_same_orders() -> None:
    assert shop_orders() == shop_orders()
    assert erp_orders() == erp_orders()
    assert shop_orders(seed=8) != shop_orders()


def test_ids_are_unique_and_carry_their_origin() -> None:
    orders = shop_orders() + erp_orders()
    assert len({order.order_id for order in orders}) == 2 * MANY
    assert all(order.order_id == f"bc-demo-{order.source_ref}" for order in shop_orders())
    assert all(order.order_id == f"fno-usmf-{order.source_ref}" for order in erp_orders())


@pytest.mark.parametrize("orders", [shop_orders(2000), erp_orders(2000)], ids=["shop", "erp"])
def test_orders_have_one_to_forty_lines_and_names_of_the_world(orders: list[DemoOrder]) -> None:
    counts = [len(lines(order)) for order in orders if lines(order)]
    text = json.dumps([order.wire for order in orders], ensure_ascii=False)
    assert min(counts) == 1
    assert max(counts) == LINES_MAX
    assert {"Ł", "東", "Σ", "Ñ", "½", "'"} <= set(text)


@pytest.mark.parametrize(("orders", "kinds"), [(shop_orders(), BIGCOMMERCE_FAULTS), (erp_orders(), FNO_FAULTS)])
def test_one_in_twenty_is_refused_and_every_fault_occurs(orders: list[DemoOrder], kinds: tuple[str, ...]) -> None:
    refused = [order for order in orders if order.expected == REFUSED]
    assert len(refused) == MANY // REFUSED_EVERY
    assert len(refused) >= len(kinds)
    assert {order.expected for order in orders} == {COMPLETED, REFUSED}


def test_a_few_orders_have_no_fault() -> None:
    assert all(order.expected == COMPLETED for order in shop_orders(REFUSED_EVERY - 1))


def test_money_adds_up_to_the_last_place() -> None:
    wire = bigcommerce_order(Random(3), 1, 1_760_000_000)
    total = sum((Decimal(product["total_inc_tax"]) for product in wire["products"]), Decimal(0))
    assert Decimal(wire["subtotal_inc_tax"]) == total
    assert Decimal(wire["total_inc_tax"]) == total + Decimal(wire["shipping_cost_inc_tax"])


def failures(order: Order) -> set[str]:
    """The policies of validation that the order fails."""
    names = ("order-lines-present", "quantities-positive", "currency-known", "ship-to-complete", "totals-add-up")
    return {name for name in names if not RULES[name].evaluate(order).passed}


def as_pulled(order: DemoOrder) -> Order:
    found = to_order("demo", order.wire)
    assert isinstance(found, Order)
    return found


def as_mirrored(order: DemoOrder) -> Order:
    """As F+O would show it on its dual-write topic."""
    row = order.wire | {"SalesOrderProcessingStatus": "Active", "isReadyToSync": True}
    source = {"origin": "fno", "sequence": 1}
    value = json.dumps({"op": "c", "ts_ms": 1, "before": None, "after": row, "source": source}).encode()
    key = order.order_id.encode()
    change = CODEC.decode_change(Record("dualwrite.fno.salesorders", 0, 0, 1, key, value, ()))
    assert change is not None
    return SALES_ORDERS.to_order(change.body.row)


@pytest.mark.parametrize(
    ("orders", "read"), [(shop_orders(), as_pulled), (erp_orders(), as_mirrored)], ids=["shop", "erp"]
)
def test_exactly_the_orders_with_a_fault_fail_validation(
    orders: list[DemoOrder], read: Callable[[DemoOrder], Order]
) -> None:
    verdicts = {order.order_id: (order.expected, failures(read(order))) for order in orders}
    assert [name for name, (expected, failed) in verdicts.items() if bool(failed) != (expected == REFUSED)] == []
    assert len({frozenset(failed) for _, failed in verdicts.values()}) > 3
