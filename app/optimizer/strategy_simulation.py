"""Simulation of strategies: orders are sourced batch by batch as the role does it, and the results compared.

Stock only goes down: no receipts come, and lines without a source are not planned again.
"""

from collections.abc import Sequence

from msgspec import Struct

from app.optimizer.demand import AvailableStock, Demand
from app.optimizer.gazetteer import distance_km
from app.optimizer.shipping_days import local_day
from app.optimizer.solver import solve
from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_plan import Allocation, OrderPlan, SourcingPlan
from app.optimizer.sourcing_strategy import Strategies


class Arrival(Struct, frozen=True):
    """An order, and the time at which it came (ms)."""

    demand: Demand
    at: int


class OrderResult(Struct, frozen=True):
    """One order: its allocations, lines without a source, shipments, kilometres, and the cost of what has a source."""

    order_id: str
    allocations: tuple[Allocation, ...]
    unsourced: tuple[str, ...]
    shipments: int
    km: float
    cost: float


class StrategyResult(Struct, frozen=True):
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
    results: tuple[OrderResult, ...]


class Difference(Struct, frozen=True):
    """An order that two strategies source differently."""

    order_id: str
    first: OrderResult
    second: OrderResult


def simulate(
    arrivals: Sequence[Arrival], network: Network, stock: AvailableStock, strategies: Strategies, batch: int
) -> StrategyResult:
    """Source the orders as they arrive, `batch` at a time; each batch is planned when its last order comes."""
    ordered = sorted(arrivals, key=lambda each: (each.at, each.demand.order_id))
    remaining = dict(stock)
    used: dict[tuple[str, int], int] = {}
    results: list[OrderResult] = []
    plans: list[SourcingPlan] = []
    for start in range(0, len(ordered), batch):
        together = ordered[start : start + batch]
        at = together[-1].at
        demands = [each.demand for each in together]
        days = {source.warehouse: local_day(source, at) for source in network.sources}
        used_today = {warehouse: used.get((warehouse, day), 0) for warehouse, day in days.items()}
        plan = solve(demands, network, remaining, strategies, at_ms=at, used_today=used_today)
        plans.append(plan)
        for demand, order in zip(sorted(demands, key=lambda each: each.order_id), plan.orders, strict=True):
            _take(demand, order, remaining)
            for each in order.allocations:
                today = (each.warehouse, days[each.warehouse])
                used[today] = used.get(today, 0) + 1
            results.append(_result(demand, order, network))
    return _outcome(strategies, plans, results)


def differences(first: StrategyResult, second: StrategyResult) -> list[Difference]:
    """Return the orders whose lines come from other sources, or have none in one of the two."""
    others = {result.order_id: result for result in second.results}
    return [
        Difference(result.order_id, result, others[result.order_id])
        for result in first.results
        if result.allocations != others[result.order_id].allocations
    ]


def _take(demand: Demand, order: OrderPlan, remaining: dict[tuple[str, str], int]) -> None:
    skus = {line.line_id: line.sku for line in demand.lines}
    for each in order.allocations:
        remaining[skus[each.line_id], each.warehouse] -= each.quantity


def _result(demand: Demand, order: OrderPlan, network: Network) -> OrderResult:
    visited = {each.warehouse for each in order.allocations}
    return OrderResult(
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


def _outcome(strategies: Strategies, plans: Sequence[SourcingPlan], results: Sequence[OrderResult]) -> StrategyResult:
    names = [strategies.default.name, *([strategies.alternate.name] if strategies.alternate else [])]
    return StrategyResult(
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
