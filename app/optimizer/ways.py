"""The cheapest way to ship one order when sources have prices: exact, by going through all sets of sources or of lines.

This is the inner problem of pricing.py, solved some thousand times for a batch, so it works on small matrices.
"""

from functools import cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
FORBIDDEN: Final = 1e12
SOURCES_MAX: Final = 7
"""With this many sources or fewer, sets of sources are tried; otherwise sets of lines."""
LINES_MAX: Final = 8


class Ways(Protocol):
    """`costs` of each line (row) at each source (column), the last column being no source at all; they change with the
    prices, while what a shipment costs does not."""

    def cheapest(self, costs: Matrix) -> tuple[float, list[int]]:
        """The lowest cost of the order, and the column of each line."""
        ...

    def excess(self, costs: Matrix) -> Matrix:
        """How much more than the lowest cost an order must cost that has this line at this source."""
        ...


def ways(fixed: Matrix, lines: int) -> Ways | None:
    """For an order whose shipments cost `fixed`, the last one being 0; None where there are too many ways to try."""
    if len(fixed) - 1 <= SOURCES_MAX:
        return _BySources(fixed)
    return _ByLines(fixed, lines) if lines <= LINES_MAX else None


class _BySources:
    """Each set of sources is paid for as a whole; within it each line takes the cheapest."""

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
    """The lines fall into shipments: each set of lines has a cheapest source, and the sets together are all lines."""

    def __init__(self, fixed: Matrix, lines: int) -> None:
        self._fixed, self._count, self._sets = fixed, lines, _sets(lines)

    def cheapest(self, costs: Matrix) -> tuple[float, list[int]]:
        shipments = self._sets @ costs + self._fixed
        source = shipments.argmin(axis=1)
        totals, chosen = self._partitions(shipments.min(axis=1).tolist())
        columns, left = [0] * self._count, len(totals) - 1
        while left:
            for line in range(self._count):
                if chosen[left] >> line & 1:
                    columns[line] = int(source[chosen[left]])
            left ^= chosen[left]
        return totals[-1], columns

    def excess(self, costs: Matrix) -> Matrix:
        shipments = self._sets @ costs + self._fixed
        totals, _ = self._partitions(shipments.min(axis=1).tolist())
        forced = shipments + np.array(totals[::-1])[:, None] - totals[-1]
        return np.array([forced[self._sets[:, line] > 0].min(axis=0) for line in range(self._count)])

    def _partitions(self, cheapest: list[float]) -> tuple[list[float], list[int]]:
        """Of each set of lines the lowest cost, and the shipment in it that has its first line."""
        totals, chosen = [0.0] * len(cheapest), [0] * len(cheapest)
        for lines in range(1, len(cheapest)):
            first = lines & -lines
            others = rest = lines ^ first
            best, shipment = cheapest[lines], lines
            while rest:
                rest = (rest - 1) & others
                cost = cheapest[rest | first] + totals[others ^ rest]
                if cost < best:
                    best, shipment = cost, rest | first
            totals[lines], chosen[lines] = best, shipment
        return totals, chosen


@cache
def _sets(count: int) -> Matrix:
    """All sets of so many things, one a row."""
    return ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1).astype(np.float64)
