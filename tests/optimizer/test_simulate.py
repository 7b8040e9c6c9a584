"""Strategies tried on orders before they are used: stock goes down batch by batch, and differences are named."""

from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_strategy import Constraint, Strategies, Strategy, Weights
from app.optimizer.strategy_simulation import Arrival, differences, simulate
from tests.optimizer.worlds import DAY, NOON, PIECE, demand, pieces, source

NEAR = Strategies(Strategy("near", Weights(distance=1)))
TOGETHER = Strategies(Strategy("together", Weights(distance=1, shipments=5_000)))
NETWORK = Network((source("A"), source("B", 9.0)))


def arrivals(*demands: object) -> list[Arrival]:
    return [Arrival(each, NOON + number) for number, each in enumerate(demands)]  # type: ignore[arg-type]


def test_what_one_batch_takes_the_next_one_lacks() -> None:
    orders = arrivals(demand("o1", ("K", 2)), demand("o2", ("K", 2)), demand("o3", ("K", 2)))
    outcome = simulate(orders, NETWORK, pieces(A={"K": 3}, B={"K": 2}), NEAR, batch=1)
    assert [(each.order_id, each.shipments, each.unsourced) for each in outcome.results] == [
        ("o1", 1, ()),
        ("o2", 1, ()),
        ("o3", 0, ("1",)),
    ]
    assert [each.allocations[0].warehouse for each in outcome.results[:2]] == ["A", "B"]
    assert (outcome.lines, outcome.unsourced, outcome.shipments, outcome.late) == (3, 1, 2, 0)
    assert outcome.cost == outcome.km > 900


def test_order_lines_a_day_are_counted_over_batches_and_begin_anew_on_the_next() -> None:
    network = Network((source("A", lines_per_day=1),))
    limited = Strategies(Strategy("limited", lines_per_day=Constraint()))
    orders = [*arrivals(demand("o1", ("K", 1)), demand("o2", ("K", 1))), Arrival(demand("o3", ("K", 1)), NOON + DAY)]
    outcome = simulate(orders, network, pieces(A={"K": 9}), limited, batch=1)
    assert [each.unsourced for each in outcome.results] == [(), ("1",), ()]


def test_orders_that_two_strategies_source_differently_are_named() -> None:
    """K and L are near at two places; both are at the far one, which costs less where a shipment is dear."""
    network = Network((source("A"), source("B", 1.0), source("C", 3.0)))
    stock = pieces(A={"K": 1, "M": 1}, B={"L": 1}, C={"K": 1, "L": 1})
    orders = arrivals(demand("o1", ("K", 1), ("L", 1)), demand("o2", ("M", 1)))
    near, together = (simulate(orders, network, stock, each, batch=2) for each in (NEAR, TOGETHER))
    (found,) = differences(near, together)
    assert (found.order_id, found.first.shipments, found.second.shipments) == ("o1", 2, 1)
    assert (near.split_orders, together.split_orders) == (1, 0)
    assert near.km < together.km
    assert stock["K", "A"] == PIECE, "what is given is not changed"
