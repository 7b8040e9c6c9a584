"""Why each source ships a line, or does not: the rule that forbids it, or what it would cost more."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from app.domain.order import AMOUNT_SCALE
from app.optimizer.draft import EPSILON, Draft, Parts
from app.optimizer.plan import Code, Explanation
from app.optimizer.task import Cell

Takers = Mapping[Cell, list[str]]
NAMED_MAX = 3


def takers(drafts: Sequence[Draft]) -> Takers:
    """Who gets what a cell gives: order ids."""
    found: dict[Cell, list[str]] = {}
    for draft in drafts:
        for told, parts in zip(draft.task.lines, draft.parts, strict=True):
            for source in parts:
                found.setdefault((told.demand.sku, source), []).append(draft.task.demands[told.order].order_id)
    return found


def explain(draft: Draft, line: int, took: Takers) -> list[Explanation]:
    """Every source for one line, by name. The draft is left as it was."""
    parts = draft.parts[line]
    shares = {source: _share(draft, line, source) for source in parts}
    draft.clear(line)
    now = draft.added(line, parts)
    found = [
        _chosen(draft, line, source, parts[source], shares[source])
        if source in parts
        else _rejected(draft, line, source, parts, now, took)
        for source in range(len(draft.task.sources))
    ]
    draft.place(line, parts)
    return found


def _share(draft: Draft, line: int, source: int) -> dict[str, float]:
    """The line's part of a shipment's terms, and its own."""
    order = draft.task.lines[line].order
    way, lines = draft.task.ways[order][source], draft.visits[order][source]
    return {name: cost / lines for name, cost in way.trip.items()} | dict(way.line)


def _chosen(draft: Draft, line: int, source: int, quantity: int, terms: Mapping[str, float]) -> Explanation:
    task, told = draft.task, draft.task.lines[line]
    others, kind = draft.visits[told.order].get(source, 0), task.demands[told.order].place.kind
    words = f"{task.ways[told.order][source].km:,.0f} km"
    words += f", with {others} other line{'s' * (others > 1)} of the order" if others else ""
    words += "" if kind == "city" else f"; the address could be placed only by its {kind}" if kind != "unknown" else ""
    words += "; the address could not be placed and counts as the farthest" if kind == "unknown" else ""
    name = task.sources[source].warehouse
    return Explanation(told.demand.line_id, name, quantity, True, "chosen", words, sum(terms.values()), terms)


def _rejected(draft: Draft, line: int, source: int, parts: Parts, now: float, took: Takers) -> Explanation:
    told, name = draft.task.lines[line].demand, draft.task.sources[source].warehouse
    if ruled_out := _ruled_out(draft, line, source, took):
        return Explanation(told.line_id, name, 0, False, *ruled_out, 0.0, {})
    instead = draft.shifted(line, parts, source)
    more = draft.added(line, instead) - now
    hindrance = draft.hindrance(line, instead)
    if hindrance and (not parts or more < -EPSILON):
        return Explanation(
            told.line_id, name, 0, False, hindrance, _words(draft, line, source, hindrance, took), 0.0, {}
        )
    rule = draft.task.strategy.no_partial_orders
    if not parts and rule and rule.hard:
        return Explanation(told.line_id, name, 0, False, "partial", "not every line of the order has a source", 0.0, {})
    terms = draft.terms(line, instead)
    return Explanation(told.line_id, name, 0, False, "costlier", _costlier(more, parts), sum(terms.values()), terms)


def _ruled_out(draft: Draft, line: int, source: int, took: Takers) -> tuple[Code, str] | None:
    """What forbids the source whatever the rest of the plan is."""
    task, told = draft.task, draft.task.lines[line]
    way, there = task.ways[told.order][source], task.stock[told.demand.sku, source]
    if way.barred == "too-far":
        rule = task.strategy.maximum_distance_km
        return "too-far", f"{way.km:,.0f} km, more than {rule.limit if rule else 0:,.0f}"
    if way.barred == "closed":
        return "closed", f"its day ended at {task.sources[source].cutoff} ({task.sources[source].time_zone})"
    if there <= 0 and took.get((told.demand.sku, source)):
        return "no-stock", _words(draft, line, source, "no-stock", took)
    if there <= 0:
        kept = task.sources[source].safety_stock if task.strategy.safety_stock else 0
        return "no-stock", f"has none beyond its safety stock of {_pieces(kept)}" if kept else "has none"
    if there < told.step:
        return "line-split", f"has {_pieces(there)} of {_pieces(told.demand.quantity)}, and the line is not split"
    if task.room[source] <= 0:
        return "full", f"takes {task.sources[source].lines_per_day} lines a day and has them"
    return None


def _words(draft: Draft, line: int, source: int, code: Code, took: Takers) -> str:
    task, told = draft.task, draft.task.lines[line]
    match code:
        case "no-stock":
            orders = sorted(set(took.get((told.demand.sku, source), ())))
            left = draft.left[told.demand.sku, source]
            named = ", ".join(orders[:NAMED_MAX]) + (f" and {len(orders) - NAMED_MAX} more" * (len(orders) > NAMED_MAX))
            has = f"has {_pieces(left)} of {_pieces(told.demand.quantity)}"
            return f"{has}: the rest goes to {named}" if named else f"{has}, and too little with the others"
        case "full":
            return f"takes {task.sources[source].lines_per_day} lines a day and has them"
        case "too-many-warehouses":
            return f"the order would come from more than {task.visits_max} warehouses"
        case _:
            return f"the line would come from more than {task.parts_max} warehouses"


def _costlier(more: float, parts: Parts) -> str:
    if not parts:
        return "breaking the soft rules costs more than leaving the line"
    return f"costs {more:,.1f} more" if more > EPSILON else "costs the same, and its name comes later"


def _pieces(quantity: int) -> str:
    return f"{(Decimal(quantity) / AMOUNT_SCALE).normalize():f}"
