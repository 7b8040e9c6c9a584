"""What the passes of the solver add up to: the plan, order by order, with its reasons."""

from collections.abc import Mapping, Sequence

from app.optimizer.draft import EPSILON, Draft
from app.optimizer.explain import Takers, explain, takers
from app.optimizer.plan import Allocation, OrderPlan, Plan, Status
from app.optimizer.search import Pass


def answer(passes: Sequence[Pass]) -> Plan:
    """The plan of the passes, each of which planned other orders, and left no stock to another that it used itself."""
    totals = [one.draft.total() for one in passes]
    took = takers([one.draft for one in passes])
    for one in passes:
        for other in passes:
            if other is not one:
                _take(one.draft, other.draft)
    orders = [
        _order(one.draft, order, of_orders[order], took)
        for one, (of_orders, _) in zip(passes, totals, strict=True)
        for order in one.orders
    ]
    orders.sort(key=lambda order: order.order_id)
    terms = _together([*(order.terms for order in orders), *(at_sources for _, at_sources in totals)])
    cost, slack = sum(terms.values()), sum(one.slack for one in passes)
    open_cost = cost - sum(one.impossible for one in passes[-1:])
    gap = min(1.0, slack / open_cost) if slack > EPSILON and open_cost > 0 else 0.0
    return Plan(
        orders=tuple(orders),
        cost=cost,
        gap=gap,
        status=_status(orders, gap, any(one.is_late for one in passes)),
        strategies=tuple(one.task.strategy.name for one in passes),
        terms=terms,
    )


def _take(draft: Draft, other: Draft) -> None:
    """Notes what another pass gives, so that what is left is what is left in the end."""
    for told, parts in zip(other.task.lines, other.parts, strict=True):
        for source, quantity in parts.items():
            if (told.demand.sku, source) in draft.left:
                draft.left[told.demand.sku, source] -= quantity
            draft.load[source] += 1


def _order(draft: Draft, order: int, terms: Mapping[str, float], took: Takers) -> OrderPlan:
    task, lines = draft.task, draft.task.lines_of[order]
    line_ids = {line: task.lines[line].demand.line_id for line in lines}
    return OrderPlan(
        order_id=task.demands[order].order_id,
        allocations=tuple(
            Allocation(line_ids[line], task.sources[source].warehouse, quantity)
            for line in lines
            for source, quantity in sorted(draft.parts[line].items())
        ),
        unsourced=tuple(line_ids[line] for line in lines if not draft.parts[line]),
        strategy=task.strategy.name,
        explanations=tuple(told for line in lines for told in explain(draft, line, took)),
        terms=terms,
    )


def _status(plans: Sequence[OrderPlan], gap: float, is_late: bool) -> Status:
    if not any(order.allocations for order in plans):
        return "nothing"
    if gap <= EPSILON:
        return "optimal"
    return "time limit" if is_late else "gap"


def _together(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in terms:
        for name, cost in each.items():
            found[name] = found.get(name, 0.0) + cost
    return found
