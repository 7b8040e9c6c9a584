"""Combinatorial lower bound on the cost of a plan: computed at once, used where the solver has none."""

from app.optimizer.presolve import Options
from app.optimizer.solver_task import Task


def lower_bound(task: Task, options: Options) -> float:
    """Return a cost that no plan with these options can be below.

    Each order has at least one shipment from its cheapest source, and each line is in the cheapest shipment for it. Of
    each SKU, at least as many lines have no source as there are when the smallest lines are served first.
    """
    trip: dict[int, float] = {}
    lines_of: dict[str, list[int]] = {}
    each = 0.0
    for line, sources in options.items():
        task_line = task.lines[line]
        routes = [task.routes[task_line.order][source] for source in sources]
        fixed = min(route.fixed for route in routes)
        trip[task_line.order] = min(trip.get(task_line.order, fixed), fixed)
        each += min(route.each for route in routes)
        lines_of.setdefault(task_line.demand.sku, []).append(line)
    return each + sum(trip.values()) + sum(_shortage_cost(task, options, lines, trip) for lines in lines_of.values())


def _shortage_cost(task: Task, options: Options, lines: list[int], trip: dict[int, float]) -> float:
    """Return what scarcity adds: the extra cost of the lines of one SKU that stay without a source."""
    sku = task.lines[lines[0]].demand.sku
    available = sum(task.stock[sku, source] for source in set().union(*(options[line] for line in lines)))
    served = 0
    for quantity in sorted(task.lines[line].demand.quantity for line in lines):
        available -= quantity
        served += available >= 0
    costs = sorted(_unsourced_extra(task, options, line, trip) for line in lines)
    return sum(costs[: len(lines) - served])


def _unsourced_extra(task: Task, options: Options, line: int, trip: dict[int, float]) -> float:
    task_line = task.lines[line]
    each = min(task.routes[task_line.order][source].each for source in options[line])
    return max(0.0, task_line.unsourced - each - trip[task_line.order])
