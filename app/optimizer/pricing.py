"""Solves orders together by prices: what is scarce gets a price, each order finds its cheapest way at these prices, and
the prices rise until the orders together want no more than there is (column generation).

That gives a lower bound on the cost of any plan, much closer than that of the programme in model.py; often the best
plan; and for each option by how much a plan that takes it must exceed the bound, so that most of them can be left out.
Only limits that orders run into get a price: where stock is plenty, nearly all orders are done after the first round.
"""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Final

import numpy as np
from msgspec import Struct

from app.optimizer.master import Choice, Master
from app.optimizer.reduce import Options
from app.optimizer.shared_limits import Limit, Shared, Take, shared, tightened
from app.optimizer.task import Task
from app.optimizer.ways import FORBIDDEN, Matrix, Ways, ways

ROUNDS_MAX: Final = 60
TOLERANCE: Final = 1e-6
DIVE_STEPS: Final = 10
"""At each step of the dive about this share of the orders becomes firm."""
DIVE_ROUNDS: Final = 2


class Priced(Struct, frozen=True):
    """`sources` by line, for those that have one in the plan; no plan of these lines costs less than `bound`, none with
    a certain option less than `bound` and its `excess`."""

    sources: Mapping[int, int]
    bound: float
    excess: Mapping[Take, float]
    seconds: float


def price(task: Task, options: Options, time_limit_s: float) -> Priced | None:
    """None for what prices cannot say: rules for orders as a whole, soft limits, split lines, orders with very many
    ways."""
    if not options or not _is_simple(task):
        return None
    lines_of: dict[int, list[int]] = {}
    for line in options:
        lines_of.setdefault(task.lines[line].order, []).append(line)
    orders = [_Order(task, order, lines, options) for order, lines in lines_of.items()]
    found = [each for order in orders if (each := ways(order.fixed, len(order.lines)))]
    if len(found) < len(orders):
        return None
    pricing = _Pricing(orders, found, shared(task, options), time_limit_s)
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
    """One order: its lines, the sources of any of them, and what they cost without prices."""

    def __init__(self, task: Task, order: int, lines: Sequence[int], options: Options) -> None:
        self.lines = lines
        self.sources = sorted({source for line in lines for source in options[line]})
        told = task.ways[order]
        self.fixed = np.array([told[source].fixed for source in self.sources] + [0.0])
        self.costs = np.full((len(lines), len(self.fixed)), FORBIDDEN)
        self.costs[:, -1] = [task.lines[line].unsourced for line in lines]
        self.takes: list[tuple[Take, int, int]] = []
        for row, line in enumerate(lines):
            for column, source in enumerate(self.sources):
                if source in options[line]:
                    self.costs[row, column] = told[source].each
                    self.takes.append(((line, source), row, column))

    def at(self, prices: Mapping[Take, float]) -> Matrix:
        costs = self.costs.copy()
        for take, row, column in self.takes:
            costs[row, column] += prices.get(take, 0.0)
        return costs

    def cost(self, columns: Sequence[int]) -> float:
        """Of each line in that column, without prices."""
        each = sum(self.costs[row, column] for row, column in enumerate(columns))
        return float(each + sum(self.fixed[column] for column in set(columns)))

    def choice(self, columns: Sequence[int]) -> Choice:
        taken = zip(self.lines, columns, strict=True)
        return tuple((line, self.sources[column]) for line, column in taken if column < len(self.sources))


