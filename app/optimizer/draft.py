"""A plan in the making: who gives what so far, what is left, and what a change would cost. Never oversold."""

from collections.abc import Mapping

from app.domain.order import AMOUNT_SCALE
from app.optimizer.plan import Code
from app.optimizer.strategy import Rule
from app.optimizer.task import Cell, Task

Parts = Mapping[int, int]
"""Source -> quantity of one line."""
EPSILON = 1e-6
"""Costs closer than this are the same."""


class Draft:
    """Every line is whole or without a source, at every moment."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.parts: list[Parts] = [{} for _ in task.lines]
        self.left: dict[Cell, int] = dict(task.stock)
        self.load = [0] * len(task.sources)
        self.visits: list[dict[int, int]] = [{} for _ in task.demands]
        """Order -> source -> its lines there."""
        self.served = [0] * len(task.demands)
        strategy = task.strategy
        per_order = (strategy.no_partial_orders, strategy.warehouses_per_order, strategy.warehouses_per_line)
        at_sources = (strategy.lines_per_day, strategy.safety_stock)
        self._soft = any(rule and not rule.hard for rule in per_order + at_sources)

    def place(self, line: int, parts: Parts) -> None:
        """`line` must be empty and `parts` fit."""
        told = self.task.lines[line]
        visits = self.visits[told.order]
        for source, quantity in parts.items():
            self.left[told.demand.sku, source] -= quantity
            self.load[source] += 1
            visits[source] = visits.get(source, 0) + 1
        self.parts[line] = parts
        self.served[told.order] += bool(parts)

    def place_if_possible(self, line: int, parts: Parts) -> float:
        """What it costs; nothing where the parts do not fit, or are none."""
        if not parts or self.hindrance(line, parts):
            return 0.0
        cost = self.added(line, parts)
        self.place(line, parts)
        return cost

    def give(self, parts: Mapping[int, Parts]) -> float:
        """What these lines cost with these parts, as far as they fit, which they now have in place of others."""
        for line in parts:
            self.clear(line)
        cost = sum(self.place_if_possible(line, each) for line, each in parts.items())
        return cost + sum(self.task.lines[line].unsourced for line in parts if not self.parts[line])

    def clear(self, line: int) -> Parts:
        """Takes the line back; returns what it had."""
        told, parts = self.task.lines[line], self.parts[line]
        visits = self.visits[told.order]
        for source, quantity in parts.items():
            self.left[told.demand.sku, source] += quantity
            self.load[source] -= 1
            visits[source] -= 1
            if not visits[source]:
                del visits[source]
        self.parts[line] = {}
        self.served[told.order] -= bool(parts)
        return parts

    def hindrance(self, line: int, parts: Parts) -> Code | None:
        """The first hard rule that keeps an empty line from these sources; the order as a whole aside."""
        told = self.task.lines[line]
        for source, quantity in parts.items():
            if self.left[told.demand.sku, source] < quantity:
                return "no-stock"
            if self.load[source] >= self.task.room[source]:
                return "full"
        if len(parts) > self.task.parts_max:
            return "line-split"
        if len(self.visits[told.order].keys() | parts.keys()) > self.task.visits_max:
            return "too-many-warehouses"
        return None

    def added(self, line: int, parts: Parts) -> float:
        """What it costs to give these parts to an empty line, being unsourced aside."""
        order = self.task.lines[line].order
        ways, visits = self.task.ways[order], self.visits[order]
        cost = 0.0
        for source in parts:
            way = ways[source]
            cost += way.each if source in visits else way.each + way.fixed
        return cost + sum(self.penalties(line, parts).values()) if self._soft else cost

    def terms(self, line: int, parts: Parts) -> dict[str, float]:
        """The same, term by term."""
        order = self.task.lines[line].order
        terms: dict[str, float] = {}
        for source in parts:
            way = self.task.ways[order][source]
            _add(terms, way.line)
            _add(terms, {} if source in self.visits[order] else way.trip)
        _add(terms, self.penalties(line, parts))
        return terms

    def penalties(self, line: int, parts: Parts) -> dict[str, float]:
        """What soft rules add when an empty line gets these parts."""
        strategy, told = self.task.strategy, self.task.lines[line]
        used = self.visits[told.order].keys()
        found = {
            "warehouses": _more(strategy.warehouses_per_order, len(used), len(used | parts.keys())),
            "split": _more(strategy.warehouses_per_line, 0, len(parts)),
            "partial": self._partial(told.order, 1 if parts else 0),
            "lines a day": 0.0,
            "safety stock": 0.0,
        }
        for source, quantity in parts.items():
            load, cell = self.load[source], (told.demand.sku, source)
            taken, free = self.task.stock[cell] - self.left[cell], self.task.free[cell]
            found["lines a day"] += _over(strategy.lines_per_day, self.task.free_room[source], load, load + 1)
            found["safety stock"] += _over(strategy.safety_stock, free, taken, taken + quantity) / AMOUNT_SCALE
        return {name: cost for name, cost in found.items() if cost}

    def total(self) -> tuple[list[dict[str, float]], dict[str, float]]:
        """The terms of each order's cost, and those that belong to sources: all of the plan's cost, from scratch."""
        orders = [self._order_terms(order) for order in range(len(self.task.demands))]
        strategy, terms = self.task.strategy, {"lines a day": 0.0, "safety stock": 0.0}
        for source, load in enumerate(self.load):
            terms["lines a day"] += _over(strategy.lines_per_day, self.task.free_room[source], 0, load)
        for cell, left in self.left.items():
            taken = self.task.stock[cell] - left
            terms["safety stock"] += _over(strategy.safety_stock, self.task.free[cell], 0, taken) / AMOUNT_SCALE
        return orders, {name: cost for name, cost in terms.items() if cost}

    def cost(self) -> float:
        orders, sources = self.total()
        return sum(sum(terms.values()) for terms in orders) + sum(sources.values())

    def unsourced_cost(self) -> float:
        return sum(told.unsourced for told, parts in zip(self.task.lines, self.parts, strict=True) if not parts)

    def paid(self, order: int) -> float:
        """The cost of an order without that of lines that have no source."""
        return sum(cost for name, cost in self._order_terms(order).items() if name != "unsourced")

    def shifted(self, line: int, parts: Parts, source: int) -> Parts:
        """Parts in which `source` gives all it can instead of the others, the costliest ones first."""
        told = self.task.lines[line]
        there = self.left[told.demand.sku, source] // told.step * told.step
        more = min(there, told.demand.quantity)
        if more <= 0 or not parts or self.task.parts_max == 1:
            return {source: told.demand.quantity}
        kept, missing = {}, told.demand.quantity - more
        for other in sorted(parts, key=lambda other: (self.added(line, {other: parts[other]}), other)):
            if missing > 0:
                kept[other] = min(parts[other], missing)
                missing -= kept[other]
        return {**kept, source: more}

    def _order_terms(self, order: int) -> dict[str, float]:
        task, terms = self.task, dict[str, float]()
        ways, visits = task.ways[order], self.visits[order]
        for source, lines in visits.items():
            _add(terms, ways[source].trip)
            _add(terms, {name: lines * cost for name, cost in ways[source].line.items()})
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


def _more(rule: Rule | None, before: int, after: int) -> float:
    """The price of going from `before` to `after` where only `rule.limit` are free."""
    return _over(rule, int(rule.limit), before, after) if rule else 0.0


def _over(rule: Rule | None, limit: int, before: int, after: int) -> float:
    return rule.penalty * (max(0, after - limit) - max(0, before - limit)) if rule and not rule.hard else 0.0


def _add(terms: dict[str, float], more: Mapping[str, float]) -> None:
    for name, cost in more.items():
        if cost:
            terms[name] = terms.get(name, 0.0) + cost
