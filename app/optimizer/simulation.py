"""What a strategy would do: orders sourced batch after batch as the role does it, and strategies compared.

Stock only goes down: no receipts come, and lines without a source are not tried again.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from app.optimizer.gazetteer import distance_km
from app.optimizer.network import Network
from app.optimizer.plan import Allocation, OrderPlan, Plan
from app.optimizer.problem import Demand
from app.optimizer.solver import solve
from app.optimizer.strategy import Strategies
from app.optimizer.timing import local_day

Stock = Mapping[tuple[str, str], int]


class Arrival(Struct, frozen=True):
    """An order and when it came, in milliseconds."""

    demand: Demand
    at: int


class Result(Struct, frozen=True):
    """One order: its allocations, lines without a source, shipments, kilometres, and the cost of what has a source."""

    order_id: str
    allocations: tuple[Allocation, ...]
    unsourced: tuple[str, ...]
    shipments: int
    km: float
    cost: float


class Outcome(Struct, frozen=True):
    """One strategy over all orders. `gap` is the widest of its plans, `late` how many of them ran out of time."""

    strategy: str
    lines: int
    unsourced: int
    shipments: int
    split_orders: int
    split_lines: int
    km: float
    cost: float
    gap: float
    late: int
    results: tuple[Result, ...]


class Difference(Struct, frozen=True):
    """An order that two strategies source differently."""

    order_id: str
    first: Result
    second: Result


def simulate(
    arrivals: Sequence[Arrival], network: Network, stock: Stock, strategies: Strategies, batch: int
) -> Outcome:
    """In the order of arrival, `batch` orders at a time, each batch planned when its last order comes."""
    ordered = sorted(arrivals, key=lambda each: (each.at, each.demand.order_id))
    left = dict(stock)
    used: dict[tuple[str, int], int] = {}
    results: list[Result] = []
    plans: list[Plan] = []
    for start in range(0, len(ordered), batch):
        together = ordered[start : start + batch]
        at, demands = together[-1].at, [each.demand for each in together]
        days = {source.warehouse: local_day(source, at) for source in network.sources}
        used_today = {warehouse: used.get((warehouse, day), 0) for warehouse, day in days.items()}
        plan = solve(demands, network, left, strategies, at, used_today)
        plans.append(plan)
        for demand, order in zip(sorted(demands, key=lambda each: each.order_id), plan.orders, strict=True):
            _take(demand, order, left)
            for each in order.allocations:
                today = (each.warehouse, days[each.warehouse])
                used[today] = used.get(today, 0) + 1
            results.append(_result(demand, order, network))
    return _outcome(strategies, plans, results)


def differences(first: Outcome, second: Outcome) -> list[Difference]:
    """Orders whose lines come from other sources, or have none in one of the two."""
    others = {result.order_id: result for result in second.results}
    return [
        Difference(result.order_id, result, others[result.order_id])
        for result in first.results
        if result.allocations != others[result.order_id].allocations
    ]


def _take(demand: Demand, order: OrderPlan, left: dict[tuple[str, str], int]) -> None:
    skus = {line.line_id: line.sku for line in demand.lines}
    for each in order.allocations:
        left[skus[each.line_id], each.warehouse] -= each.quantity


def _result(demand: Demand, order: OrderPlan, network: Network) -> Result:
    visited = {each.warehouse for each in order.allocations}
    return Result(
        order_id=order.order_id,
        allocations=order.allocations,
        unsourced=order.unsourced,
        shipments=len(visited),
        km=sum(
            distance_km(demand.place, source.latitude, source.longitude)
            for source in network.sources
            if source.warehouse in visited
        ),
        cost=sum(cost for name, cost in order.terms.items() if name != "unsourced"),
    )


def _outcome(strategies: Strategies, plans: Sequence[Plan], results: Sequence[Result]) -> Outcome:
    names = [strategies.default.name, *([strategies.alternate.name] if strategies.alternate else [])]
    return Outcome(
        strategy=" + ".join(names),
        lines=sum(len({each.line_id for each in result.allocations}) + len(result.unsourced) for result in results),
        unsourced=sum(len(result.unsourced) for result in results),
        shipments=sum(result.shipments for result in results),
        split_orders=sum(result.shipments > 1 for result in results),
        split_lines=sum(len(r.allocations) - len({each.line_id for each in r.allocations}) > 0 for r in results),
        km=sum(result.km for result in results),
        cost=sum(result.cost for result in results),
        gap=max((plan.gap for plan in plans), default=0.0),
        late=sum(plan.status == "time limit" for plan in plans),
        results=tuple(results),
    )
