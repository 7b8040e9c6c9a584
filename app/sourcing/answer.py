"""What the passes of the solver add up to: the plan, order by order, with its reasons."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from app.sourcing.draft import EPSILON, Draft
from app.sourcing.explain import Takers, explain, takers
from app.sourcing.plan import Allocation, Explanation, OrderPlan, Plan, Status

UNSOURCED = "unsourced"


class Pass(Struct, frozen=True):
    """What one strategy made of its task, which the next pass may go on with. No plan costs less than `bound`."""

    draft: Draft
    bound: float
    is_late: bool


class _Written:
    """One order, as the passes wrote it."""

    def __init__(self) -> None:
        self.allocations: list[Allocation] = []
        self.unsourced: list[str] = []
        self.strategy = ""
        self.explanations: dict[str, list[Explanation]] = {}
        self.terms: dict[str, float] = {}

    def add(self, draft: Draft, order: int, terms: Mapping[str, float], took: Takers) -> None:
        task = draft.task
        if draft.served[order] or not self.strategy:
            self.strategy = task.strategy.name
        self.unsourced = []
        self.terms.pop(UNSOURCED, None)
        for name, cost in terms.items():
            self.terms[name] = self.terms.get(name, 0.0) + cost
        for line in task.lines_of[order]:
            line_id, parts = task.lines[line].demand.line_id, draft.parts[line]
            self.unsourced += [] if parts else [line_id]
            self.explanations[line_id] = explain(draft, line, took)
            for source, quantity in sorted(parts.items()):
                self.allocations.append(Allocation(line_id, task.sources[source].warehouse, quantity))

    def plan(self, order_id: str) -> OrderPlan:
        return OrderPlan(
            order_id=order_id,
            allocations=tuple(sorted(self.allocations, key=lambda given: (given.line_id, given.warehouse))),
            unsourced=tuple(self.unsourced),
            strategy=self.strategy,
            explanations=tuple(told for _, lines in sorted(self.explanations.items()) for told in lines),
            terms=self.terms,
        )


def answer(passes: Sequence[Pass]) -> Plan:
    """The plan of the passes: each took the lines that the one before left without a source."""
    written: dict[str, _Written] = {}
    sources: dict[str, float] = {}
    slack = 0.0
    for one in passes:
        orders, at_sources = one.draft.total()
        took = takers(one.draft)
        slack += max(0.0, _sum(orders) + sum(at_sources.values()) - one.bound)
        for order, (demand, terms) in enumerate(zip(one.draft.task.demands, orders, strict=True)):
            written.setdefault(demand.order_id, _Written()).add(one.draft, order, terms, took)
        for name, cost in at_sources.items():
            sources[name] = sources.get(name, 0.0) + cost
    plans = tuple(order.plan(order_id) for order_id, order in sorted(written.items()))
    terms = _together([*(order.terms for order in plans), sources])
    paid = sum(cost for name, cost in terms.items() if name != UNSOURCED)
    gap = slack / paid if paid > 0 and slack > EPSILON else 0.0
    return Plan(
        orders=plans,
        cost=sum(terms.values()),
        gap=gap,
        status=_status(plans, gap, any(one.is_late for one in passes)),
        strategies=tuple(one.draft.task.strategy.name for one in passes),
        terms=terms,
    )


def _status(plans: Sequence[OrderPlan], gap: float, is_late: bool) -> Status:
    if not any(order.allocations for order in plans):
        return "nothing"
    if gap <= EPSILON:
        return "optimal"
    return "time limit" if is_late else "gap"


def _sum(terms: Sequence[Mapping[str, float]]) -> float:
    return sum(sum(each.values()) for each in terms)


def _together(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in terms:
        for name, cost in each.items():
            found[name] = found.get(name, 0.0) + cost
    return found
