"""What orders are told about a plan: fulfillment orders, what waits, and for each source why it ships or does not."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final

from msgspec import Struct

from app.domain.order import FulfillmentOrder, LineQuantity
from app.events.model import SourceExplanation, SourcingResult
from app.inventory.checked_plans import Failed, Planned, Planner
from app.inventory.ledger_values import Request, Sourced, Wanted
from app.optimizer.sourcing_plan import Explanation, OrderPlan

EXPLANATIONS_MAX: Final = 5_000
"""Of one order: some 0.7 MB. Beyond it the costliest sources that were not taken are left out, line by line."""
LINES_NAMED_MAX: Final = 5
GAP_SCALE: Final = 10_000
NO_STOCK: Final = "no-stock"
NOTHING: Final = "nothing-to-source"


class Answer(Struct, frozen=True):
    """A result to be sent: `at` is when it was found (ms), `cause_id` what brought it about."""

    event_id: str
    at: int
    cause_id: str
    trace: str
    body: SourcingResult


def fulfillment_orders(order: Sourced, plan: OrderPlan, planner: Planner) -> tuple[FulfillmentOrder, ...]:
    """One for each source, numbered on from those that the order has."""
    by_source = groupby(sorted(plan.allocations, key=lambda part: part.warehouse), lambda part: part.warehouse)
    return tuple(
        FulfillmentOrder(
            f"{order.order_id}-FO{number}",
            planner.sources[warehouse].site,
            warehouse,
            tuple(LineQuantity(part.line_id, part.quantity) for part in parts),
        )
        for number, (warehouse, parts) in enumerate(by_source, order.issued + 1)
    )


def quantities(lines: Iterable[Wanted]) -> tuple[LineQuantity, ...]:
    return tuple(LineQuantity(line.line_id, line.quantity) for line in lines)


def explanations(plan: OrderPlan, planner: Planner) -> tuple[SourceExplanation, ...]:
    """Line by line: what was chosen, then what could have been, from the cheapest on, then what rules forbid."""
    lines = {line_id: n for n, line_id in enumerate(dict.fromkeys(told.line_id for told in plan.explanations))}
    ordered = sorted(
        plan.explanations,
        key=lambda told: (lines[told.line_id], not told.chosen, told.code != "costlier", told.cost, told.warehouse),
    )
    if len(ordered) > EXPLANATIONS_MAX:
        each = max(1, EXPLANATIONS_MAX // len(lines))
        by_line = groupby(ordered, lambda told: told.line_id)
        ordered = [told for _, of_line in by_line for told in list(of_line)[:each]]
    return tuple(_explanation(told, planner) for told in ordered)


def _explanation(told: Explanation, planner: Planner) -> SourceExplanation:
    return SourceExplanation(
        told.line_id,
        planner.sources[told.warehouse].site,
        told.warehouse,
        told.chosen,
        told.reason,
        told.code,
        told.quantity if told.chosen else None,
        {name: decimal_text(value) for name, value in told.terms.items()},
    )


def decimal_text(value: float) -> str:
    """A term of a cost, as results carry it."""
    return f"{Decimal(value):.2f}"


def gap(planned: Planned) -> int:
    """In ten-thousandths of the plan's cost; a plan that proves nothing counts as 100 %."""
    return round(GAP_SCALE * min(planned.gap, 1.0))


def why(plan: OrderPlan) -> str:
    """The code that stands for the lines without a source: no-stock where only stock would help a line."""
    codes: dict[str, str] = {}
    for told in plan.explanations:
        if told.line_id in plan.unsourced and codes.get(told.line_id, NO_STOCK) == NO_STOCK:
            codes[told.line_id] = told.code
    return NO_STOCK if NO_STOCK in codes.values() or not codes else next(iter(codes.values()))


def sentence(unsourced: Sequence[Wanted], wanted: int, reason: str) -> str:
    """For people: which lines have no source."""
    if not unsourced:
        return ""
    named = ", ".join(f"{line.line_id} ({line.sku})" for line in unsourced[:LINES_NAMED_MAX])
    more = f" and {len(unsourced) - LINES_NAMED_MAX} more" if len(unsourced) > LINES_NAMED_MAX else ""
    return f"{len(unsourced)} of {wanted} lines have no source ({reason}): line {named}{more}"


def failure(order_id: str, request: Request, failed: Failed, lines: Sequence[Wanted]) -> SourcingResult:
    """Nothing of the order could be planned. It does not wait: somebody has to look."""
    unsourced = quantities(lines)
    return SourcingResult(order_id, request.effect_id, "none", failed.code, failed.detail, unsourced=unsourced)
