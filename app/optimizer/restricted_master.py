"""The restricted master problem of column generation: one choice for each order, all within the shared limits.

A linear programme that grows by columns (choices of orders) and rows (limits); see column_generation.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from app.optimizer.highs_programme import INF, start_solver
from app.optimizer.shared_limits import Limit, Take

Choice = tuple[Take, ...]
"""The allocations of one order; a line that is not in it has no source."""


class RestrictedMaster:
    """The first rows say that each order has one choice; each limit adds a row, each choice a column."""

    def __init__(self, orders: int, time_limit_s: float) -> None:
        self.limits: list[Limit] = []
        self._orders = orders
        self._columns: dict[tuple[int, Choice], int] = {}
        self._choices: list[tuple[int, Choice]] = []
        self._values: Sequence[float] = ()
        self._used_columns: list[int] = []
        self._rows_of: dict[Take, list[tuple[int, int]]] = {}
        self._columns_of: dict[Take, list[int]] = {}
        self._solver = start_solver(gap=0.0, time_limit_s=time_limit_s)
        for _ in range(orders):
            self._add_row(1.0, 1.0, {})

    def add_choice(self, order: int, choice: Choice, cost: float) -> bool:
        """Add a column for the choice of an order. Return whether it is new."""
        if (order, choice) in self._columns:
            return False
        at = self._columns[order, choice] = len(self._choices)
        self._choices.append((order, choice))
        rows = {order: 1}
        for take in choice:
            self._columns_of.setdefault(take, []).append(at)
            for row, factor in self._rows_of.get(take, ()):
                rows[row] = rows.get(row, 0) + factor
        self._solver.addCol(cost, 0.0, INF, len(rows), *_sparse(rows))
        return True

    def add_limit(self, limit: Limit) -> None:
        """Add a row for the limit, with the choices that there are."""
        row = self._orders + len(self.limits)
        self.limits.append(limit)
        used: dict[int, int] = {}
        for take, factor in limit.factors.items():
            self._rows_of.setdefault(take, []).append((row, factor))
            for at in self._columns_of.get(take, ()):
                used[at] = used.get(at, 0) + factor
        self._add_row(-INF, float(limit.most), used)

    def solve(self) -> tuple[list[float], list[float]]:
        """Return the duals: the marginal cost of each order, and the price of each limit (what one more would save)."""
        self._solver.run()
        solution = self._solver.getSolution()
        self._used_columns = np.flatnonzero(np.asarray(solution.col_value) > 0.0).tolist()
        self._values = solution.col_value
        dual = list(solution.row_dual)
        return dual[: self._orders], [max(0.0, -price) for price in dual[self._orders :]]

    def used_choices(self) -> Iterator[tuple[int, Choice, float]]:
        """Yield the choices in the last solution: order, choice, and its value (0 to 1)."""
        for at in self._used_columns:
            order, choice = self._choices[at]
            yield order, choice, self._values[at]

    def bound(self, order: int, choice: Choice, least: float, most: float) -> None:
        """Keep the value of a choice between the two from now on."""
        self._solver.changeColBounds(self._columns[order, choice], least, most)

    def seconds(self) -> float:
        """Return the solver's time so far."""
        return float(self._solver.getRunTime())

    def _add_row(self, least: float, most: float, factors: Mapping[int, int]) -> None:
        self._solver.addRow(least, most, len(factors), *_sparse(factors))


def _sparse(factors: Mapping[int, int]) -> tuple[Any, Any]:
    return np.array(list(factors), np.int32), np.array(list(factors.values()), np.float64)