class _Pricing:
    """The orders and the master, round by round."""

    def __init__(
        self, orders: Sequence[_Order], found: Sequence[Ways], limits: Mapping[Shared, Limit], s: float
    ) -> None:
        self.orders, self.ways, self.limits, self.time_limit_s = orders, found, limits, s
        self.master = Master(len(orders), s)
        self.bound = -inf
        self.prices: Mapping[Take, float] = {}
        """Those that gave the bound."""
        self.short: set[Shared] = set()
        self.shared_by: dict[Take, list[Shared]] = {}
        for key, limit in limits.items():
            for take in limit.factors:
                self.shared_by.setdefault(take, []).append(key)
        self.free = [each.cheapest(order.costs) for each, order in zip(found, orders, strict=True)]
        for at, (order, (_, columns)) in enumerate(zip(orders, self.free, strict=True)):
            self._add(at, columns)
            self._add(at, [len(order.sources)] * len(order.lines))

    def round(self, asked: Collection[int]) -> bool:
        """Whether what these orders choose now, or run short of, was not known to the master."""
        marginal, prices = self.master.solve()
        missing = self.limit_what_is_short()
        by_take = self._by_take(prices)
        bound, new = -sum(limit.most * each for limit, each in zip(self.master.limits, prices, strict=False)), False
        for at in asked:
            order = self.orders[at]
            priced = any(take in by_take for take, _, _ in order.takes)
            cost, columns = self.ways[at].cheapest(order.at(by_take)) if priced else self.free[at]
            bound += cost
            if cost < marginal[at] - TOLERANCE:
                new |= self._add(at, columns)
        if len(asked) == len(self.orders) and bound > self.bound:
            self.bound, self.prices = bound, by_take
        return missing or new

    def limit_what_is_short(self) -> bool:
        """Adds limits for what is used beyond them; whether there was any."""
        used: dict[Shared, float] = {}
        for _, choice, value in self.master.used():
            for take in choice:
                for key in self.shared_by.get(take, ()):
                    used[key] = used.get(key, 0.0) + value * self.limits[key].factors[take]
        short = {key for key, amount in used.items() if amount > self.limits[key].most * (1 + TOLERANCE)} - self.short
        self.short |= short
        for key in sorted(short, key=str):
            for limit in tightened(self.limits[key]):
                self.master.add_limit(limit)
        return bool(short)

    def excess(self) -> dict[Take, float]:
        found: dict[Take, float] = {}
        for order_ways, order in zip(self.ways, self.orders, strict=True):
            more = order_ways.excess(order.at(self.prices))
            found |= {take: float(more[row, column]) for take, row, column in order.takes}
        return found

    def dive(self) -> dict[int, int]:
        """The source of each line in a plan: what is used most becomes firm, a few orders at a time, and the prices
        follow."""
        left = {key: limit.most for key, limit in self.limits.items()}
        waiting, sources = set(range(len(self.orders))), dict[int, int]()
        while waiting and self.master.seconds() < self.time_limit_s:
            ripe = self._ripe(waiting)
            if not ripe:
                break
            for at, choice in ripe:
                if self._fits(choice, left):
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
        """The choices that are used as a whole, and some of the most used ones, one for an order."""
        used = [(-round(value, 6), at, choice) for at, choice, value in self.master.used() if at in waiting]
        found: dict[int, Choice] = {}
        more = max(1, len(waiting) // DIVE_STEPS)
        for value, at, choice in sorted(used):
            if value > -1 and (more := more - (at not in found)) < 0:
                break
            found.setdefault(at, choice)
        return list(found.items())

    def _fits(self, choice: Choice, left: dict[Shared, int]) -> bool:
        """Whether there is enough for it, which is then taken."""
        wanted: dict[Shared, int] = {}
        for take in choice:
            for key in self.shared_by.get(take, ()):
                wanted[key] = wanted.get(key, 0) + self.limits[key].factors[take]
        if any(amount > left[key] for key, amount in wanted.items()):
            return False
        for key, amount in wanted.items():
            left[key] -= amount
        return True

    def _by_take(self, prices: Sequence[float]) -> dict[Take, float]:
        found: dict[Take, float] = {}
        for limit, each in zip(self.master.limits, prices, strict=False):
            for take, factor in limit.factors.items() if each > TOLERANCE else ():
                found[take] = found.get(take, 0.0) + each * factor
        return found

    def _add(self, at: int, columns: Sequence[int]) -> bool:
        order = self.orders[at]
        return self.master.add_choice(at, order.choice(columns), order.cost(columns))
