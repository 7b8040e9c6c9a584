"""Sources orders together: `solve` is all that others need. What it minimises: docs/adr/0017-sourcing-model.md.

The default strategy goes first. The orders that it leaves without a source for a line are tried once more, all their
lines together, with the alternate strategy, on what the other orders leave.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from app.optimizer.draft import Draft
from app.optimizer.network import Network
from app.optimizer.plan import Plan
from app.optimizer.plan_assembly import answer
from app.optimizer.problem import Demand
from app.optimizer.search import Known, search
from app.optimizer.strategy import Strategies
from app.optimizer.task import build


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
    first = search(build(demands, network, stock, strategies.default, at_ms, used_today), {})
    again = [order for order, lines in enumerate(first.task.lines_of) if first.draft.served[order] < len(lines)]
    if not strategies.alternate or not again:
        return answer([first])
    rest, used = _rest(first.draft, stock, used_today, frozenset(again))
    unfinished = [first.task.demands[order] for order in again]
    second = search(build(unfinished, network, rest, strategies.alternate, at_ms, used), _known(first.draft, again))
    if _left(second.draft) >= _left(first.draft):
        return answer([first])
    for order in again:
        for line in first.task.lines_of[order]:
            first.draft.clear(line)
    kept = tuple(order for order in first.orders if order not in frozenset(again))
    return answer([replace(first, orders=kept), second])


def _rest(
    draft: Draft, stock: Mapping[tuple[str, str], int], used_today: Mapping[str, int], again: frozenset[int]
) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """The stock and the lines of the day when all orders but those that are tried again have theirs."""
    left, used = dict(stock), dict(used_today)
    for told, given in zip(draft.task.lines, draft.parts, strict=True):
        for source, quantity in given.items() if told.order not in again else ():
            warehouse = draft.task.sources[source].warehouse
            left[told.demand.sku, warehouse] -= quantity
            used[warehouse] = used.get(warehouse, 0) + 1
    return left, used


def _known(draft: Draft, orders: Sequence[int]) -> Known:
    """What these orders have. Sources have the same numbers in every task of a network."""
    task = draft.task
    return {
        (task.demands[order].order_id, task.lines[line].demand.line_id): draft.parts[line]
        for order in orders
        for line in task.lines_of[order]
    }


def _left(draft: Draft) -> int:
    """The lines without a source, each as often as its order's priority makes it count."""
    return sum(
        1 + max(0, draft.task.demands[told.order].priority)
        for told, parts in zip(draft.task.lines, draft.parts, strict=True)
        if not parts
    )
