"""The pricing problem of one order: its cheapest choice of sources at given prices, exact, by enumeration.

column_generation.py solves it some thousand times for a batch, so it works on small matrices.
"""

from functools import cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
FORBIDDEN: Final = 1e12
"""The cost of a line at a source that cannot ship it."""
SOURCES_MAX: Final = 7
"""With this many sources or fewer, all sets of sources are tried; otherwise all sets of lines."""
LINES_MAX: Final = 8
"""With more lines than this, their sets are too many to try."""


class PricingProblem(Protocol):
    """One order. `costs` are those of each line (row) at each source (column), the last column being no source at all.

    They change with the prices; the fixed costs of shipments do not.
    """

    def cheapest(self, costs: Matrix) -> tuple[float, list[int]]:
        """Return the lowest cost of the order, and the column of each line in it."""
        ...

    def excess(self, costs: Matrix) -> Matrix:
        """Return, by line and source, how far the order is above its lowest cost with this line at this source."""
        ...


def pricing_problem(fixed: Matrix, lines: int) -> PricingProblem | None:
    """Return the problem of an order whose shipments cost `fixed`, the last one 0; None if too large to enumerate."""
    if len(fixed) - 1 <= SOURCES_MAX:
        return _BySources(fixed)
    return _ByLines(fixed, lines) if lines <= LINES_MAX else None


class _BySources:
    """Tries each set of sources: its fixed costs are paid, and each line takes the cheapest source in it."""

    def __init__(self, fixed: Matrix) -> None:
        self._sets = _sets(len(fixed) - 1)
        self._paid = self._sets @ fixed[:-1]
        closed = np.where(self._sets > 0, 0.0, FORBIDDEN)
        self._closed = np.concatenate([closed, np.zeros((len(closed), 1))], axis=1)

    def cheapest(self, costs: Matrix) -> tuple[float, list[int]]:
        totals = self._paid + self._lines(costs).min(axis=2).sum(axis=1)
        best = int(totals.argmin())
        return float(totals[best]), self._lines(costs)[best].argmin(axis=1).tolist()

    def excess(self, costs: Matrix) -> Matrix:
        each = self._lines(costs)
        cheapest = each.min(axis=2)
        totals = self._paid + cheapest.sum(axis=1)
        forced = totals[:, None, None] - cheapest[:, :, None] + each
        return np.asarray(forced.min(axis=0) - totals.min())

    def _lines(self, costs: Matrix) -> Matrix:
        every: Matrix = costs[None, :, :] + self._closed[:, None, :]
        return every


class _ByLines:
    """Tries each partition of the lines into shipments, by dynamic programming; each has its cheapest source."""

    def __init__(self, fixed: Matrix, lines: int) -> None:
        self._fixed = fixed
        self._count = lines
        self._sets = _sets(lines)

    def cheapest(self, costs: Matrix) -> tuple[float, list[int]]:
        shipments = self._sets @ costs + self._fixed
        source = shipments.argmin(axis=1)
        totals, shipment_of = self._partitions(shipments.min(axis=1).tolist())
        columns = [0] * self._count
        remaining = len(totals) - 1
        while remaining:
            for line in range(self._count):
                if shipment_of[remaining] >> line & 1:
                    columns[line] = int(source[shipment_of[remaining]])
            remaining ^= shipment_of[remaining]
        return totals[-1], columns

    def excess(self, costs: Matrix) -> Matrix:
        shipments = self._sets @ costs + self._fixed
        totals, _ = self._partitions(shipments.min(axis=1).tolist())
        forced = shipments + np.array(totals[::-1])[:, None] - totals[-1]
        return np.array([forced[self._sets[:, line] > 0].min(axis=0) for line in range(self._count)])

    def _partitions(self, cheapest: list[float]) -> tuple[list[float], list[int]]:
        """Return, by set of lines, the lowest cost, and the shipment in it that has its first line."""
        totals, shipment_of = [0.0] * len(cheapest), [0] * len(cheapest)
        for lines in range(1, len(cheapest)):
            first = lines & -lines
            others = rest = lines ^ first
            best, shipment = cheapest[lines], lines
            while rest:
                rest = (rest - 1) & others
                cost = cheapest[rest | first] + totals[others ^ rest]
                if cost < best:
                    best, shipment = cost, rest | first
            totals[lines], shipment_of[lines] = best, shipment
        return totals, shipment_of


@cache
def _sets(count: int) -> Matrix:
    """Return all subsets of `count` things, one a row."""
    return ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1).astype(np.float64)
