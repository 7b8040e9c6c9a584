"""What a plan cannot cost less than, told in a glance: the bound where the solver has none."""

from app.optimizer.reduce import Options
from app.optimizer.task import Task


def floor(task: Task, options: Options) -> float:
    """Each order has a shipment from its cheapest source and each line its cheapest place in one; and of each SKU as
    many lines stay without a source as there are pieces too few, were the smallest lines served first."""
    trip: dict[int, float] = {}
    lines_of: dict[str, list[int]] = {}
    each = 0.0
    for line, sources in options.items():
        told = task.lines[line]
        ways = [task.ways[told.order][source] for source in sources]
        fixed = min(way.fixed for way in ways)
        trip[told.order] = min(trip.get(told.order, fixed), fixed)
        each += min(way.each for way in ways)
        lines_of.setdefault(told.demand.sku, []).append(line)
    return each + sum(trip.values()) + sum(_without(task, options, lines, trip) for lines in lines_of.values())


def _without(task: Task, options: Options, lines: list[int], trip: dict[int, float]) -> float:
    """What lines of one SKU cost more than above, because there is not enough of it."""
    sku = task.lines[lines[0]].demand.sku
    there = sum(task.stock[sku, source] for source in set().union(*(options[line] for line in lines)))
    served = 0
    for quantity in sorted(task.lines[line].demand.quantity for line in lines):
        there -= quantity
        served += there >= 0
    costs = sorted(_more(task, options, line, trip) for line in lines)
    return sum(costs[: len(lines) - served])


def _more(task: Task, options: Options, line: int, trip: dict[int, float]) -> float:
    told = task.lines[line]
    each = min(task.ways[told.order][source].each for source in options[line])
    return max(0.0, told.unsourced - each - trip[told.order])
