"""The solver always: as cheap as trying all plans, never oversold, the same whatever the order of its inputs."""

from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.optimizer.sourcing_strategy import Strategy
from tests.optimizer.brute_force import cheapest
from tests.optimizer.worlds import STRATEGIES, World, worlds

Value = TypeVar("Value")


@settings(max_examples=150, deadline=None)
@given(worlds(), STRATEGIES)
def test_no_plan_is_cheaper(world: World, strategy: Strategy) -> None:
    plan = world.solve(strategy)
    assert plan.cost == pytest.approx(cheapest(world, strategy), rel=1e-6, abs=1e-3)
    assert plan.status in ("optimal", "nothing")
    assert plan.gap == 0
    assert plan.cost == pytest.approx(sum(plan.terms.values()))


@settings(max_examples=100, deadline=None)
@given(worlds(orders_max=6, lines_max=12), STRATEGIES, STRATEGIES)
def test_stock_is_never_oversold_and_lines_are_whole(world: World, strategy: Strategy, alternate: Strategy) -> None:
    plan = world.solve(strategy, alternate)
    lines = {(demand.order_id, line.line_id): line for demand in world.demands for line in demand.lines}
    taken: Counter[tuple[str, str]] = Counter()
    sourced: Counter[tuple[str, str]] = Counter()
    for order in plan.orders:
        for each in order.allocations:
            assert each.quantity > 0
            taken[lines[order.order_id, each.line_id].sku, each.warehouse] += each.quantity
            sourced[order.order_id, each.line_id] += each.quantity
        for line_id in order.unsourced:
            assert sourced.pop((order.order_id, line_id), 0) == 0
    for cell, quantity in taken.items():
        assert quantity <= world.stock[cell]
    for key, quantity in sourced.items():
        assert quantity == lines[key].quantity
    left = {(order.order_id, line_id) for order in plan.orders for line_id in order.unsourced}
    assert left | sourced.keys() == lines.keys()


@settings(max_examples=60, deadline=None)
@given(worlds(orders_max=5, lines_max=10), STRATEGIES, st.randoms(use_true_random=False))
def test_the_order_of_inputs_does_not_matter(world: World, strategy: Strategy, dice: Random) -> None:
    def shuffled(values: Iterable[Value]) -> tuple[Value, ...]:
        found = list(values)
        dice.shuffle(found)
        return tuple(found)

    demands = tuple(replace(each, lines=shuffled(each.lines)) for each in shuffled(world.demands))
    network = replace(world.network, sources=shuffled(world.network.sources))
    stock = dict(shuffled(world.stock.items()))
    assert World(demands, network, stock, world.used).solve(strategy) == world.solve(strategy)


@settings(max_examples=100, deadline=None)
@given(worlds(orders_max=4, lines_max=8), STRATEGIES)
def test_every_line_is_explained_for_every_source(world: World, strategy: Strategy) -> None:
    plan = world.solve(strategy)
    for demand, order in zip(world.demands, plan.orders, strict=True):
        told = {(each.line_id, each.warehouse): each for each in order.explanations}
        names = {source.warehouse for source in world.network.sources}
        assert told.keys() == {(line.line_id, name) for line in demand.lines for name in names}
        taken = {(each.line_id, each.warehouse): each.quantity for each in order.allocations}
        assert {key: each.quantity for key, each in told.items() if each.chosen} == taken
        for each in told.values():
            assert each.chosen == (each.code == "chosen")
            assert each.reason
            assert each.cost == pytest.approx(sum(each.terms.values()))
