"""Assembly of the final plan from the results of the strategies, order by order, with explanations."""

from collections.abc import Mapping, Sequence

from app.optimizer.plan_draft import EPSILON, Draft
from app.optimizer.plan_explanations import Takers, explain, takers
from app.optimizer.plan_search import SearchResult
from app.optimizer.sourcing_plan import Allocation, OrderPlan, PlanStatus, SourcingPlan


def assemble(passes: Sequence[SearchResult]) -> SourcingPlan:
    """Return the plan. Each pass planned other orders, and took into account what the earlier ones had used."""
    totals = [one.draft.total() for one in passes]
    takers_by_cell = takers([one.draft for one in passes])
    for one in passes:
        for other in passes:
            if other is not one:
                _subtract(one.draft, other.draft)
    orders = [
        _order(one.draft, order, of_orders[order], takers_by_cell)
        for one, (of_orders, _) in zip(passes, totals, strict=True)
        for order in one.orders
    ]
    orders.sort(key=lambda order: order.order_id)
    terms = _sum_terms([*(order.terms for order in orders), *(at_sources for _, at_sources in totals)])
    cost, slack = sum(terms.values()), sum(one.slack for one in passes)
    open_cost = cost - sum(one.impossible for one in passes[-1:])
    gap = min(1.0, slack / open_cost) if slack > EPSILON and open_cost > 0 else 0.0
    return SourcingPlan(
        orders=tuple(orders),
        cost=cost,
        gap=gap,
        status=_status(orders, gap, any(one.is_late for one in passes)),
        strategies=tuple(one.task.strategy.name for one in passes),
        terms=terms,
    )


def _subtract(draft: Draft, other: Draft) -> None:
    """Take the allocations of another pass off the stock of a draft: explanations see what remains in the end."""
    for task_line, parts in zip(other.task.lines, other.parts, strict=True):
        for source, quantity in parts.items():
            if (task_line.demand.sku, source) in draft.remaining:
                draft.remaining[task_line.demand.sku, source] -= quantity
            draft.load[source] += 1


def _order(draft: Draft, order: int, terms: Mapping[str, float], takers_by_cell: Takers) -> OrderPlan:
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
        explanations=tuple(explanation for line in lines for explanation in explain(draft, line, takers_by_cell)),
        terms=terms,
    )


def _status(plans: Sequence[OrderPlan], gap: float, is_late: bool) -> PlanStatus:
    if not any(order.allocations for order in plans):
        return "nothing"
    if gap <= EPSILON:
        return "optimal"
    return "time limit" if is_late else "gap"


def _sum_terms(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for each in terms:
        for name, cost in each.items():
            sums[name] = sums.get(name, 0.0) + cost
    return sums
