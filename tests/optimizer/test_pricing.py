"""Prices: their bound holds, an option costs at least its excess, and they lead to what the programme finds alone."""

from collections.abc import Sequence
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.optimizer.column_generation import Priced, price
from app.optimizer.exact_solver import solve_exactly
from app.optimizer.plan_draft import Draft
from app.optimizer.plan_search import search
from app.optimizer.presolve import feasible_options
from app.optimizer.pricing_problem import FORBIDDEN, Matrix, pricing_problem
from app.optimizer.solver_task import Task, build
from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_strategy import Constraint, Strategy
from tests.optimizer.worlds import EXACT, NOON, PIECE, demand, source

STRATEGY = Strategy("near", EXACT, gap=0.0, time_limit_s=30.0, lines_per_day=Constraint(), safety_stock=Constraint())


def crowded(seed: int, sources: int, orders: int = 12) -> Task:
    """A dozen orders that all want the same few SKUs, of which there is not enough for all."""
    dice = Random(seed)
    network = Network(
        tuple(source(f"S{n:02}", dice.uniform(-9, 9), handling_cost=dice.choice((0, 40))) for n in range(sources))
    )
    demands = []
    for number in range(orders):
        lines = [(f"K{dice.randrange(6)}", dice.randint(1, 6)) for _ in range(dice.randint(1, 5))]
        demands.append(demand(f"o{number:02}", *lines, longitude=dice.uniform(-9, 9)))
    stock = {
        (f"K{sku}", each.warehouse): dice.choice((0, 0, 2, 4, 9)) * PIECE
        for sku in range(6)
        for each in network.sources
    }
    return build(demands, network, stock, STRATEGY, at_ms=NOON, used_today={})


def priced(task: Task) -> Priced:
    found = price(task, feasible_options(task), 30.0)
    assert found
    return found


@pytest.mark.parametrize("sources", [3, 9])
@pytest.mark.parametrize("seed", range(12))
def test_prices_lead_to_the_cheapest_plan(seed: int, sources: int) -> None:
    task = crowded(seed, sources)
    options, found = feasible_options(task), search(task, {})
    alone = solve_exactly(task, options, Draft(task), slack=0.0, time_limit_s=30.0)
    assert found.draft.cost() == pytest.approx(alone.draft.cost())
    assert found.slack == pytest.approx(0, abs=1e-3)
    without = sum(told.unsourced for line, told in enumerate(task.lines) if line not in options)
    assert priced(task).bound + without <= alone.draft.cost() + 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_an_option_costs_at_least_its_excess(seed: int) -> None:
    task = crowded(seed, 9, orders=6)
    options, found = feasible_options(task), priced(task)
    for (line, taken), excess in found.excess.items():
        if excess > 100:
            forced = solve_exactly(task, {**options, line: (taken,)}, Draft(task), slack=0.0, time_limit_s=30.0).draft
            if forced.parts[line]:
                assert forced.cost() >= found.bound + excess - 1e-3


def tried(fixed: Matrix, costs: Matrix) -> float:
    """The lowest cost by trying all."""
    every = product(range(len(fixed)), repeat=len(costs))
    return min(paid(fixed, costs, each) for each in every)


def paid(fixed: Matrix, costs: Matrix, columns: Sequence[int]) -> float:
    return float(sum(costs[row, each] for row, each in enumerate(columns)) + sum(fixed[each] for each in set(columns)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.sampled_from([2, 8]), st.randoms(use_true_random=False))
def test_the_ways_of_an_order_are_tried_exactly(lines: int, sources: int, dice: Random) -> None:
    fixed = np.array([dice.choice((0.0, 30.0, 70.0)) for _ in range(sources)] + [0.0])
    costs = np.array(
        [[dice.choice((0.0, 20.0, 50.0, FORBIDDEN)) for _ in range(sources)] + [200.0] for _ in range(lines)]
    )
    found = pricing_problem(fixed, lines)
    assert found
    cost, columns = found.cheapest(costs)
    assert cost == pytest.approx(tried(fixed, costs))
    assert paid(fixed, costs, columns) == pytest.approx(cost)
    excess = found.excess(costs)
    row, column = dice.randrange(lines), dice.randrange(sources)
    only = np.full_like(costs[row], FORBIDDEN)
    only[column] = costs[row, column]
    forced = np.concatenate([costs[:row], only[None, :], costs[row + 1 :]])
    assert excess[row, column] == pytest.approx(tried(fixed, forced) - cost)


def test_too_many_ways_are_left_to_the_programme() -> None:
    assert pricing_problem(np.zeros(10), 9) is None
    assert pricing_problem(np.zeros(5), 9) is not None
