"""A first plan, and small changes that make a plan cheaper: what the exact solver starts from, and its last polish."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.optimizer.draft import Draft, Parts
from app.optimizer.reduce import Options

ROUNDS_MAX: Final = 20
_DIGITS: Final = 6


def fill(draft: Draft, orders: Sequence[int], options: Options) -> None:
    """Gives the empty lines of these orders, one order after the other, the cheapest sources that are left. Where a
    hard rule wants all lines of an order or none, an order that does not get all of them gives back what it got."""
    rule = draft.task.strategy.no_partial_orders
    for order in orders:
        mine = [line for line in draft.task.lines_of[order] if line in options and not draft.parts[line]]
        got = [line for line in mine if settle(draft, line, options[line])]
        if rule and rule.hard and draft.served[order] < len(draft.task.lines_of[order]):
            for line in got:
                draft.clear(line)


def polish(draft: Draft, options: Options) -> None:
    """Moves single lines to where they cost less, or as much at a source with an earlier name, until none moves."""
    for _ in range(ROUNDS_MAX):
        moved = [line for line, sources in options.items() if draft.parts[line] and settle(draft, line, sources)]
        if not moved:
            return


def settle(draft: Draft, line: int, options: Sequence[int]) -> bool:
    """Puts the line where it adds least to the rest of the plan; whether that is another place than before."""
    before = draft.clear(line)
    choices = [before] if before else []
    choices += _choices(draft, line, options)
    if not choices:
        return False
    best = min(choices, key=lambda parts: (round(draft.added(line, parts), _DIGITS), sorted(parts)))
    draft.place(line, best)
    return best != before


def _choices(draft: Draft, line: int, options: Sequence[int]) -> Iterator[Parts]:
    told = draft.task.lines[line]
    for source in options:
        parts = {source: told.demand.quantity}
        if draft.hindrance(line, parts) is None:
            yield parts
    if draft.task.parts_max > 1 and (split := _split(draft, line, options)):
        yield split


def _split(draft: Draft, line: int, options: Sequence[int]) -> Parts | None:
    """The line over several sources: the cheapest ones first, or where these are too small, the largest ones."""
    told = draft.task.lines[line]
    there = {source: draft.left[told.demand.sku, source] // told.step * told.step for source in options}
    if sum(there.values()) < told.demand.quantity:
        return None
    by_cost = sorted(options, key=lambda source: (draft.added(line, {source: told.step}), source))
    by_size = sorted(options, key=lambda source: (-there[source], source))
    return _shared_out(draft, line, by_cost, there) or _shared_out(draft, line, by_size, there)


def _shared_out(draft: Draft, line: int, order: Sequence[int], there: Mapping[int, int]) -> Parts | None:
    missing, parts = draft.task.lines[line].demand.quantity, dict[int, int]()
    for source in order:
        more = {**parts, source: min(missing, there[source])}
        if there[source] and draft.hindrance(line, more) is None:
            missing -= more[source]
            parts = more
            if not missing:
                return parts
    return None
