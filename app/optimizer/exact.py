"""Solves what is left to solve exactly, part by part, each as one mixed-integer programme."""

from typing import Final

from msgspec import Struct

from app.optimizer.draft import EPSILON, Draft
from app.optimizer.floor import floor
from app.optimizer.mip_model import Model
from app.optimizer.reduce import Options, Part, parts
from app.optimizer.task import Task

SKU_S: Final = 0.05
"""The most that the lines of one SKU get."""
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
            bound += draft.give(
                {line: {source: task.lines[line].demand.quantity} for line, (source,) in part.options.items()}
            )
            continue
        model = Model(task, part.options)
        mine = sum(known.paid(order) for order in {task.lines[line].order for line in part.options})
        solved = model.programme.solve(slack * mine / paid if paid else slack, max(time_limit_s - seconds, SHORTEST_S))
        before = {line: known.parts[line] for line in part.options}
        found = {line: model.parts(line, solved.values) for line in part.options} if solved.values else before
        if draft.give(before) < draft.give(found) - EPSILON:
            draft.give(before)
        bound += max(solved.bound, floor(task, part.options))
        seconds, is_late = seconds + solved.seconds, is_late or solved.is_late
    return Exact(draft, bound, seconds, is_late)


def resolve_by_sku(task: Task, options: Options, draft: Draft, time_limit_s: float) -> float:
    """Plans the lines of one SKU anew beside all others, then those of the next, in the draft itself: SKUs of which
    lines wait come first. Not for rules about orders as a whole. Returns the solver's time."""
    lines_of: dict[str, list[int]] = {}
    for line in options:
        lines_of.setdefault(task.lines[line].demand.sku, []).append(line)
    waiting = {sku: sum(not draft.parts[line] for line in lines) for sku, lines in lines_of.items()}
    seconds = 0.0
    for sku in sorted(lines_of, key=lambda sku: (-waiting[sku], sku)):
        if seconds >= time_limit_s:
            break
        before = {line: draft.clear(line) for line in lines_of[sku]}
        model = Model(task, {line: options[line] for line in before}, draft)
        solved = model.programme.solve(0.0, min(SKU_S, time_limit_s - seconds))
        seconds += solved.seconds
        found = {line: model.parts(line, solved.values) for line in before} if solved.values else before
        if draft.give(before) < draft.give(found) + EPSILON:
            draft.give(before)
    return seconds


def _is_forced(task: Task, part: Part) -> bool:
    """Whether each line has one option, and all of them can be taken."""
    if not part.is_alone or any(len(sources) > 1 for sources in part.options.values()):
        return False
    return len(set().union(*part.options.values())) <= task.visits_max
