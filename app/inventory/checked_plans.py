"""One plan for several orders of a pool, held against the stock before it is used, and made order by order if it fails.

An order that makes the solver fail, or a plan that would oversell, costs that order its plan and no other one anything.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from app.inventory.ledger_values import Sourced, Wanted
from app.inventory.stock_book import Book
from app.optimizer.demand import Demand, DemandLine
from app.optimizer.shipping_days import local_day
from app.optimizer.sourcing_network import Network, NetworkSource
from app.optimizer.sourcing_plan import OrderPlan, SourcingPlan
from app.optimizer.sourcing_strategy import Strategies

Solve = Callable[
    [Sequence[Demand], Network, Mapping[tuple[str, str], int], Strategies, int, Mapping[str, int]],
    SourcingPlan,
]
EXCEPTION, UNKNOWN_POOL = "exception", "unknown-pool"


class Asked(Struct, frozen=True):
    """An order, and which of its lines are to be sourced now."""

    order: Sourced
    lines: tuple[Wanted, ...]


class Planned(Struct, frozen=True):
    """`solver` and `gap` (share of the cost) are those of the whole plan that the order's is part of."""

    plan: OrderPlan
    solver: str
    gap: float


class Failed(Struct, frozen=True):
    """No plan could be made. `code` is closed: exception, unknown-pool."""

    code: str
    detail: str


class PlanError(Exception):
    """A plan contradicts what was asked, or takes more than there is."""


class Planner:
    """Makes plans over a network of sources. `solve` is app.optimizer.solver.solve, or one that measures it."""

    def __init__(self, network: Network, strategies: Strategies, solve: Solve) -> None:
        self._strategies, self._solve = strategies, solve
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

    def plan(self, book: Book, pool: str, asked: Sequence[Asked], at: int) -> Iterator[tuple[Asked, Planned | Failed]]:
        """What becomes of each. The caller books one before it takes the next: where orders have to be planned one by
        one, each sees what the ones before it left."""
        if pool not in self._networks:
            detail = f"no source of the network is in pool {pool!r}; name one of {', '.join(self._networks)}"
            yield from ((each, Failed(UNKNOWN_POOL, detail)) for each in asked)
            return
        try:
            plan = self._planned(book, self._networks[pool], asked, at)
        except Exception as problem:
            if len(asked) > 1:
                for each in asked:
                    yield from self.plan(book, pool, [each], at)
            elif asked:
                yield asked[0], Failed(EXCEPTION, f"{type(problem).__name__}: {problem}")
            return
        of = {found.order_id: found for found in plan.orders}
        yield from ((each, Planned(of[each.order.order_id], plan.status, plan.gap)) for each in asked)

    def _planned(self, book: Book, network: Network, asked: Sequence[Asked], at: int) -> SourcingPlan:
        demands = [_demand(each) for each in asked]
        skus = {line.sku for demand in demands for line in demand.lines}
        stock = {
            (sku, source.warehouse): found.shelf(source.warehouse).available
            for sku in sorted(skus)
            for found in (book.stock(sku),)
            for source in network.sources
        }
        used = {source.warehouse: used_on(book, source, at) for source in network.sources}
        plan = self._solve(demands, network, stock, self._strategies, at, used)
        _check(plan, demands, stock)
        return plan


def _demand(asked: Asked) -> Demand:
    order = asked.order
    lines = tuple(DemandLine(line.line_id, line.sku, line.quantity) for line in asked.lines)
    return Demand(order.order_id, order.place, lines, order.priority, order.wanted_at)


def _check(plan: SourcingPlan, demands: Sequence[Demand], stock: Mapping[tuple[str, str], int]) -> None:
    """Raises PlanError unless each line is sourced whole or not at all, from what is there."""
    left = dict(stock)
    plans = {found.order_id: found for found in plan.orders}
    for demand in demands:
        found = plans[demand.order_id]
        given = {line.line_id: 0 for line in demand.lines}
        skus = {line.line_id: line.sku for line in demand.lines}
        for part in found.allocations:
            given[part.line_id] += part.quantity
            left[skus[part.line_id], part.warehouse] -= part.quantity
        expected = {line.line_id: 0 if line.line_id in found.unsourced else line.quantity for line in demand.lines}
        if given != expected:
            raise PlanError(f"order {demand.order_id}: lines {expected} are wanted, the plan gives {given}")
    if over := next((place for place, quantity in left.items() if quantity < 0), None):
        raise PlanError(f"the plan takes {-left[over]} more of {over[0]} than {over[1]} has")


def used_on(book: Book, source: NetworkSource, at: int) -> int:
    """Order lines that the source was given already on the day that it is there."""
    total = book.warehouse(source.warehouse)
    return total.lines if total.day == local_day(source, at) else 0


def count_lines(book: Book, source: NetworkSource, at: int, lines: int) -> None:
    """Note that the source was given so many order lines more; what is canceled later is not taken off again."""
    day, used = local_day(source, at), used_on(book, source, at)
    book.keep(replace(book.warehouse(source.warehouse), day=day, lines=used + lines))
