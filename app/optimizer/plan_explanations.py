"""Explanations of a plan: why each source ships a line or does not (the rule that forbids it, or the extra cost)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from app.domain.order import AMOUNT_SCALE
from app.optimizer.plan_draft import EPSILON, Draft, Parts
from app.optimizer.solver_task import Cell
from app.optimizer.sourcing_plan import Explanation, SourceCode

Takers = Mapping[Cell, list[str]]
"""Stock cell -> ids of the orders that are allocated from it."""
ORDERS_NAMED_MAX: Final = 3


def takers(drafts: Sequence[Draft]) -> Takers:
    """Return the orders that are allocated from each cell, over all drafts."""
    order_ids: dict[Cell, list[str]] = {}
    for draft in drafts:
        for task_line, parts in zip(draft.task.lines, draft.parts, strict=True):
            order_id = draft.task.demands[task_line.order].order_id
            for source in parts:
                order_ids.setdefault((task_line.demand.sku, source), []).append(order_id)
    return order_ids


def explain(draft: Draft, line: int, takers_by_cell: Takers) -> list[Explanation]:
    """Explain every source for one line, by name. The draft is left as it was."""
    parts = draft.parts[line]
    shares = {source: _share(draft, line, source) for source in parts}
    draft.clear(line)
    explainer = _Explainer(draft, line, parts, takers_by_cell)
    explanations = [
        explainer.chosen(source, shares[source]) if source in parts else explainer.rejected(source)
        for source in range(len(draft.task.sources))
    ]
    draft.place(line, parts)
    return explanations


def _share(draft: Draft, line: int, source: int) -> dict[str, float]:
    """Return the line's share of its shipment's terms, and its own terms."""
    order = draft.task.lines[line].order
    route = draft.task.routes[order][source]
    lines = draft.visits[order][source]
    return {name: cost / lines for name, cost in route.trip.items()} | dict(route.line)


class _Explainer:
    """Explains the sources of one line. The line is empty in the draft meanwhile; `parts` are those of the plan."""

    def __init__(self, draft: Draft, line: int, parts: Parts, takers_by_cell: Takers) -> None:
        self._draft = draft
        self._task = draft.task
        self._line = line
        self._task_line = draft.task.lines[line]
        self._parts = parts
        self._takers = takers_by_cell
        self._cost = draft.added(line, parts)

    def chosen(self, source: int, terms: Mapping[str, float]) -> Explanation:
        order = self._task_line.order
        others = self._draft.visits[order].get(source, 0)
        kind = self._task.demands[order].place.kind
        reason = f"{self._task.routes[order][source].km:,.0f} km"
        if others:
            reason += f", with {others} other line{'s' * (others > 1)} of the order"
        if kind == "unknown":
            reason += "; the address could not be placed and counts as the farthest"
        elif kind != "city":
            reason += f"; the address could be placed only by its {kind}"
        return self._explanation(source, "chosen", reason, terms, quantity=self._parts[source])

    def rejected(self, source: int) -> Explanation:
        if exclusion := self._exclusion(source):
            code, reason = exclusion
            return self._explanation(source, code, reason)
        instead = self._draft.shifted(self._line, self._parts, source)
        more = self._draft.added(self._line, instead) - self._cost
        hindrance = self._draft.hindrance(self._line, instead)
        if hindrance and (not self._parts or more < -EPSILON):
            return self._explanation(source, hindrance, self._hindrance_sentence(source, hindrance))
        rule = self._task.strategy.no_partial_orders
        if not self._parts and rule and rule.hard:
            return self._explanation(source, "partial", "not every line of the order has a source")
        reason = self._costlier_sentence(more)
        return self._explanation(source, "costlier", reason, self._draft.terms(self._line, instead))

    def _explanation(
        self, source: int, code: SourceCode, reason: str, terms: Mapping[str, float] | None = None, *, quantity: int = 0
    ) -> Explanation:
        return Explanation(
            line_id=self._task_line.demand.line_id,
            warehouse=self._task.sources[source].warehouse,
            quantity=quantity,
            chosen=code == "chosen",
            code=code,
            reason=reason,
            cost=sum(terms.values()) if terms is not None else 0.0,
            terms=terms or {},
        )

    def _exclusion(self, source: int) -> tuple[SourceCode, str] | None:
        """Return code and sentence of the rule that excludes the source whatever the rest of the plan is, or None."""
        task = self._task
        demand = self._task_line.demand
        route = task.routes[self._task_line.order][source]
        available = task.stock[demand.sku, source]
        if route.barred == "too-far":
            rule = task.strategy.maximum_distance_km
            return "too-far", f"{route.km:,.0f} km, more than {rule.limit if rule else 0:,.0f}"
        if route.barred == "closed":
            return "closed", f"its day ended at {task.sources[source].cutoff} ({task.sources[source].time_zone})"
        if available <= 0 and self._takers.get((demand.sku, source)):
            return "no-stock", self._hindrance_sentence(source, "no-stock")
        if available <= 0:
            safety_stock = task.sources[source].safety_stock if task.strategy.safety_stock else 0
            reserve = f" beyond its safety stock of {_pieces(safety_stock)}" if safety_stock else ""
            return "no-stock", f"has none{reserve}"
        if available < self._task_line.step:
            return "line-split", f"has {_pieces(available)} of {_pieces(demand.quantity)}, and the line is not split"
        if task.room[source] <= 0:
            return "full", self._full_sentence(source)
        return None

    def _hindrance_sentence(self, source: int, code: SourceCode) -> str:
        match code:
            case "no-stock":
                return self._no_stock_sentence(source)
            case "full":
                return self._full_sentence(source)
            case "too-many-warehouses":
                return f"the order would come from more than {self._task.visits_max} warehouses"
            case _:
                return f"the line would come from more than {self._task.parts_max} warehouses"

    def _no_stock_sentence(self, source: int) -> str:
        demand = self._task_line.demand
        orders = sorted(set(self._takers.get((demand.sku, source), ())))
        stock = f"has {_pieces(self._draft.remaining[demand.sku, source])} of {_pieces(demand.quantity)}"
        if not orders:
            return f"{stock}, and too little with the others"
        more = f" and {len(orders) - ORDERS_NAMED_MAX} more" if len(orders) > ORDERS_NAMED_MAX else ""
        return f"{stock}: the rest goes to {', '.join(orders[:ORDERS_NAMED_MAX])}{more}"

    def _full_sentence(self, source: int) -> str:
        return f"takes {self._task.sources[source].lines_per_day} lines a day and has them"

    def _costlier_sentence(self, more: float) -> str:
        if not self._parts:
            return "breaking the soft rules costs more than leaving the line"
        return f"costs {more:,.1f} more" if more > EPSILON else "costs the same, and its name comes later"


def _pieces(quantity: int) -> str:
    return f"{(Decimal(quantity) / AMOUNT_SCALE).normalize():f}"
