"""Plans for several orders of a pool, checked against the stock before they are used; order by order where one fails.

An order that makes the solver fail, or a plan that would oversell, costs that order its plan and no other one anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from app.inventory.ledger_values import RequestedLine, SourcedOrder
from app.inventory.stock_book import StockBook
from app.optimizer.demand import AvailableStock, Demand, DemandLine
from app.optimizer.shipping_days import local_day
from app.optimizer.sourcing_network import Network, NetworkSource
from app.optimizer.sourcing_plan import OrderPlan, SourcingPlan
from app.optimizer.sourcing_strategy import Strategies

EXCEPTION, UNKNOWN_POOL = "exception", "unknown-pool"


class Solve(Protocol):
    """`app.optimizer.solver.solve`, or a wrapper that measures it."""

    def __call__(
        self,
        demands: Sequence[Demand],
        network: Network,
        stock: AvailableStock,
        strategies: Strategies,
        /,
        *,
        at_ms: int,
        used_today: Mapping[str, int],
    ) -> SourcingPlan: ...


class OrderToPlan(Struct, frozen=True):
    """An order, and which of its lines are to be sourced now."""

    order: SourcedOrder
    lines: tuple[RequestedLine, ...]


class CheckedPlan(Struct, frozen=True):
    """The plan of one order. `solver` (status) and `gap` (share of the cost) are those of the plan of its batch."""

    plan: OrderPlan
    solver: str
    gap: float


class FailedPlan(Struct, frozen=True):
    """No plan could be made. `code` is closed: exception, unknown-pool."""

    code: str
    detail: str


class PlanError(Exception):
    """A plan that contradicts its demand, or takes more than there is."""


class Planner:
    """Plans over a network of sources, pool by pool."""

    def __init__(self, network: Network, strategies: Strategies, solve: Solve) -> None:
        self._strategies = strategies
        self._solve = solve
        pools = dict.fromkeys(source.pool for source in network.sources)
        self._networks = {name: network.pool(name) for name in pools}
        self.sources: Final[Mapping[str, NetworkSource]] = {source.warehouse: source for source in network.sources}
        self.whole_orders: Final = any(
            strategy is not None and strategy.no_partial_orders is not None and strategy.no_partial_orders.hard
            for strategy in (strategies.default, strategies.alternate)
        )
        """Whether lines of an order must be planned together."""

    @property
    def pools(self) -> list[str]:
        return list(self._networks)

    def warehouses(self, pool: str) -> list[str]:
        network = self._networks.get(pool)
        return [source.warehouse for source in network.sources] if network else []

    def plan(
        self, book: StockBook, pool: str, orders: Sequence[OrderToPlan], at: int
    ) -> Iterator[tuple[OrderToPlan, CheckedPlan | FailedPlan]]:
        """Yield each order with its plan, or why it has none.

        The caller books one before it takes the next: where orders have to be planned one by one, each sees the stock
        that the ones before it left.
        """
        if pool not in self._networks:
            detail = f"no source of the network is in pool {pool!r}; name one of {', '.join(self._networks)}"
            yield from ((order, FailedPlan(UNKNOWN_POOL, detail)) for order in orders)
            return
        try:
            plan = self._checked_plan(book, self._networks[pool], orders, at)
        except Exception as problem:
            if len(orders) > 1:
                for order in orders:
                    yield from self.plan(book, pool, [order], at)
            elif orders:
                yield orders[0], FailedPlan(EXCEPTION, f"{type(problem).__name__}: {problem}")
            return
        plans = {each.order_id: each for each in plan.orders}
        yield from ((each, CheckedPlan(plans[each.order.order_id], plan.status, plan.gap)) for each in orders)

    def _checked_plan(self, book: StockBook, network: Network, orders: Sequence[OrderToPlan], at: int) -> SourcingPlan:
        demands = [_demand(order) for order in orders]
        stock = _available_stock(book, network, demands)
        used_today = {source.warehouse: used_lines(book, source, at) for source in network.sources}
        plan = self._solve(demands, network, stock, self._strategies, at_ms=at, used_today=used_today)
        _check(plan, demands, stock)
        return plan


def _available_stock(book: StockBook, network: Network, demands: Sequence[Demand]) -> AvailableStock:
    stock: dict[tuple[str, str], int] = {}
    for sku in sorted({line.sku for demand in demands for line in demand.lines}):
        item = book.stock(sku)
        for source in network.sources:
            stock[sku, source.warehouse] = item.shelf(source.warehouse).available
    return stock


def _demand(order_to_plan: OrderToPlan) -> Demand:
    order = order_to_plan.order
    lines = tuple(DemandLine(line.line_id, line.sku, line.quantity) for line in order_to_plan.lines)
    return Demand(order.order_id, order.place, lines, priority=order.priority, wanted_at=order.wanted_at)


def _check(plan: SourcingPlan, demands: Sequence[Demand], stock: AvailableStock) -> None:
    """Raise PlanError unless each line is sourced whole or not at all, from stock that is there."""
    remaining = dict(stock)
    plans = {order.order_id: order for order in plan.orders}
    for demand in demands:
        order_plan = plans[demand.order_id]
        allocated = {line.line_id: 0 for line in demand.lines}
        skus = {line.line_id: line.sku for line in demand.lines}
        for part in order_plan.allocations:
            allocated[part.line_id] += part.quantity
            remaining[skus[part.line_id], part.warehouse] -= part.quantity
        unsourced = order_plan.unsourced
        expected = {line.line_id: 0 if line.line_id in unsourced else line.quantity for line in demand.lines}
        if allocated != expected:
            raise PlanError(f"order {demand.order_id}: lines {expected} are wanted, the plan gives {allocated}")
    if oversold := next((cell for cell, quantity in remaining.items() if quantity < 0), None):
        sku, warehouse = oversold
        raise PlanError(f"the plan takes {-remaining[oversold]} more of {sku} than {warehouse} has")


def used_lines(book: StockBook, source: NetworkSource, at: int) -> int:
    """Return how many order lines the source has got on the day that it is there."""
    totals = book.warehouse(source.warehouse)
    return totals.lines if totals.day == local_day(source, at) else 0


def count_lines(book: StockBook, source: NetworkSource, at: int, lines: int) -> None:
    """Note that the source got so many order lines more; lines that are canceled later are not taken off again."""
    used = used_lines(book, source, at)
    book.keep(replace(book.warehouse(source.warehouse), day=local_day(source, at), lines=used + lines))
