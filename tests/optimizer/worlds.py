"""Small problems for hypothesis, and short ways to write one down."""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from app.domain.order import AMOUNT_SCALE
from app.optimizer.demand import Demand, DemandLine
from app.optimizer.gazetteer import Place
from app.optimizer.solver import solve
from app.optimizer.sourcing_network import Network, NetworkSource
from app.optimizer.sourcing_plan import SourcingPlan
from app.optimizer.sourcing_strategy import Constraint, Strategies, Strategy, Weights

NOON = 1_767_009_600_000 + 12 * 3_600_000
"""Monday, 29 December 2025, 12:00 UTC."""
DAY = 86_400_000
PIECE = AMOUNT_SCALE
EXACT = Weights(1, 500, 1, 1000)
Stock = dict[tuple[str, str], int]


class World(NamedTuple):
    demands: tuple[Demand, ...]
    network: Network
    stock: Stock
    used: dict[str, int]

    def solve(self, strategy: Strategy, alternate: Strategy | None = None) -> SourcingPlan:
        strategies = Strategies(strategy, alternate)
        return solve(self.demands, self.network, self.stock, strategies, at_ms=NOON, used_today=self.used)


def source(name: str, longitude: float = 0.0, **more: Any) -> NetworkSource:
    """On the equator, where a degree is 111.2 km."""
    return NetworkSource(name, name.split("-")[0], 0.0, longitude, **more)


def demand(order_id: str, *lines: tuple[str, int], longitude: float = 0.0, **more: Any) -> Demand:
    """Lines as (SKU, pieces), numbered from 1."""
    numbered = tuple(DemandLine(str(at), sku, pieces * PIECE) for at, (sku, pieces) in enumerate(lines, 1))
    return Demand(order_id, Place(0.0, longitude, "city"), numbered, **more)


def pieces(**at: dict[str, int]) -> Stock:
    """Pieces by SKU, of each warehouse."""
    return {
        (sku, warehouse.replace("_", "-")): count * PIECE
        for warehouse, counts in at.items()
        for sku, count in counts.items()
    }


def given(plan: SourcingPlan) -> dict[str, dict[str, list[tuple[str, int]]]]:
    """Order -> line -> (warehouse, pieces)."""
    found: dict[str, dict[str, list[tuple[str, int]]]] = {}
    for order in plan.orders:
        lines = found.setdefault(order.order_id, {})
        for each in order.allocations:
            lines.setdefault(each.line_id, []).append((each.warehouse, each.quantity // PIECE))
    return found


SKUS = ("K", "L", "M")
NAMES = ("A", "B", "C")


def rules(limits: st.SearchStrategy[int]) -> st.SearchStrategy[Constraint | None]:
    soft = st.builds(lambda limit, price: Constraint(limit, False, price), limits, st.sampled_from([1.0, 150.0, 900.0]))
    return st.none() | st.builds(Constraint, limits) | soft


SOURCES = st.builds(
    lambda name, at, cutoff, handling, room, safety: source(
        name, at, cutoff=cutoff, handling_cost=handling, lines_per_day=room, safety_stock=safety * PIECE
    ),
    st.just("A"),
    st.integers(-8, 8),
    st.sampled_from(["", "10:00", "13:00"]),
    st.sampled_from([0.0, 90.0]),
    st.sampled_from([0, 0, 1, 2]),
    st.sampled_from([0, 0, 1]),
)
PRICED = st.builds(
    Strategy,
    name=st.just("priced"),
    weights=st.sampled_from([EXACT, Weights(1, 0, 1, 1)]),
    maximum_distance_km=rules(st.just(600)),
    cut_off=rules(st.just(0)),
    lines_per_day=st.sampled_from([None, Constraint()]),
    safety_stock=st.sampled_from([None, Constraint()]),
    gap=st.just(0.0),
    time_limit_s=st.just(20.0),
)
"""Strategies that prices can serve."""
STRATEGIES = PRICED | st.builds(
    Strategy,
    name=st.just("drawn"),
    weights=st.sampled_from([EXACT, Weights(1, 0, 1, 1), Weights(0.01, 1, 0, 0)]),
    maximum_distance_km=rules(st.sampled_from([300, 900])),
    no_partial_orders=rules(st.just(0)),
    warehouses_per_order=rules(st.integers(1, 2)),
    warehouses_per_line=rules(st.integers(1, 2)),
    cut_off=rules(st.just(0)),
    lines_per_day=rules(st.just(0)),
    safety_stock=rules(st.just(0)),
    gap=st.just(0.0),
    time_limit_s=st.just(20.0),
)


@st.composite
def worlds(draw: st.DrawFn, orders_max: int = 3, lines_max: int = 4, pieces_max: int = 3) -> World:
    """At most three sources; of each SKU there tends to be too little."""
    sources = [draw(SOURCES) for _ in range(draw(st.integers(1, 3)))]
    named = tuple(source(name, each.longitude, **_rest(each)) for name, each in zip(NAMES, sources, strict=False))
    left, demands = lines_max, []
    for number in range(draw(st.integers(1, orders_max))):
        if left == 0:
            break
        lines = draw(st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, pieces_max)), min_size=1, max_size=left))
        left -= len(lines)
        wanted = draw(st.sampled_from([0, NOON - DAY, NOON + DAY]))
        at, priority = draw(st.integers(-8, 8)), draw(st.sampled_from([0, 0, 1]))
        demands.append(demand(f"o{number}", *lines, longitude=at, priority=priority, wanted_at=wanted))
    cells = [(sku, each.warehouse) for sku in SKUS for each in named]
    stock = {cell: draw(st.integers(0, 5)) * PIECE for cell in cells}
    used = {each.warehouse: draw(st.integers(0, 1)) for each in named}
    return World(tuple(demands), Network(named), stock, used)


def _rest(each: NetworkSource) -> dict[str, Any]:
    names = ("cutoff", "handling_cost", "lines_per_day", "safety_stock")
    return {name: getattr(each, name) for name in names}
