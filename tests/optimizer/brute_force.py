"""The cheapest plan by trying all: the model of docs/adr/0017-sourcing-model.md, said as plainly as possible."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import inf

from app.optimizer.demand import Demand, DemandLine
from app.optimizer.gazetteer import FARTHEST_KM, distance_km
from app.optimizer.shipping_days import LATE_DAYS_MAX, days_late, is_closed
from app.optimizer.sourcing_network import NetworkSource
from app.optimizer.sourcing_strategy import Constraint, Strategy
from tests.optimizer.worlds import NOON, PIECE, World

Given = Mapping[str, int]
"""Warehouse -> pieces of one line; empty for a line without a source."""


def cheapest(world: World, strategy: Strategy) -> float:
    lines = [(demand, line) for demand in world.demands for line in demand.lines]
    ways = [[{}, *splits(line.quantity // PIECE, [s.warehouse for s in world.network.sources])] for _, line in lines]
    return min(cost(world, strategy, list(zip(lines, given, strict=True))) for given in product(*ways))


def splits(pieces: int, warehouses: Sequence[str]) -> Iterator[dict[str, int]]:
    if not warehouses:
        if pieces == 0:
            yield {}
        return
    for here in range(pieces + 1):
        for rest in splits(pieces - here, warehouses[1:]):
            yield ({warehouses[0]: here} if here else {}) | rest


def cost(world: World, strategy: Strategy, plan: Sequence[tuple[tuple[Demand, DemandLine], Given]]) -> float:
    """Infinite where a hard rule is broken."""
    sources = {source.warehouse: source for source in world.network.sources}
    taken: Counter[tuple[str, str]] = Counter()
    loads: Counter[str] = Counter()
    total = 0.0
    for (_, line), given in plan:
        total += priced(strategy.warehouses_per_line or Constraint(1), len(given))
        for warehouse, pieces in given.items():
            taken[line.sku, warehouse] += pieces
            loads[warehouse] += 1
    for (sku, warehouse), pieces in taken.items():
        there = world.stock.get((sku, warehouse), 0) // PIECE
        spare = max(0, there - sources[warehouse].safety_stock // PIECE)
        total += inf if pieces > there else priced(limited(strategy.safety_stock, spare), pieces)
    for warehouse, load in loads.items():
        room = sources[warehouse].lines_per_day
        left = max(0, room - world.used.get(warehouse, 0))
        total += priced(limited(strategy.lines_per_day, left), load) if room else 0.0
    for demand in world.demands:
        total += order_cost(sources, strategy, demand, [given for (whose, _), given in plan if whose is demand])
    return total


def order_cost(
    sources: Mapping[str, NetworkSource], strategy: Strategy, demand: Demand, lines: Sequence[Given]
) -> float:
    weights, total = strategy.weights, 0.0
    visited = {warehouse for given in lines for warehouse in given}
    for warehouse in visited:
        source = sources[warehouse]
        km = distance_km(demand.place, source.latitude, source.longitude)
        total += weights.distance * km + weights.shipments
        total += priced(strategy.maximum_distance_km, km, once=True)
        total += priced(limited(strategy.cut_off, 0), is_closed(source, NOON))
        late = days_late(source, NOON, demand.wanted_at)
        here = sum(warehouse in given for given in lines)
        total += here * (weights.handling * source.handling_cost + weights.lateness * late)
    total += priced(strategy.warehouses_per_order, len(visited))
    served = sum(bool(given) for given in lines)
    total += priced(limited(strategy.no_partial_orders, 0), 0 < served < len(lines))
    for line, given in zip(demand.lines, lines, strict=True):
        total += 0 if given else left_out(sources, strategy, line) * (1 + demand.priority)
    return total


def left_out(sources: Mapping[str, NetworkSource], strategy: Strategy, line: DemandLine) -> float:
    weights, per_line = strategy.weights, strategy.warehouses_per_line or Constraint(1)
    part = weights.distance * FARTHEST_KM + weights.shipments + weights.lateness * LATE_DAYS_MAX
    part += weights.handling * max(source.handling_cost for source in sources.values())
    for rule in (strategy.maximum_distance_km, strategy.cut_off, strategy.warehouses_per_order, strategy.lines_per_day):
        part += rule.penalty if rule else 0.0
    parts = min(int(per_line.limit), len(sources)) if per_line.hard else len(sources)
    total = 1 + parts * (part + per_line.penalty)
    total += strategy.no_partial_orders.penalty if strategy.no_partial_orders else 0.0
    return total + (strategy.safety_stock.penalty * line.quantity / PIECE if strategy.safety_stock else 0.0)


def limited(rule: Constraint | None, limit: float) -> Constraint | None:
    return Constraint(limit, rule.hard, rule.penalty) if rule else None


def priced(rule: Constraint | None, measure: float, once: bool = False) -> float:
    """What a measure costs above the rule's limit: the price for each unit, or just once."""
    if not rule or measure <= rule.limit:
        return 0.0
    return inf if rule.hard else rule.penalty * (1 if once else measure - rule.limit)
