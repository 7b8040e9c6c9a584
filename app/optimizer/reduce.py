"""Makes a task smaller without changing what its cheapest plans cost: options that another one beats, and orders that
share nothing scarce with others."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from app.optimizer.task import Cell, Task

Options = Mapping[int, tuple[int, ...]]
"""Line -> sources, for lines that have any."""


class Part(Struct, frozen=True):
    """Lines that are solved together. `is_alone`: a single order that shares nothing scarce with another one."""

    options: Options
    is_alone: bool


def parts(task: Task, options: Options) -> list[Part]:
    """The parts that these options fall into, smallest first."""
    options = _reduced(task, options)
    scarce, tight = _scarce(task, options), _tight(task, options)
    found = [_part(task, group, scarce, tight) for group in _groups(task, options, scarce, tight)]
    return sorted(found, key=lambda part: (len(part.options), next(iter(part.options))))


def possible(task: Task) -> dict[int, tuple[int, ...]]:
    """All options of lines that have any; where a hard rule wants all lines of an order or none, of orders whose lines
    all have some."""
    rule = task.strategy.no_partial_orders
    whole = bool(rule and rule.hard)
    possible: dict[int, tuple[int, ...]] = {}
    for lines in task.lines_of:
        if not whole or all(task.lines[line].options for line in lines):
            possible |= {line: task.lines[line].options for line in lines if task.lines[line].options}
    return possible


def _reduced(task: Task, options: Options) -> dict[int, tuple[int, ...]]:
    """Each option that goes makes something else less wanted, so this repeats until nothing changes."""
    while True:
        scarce, tight, before = _scarce(task, options), _tight(task, options), options
        options = dict(options)
        for order, lines in enumerate(task.lines_of):
            mine = [line for line in lines if line in options]
            for source in _beaten(task, order, {line: options[line] for line in mine}, scarce, tight):
                options |= {line: tuple(s for s in options[line] if s != source) for line in mine}
        if options == before:
            return options


def _beaten(task: Task, order: int, options: Options, scarce: set[Cell], tight: set[int]) -> Iterable[int]:
    """Sources that another one beats: it has plenty of all that they have, and costs no more."""
    ways = task.ways[order]
    lines_at: dict[int, set[int]] = {}
    for line, sources in options.items():
        for source in sources:
            lines_at.setdefault(source, set()).add(line)
    plenty = {
        source: {line for line in lines if (task.lines[line].demand.sku, source) not in scarce}
        for source, lines in lines_at.items()
        if source not in tight
    }

    def price(source: int) -> tuple[float, float]:
        return ways[source].fixed, ways[source].each

    beaten: set[int] = set()
    for source in sorted(lines_at, key=lambda source: (price(source), source), reverse=True):
        fixed, each = price(source)
        for other, has in plenty.items():
            theirs = price(other)
            cheaper = theirs[0] <= fixed and theirs[1] <= each
            if other != source and other not in beaten and cheaper and lines_at[source] <= has:
                beaten.add(source)
                break
    return beaten


def _scarce(task: Task, options: Options) -> set[Cell]:
    """Cells of which more is wanted than can be had for nothing."""
    wanted: dict[Cell, int] = {}
    for line, sources in options.items():
        told = task.lines[line].demand
        for source in sources:
            wanted[told.sku, source] = wanted.get((told.sku, source), 0) + told.quantity
    return {cell for cell, quantity in wanted.items() if quantity > task.free[cell]}


def _tight(task: Task, options: Options) -> set[int]:
    """Sources of which more lines are wanted than they take for nothing."""
    wanted: dict[int, int] = {}
    for sources in options.values():
        for source in sources:
            wanted[source] = wanted.get(source, 0) + 1
    return {source for source, count in wanted.items() if count > min(task.room[source], task.free_room[source])}


def _groups(task: Task, options: Options, scarce: set[Cell], tight: set[int]) -> list[Options]:
    """The lines by order, orders joined where they want the same scarce stock or the same tight source."""
    leader = list(range(len(task.demands)))

    def lead(order: int) -> int:
        while leader[order] != order:
            leader[order] = order = leader[leader[order]]
        return order

    first: dict[Cell | int, int] = {}
    for line, sources in options.items():
        told = task.lines[line]
        for source in sources:
            for shared in ((told.demand.sku, source), source):
                if shared in scarce or shared in tight:
                    leader[lead(told.order)] = lead(first.setdefault(shared, told.order))
    groups: dict[int, dict[int, tuple[int, ...]]] = {}
    for line, sources in options.items():
        groups.setdefault(lead(task.lines[line].order), {})[line] = sources
    return list(groups.values())


def _part(task: Task, options: Options, scarce: set[Cell], tight: set[int]) -> Part:
    cells = {(task.lines[line].demand.sku, source) for line, sources in options.items() for source in sources}
    return Part(options, scarce.isdisjoint(cells) and tight.isdisjoint(source for _, source in cells))
