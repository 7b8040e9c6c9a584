"""The problem instance as numbers: the cost of each source for each order, and the sources that may ship a line."""

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Final

from msgspec import Struct

from app.domain.order import AMOUNT_SCALE
from app.optimizer.demand import AvailableStock, Demand, DemandLine
from app.optimizer.gazetteer import FARTHEST_KM, distance_km
from app.optimizer.shipping_days import LATE_DAYS_MAX, days_late, is_closed
from app.optimizer.sourcing_network import Network, NetworkSource
from app.optimizer.sourcing_plan import SourceCode
from app.optimizer.sourcing_strategy import Constraint, Strategy

Cell = tuple[str, int]
"""The stock of one SKU at one source (its number)."""
NO_LIMIT: Final = 1 << 60


class Route(Struct, frozen=True):
    """One source for one order. `trip` are the cost terms of a shipment, `line` those of each line in it.

    `fixed` and `each` are their sums. `barred` is the hard rule that excludes the source.
    """

    km: float
    trip: Mapping[str, float]
    line: Mapping[str, float]
    fixed: float
    each: float
    barred: SourceCode | None


class TaskLine(Struct, frozen=True):
    """`options` are the sources that could ship it, or a part of it, were it alone.

    A line that may be split is split in multiples of `step`: whole pieces, if it is made of those. `unsourced` is the
    cost of leaving it without a source.
    """

    order: int
    demand: DemandLine
    options: tuple[int, ...]
    step: int
    unsourced: float


class Task(Struct, frozen=True):
    """Orders by id, lines by order and id, sources by name, so that the order of the inputs does not matter.

    `stock` is what may be used; more than `free` of it comes out of the safety stock. `room` is how many lines a source
    takes, `free_room` how many without a penalty.
    """

    strategy: Strategy
    demands: tuple[Demand, ...]
    sources: tuple[NetworkSource, ...]
    routes: tuple[tuple[Route, ...], ...]
    lines: tuple[TaskLine, ...]
    lines_of: tuple[tuple[int, ...], ...]
    stock: Mapping[Cell, int]
    free: Mapping[Cell, int]
    room: tuple[int, ...]
    free_room: tuple[int, ...]
    parts_max: int
    """Sources that may share one line."""
    visits_max: int
    """Sources that may share one order."""


def build(
    demands: Sequence[Demand],
    network: Network,
    stock: AvailableStock,
    strategy: Strategy,
    *,
    at_ms: int,
    used_today: Mapping[str, int],
) -> Task:
    """Return the task of a batch. Raises ValueError where two orders, or two lines of one, have the same id."""
    ordered = tuple(sorted(demands, key=lambda demand: demand.order_id))
    _refuse_duplicates([demand.order_id for demand in ordered])
    sources = tuple(sorted(network.sources, key=lambda source: source.warehouse))
    usable, free = _cells(ordered, sources, stock, strategy.safety_stock)
    room, free_room = _room(sources, used_today, strategy.lines_per_day)
    routes = _routes(ordered, sources, strategy, at_ms)
    parts_max = _limit(strategy.warehouses_per_line or Constraint(1), len(sources))
    lines: list[TaskLine] = []
    lines_of: list[tuple[int, ...]] = []
    for number, demand in enumerate(ordered):
        _refuse_duplicates([f"{demand.order_id}: {line.line_id}" for line in demand.lines])
        open_to = [s for s, route in enumerate(routes[number]) if route.barred is None and room[s] > 0]
        lines_of.append(tuple(range(len(lines), len(lines) + len(demand.lines))))
        for line in sorted(demand.lines, key=lambda line: line.line_id):
            step = gcd(line.quantity, AMOUNT_SCALE) if parts_max > 1 else line.quantity
            options = _options(line, step, open_to, usable, parts_max=parts_max)
            unsourced = _unsourced_cost(strategy, sources, parts_max, line.quantity) * (1 + max(0, demand.priority))
            lines.append(TaskLine(order=number, demand=line, options=options, step=step, unsourced=unsourced))
    return Task(
        strategy=strategy,
        demands=ordered,
        sources=sources,
        routes=routes,
        lines=tuple(lines),
        lines_of=tuple(lines_of),
        stock=usable,
        free=free,
        room=room,
        free_room=free_room,
        parts_max=parts_max,
        visits_max=_limit(strategy.warehouses_per_order, len(sources)),
    )


