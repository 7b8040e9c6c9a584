"""The solver: one plan for several orders. What it minimises: docs/adr/0017-sourcing-model.md.

The default strategy goes first. Orders with a line that it leaves without a source are planned once more, all their
lines together, with the alternate strategy, on the stock that the other orders leave.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from app.optimizer.demand import AvailableStock, Demand
from app.optimizer.plan_assembly import assemble
from app.optimizer.plan_draft import Draft
from app.optimizer.plan_search import WarmStart, search
from app.optimizer.solver_task import build
from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_plan import SourcingPlan
from app.optimizer.sourcing_strategy import Strategies


def solve(
    demands: Sequence[Demand],
    network: Network,
    stock: AvailableStock,
    strategies: Strategies,
    *,
    at_ms: int,
    used_today: Mapping[str, int],
) -> SourcingPlan:
    """Return the cheapest plan that the time allows.

    `used_today` counts, by warehouse, the order lines that it already has on this day. Raises ValueError where two
    orders, or two lines of one, have the same id.
    """
    first = search(build(demands, network, stock, strategies.default, at_ms=at_ms, used_today=used_today), {})
    again = [order for order, lines in enumerate(first.task.lines_of) if first.draft.served[order] < len(lines)]
    if not strategies.alternate or not again:
        return assemble([first])
    rest, used = _rest(first.draft, stock, used_today, frozenset(again))
    unfinished = [first.task.demands[order] for order in again]
    task = build(unfinished, network, rest, strategies.alternate, at_ms=at_ms, used_today=used)
    second = search(task, _warm_start(first.draft, again))
    if _unsourced_count(second.draft) >= _unsourced_count(first.draft):
        return assemble([first])
    for order in again:
        for line in first.task.lines_of[order]:
            first.draft.clear(line)
    finished = tuple(order for order in first.orders if order not in frozenset(again))
    return assemble([replace(first, orders=finished), second])


def _rest(
    draft: Draft, stock: AvailableStock, used_today: Mapping[str, int], again: frozenset[int]
) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Return the stock, and the lines of the day, that remain once the orders are served that are not planned again."""
    remaining = dict(stock)
    used = dict(used_today)
    for task_line, parts in zip(draft.task.lines, draft.parts, strict=True):
        for source, quantity in parts.items() if task_line.order not in again else ():
            warehouse = draft.task.sources[source].warehouse
            remaining[task_line.demand.sku, warehouse] -= quantity
            used[warehouse] = used.get(warehouse, 0) + 1
    return remaining, used


def _warm_start(draft: Draft, orders: Sequence[int]) -> WarmStart:
    """Return the parts of these orders. Sources have the same numbers in every task of a network."""
    task = draft.task
    return {
        (task.demands[order].order_id, task.lines[line].demand.line_id): draft.parts[line]
        for order in orders
        for line in task.lines_of[order]
    }


def _unsourced_count(draft: Draft) -> int:
    """Count the lines without a source, each as often as the priority of its order says."""
    return sum(
        1 + max(0, draft.task.demands[task_line.order].priority)
        for task_line, parts in zip(draft.task.lines, draft.parts, strict=True)
        if not parts
    )
