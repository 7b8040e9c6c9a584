"""A mixed-integer programme, built column by column and row by row, and its solution by HiGHS in one thread."""

from collections.abc import Iterable, Mapping
from typing import Final

import highspy
import numpy as np
from highspy._core import _Highs
from msgspec import Struct

INF: Final = highspy.kHighsInf
_KINDS: Final = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
_OPTIONS: Final[Mapping[str, bool | float | str]] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
    "mip_rel_gap": 0.0,
}


class Solution(Struct, frozen=True):
    """`values` are by column, empty if no solution was found. No solution costs less than `bound`.

    `seconds` is the solver's time. `is_late`: it stopped at the time limit.
    """

    values: list[float]
    bound: float
    seconds: float
    is_late: bool


def start_solver(gap: float, time_limit_s: float) -> _Highs:
    """Return an empty solver. Not highspy's own wrapper `Highs`, which writes a banner before it can be told not to."""
    solver = _Highs()
    for name, value in {**_OPTIONS, "mip_abs_gap": gap, "time_limit": time_limit_s}.items():
        solver.setOptionValue(name, value)
    return solver


class Programme:
    """Columns are numbered from 0 and not negative; the sum of `cost * value` is minimised."""

    def __init__(self) -> None:
        self._costs: list[float] = []
        self._uppers: list[float] = []
        self._whole: list[bool] = []
        self._starts: list[int] = [0]
        self._columns: list[int] = []
        self._factors: list[float] = []
        self._row_lowers: list[float] = []
        self._row_uppers: list[float] = []
        self.offset = 0.0

    def column(self, cost: float, upper: float = 1.0, *, whole: bool = False) -> int:
        """Add a column, and return its number."""
        self._costs.append(cost)
        self._uppers.append(upper)
        self._whole.append(whole)
        return len(self._costs) - 1

    def charge(self, column: int, cost: float) -> None:
        """Add to the cost of a column."""
        self._costs[column] += cost

    def upper(self, column: int) -> float:
        """Return the upper bound of a column."""
        return self._uppers[column]

    def row(self, terms: Iterable[tuple[int, float]], *, least: float = -INF, most: float = INF) -> None:
        """Add a row: the sum of `factor * column` is between the two."""
        for column, factor in terms:
            self._columns.append(column)
            self._factors.append(factor)
        self._starts.append(len(self._columns))
        self._row_lowers.append(least)
        self._row_uppers.append(most)

    def solve(self, gap: float, time_limit_s: float) -> Solution:
        """Solve until the cost is proven to be at most `gap` above the lowest one, or the time is over.

        HiGHS could be told of a known solution, but is none the faster for it, and with one 1.16.0 loses the part of
        the objective that its presolve has fixed, and then reports a bound that is too low.
        """
        highs = start_solver(gap, time_limit_s)
        highs.passModel(self._lp())
        highs.run()
        info = highs.getInfo()
        has_solution = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        values = list(highs.getSolution().col_value) if has_solution else []
        is_late = highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit
        return Solution(values, info.mip_dual_bound + self.offset, highs.getRunTime(), is_late)

    def _lp(self) -> highspy.HighsLp:
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self._costs), len(self._row_lowers)
        lp.col_cost_ = np.array(self._costs, np.float64)
        lp.col_lower_, lp.col_upper_ = np.zeros(len(self._costs)), np.array(self._uppers, np.float64)
        lp.row_lower_, lp.row_upper_ = np.array(self._row_lowers), np.array(self._row_uppers)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array(self._starts, np.int32)
        lp.a_matrix_.index_ = np.array(self._columns, np.int32)
        lp.a_matrix_.value_ = np.array(self._factors, np.float64)
        lp.integrality_ = [_KINDS[whole] for whole in self._whole]
        return lp
