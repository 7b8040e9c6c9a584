"""The problem as numbers: what each source would cost each order, and which sources a line may come from at all."""

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Final

from msgspec import Struct

from app.domain.order import AMOUNT_SCALE
from app.optimizer.gazetteer import FARTHEST_KM, distance_km
from app.optimizer.network import Network, Source
from app.optimizer.plan import Code
from app.optimizer.problem import Demand, DemandLine
from app.optimizer.strategy import Rule, Strategy
from app.optimizer.timing import LATE_DAYS_MAX, days_late, is_closed

Cell = tuple[str, int]
"""The stock of one SKU at one source (its number)."""
NO_LIMIT: Final = 1 << 60


class Way(Struct, frozen=True):
    """One source for one order. `trip` are the terms of a shipment, `line` those of each line in it; `fixed` and `each`
    are their sums. `barred` is the hard rule that excludes the source."""

    km: float
    trip: Mapping[str, float]
    line: Mapping[str, float]
    fixed: float
    each: float
    barred: Code | None


class TaskLine(Struct, frozen=True):
    """`options` are sources that could ship it, or a part of it, were it alone. A line that may be split is split in
    multiples of `step`: whole pieces, if it is made of those. `unsourced` is the cost of leaving it."""

    order: int
    demand: DemandLine
    options: tuple[int, ...]
    step: int
    unsourced: float


class Task(Struct, frozen=True):
    """Orders by id, lines by order and id, sources by name: the order of inputs does not matter. `stock` may be used;
    taking more than `free` of it goes into the safety stock. `room` is how many lines a source takes, `free_room` how
    many before it costs."""

    strategy: Strategy
    demands: tuple[Demand, ...]
    sources: tuple[Source, ...]
    ways: tuple[tuple[Way, ...], ...]
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
    stock: Mapping[tuple[str, str], int],
    strategy: Strategy,
    at_ms: int,
    used_today: Mapping[str, int],
) -> Task:
    """Raises ValueError where two orders, or two lines of one, have the same id."""
    ordered = tuple(sorted(demands, key=lambda demand: demand.order_id))
    _refuse_copies([demand.order_id for demand in ordered])
    sources = tuple(sorted(network.sources, key=lambda source: source.warehouse))
    usable, free = _cells(ordered, sources, stock, strategy.safety_stock)
    room, free_room = _room(sources, used_today, strategy.lines_per_day)
    distances = _distances(ordered, sources)
    ways = tuple(
        tuple(
            _way(demand, each, km, strategy, at_ms) for each, km in zip(sources, distances[demand.place], strict=True)
        )
        for demand in ordered
    )
    parts_max = _most(strategy.warehouses_per_line or Rule(1), len(sources))
    lines: list[TaskLine] = []
    lines_of: list[tuple[int, ...]] = []
    for number, demand in enumerate(ordered):
        _refuse_copies([f"{demand.order_id}: {line.line_id}" for line in demand.lines])
        open_to = [s for s, way in enumerate(ways[number]) if way.barred is None and room[s] > 0]
        lines_of.append(tuple(range(len(lines), len(lines) + len(demand.lines))))
        for line in sorted(demand.lines, key=lambda line: line.line_id):
            step = gcd(line.quantity, AMOUNT_SCALE) if parts_max > 1 else line.quantity
            options = _options(line, step, open_to, usable, parts_max)
            unsourced = _left_out(strategy, sources, parts_max, line.quantity) * (1 + max(0, demand.priority))
            lines.append(TaskLine(number, line, options, step, unsourced))
    return Task(
        strategy=strategy,
        demands=ordered,
        sources=sources,
        ways=ways,
        lines=tuple(lines),
        lines_of=tuple(lines_of),
        stock=usable,
        free=free,
        room=room,
        free_room=free_room,
        parts_max=parts_max,
        visits_max=_most(strategy.warehouses_per_order, len(sources)),
    )


