"""Column generation: orders are solved together through prices of what is scarce.

The restricted master problem prices the shared limits; the pricing problem of each order finds its cheapest choice at
these prices; choices are added until none is better. That gives a lower bound on the cost of any plan, much closer than
the linear relaxation of mip_model.py; often the best plan; and for each option its reduced cost (`excess`): how far a
plan with it is above the bound, so that most options can be left out. Only limits that orders run into get a price:
where stock is plenty, nearly all orders are done after the first round.
"""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Final

import numpy as np
from msgspec import Struct

from app.optimizer.presolve import Options
from app.optimizer.pricing_problem import FORBIDDEN, Matrix, PricingProblem, pricing_problem
from app.optimizer.restricted_master import Choice, RestrictedMaster
from app.optimizer.shared_limits import Limit, Shared, Take, shared, tightened
from app.optimizer.solver_task import Task

ROUNDS_MAX: Final = 60
TOLERANCE: Final = 1e-6
DIVE_STEPS: Final = 10
"""Each step of the dive fixes at least one in so many of the orders that are still open."""
DIVE_ROUNDS: Final = 2
"""Rounds of pricing after each step of the dive."""


class Priced(Struct, frozen=True):
    """The result of column generation. `sources` by line, of the lines that have one in the plan.

    No plan of these lines costs less than `bound`; none with an option costs less than `bound` plus its `excess`.
    """

    sources: Mapping[int, int]
    bound: float
    excess: Mapping[Take, float]
    seconds: float


def price(task: Task, options: Options, time_limit_s: float) -> Priced | None:
    """Solve by column generation, within about the time limit.

    Return None for what it does not cover: rules for whole orders, soft limits, split lines, orders with too many
    choices to enumerate.
    """
    if not options or not _is_simple(task):
        return None
    lines_of: dict[int, list[int]] = {}
    for line in options:
        lines_of.setdefault(task.lines[line].order, []).append(line)
    orders = [_Order(task, order, lines, options) for order, lines in lines_of.items()]
    problems = [each for order in orders if (each := pricing_problem(order.fixed, len(order.lines)))]
    if len(problems) < len(orders):
        return None
    pricing = _Pricing(orders, problems, shared(task, options), time_limit_s)
    for _ in range(ROUNDS_MAX):
        if not pricing.round(range(len(orders))) or pricing.master.seconds() > time_limit_s:
            break
    sources = pricing.dive()
    return Priced(sources, pricing.bound, pricing.excess(), pricing.master.seconds())


def _is_simple(task: Task) -> bool:
    strategy = task.strategy
    at_sources = [rule for rule in (strategy.lines_per_day, strategy.safety_stock) if rule]
    per_order = strategy.no_partial_orders or strategy.warehouses_per_order
    return task.parts_max == 1 and not per_order and all(rule.hard for rule in at_sources)


class _Order:
    """One order: its lines (rows), their sources (columns, the last is none), and its costs without prices."""

    def __init__(self, task: Task, order: int, lines: Sequence[int], options: Options) -> None:
        self.lines = lines
        self.sources = sorted({source for line in lines for source in options[line]})
        routes = task.routes[order]
        self.fixed = np.array([routes[source].fixed for source in self.sources] + [0.0])
        self.costs = np.full((len(lines), len(self.fixed)), FORBIDDEN)
        self.costs[:, -1] = [task.lines[line].unsourced for line in lines]
        self.takes: list[tuple[Take, int, int]] = []
        for row, line in enumerate(lines):
            for column, source in enumerate(self.sources):
                if source in options[line]:
                    self.costs[row, column] = routes[source].each
                    self.takes.append(((line, source), row, column))

    def priced_costs(self, prices: Mapping[Take, float]) -> Matrix:
        costs = self.costs.copy()
        for take, row, column in self.takes:
            costs[row, column] += prices.get(take, 0.0)
        return costs

    def cost(self, columns: Sequence[int]) -> float:
        """Return the cost of the choice that has each line in its column, without prices."""
        each = sum(self.costs[row, column] for row, column in enumerate(columns))
        return float(each + sum(self.fixed[column] for column in set(columns)))

    def choice(self, columns: Sequence[int]) -> Choice:
        placed = zip(self.lines, columns, strict=True)
        return tuple((line, self.sources[column]) for line, column in placed if column < len(self.sources))


