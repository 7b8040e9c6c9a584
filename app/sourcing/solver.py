"""Sources orders together: `solve` is all that others need. What it minimises: docs/adr/0017-sourcing-model.md.

The task is reduced and falls into parts that share nothing scarce; each part is solved within the strategy's gap and
time limit, from a plan that is already good; the alternate strategy then gets the lines that are left.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from app.sourcing.answer import Pass, answer
from app.sourcing.draft import EPSILON, Draft, Parts
from app.sourcing.improve import fill, polish
from app.sourcing.model import Model
from app.sourcing.network import Network
from app.sourcing.plan import Plan
from app.sourcing.problem import Demand
from app.sourcing.reduce import Part, parts
from app.sourcing.strategy import Strategies
from app.sourcing.task import Task, build

SHORTEST_S: Final = 0.01
"""What a part gets that comes when the time is over."""


def solve(
    demands: Sequence[Demand],
    network: Network,
    stock: Mapping[tuple[str, str], int],
    strategies: Strategies,
    at_ms: int,
    used_today: Mapping[str, int],
) -> Plan:
    """The cheapest plan that the time allows. `stock` is what is available by SKU and warehouse, `used_today` how many
    order lines a warehouse already has of this day. Raises ValueError for an id that is there twice."""
    passes = [_run(build(demands, network, stock, strategies.default, at_ms, used_today, {}))]
    first = passes[0].draft
    if strategies.alternate and (left := _left(first)):
        rest = _rest(first, stock, used_today)
        passes.append(_run(build(left, network, rest.stock, strategies.alternate, at_ms, rest.used_today, rest.held)))
    return answer(passes)


def _run(task: Task) -> Pass:
    found = parts(task)
    options = {line: sources for part in found for line, sources in part.options.items()}
    eager = sorted(range(len(task.demands)), key=lambda order: (-task.demands[order].priority, order))
    start, draft = Draft(task), Draft(task)
    fill(start, eager, options)
    polish(start, options)
    bound = sum(told.unsourced for line, told in enumerate(task.lines) if line not in options)
    left_s, is_late = task.strategy.time_limit_s, False
    for part in found:
        if _is_forced(task, part):
            bound += sum(
                _give(draft, line, {source: task.lines[line].demand.quantity})
                for line, (source,) in part.options.items()
            )
            continue
        model = Model(task, part.options)
        solved = model.programme.solve(_slack(start, part), max(left_s, SHORTEST_S))
        known = {line: start.parts[line] for line in part.options}
        exact = {line: model.parts(line, solved.values) for line in part.options} if solved.values else known
        if _give_all(draft, known) < _give_all(draft, exact) - EPSILON:
            _give_all(draft, known)
        bound += max(solved.bound, _floor(task, part))
        left_s, is_late = left_s - solved.seconds, is_late or solved.is_late
    everything = {line: told.options for line, told in enumerate(task.lines) if told.options}
    fill(draft, eager, everything)
    polish(draft, everything)
    return Pass(draft, bound, is_late)


def _is_forced(task: Task, part: Part) -> bool:
    """Whether each line has one option, and all of them can be taken."""
    if not part.is_alone or any(len(sources) > 1 for sources in part.options.values()):
        return False
    held = task.held[task.lines[next(iter(part.options))].order]
    return len(held.union(*part.options.values())) <= max(task.visits_max, len(held))


def _give_all(draft: Draft, given: Mapping[int, Parts]) -> float:
    """What these lines cost with these parts, which they now have in place of others."""
    for line in given:
        draft.clear(line)
    cost = sum(_give(draft, line, each) for line, each in given.items())
    return cost + sum(draft.task.lines[line].unsourced for line in given if not draft.parts[line])


def _give(draft: Draft, line: int, given: Parts) -> float:
    """What it costs; nothing where it does not fit after all, because the solver's numbers are only nearly whole."""
    if not given or draft.hindrance(line, given):
        return 0.0
    cost = draft.added(line, given)
    draft.place(line, given)
    return cost


def _slack(start: Draft, part: Part) -> float:
    """The part's share of the gap that the strategy allows."""
    orders = {start.task.lines[line].order for line in part.options}
    return start.task.strategy.gap * sum(start.paid(order) for order in orders)


def _floor(task: Task, part: Part) -> float:
    """What the part cannot cost less than, for when the solver has no better bound: each line and each order at its
    cheapest source."""
    cheapest: dict[int, float] = {}
    for line, sources in part.options.items():
        order = task.lines[line].order
        ways = task.ways[order]
        fixed = min(0.0 if source in task.held[order] else ways[source].fixed for source in sources)
        cheapest[order] = min(cheapest.get(order, fixed), fixed)
    lines = sum(
        min(task.ways[task.lines[line].order][s].each for s in sources) for line, sources in part.options.items()
    )
    return lines + sum(cheapest.values())


def _left(draft: Draft) -> list[Demand]:
    """The lines that have no source yet."""
    found: list[Demand] = []
    for demand, lines in zip(draft.task.demands, draft.task.lines_of, strict=True):
        empty = tuple(draft.task.lines[line].demand for line in lines if not draft.parts[line])
        found += [replace(demand, lines=empty)] if empty else []
    return found


class _Rest(Struct, frozen=True):
    """What one pass leaves for the next."""

    stock: Mapping[tuple[str, str], int]
    used_today: Mapping[str, int]
    held: Mapping[str, frozenset[str]]


def _rest(draft: Draft, stock: Mapping[tuple[str, str], int], used_today: Mapping[str, int]) -> _Rest:
    task, left, used = draft.task, dict(stock), dict(used_today)
    for told, given in zip(task.lines, draft.parts, strict=True):
        for source, quantity in given.items():
            warehouse = task.sources[source].warehouse
            left[told.demand.sku, warehouse] -= quantity
            used[warehouse] = used.get(warehouse, 0) + 1
    held = {
        demand.order_id: frozenset(task.sources[source].warehouse for source in visits)
        for demand, visits in zip(task.demands, draft.visits, strict=True)
    }
    return _Rest(left, used, held)
