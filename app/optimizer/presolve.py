"""Presolve: dominated options are removed, and the task falls into independent components.

The cost of the cheapest plan stays the same.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from app.optimizer.solver_task import Cell, Task

Options = Mapping[int, tuple[int, ...]]
"""Line -> the sources that may ship it, for lines that have any."""


class Component(Struct, frozen=True):
    """Lines that are solved together. `is_alone`: a single order that shares nothing scarce with another one."""

    options: Options
    is_alone: bool


class _Scarcity(NamedTuple):
    """What orders compete for: cells with too little stock, and sources that take too few lines."""

    cells: set[Cell]
    sources: set[int]

    def is_free_of(self, cells: set[Cell]) -> bool:
        """Return whether none of these cells, nor their sources, is scarce."""
        return self.cells.isdisjoint(cells) and self.sources.isdisjoint(source for _, source in cells)


def components(task: Task, options: Options) -> list[Component]:
    """Return the independent components of these options, smallest first."""
    options = _reduced(task, options)
    scarcity = _scarcity(task, options)
    groups = _groups(task, options, scarcity)
    return sorted(
        (_component(task, group, scarcity) for group in groups),
        key=lambda component: (len(component.options), next(iter(component.options))),
    )


def feasible_options(task: Task) -> dict[int, tuple[int, ...]]:
    """Return all options of the lines that have any.

    Under a hard rule against partial orders, only of orders whose lines all have some.
    """
    rule = task.strategy.no_partial_orders
    is_whole_order = bool(rule and rule.hard)
    options: dict[int, tuple[int, ...]] = {}
    for lines in task.lines_of:
        if not is_whole_order or all(task.lines[line].options for line in lines):
            options |= {line: task.lines[line].options for line in lines if task.lines[line].options}
    return options


def _reduced(task: Task, options: Options) -> dict[int, tuple[int, ...]]:
    """Remove dominated options until none is left: each removal leaves less demand for something else."""
    while True:
        before = options
        scarcity = _scarcity(task, before)
        options = dict(options)
        for order, lines in enumerate(task.lines_of):
            order_lines = [line for line in lines if line in options]
            for source in _dominated(task, order, {line: options[line] for line in order_lines}, scarcity):
                options |= {line: tuple(s for s in options[line] if s != source) for line in order_lines}
        if options == before:
            return options


def _dominated(task: Task, order: int, options: Options, scarcity: _Scarcity) -> Iterable[int]:
    """Return the sources that another one dominates: it has plenty of all that they have, and costs no more."""
    routes = task.routes[order]
    lines_at: dict[int, set[int]] = {}
    for line, sources in options.items():
        for source in sources:
            lines_at.setdefault(source, set()).add(line)
    plenty = {
        source: {line for line in lines if (task.lines[line].demand.sku, source) not in scarcity.cells}
        for source, lines in lines_at.items()
        if source not in scarcity.sources
    }

    def price(source: int) -> tuple[float, float]:
        return routes[source].fixed, routes[source].each

    dominated: set[int] = set()
    for source in sorted(lines_at, key=lambda source: (price(source), source), reverse=True):
        fixed, each = price(source)
        for other, has in plenty.items():
            theirs = price(other)
            cheaper = theirs[0] <= fixed and theirs[1] <= each
            if other != source and other not in dominated and cheaper and lines_at[source] <= has:
                dominated.add(source)
                break
    return dominated


def _scarcity(task: Task, options: Options) -> _Scarcity:
    return _Scarcity(_scarce_cells(task, options), _scarce_sources(task, options))


def _scarce_cells(task: Task, options: Options) -> set[Cell]:
    """Return the cells of which more may be taken than is free of penalty."""
    demand: dict[Cell, int] = {}
    for line, sources in options.items():
        line_demand = task.lines[line].demand
        for source in sources:
            demand[line_demand.sku, source] = demand.get((line_demand.sku, source), 0) + line_demand.quantity
    return {cell for cell, quantity in demand.items() if quantity > task.free[cell]}


def _scarce_sources(task: Task, options: Options) -> set[int]:
    """Return the sources that may get more lines than they take without penalty."""
    demand: dict[int, int] = {}
    for sources in options.values():
        for source in sources:
            demand[source] = demand.get(source, 0) + 1
    return {source for source, count in demand.items() if count > min(task.room[source], task.free_room[source])}


def _groups(task: Task, options: Options, scarcity: _Scarcity) -> list[Options]:
    """Group the options by order; orders are joined (union-find) that share a scarce cell or source."""
    leader = list(range(len(task.demands)))

    def lead(order: int) -> int:
        while leader[order] != order:
            leader[order] = order = leader[leader[order]]
        return order

    first: dict[Cell | int, int] = {}
    for line, sources in options.items():
        task_line = task.lines[line]
        for source in sources:
            for shared in ((task_line.demand.sku, source), source):
                if shared in scarcity.cells or shared in scarcity.sources:
                    leader[lead(task_line.order)] = lead(first.setdefault(shared, task_line.order))
    groups: dict[int, dict[int, tuple[int, ...]]] = {}
    for line, sources in options.items():
        groups.setdefault(lead(task.lines[line].order), {})[line] = sources
    return list(groups.values())


def _component(task: Task, options: Options, scarcity: _Scarcity) -> Component:
    cells = {(task.lines[line].demand.sku, source) for line, sources in options.items() for source in sources}
    return Component(options, scarcity.is_free_of(cells))