def _options(
    line: DemandLine, step: int, open_to: Sequence[int], usable: Mapping[Cell, int], *, parts_max: int
) -> tuple[int, ...]:
    """Return the sources with at least one step of the line; none where those that may share it have too little."""
    there = {source: usable[line.sku, source] // step * step for source in open_to}
    if sum(sorted(there.values(), reverse=True)[:parts_max]) < line.quantity:
        return ()
    return tuple(source for source, quantity in there.items() if quantity)


def _room(
    sources: Sequence[NetworkSource], used_today: Mapping[str, int], rule: Constraint | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many lines each source takes, and how many without a penalty."""
    room = tuple(
        max(0, source.lines_per_day - used_today.get(source.warehouse, 0)) if source.lines_per_day else NO_LIMIT
        for source in sources
    )
    unlimited = (NO_LIMIT,) * len(sources)
    return (room if rule and rule.hard else unlimited), (room if rule and not rule.hard else unlimited)


def _refuse_duplicates(ids: Sequence[str]) -> None:
    for before, after in zip(sorted(ids), sorted(ids)[1:], strict=False):
        if before == after:
            raise ValueError(f"{after} is there twice")


def _limit(rule: Constraint | None, sources: int) -> int:
    return min(int(rule.limit), sources) if rule and rule.hard else sources


def _cells(
    demands: Sequence[Demand], sources: Sequence[NetworkSource], stock: AvailableStock, rule: Constraint | None
) -> tuple[dict[Cell, int], dict[Cell, int]]:
    """Return the stock of each cell that may be used, and what of it is free of penalty."""
    usable: dict[Cell, int] = {}
    free: dict[Cell, int] = {}
    for sku in sorted({line.sku for demand in demands for line in demand.lines}):
        for number, source in enumerate(sources):
            available = max(0, stock.get((sku, source.warehouse), 0))
            spare = max(0, available - source.safety_stock) if rule else available
            usable[sku, number] = spare if rule and rule.hard else available
            free[sku, number] = spare
    return usable, free


def _routes(
    demands: Sequence[Demand], sources: Sequence[NetworkSource], strategy: Strategy, at_ms: int
) -> tuple[tuple[Route, ...], ...]:
    """Return the route of each source to each order. Distances are computed once for each place."""
    distances = {
        place: [distance_km(place, source.latitude, source.longitude) for source in sources]
        for place in {demand.place for demand in demands}
    }
    return tuple(
        tuple(
            _route(demand, source, strategy, km=km, at_ms=at_ms)
            for source, km in zip(sources, distances[demand.place], strict=True)
        )
        for demand in demands
    )


def _route(demand: Demand, source: NetworkSource, strategy: Strategy, *, km: float, at_ms: int) -> Route:
    weights = strategy.weights
    barred: SourceCode | None = None
    trip = {"distance": weights.distance * km, "shipments": weights.shipments}
    if (rule := strategy.maximum_distance_km) and km > rule.limit:
        barred = "too-far" if rule.hard else barred
        trip["too far"] = rule.penalty
    if (rule := strategy.cut_off) and is_closed(source, at_ms):
        barred = "closed" if rule.hard and not barred else barred
        trip["cut-off"] = rule.penalty
    late = days_late(source, at_ms, demand.wanted_at)
    line = {"handling": weights.handling * source.handling_cost, "lateness": weights.lateness * late}
    return Route(
        km=km,
        trip=_nonzero(trip),
        line=_nonzero(line),
        fixed=sum(trip.values()),
        each=sum(line.values()),
        barred=barred,
    )


def _nonzero(terms: dict[str, float]) -> dict[str, float]:
    return {name: cost for name, cost in terms.items() if cost}


def _unsourced_cost(strategy: Strategy, sources: Sequence[NetworkSource], parts_max: int, quantity: int) -> float:
    """Return a cost above that of sourcing a line in any way, so that no line waits while sources could ship it.

    It is the cost with each soft rule broken, and each part of the line from the other end of the world, a month late.
    """
    weights = strategy.weights
    each = (strategy.maximum_distance_km, strategy.cut_off, strategy.warehouses_per_order, strategy.lines_per_day)
    handling = weights.handling * max((source.handling_cost for source in sources), default=0.0)
    part = weights.distance * FARTHEST_KM + weights.shipments + handling + weights.lateness * LATE_DAYS_MAX
    part += _penalties(*each, strategy.warehouses_per_line)
    return (
        1.0
        + parts_max * part
        + _penalties(strategy.no_partial_orders)
        + _penalties(strategy.safety_stock) * quantity / AMOUNT_SCALE
    )


def _penalties(*rules: Constraint | None) -> float:
    return sum(rule.penalty for rule in rules if rule)
