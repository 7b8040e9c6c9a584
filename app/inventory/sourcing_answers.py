"""Answers to sourcing requests: the fulfillment orders, unsourced lines and explanations that an order gets."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final

from msgspec import Struct

from app.domain.order import FulfillmentOrder, LineQuantity
from app.domain.outcomes import SourcingOutcome
from app.events.model import SourceExplanation, SourcingResult
from app.inventory.checked_plans import CheckedPlan, FailedPlan, Planner
from app.inventory.ledger_values import RequestedLine, SourcedOrder, SourcingRequest
from app.optimizer.sourcing_plan import Explanation, OrderPlan

EXPLANATIONS_MAX: Final = 5_000
"""Of one order: some 0.7 MB. Beyond it the costliest sources that were not chosen are left out, line by line."""
LINES_NAMED_MAX: Final = 5
GAP_SCALE: Final = 10_000
NO_STOCK: Final = "no-stock"
NOTHING: Final = "nothing-to-source"


class SourcingAnswer(Struct, frozen=True):
    """A result to be sent. `at` is the time of the decision (ms), `cause_id` the event that led to it."""

    event_id: str
    at: int
    cause_id: str
    trace: str
    body: SourcingResult


def fulfillment_orders(order: SourcedOrder, plan: OrderPlan, planner: Planner) -> tuple[FulfillmentOrder, ...]:
    """Return one fulfillment order for each source, numbered on from those that the order has."""
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


def quantities(lines: Iterable[RequestedLine]) -> tuple[LineQuantity, ...]:
    return tuple(LineQuantity(line.line_id, line.quantity) for line in lines)


def explanations(plan: OrderPlan, planner: Planner) -> tuple[SourceExplanation, ...]:
    """Return the explanations line by line: the chosen sources, the others from the cheapest on, the forbidden ones."""
    positions = {line_id: at for at, line_id in enumerate(dict.fromkeys(each.line_id for each in plan.explanations))}

    def rank(each: Explanation) -> tuple[int, bool, bool, float, str]:
        return positions[each.line_id], not each.chosen, each.code != "costlier", each.cost, each.warehouse

    ordered = sorted(plan.explanations, key=rank)
    if len(ordered) > EXPLANATIONS_MAX:
        per_line = max(1, EXPLANATIONS_MAX // len(positions))
        by_line = groupby(ordered, lambda each: each.line_id)
        ordered = [each for _, of_line in by_line for each in list(of_line)[:per_line]]
    return tuple(_explanation(each, planner) for each in ordered)


def _explanation(explanation: Explanation, planner: Planner) -> SourceExplanation:
    return SourceExplanation(
        line_id=explanation.line_id,
        site=planner.sources[explanation.warehouse].site,
        warehouse=explanation.warehouse,
        chosen=explanation.chosen,
        reason=explanation.reason,
        code=explanation.code,
        quantity=explanation.quantity if explanation.chosen else None,
        terms={name: decimal_text(value) for name, value in explanation.terms.items()},
    )


def decimal_text(value: float) -> str:
    """Return a term of a cost as results carry it."""
    return f"{Decimal(value):.2f}"


def gap(plan: CheckedPlan) -> int:
    """Return the gap in ten-thousandths of the plan's cost; a plan that proves nothing counts as 100 %."""
    return round(GAP_SCALE * min(plan.gap, 1.0))


def shortage_code(plan: OrderPlan) -> str:
    """Return the code that stands for the lines without a source: no-stock where only stock would help a line."""
    codes: dict[str, str] = {}
    for each in plan.explanations:
        if each.line_id in plan.unsourced and codes.get(each.line_id, NO_STOCK) == NO_STOCK:
            codes[each.line_id] = each.code
    return NO_STOCK if NO_STOCK in codes.values() or not codes else next(iter(codes.values()))


def shortage_sentence(unsourced: Sequence[RequestedLine], requested: int, code: str) -> str:
    """Return a sentence for people: which of so many requested lines have no source. "" if all have one."""
    if not unsourced:
        return ""
    names = ", ".join(f"{line.line_id} ({line.sku})" for line in unsourced[:LINES_NAMED_MAX])
    more = f" and {len(unsourced) - LINES_NAMED_MAX} more" if len(unsourced) > LINES_NAMED_MAX else ""
    return f"{len(unsourced)} of {requested} lines have no source ({code}): line {names}{more}"


def failure(
    order_id: str, request: SourcingRequest, failed_plan: FailedPlan, lines: Sequence[RequestedLine]
) -> SourcingResult:
    """Return the result of an order that could not be planned. It does not wait: somebody has to look."""
    return SourcingResult(
        order_id=order_id,
        effect_id=request.effect_id,
        outcome=SourcingOutcome.NONE,
        code=failed_plan.code,
        detail=failed_plan.detail,
        unsourced=quantities(lines),
    )