def _options(
    line: DemandLine, step: int, open_to: Sequence[int], usable: Mapping[Cell, int], parts_max: int
) -> tuple[int, ...]:
    """Sources that can give the line a step at least; none where all it may have are too few for the whole of it."""
    there = {source: usable[line.sku, source] // step * step for source in open_to}
    if sum(sorted(there.values(), reverse=True)[:parts_max]) < line.quantity:
        return ()
    return tuple(source for source, quantity in there.items() if quantity)


def _room(
    sources: Sequence[Source], used_today: Mapping[str, int], rule: Rule | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many lines each source takes, and how many before it costs."""
    left = tuple(
        max(0, source.lines_per_day - used_today.get(source.warehouse, 0)) if source.lines_per_day else NO_LIMIT
        for source in sources
    )
    unlimited = (NO_LIMIT,) * len(sources)
    return (left if rule and rule.hard else unlimited), (left if rule and not rule.hard else unlimited)


def _refuse_copies(ids: Sequence[str]) -> None:
    for before, after in zip(sorted(ids), sorted(ids)[1:], strict=False):
        if before == after:
            raise ValueError(f"{after} is there twice")


def _most(rule: Rule | None, sources: int) -> int:
    return min(int(rule.limit), sources) if rule and rule.hard else sources


def _cells(
    demands: Sequence[Demand], sources: Sequence[Source], stock: Mapping[tuple[str, str], int], rule: Rule | None
) -> tuple[dict[Cell, int], dict[Cell, int]]:
    """What may be used, and what may be used for nothing."""
    usable: dict[Cell, int] = {}
    free: dict[Cell, int] = {}
    for sku in sorted({line.sku for demand in demands for line in demand.lines}):
        for number, source in enumerate(sources):
            there = max(0, stock.get((sku, source.warehouse), 0))
            spare = max(0, there - source.safety_stock) if rule else there
            usable[sku, number] = spare if rule and rule.hard else there
            free[sku, number] = spare
    return usable, free


def _distances(demands: Sequence[Demand], sources: Sequence[Source]) -> dict[object, list[float]]:
    return {
        place: [distance_km(place, source.latitude, source.longitude) for source in sources]
        for place in {demand.place for demand in demands}
    }


def _way(demand: Demand, source: Source, km: float, strategy: Strategy, at_ms: int) -> Way:
    weights = strategy.weights
    barred: Code | None = None
    trip = {"distance": weights.distance * km, "shipments": weights.shipments}
    if (rule := strategy.maximum_distance_km) and km > rule.limit:
        barred = "too-far" if rule.hard else barred
        trip["too far"] = rule.penalty
    if (rule := strategy.cut_off) and is_closed(source, at_ms):
        barred = "closed" if rule.hard and not barred else barred
        trip["cut-off"] = rule.penalty
    late = days_late(source, at_ms, demand.wanted_at)
    line = {"handling": weights.handling * source.handling_cost, "lateness": weights.lateness * late}
    return Way(km, _paid(trip), _paid(line), sum(trip.values()), sum(line.values()), barred)


def _paid(terms: dict[str, float]) -> dict[str, float]:
    return {name: cost for name, cost in terms.items() if cost}


def _left_out(strategy: Strategy, sources: Sequence[Source], parts_max: int, quantity: int) -> float:
    """More than sourcing a line can cost, so that none waits while sources could take it: each soft rule broken, and
    each part of the line come from the other end of the world, a month late."""
    weights = strategy.weights
    each = (strategy.maximum_distance_km, strategy.cut_off, strategy.warehouses_per_order, strategy.lines_per_day)
    handling = weights.handling * max((source.handling_cost for source in sources), default=0.0)
    part = weights.distance * FARTHEST_KM + weights.shipments + handling + weights.lateness * LATE_DAYS_MAX
    part += _price(*each, strategy.warehouses_per_line)
    return (
        1.0
        + parts_max * part
        + _price(strategy.no_partial_orders)
        + _price(strategy.safety_stock) * quantity / AMOUNT_SCALE
    )


def _price(*rules: Rule | None) -> float:
    return sum(rule.penalty for rule in rules if rule)
