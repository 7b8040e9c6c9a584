"""A plan under construction: the allocations so far, the stock that remains, the cost of a change. Never oversold."""

from collections.abc import Mapping

from app.domain.order import AMOUNT_SCALE
from app.optimizer.solver_task import Cell, Task
from app.optimizer.sourcing_plan import SourceCode
from app.optimizer.sourcing_strategy import Constraint

Parts = Mapping[int, int]
"""Source -> quantity of one line."""
EPSILON = 1e-6
"""Costs closer than this are the same."""


class Draft:
    """A plan that changes line by line. At every moment each line is whole or without a source.

    `parts` are by line, `load` counts the lines of each source, `served` the lines of each order that have a source.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.parts: list[Parts] = [{} for _ in task.lines]
        self.remaining: dict[Cell, int] = dict(task.stock)
        self.load = [0] * len(task.sources)
        self.visits: list[dict[int, int]] = [{} for _ in task.demands]
        """Order -> source -> its lines there."""
        self.served = [0] * len(task.demands)
        strategy = task.strategy
        per_order = (strategy.no_partial_orders, strategy.warehouses_per_order, strategy.warehouses_per_line)
        at_sources = (strategy.lines_per_day, strategy.safety_stock)
        self._soft = any(rule and not rule.hard for rule in per_order + at_sources)

    def place(self, line: int, parts: Parts) -> None:
        """Give the line these parts. It must be empty, and they must fit (see `hindrance`)."""
        task_line = self.task.lines[line]
        visits = self.visits[task_line.order]
        for source, quantity in parts.items():
            self.remaining[task_line.demand.sku, source] -= quantity
            self.load[source] += 1
            visits[source] = visits.get(source, 0) + 1
        self.parts[line] = parts
        self.served[task_line.order] += bool(parts)

    def place_if_possible(self, line: int, parts: Parts) -> float:
        """Give the line these parts if they fit, and return what that costs; 0 where nothing was placed."""
        if not parts or self.hindrance(line, parts):
            return 0.0
        cost = self.added(line, parts)
        self.place(line, parts)
        return cost

    def replace(self, parts: Mapping[int, Parts]) -> float:
        """Replace the parts of these lines, as far as the new ones fit, and return what the lines cost now."""
        for line in parts:
            self.clear(line)
        cost = sum(self.place_if_possible(line, each) for line, each in parts.items())
        return cost + sum(self.task.lines[line].unsourced for line in parts if not self.parts[line])

    def clear(self, line: int) -> Parts:
        """Take the line out of the plan, and return the parts that it had."""
        task_line, parts = self.task.lines[line], self.parts[line]
        visits = self.visits[task_line.order]
        for source, quantity in parts.items():
            self.remaining[task_line.demand.sku, source] += quantity
            self.load[source] -= 1
            visits[source] -= 1
            if not visits[source]:
                del visits[source]
        self.parts[line] = {}
        self.served[task_line.order] -= bool(parts)
        return parts

    def hindrance(self, line: int, parts: Parts) -> SourceCode | None:
        """Return the first hard rule that keeps an empty line from these parts; rules about whole orders aside."""
        task_line = self.task.lines[line]
        for source, quantity in parts.items():
            if self.remaining[task_line.demand.sku, source] < quantity:
                return "no-stock"
            if self.load[source] >= self.task.room[source]:
                return "full"
        if len(parts) > self.task.parts_max:
            return "line-split"
        if len(self.visits[task_line.order].keys() | parts.keys()) > self.task.visits_max:
            return "too-many-warehouses"
        return None

    def added(self, line: int, parts: Parts) -> float:
        """Return the cost of giving an empty line these parts, without what it costs while it has no source."""
        order = self.task.lines[line].order
        routes, visits = self.task.routes[order], self.visits[order]
        cost = 0.0
        for source in parts:
            route = routes[source]
            cost += route.each if source in visits else route.each + route.fixed
        return cost + sum(self.penalties(line, parts).values()) if self._soft else cost

    def terms(self, line: int, parts: Parts) -> dict[str, float]:
        """Return the cost of `added`, term by term."""
        order = self.task.lines[line].order
        terms: dict[str, float] = {}
        for source in parts:
            route = self.task.routes[order][source]
            _add(terms, route.line)
            _add(terms, {} if source in self.visits[order] else route.trip)
        _add(terms, self.penalties(line, parts))
        return terms

    def penalties(self, line: int, parts: Parts) -> dict[str, float]:
        """Return what soft rules add when an empty line gets these parts."""
        strategy, task_line = self.task.strategy, self.task.lines[line]
        visited = self.visits[task_line.order].keys()
        costs = {
            "warehouses": _more(strategy.warehouses_per_order, len(visited), len(visited | parts.keys())),
            "split": _more(strategy.warehouses_per_line, 0, len(parts)),
            "partial": self._partial(task_line.order, 1 if parts else 0),
            "lines a day": 0.0,
            "safety stock": 0.0,
        }
        for source, quantity in parts.items():
            load = self.load[source]
            costs["lines a day"] += _over(strategy.lines_per_day, self.task.free_room[source], load, load + 1)
            cell = (task_line.demand.sku, source)
            used = self.task.stock[cell] - self.remaining[cell]
            over_safety_stock = _over(strategy.safety_stock, self.task.free[cell], used, used + quantity)
            costs["safety stock"] += over_safety_stock / AMOUNT_SCALE
        return {name: cost for name, cost in costs.items() if cost}

    def total(self) -> tuple[list[dict[str, float]], dict[str, float]]:
        """Return the terms of each order's cost, and those that belong to sources: the whole cost, from scratch."""
        orders = [self._order_terms(order) for order in range(len(self.task.demands))]
        strategy, terms = self.task.strategy, {"lines a day": 0.0, "safety stock": 0.0}
        for source, load in enumerate(self.load):
            terms["lines a day"] += _over(strategy.lines_per_day, self.task.free_room[source], 0, load)
        for cell, available in self.remaining.items():
            used = self.task.stock[cell] - available
            terms["safety stock"] += _over(strategy.safety_stock, self.task.free[cell], 0, used) / AMOUNT_SCALE
        return orders, {name: cost for name, cost in terms.items() if cost}

    def cost(self) -> float:
        """Return the cost of the plan, lines without a source included."""
        orders, sources = self.total()
        return sum(sum(terms.values()) for terms in orders) + sum(sources.values())

    def unsourced_cost(self) -> float:
        """Return the cost of the lines that have no source."""
        return sum(
            task_line.unsourced for task_line, parts in zip(self.task.lines, self.parts, strict=True) if not parts
        )

    def sourced_cost(self, order: int) -> float:
        """Return the cost of an order without that of its lines that have no source."""
        return sum(cost for name, cost in self._order_terms(order).items() if name != "unsourced")

    def shifted(self, line: int, parts: Parts, source: int) -> Parts:
        """Return parts in which `source` gives all it can in place of the others, the costliest of them first."""
        task_line = self.task.lines[line]
        available = self.remaining[task_line.demand.sku, source] // task_line.step * task_line.step
        more = min(available, task_line.demand.quantity)
        if more <= 0 or not parts or self.task.parts_max == 1:
            return {source: task_line.demand.quantity}
        shares = {}
        missing = task_line.demand.quantity - more
        for other in sorted(parts, key=lambda other: (self.added(line, {other: parts[other]}), other)):
            if missing > 0:
                shares[other] = min(parts[other], missing)
                missing -= shares[other]
        return {**shares, source: more}

    def _order_terms(self, order: int) -> dict[str, float]:
        task, terms = self.task, dict[str, float]()
        routes, visits = task.routes[order], self.visits[order]
        for source, lines in visits.items():
            _add(terms, routes[source].trip)
            _add(terms, {name: lines * cost for name, cost in routes[source].line.items()})
        for line in task.lines_of[order]:
            parts = self.parts[line]
            _add(terms, {"split": _more(task.strategy.warehouses_per_line, 0, len(parts))})
            _add(terms, {} if parts else {"unsourced": task.lines[line].unsourced})
        _add(terms, {"warehouses": _more(task.strategy.warehouses_per_order, 0, len(visits))})
        _add(terms, {"partial": self._partial_cost(order, self.served[order])})
        return terms

    def _partial(self, order: int, more: int) -> float:
        served = self.served[order]
        return self._partial_cost(order, served + more) - self._partial_cost(order, served)

    def _partial_cost(self, order: int, served: int) -> float:
        rule = self.task.strategy.no_partial_orders
        is_partial = 0 < served < len(self.task.lines_of[order])
        return rule.penalty if rule and not rule.hard and is_partial else 0.0


def _more(rule: Constraint | None, before: int, after: int) -> float:
    """Return the price of going from `before` to `after` where only `rule.limit` are free."""
    return _over(rule, int(rule.limit), before, after) if rule else 0.0


def _over(rule: Constraint | None, limit: int, before: int, after: int) -> float:
    return rule.penalty * (max(0, after - limit) - max(0, before - limit)) if rule and not rule.hard else 0.0


def _add(terms: dict[str, float], more: Mapping[str, float]) -> None:
    for name, cost in more.items():
        if cost:
            terms[name] = terms.get(name, 0.0) + cost
