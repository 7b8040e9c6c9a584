"""Exact solution of what remains open: each independent component as one mixed-integer programme."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from app.optimizer.highs_programme import Solution
from app.optimizer.lower_bound import lower_bound
from app.optimizer.mip_model import MipModel
from app.optimizer.plan_draft import EPSILON, Draft, Parts
from app.optimizer.presolve import Component, Options, components
from app.optimizer.solver_task import Task

SKU_S: Final = 0.05
"""The longest time that the lines of one SKU get."""
SHORTEST_S: Final = 0.01
"""The time that a component gets when the time limit has passed."""


class ExactPlan(Struct, frozen=True):
    """A plan, and a lower `bound` on the cost of any plan with these options. `seconds` is the solver's time."""

    draft: Draft
    bound: float
    seconds: float
    is_late: bool


def solve_exactly(task: Task, options: Options, start: Draft, *, slack: float, time_limit_s: float) -> ExactPlan:
    """Return the cheapest plan with these options, or one that costs at most `slack` more.

    A component for which no time is left stays as it is in the plan `start`.
    """
    cost = _sourced_cost(start, range(len(task.demands)))
    draft = Draft(task)
    bound = sum(task_line.unsourced for line, task_line in enumerate(task.lines) if line not in options)
    seconds = 0.0
    is_late = False
    for component in components(task, options):
        if _is_forced(task, component):
            bound += draft.replace(
                {line: {source: task.lines[line].demand.quantity} for line, (source,) in component.options.items()}
            )
            continue
        component_cost = _sourced_cost(start, {task.lines[line].order for line in component.options})
        component_slack = slack * component_cost / cost if cost else slack
        model = MipModel(task, component.options)
        solution = model.programme.solve(component_slack, max(time_limit_s - seconds, SHORTEST_S))
        before = {line: start.parts[line] for line in component.options}
        solved = _parts(model, solution, before)
        if draft.replace(before) < draft.replace(solved) - EPSILON:
            draft.replace(before)
        bound += max(solution.bound, lower_bound(task, component.options))
        seconds += solution.seconds
        is_late = is_late or solution.is_late
    return ExactPlan(draft, bound, seconds, is_late)


def resolve_by_sku(task: Task, options: Options, draft: Draft, time_limit_s: float) -> float:
    """Plan the lines of one SKU anew beside all others, then those of the next, in the draft itself.

    SKUs with lines that have no source come first. Not for rules about whole orders. Returns the solver's time (s).
    """
    lines_of: dict[str, list[int]] = {}
    for line in options:
        lines_of.setdefault(task.lines[line].demand.sku, []).append(line)
    unsourced = {sku: sum(not draft.parts[line] for line in lines) for sku, lines in lines_of.items()}
    seconds = 0.0
    for sku in sorted(lines_of, key=lambda sku: (-unsourced[sku], sku)):
        if seconds >= time_limit_s:
            break
        before = {line: draft.clear(line) for line in lines_of[sku]}
        model = MipModel(task, {line: options[line] for line in before}, draft)
        solution = model.programme.solve(0.0, min(SKU_S, time_limit_s - seconds))
        seconds += solution.seconds
        solved = _parts(model, solution, before)
        if draft.replace(before) < draft.replace(solved) + EPSILON:
            draft.replace(before)
    return seconds


def _sourced_cost(draft: Draft, orders: Iterable[int]) -> float:
    return sum(draft.sourced_cost(order) for order in orders)


def _parts(model: MipModel, solution: Solution, before: Mapping[int, Parts]) -> Mapping[int, Parts]:
    """Return the parts of the solution by line; those `before` where the solver found none."""
    return {line: model.parts(line, solution.values) for line in before} if solution.values else before


def _is_forced(task: Task, component: Component) -> bool:
    """Return whether each line has one option, and all of them can be taken together."""
    if not component.is_alone or any(len(sources) > 1 for sources in component.options.values()):
        return False
    return len(set().union(*component.options.values())) <= task.visits_max