class _Pricing:
    """The orders and the restricted master problem, round by round."""

    def __init__(
        self,
        orders: Sequence[_Order],
        problems: Sequence[PricingProblem],
        limits: Mapping[Shared, Limit],
        time_limit_s: float,
    ) -> None:
        self.orders = orders
        self.problems = problems
        self.limits = limits
        self.time_limit_s = time_limit_s
        self.master = RestrictedMaster(len(orders), time_limit_s)
        self.bound = -inf
        self.prices: Mapping[Take, float] = {}
        """The prices that gave the bound."""
        self.limited: set[Shared] = set()
        self.shared_by: dict[Take, list[Shared]] = {}
        for key, limit in limits.items():
            for take in limit.factors:
                self.shared_by.setdefault(take, []).append(key)
        self.free = [each.cheapest(order.costs) for each, order in zip(problems, orders, strict=True)]
        for at, (order, (_, columns)) in enumerate(zip(orders, self.free, strict=True)):
            self._add(at, columns)
            self._add(at, [len(order.sources)] * len(order.lines))

    def round(self, orders: Collection[int]) -> bool:
        """Price these orders once. Return whether the master got anything new: a limit, or a choice."""
        marginal, prices = self.master.solve()
        has_new_limit = self._add_limits()
        by_take = self._by_take(prices)
        bound = -sum(limit.most * each for limit, each in zip(self.master.limits, prices, strict=False))
        has_new_choice = False
        for at in orders:
            order = self.orders[at]
            is_priced = any(take in by_take for take, _, _ in order.takes)
            cost, columns = self.problems[at].cheapest(order.priced_costs(by_take)) if is_priced else self.free[at]
            bound += cost
            if cost < marginal[at] - TOLERANCE:
                has_new_choice |= self._add(at, columns)
        if len(orders) == len(self.orders) and bound > self.bound:
            self.bound = bound
            self.prices = by_take
        return has_new_limit or has_new_choice

    def _add_limits(self) -> bool:
        """Add the limits that the last solution breaks. Return whether there was any."""
        used: dict[Shared, float] = {}
        for _, choice, value in self.master.used_choices():
            for take in choice:
                for key in self.shared_by.get(take, ()):
                    used[key] = used.get(key, 0.0) + value * self.limits[key].factors[take]
        short = {key for key, amount in used.items() if amount > self.limits[key].most * (1 + TOLERANCE)} - self.limited
        self.limited |= short
        for key in sorted(short, key=str):
            for limit in tightened(self.limits[key]):
                self.master.add_limit(limit)
        return bool(short)

    def excess(self) -> dict[Take, float]:
        """Return the reduced cost of each option at the prices that gave the bound."""
        excess: dict[Take, float] = {}
        for problem, order in zip(self.problems, self.orders, strict=True):
            more = problem.excess(order.priced_costs(self.prices))
            excess |= {take: float(more[row, column]) for take, row, column in order.takes}
        return excess

    def dive(self) -> dict[int, int]:
        """Return the source of each line in a plan.

        A diving heuristic: the choices with the highest values are fixed, a few orders at a time, and priced again.
        """
        remaining = {key: limit.most for key, limit in self.limits.items()}
        waiting = set(range(len(self.orders)))
        sources: dict[int, int] = {}
        while waiting and self.master.seconds() < self.time_limit_s:
            ripe = self._ripe(waiting)
            if not ripe:
                break
            for at, choice in ripe:
                if self._fits(choice, remaining):
                    waiting.remove(at)
                    sources |= dict(choice)
                    self.master.bound(at, choice, least=1.0, most=1.0)
                else:
                    self.master.bound(at, choice, least=0.0, most=0.0)
            for _ in range(DIVE_ROUNDS):
                if not self.round(waiting):
                    break
        return sources

    def _ripe(self, waiting: set[int]) -> list[tuple[int, Choice]]:
        """Return the choices with value 1, and some of the highest other ones, at most one for each order."""
        used = [(-round(value, 6), at, choice) for at, choice, value in self.master.used_choices() if at in waiting]
        choices: dict[int, Choice] = {}
        more = max(1, len(waiting) // DIVE_STEPS)
        for value, at, choice in sorted(used):
            if value > -1 and (more := more - (at not in choices)) < 0:
                break
            choices.setdefault(at, choice)
        return list(choices.items())

    def _fits(self, choice: Choice, remaining: dict[Shared, int]) -> bool:
        """Return whether enough remains for the choice; if so it is subtracted."""
        amounts: dict[Shared, int] = {}
        for take in choice:
            for key in self.shared_by.get(take, ()):
                amounts[key] = amounts.get(key, 0) + self.limits[key].factors[take]
        if any(amount > remaining[key] for key, amount in amounts.items()):
            return False
        for key, amount in amounts.items():
            remaining[key] -= amount
        return True

    def _by_take(self, prices: Sequence[float]) -> dict[Take, float]:
        by_take: dict[Take, float] = {}
        for limit, each in zip(self.master.limits, prices, strict=False):
            for take, factor in limit.factors.items() if each > TOLERANCE else ():
                by_take[take] = by_take.get(take, 0.0) + each * factor
        return by_take

    def _add(self, at: int, columns: Sequence[int]) -> bool:
        order = self.orders[at]
        return self.master.add_choice(at, order.choice(columns), order.cost(columns))
