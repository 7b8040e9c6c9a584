"""A component of a task as a mixed-integer programme, and its solution as parts of lines.

Columns: `take` (line, source), with splits also the `amount` in steps; `visit` (order, source); `without` (line). Rows:
a line is whole or without, what is taken from is visited, stock, room, and the rules of an order. A visit by one line
alone is that line's `take`, and a row that cannot bind is left out: both make the programme much smaller.
"""

from collections.abc import Mapping, Sequence

from app.domain.order import AMOUNT_SCALE
from app.optimizer.highs_programme import INF, Programme
from app.optimizer.plan_draft import Draft, Parts
from app.optimizer.solver_task import Cell, Task


class MipModel:
    """The programme of the lines that have `options` (at least one each).

    They share no limit that can bind with lines outside, or only with lines that are planned already.
    """

    def __init__(self, task: Task, options: Mapping[int, Sequence[int]], beside: Draft | None = None) -> None:
        """`beside` is a plan of the other lines, which stays as it is: the shipments of these cost nothing more."""
        self.task, self.options = task, options
        self.beside = beside or Draft(task)
        self.programme = Programme()
        self.take: dict[tuple[int, int], int] = {}
        self.amount: dict[tuple[int, int], int] = {}
        self.without: dict[int, int] = {}
        for line in options:
            self._line(line)
        for order in sorted({task.lines[line].order for line in options}):
            mine = [line for line in task.lines_of[order] if line in options]
            self._warehouses(self._visits(order, mine))
            self._partial(order, mine)
        self._stock()
        self._room()

    def parts(self, line: int, values: Sequence[float]) -> Parts:
        """Return the parts of a line. They are still to be checked: the solver's whole numbers are whole to 1e-6."""
        task_line = self.task.lines[line]
        if not self.amount:
            return {s: task_line.demand.quantity for s in self.options[line] if values[self.take[line, s]] > 0.5}
        steps = {s: round(values[self.amount[line, s]]) for s in self.options[line]}
        return {s: count * task_line.step for s, count in steps.items() if count}

    def _line(self, line: int) -> None:
        task_line, programme = self.task.lines[line], self.programme
        split = self.task.parts_max > 1
        self.without[line] = programme.column(task_line.unsourced, whole=split)
        for source in self.options[line]:
            self.take[line, source] = programme.column(self.task.routes[task_line.order][source].each, whole=True)
        takes = [self.take[line, source] for source in self.options[line]]
        if not split:
            programme.row([(column, 1.0) for column in (*takes, self.without[line])], least=1.0, most=1.0)
            return
        self._amounts(line)
        rule = self.task.strategy.warehouses_per_line
        self._at_most(takes, self.task.parts_max, None)
        if rule and not rule.hard:
            self._at_most(takes, int(rule.limit), rule.penalty)

    def _amounts(self, line: int) -> None:
        task_line, programme = self.task.lines[line], self.programme
        steps = task_line.demand.quantity // task_line.step
        for source in self.options[line]:
            most = min(steps, self.task.stock[task_line.demand.sku, source] // task_line.step)
            amount = self.amount[line, source] = programme.column(0.0, most, whole=True)
            programme.row([(amount, 1.0), (self.take[line, source], -most)], most=0.0)
        amounts = [(self.amount[line, source], 1.0) for source in self.options[line]]
        programme.row([*amounts, (self.without[line], steps)], least=steps, most=steps)

    def _visits(self, order: int, lines: Sequence[int]) -> list[int]:
        """Add the visits of an order, and return their columns."""
        visits: list[int] = []
        by_source: dict[int, list[int]] = {}
        for line in lines:
            for source in self.options[line]:
                by_source.setdefault(source, []).append(self.take[line, source])
        for source, takes in sorted(by_source.items()):
            fixed = self.task.routes[order][source].fixed
            if source in self.beside.visits[order]:
                continue
            if len(takes) == 1:
                self.programme.charge(takes[0], fixed)
                visits += takes
                continue
            visit = self.programme.column(fixed, whole=True)
            visits.append(visit)
            for take in takes:
                self.programme.row([(take, 1.0), (visit, -1.0)], most=0.0)
        return visits

    def _warehouses(self, visits: Sequence[int]) -> None:
        rule = self.task.strategy.warehouses_per_order
        if rule:
            self._at_most(visits, int(rule.limit), None if rule.hard else rule.penalty)

    def _partial(self, order: int, lines: Sequence[int]) -> None:
        rule, programme = self.task.strategy.no_partial_orders, self.programme
        if not rule:
            return
        withouts = [self.without[line] for line in lines]
        if rule.hard:
            for column in withouts[1:]:
                programme.row([(column, 1.0), (withouts[0], -1.0)], least=0.0, most=0.0)
            return
        # The price is due unless all lines are without (`none`) or no line is (`some` is 0).
        none = programme.column(-rule.penalty)
        for column in withouts:
            programme.row([(none, 1.0), (column, -1.0)], most=0.0)
        if len(lines) < len(self.task.lines_of[order]):
            programme.offset += rule.penalty
            return
        some = programme.column(rule.penalty)
        for column in withouts:
            programme.row([(column, 1.0), (some, -1.0)], most=0.0)

    def _stock(self) -> None:
        cells: dict[Cell, list[tuple[int, float]]] = {}
        for (line, source), take in self.take.items():
            task_line = self.task.lines[line]
            column = self.amount.get((line, source), take)
            cells.setdefault((task_line.demand.sku, source), []).append((column, task_line.step / AMOUNT_SCALE))
        rule = self.task.strategy.safety_stock
        for cell, terms in cells.items():
            self._limit(terms, self.task.stock[cell] / AMOUNT_SCALE, None)
            if rule and not rule.hard:
                self._limit(terms, self.task.free[cell] / AMOUNT_SCALE, rule.penalty)

    def _room(self) -> None:
        rule = self.task.strategy.lines_per_day
        takes: dict[int, list[int]] = {}
        for (_, source), take in self.take.items():
            takes.setdefault(source, []).append(take)
        for source, columns in takes.items():
            self._at_most(columns, self.task.room[source] - self.beside.load[source], None)
            if rule and not rule.hard:
                self._at_most(columns, self.task.free_room[source], rule.penalty)

    def _at_most(self, columns: Sequence[int], limit: int, penalty: float | None) -> None:
        self._limit([(column, 1.0) for column in columns], limit, penalty)

    def _limit(self, terms: Sequence[tuple[int, float]], limit: float, penalty: float | None) -> None:
        """Add a row: no more than `limit`; with a penalty, more at that price each."""
        if sum(factor * self.programme.upper(column) for column, factor in terms) <= limit:
            return
        over = [] if penalty is None else [(self.programme.column(penalty, INF), -1.0)]
        self.programme.row([*terms, *over], most=limit)
