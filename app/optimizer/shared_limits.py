"""Limits that orders share: the stock of a cell, the lines a day of a source, as bounds on sums over allocations."""

from collections.abc import Iterator, Mapping, Sequence
from math import gcd

from msgspec import Struct

from app.optimizer.solver_task import NO_LIMIT, Cell, Task

Take = tuple[int, int]
"""A line and a source that ships it."""
Shared = Cell | int
"""A cell, or a source that takes a number of lines a day."""


class Limit(Struct, frozen=True):
    """The sum of the `factors` of all takes of a plan is at most `most`."""

    factors: Mapping[Take, int]
    most: int


def shared(task: Task, options: Mapping[int, Sequence[int]]) -> dict[Shared, Limit]:
    """Return the limits that can bind: those that are broken when every line takes from all its options."""
    factors: dict[Shared, dict[Take, int]] = {}
    for line, sources in options.items():
        demand = task.lines[line].demand
        for source in sources:
            factors.setdefault((demand.sku, source), {})[line, source] = demand.quantity
            if task.room[source] < NO_LIMIT:
                factors.setdefault(source, {})[line, source] = 1
    most = {key: task.room[key] if isinstance(key, int) else task.stock[key] for key in factors}
    return {key: Limit(each, most[key]) for key, each in factors.items() if sum(each.values()) > most[key]}


def tightened(limit: Limit) -> Iterator[Limit]:
    """Yield the limit, and cuts that follow from it for whole lines: of those of at least `size`, only so many fit.

    The solver would find some of these cuts by itself, later.
    """
    divisor = gcd(*limit.factors.values())
    sizes = sorted({factor // divisor for factor in limit.factors.values()})
    room = limit.most // divisor
    yielded: set[tuple[int, tuple[int, ...]]] = set()
    for size in (1, *sizes):
        factors = {
            take: factor // divisor // size for take, factor in limit.factors.items() if factor // divisor >= size
        }
        most = room // size
        key = (most, tuple(factors.values()))
        if sum(factors.values()) > most and key not in yielded:
            yielded.add(key)
            yield Limit(factors, most)
