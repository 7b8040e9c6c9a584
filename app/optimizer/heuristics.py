"""Heuristics: a greedy first plan, and a local search that improves a plan before and after the exact solver."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.optimizer.plan_draft import Draft, Parts
from app.optimizer.presolve import Options

ROUNDS_MAX: Final = 20
_DIGITS: Final = 6


def fill(draft: Draft, orders: Sequence[int], options: Options) -> None:
    """Give the empty lines of these orders, one order after the other, the cheapest sources that remain.

    Under a hard rule against partial orders, an order that does not get all of its lines gives them back.
    """
    rule = draft.task.strategy.no_partial_orders
    for order in orders:
        empty_lines = [line for line in draft.task.lines_of[order] if line in options and not draft.parts[line]]
        filled = [line for line in empty_lines if settle(draft, line, options[line])]
        if rule and rule.hard and draft.served[order] < len(draft.task.lines_of[order]):
            for line in filled:
                draft.clear(line)


def polish(draft: Draft, options: Options) -> None:
    """Move single lines to where they cost less, or as much at a source with an earlier name, until none moves."""
    for _ in range(ROUNDS_MAX):
        moved = [line for line, sources in options.items() if draft.parts[line] and settle(draft, line, sources)]
        if not moved:
            return


def settle(draft: Draft, line: int, options: Sequence[int]) -> bool:
    """Put the line where it adds least to the rest of the plan. Return whether that differs from before."""
    before = draft.clear(line)
    choices = [before] if before else []
    choices += _choices(draft, line, options)
    if not choices:
        return False
    best = min(choices, key=lambda parts: (round(draft.added(line, parts), _DIGITS), sorted(parts)))
    draft.place(line, best)
    return best != before


def _choices(draft: Draft, line: int, options: Sequence[int]) -> Iterator[Parts]:
    task_line = draft.task.lines[line]
    for source in options:
        parts = {source: task_line.demand.quantity}
        if draft.hindrance(line, parts) is None:
            yield parts
    if draft.task.parts_max > 1 and (split := _split(draft, line, options)):
        yield split


def _split(draft: Draft, line: int, options: Sequence[int]) -> Parts | None:
    """Split the line over several sources: the cheapest first, or where these are too small, the largest first."""
    task_line = draft.task.lines[line]
    available = {
        source: draft.remaining[task_line.demand.sku, source] // task_line.step * task_line.step for source in options
    }
    if sum(available.values()) < task_line.demand.quantity:
        return None
    by_cost = sorted(options, key=lambda source: (draft.added(line, {source: task_line.step}), source))
    by_size = sorted(options, key=lambda source: (-available[source], source))
    return _shared_out(draft, line, by_cost, available) or _shared_out(draft, line, by_size, available)


def _shared_out(draft: Draft, line: int, order: Sequence[int], available: Mapping[int, int]) -> Parts | None:
    missing = draft.task.lines[line].demand.quantity
    parts: dict[int, int] = {}
    for source in order:
        more = {**parts, source: min(missing, available[source])}
        if available[source] and draft.hindrance(line, more) is None:
            missing -= more[source]
            parts = more
            if not missing:
                return parts
    return None
