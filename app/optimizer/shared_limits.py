"""What orders share: the stock of a cell, the room of a source, each as limits on sums over what lines take."""

from collections.abc import Iterator, Mapping, Sequence
from math import gcd

from msgspec import Struct

from app.optimizer.task import NO_LIMIT, Cell, Task

Take = tuple[int, int]
"""A line and a source it takes from."""
Shared = Cell | int
"""A cell, or a source that takes a number of lines a day."""


class Limit(Struct, frozen=True):
    """The sum of `factors` over what is taken is at most `most`."""

    factors: Mapping[Take, int]
    most: int


def shared(task: Task, options: Mapping[int, Sequence[int]]) -> dict[Shared, Limit]:
    """Everything of which more could be wanted than there is, were all lines to take it."""
    wanted: dict[Shared, dict[Take, int]] = {}
    for line, sources in options.items():
        told = task.lines[line].demand
        for source in sources:
            wanted.setdefault((told.sku, source), {})[line, source] = told.quantity
            if task.room[source] < NO_LIMIT:
                wanted.setdefault(source, {})[line, source] = 1
    most = {key: task.room[key] if isinstance(key, int) else task.stock[key] for key in wanted}
    return {key: Limit(each, most[key]) for key, each in wanted.items() if sum(each.values()) > most[key]}


def tightened(limit: Limit) -> Iterator[Limit]:
    """The limit, and what follows from it for whole lines: of those of at least `size`, only so many fit. The solver
    would find some of these by itself, later."""
    divisor = gcd(*limit.factors.values())
    sizes = sorted({factor // divisor for factor in limit.factors.values()})
    room = limit.most // divisor
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for size in (1, *sizes):
        factors = {
            take: factor // divisor // size for take, factor in limit.factors.items() if factor // divisor >= size
        }
        most = room // size
        key = (most, tuple(factors.values()))
        if sum(factors.values()) > most and key not in seen:
            seen.add(key)
            yield Limit(factors, most)
