"""Solves what is left to solve exactly, part by part, each as one mixed-integer programme."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from app.sourcing.draft import EPSILON, Draft, Parts
from app.sourcing.model import Model
from app.sourcing.reduce import Options, Part, parts
from app.sourcing.task import Task

SHORTEST_S: Final = 0.01
"""What a part gets that comes when the time is over."""


class Exact(Struct, frozen=True):
    """A plan, and what no plan with these options costs less than. `seconds` is the solver's time."""

    draft: Draft
    bound: float
    seconds: float
    is_late: bool


def solve_exactly(task: Task, options: Options, known: Draft, slack: float, time_limit_s: float) -> Exact:
    """The cheapest plan with these options, or one that costs at most `slack` more. A part for which there is no time
    is as in the plan that is `known`."""
    paid = sum(known.paid(order) for order in range(len(task.demands)))
    draft, seconds, is_late = Draft(task), 0.0, False
    bound = sum(told.unsourced for line, told in enumerate(task.lines) if line not in options)
    for part in parts(task, options):
        if _is_forced(task, part):
            bound += _give_all(
                draft, {line: {source: task.lines[line].demand.quantity} for line, (source,) in part.options.items()}
            )
            continue
        model = Model(task, part.options)
        mine = sum(known.paid(order) for order in {task.lines[line].order for line in part.options})
        solved = model.programme.solve(slack * mine / paid if paid else slack, max(time_limit_s - seconds, SHORTEST_S))
        before = {line: known.parts[line] for line in part.options}
        found = {line: model.parts(line, solved.values) for line in part.options} if solved.values else before
        if _give_all(draft, before) < _give_all(draft, found) - EPSILON:
            _give_all(draft, before)
        bound += max(solved.bound, _floor(task, part))
        seconds, is_late = seconds + solved.seconds, is_late or solved.is_late
    return Exact(draft, bound, seconds, is_late)


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
    cost = sum(draft.place_if_possible(line, parts) for line, parts in given.items())
    return cost + sum(draft.task.lines[line].unsourced for line in given if not draft.parts[line])


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
