"""When which orders appear: all of them once, all scenarios side by side, evenly over the time."""

from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.seeding import PORTION_MAX, STEP_S, portions


def orders(scenario: int, count: int) -> list[DemoOrder]:
    return [DemoOrder(f"{scenario}-{n}", str(n), scenario, None, {}) for n in range(count)]


def test_at_once_means_in_portions_without_a_pause() -> None:
    wanted = orders(1, PORTION_MAX + 20) + orders(4, 3)
    found = list(portions(wanted, 0))
    assert {due for due, _, _ in found} == {0}
    assert [len(portion) for _, _, portion in found] == [PORTION_MAX, 20, 3]
    assert [order for _, _, portion in found for order in portion] == wanted
    assert [path.split("?")[0] for _, path, _ in found] == ["/_sim/bigcommerce/orders"] * 2 + ["/_sim/fno/orders"]


def test_over_some_time_every_scenario_gets_its_share_of_each_step() -> None:
    wanted = orders(1, 100) + orders(5, 10)
    found = list(portions(wanted, 10.0))
    assert sorted(order.order_id for _, _, portion in found for order in portion) == sorted(o.order_id for o in wanted)
    assert sorted({due for due, _, _ in found}) == [n * STEP_S for n in range(20)]
    assert {len(portion) for due, _, portion in found if portion[0].scenario == 1} == {5}
    halfway = [portion for due, _, portion in found if due < 5 and portion[0].scenario == 5]
    assert sum(map(len, halfway)) == 5
