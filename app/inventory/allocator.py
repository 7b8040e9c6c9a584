"""Allocation: plans become reservations, results and backorders, for a batch of requests and for stock that came."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from app.domain.outcomes import SourcingOutcome
from app.events.ids import derive
from app.events.model import SourcingResult
from app.inventory import sourcing_answers
from app.inventory.backorder_queue import LineKey, QueuedLine
from app.inventory.checked_plans import CheckedPlan, FailedPlan, OrderToPlan, Planner, count_lines
from app.inventory.ledger_values import (
    RELEASED,
    ExplainedPlan,
    PreferenceOverrides,
    RequestedLine,
    Reservation,
    SourcedOrder,
    SourcingRequest,
    WaitingLine,
)
from app.inventory.preferences import Preferences
from app.inventory.record_effects import settle
from app.inventory.sourcing_answers import SourcingAnswer
from app.inventory.stock_book import StockBook


class Cause(NamedTuple):
    """The event that led to a plan, and its time (ms)."""

    event_id: str
    at: int


class Allocator:
    """Plans orders and books their plans. Keeps nothing: its decisions are in the book and in the answers."""

    def __init__(self, planner: Planner, preferences: Preferences) -> None:
        """`preferences` are the file's."""
        self.planner = planner
        self.file_preferences = preferences

    def preferences(self, book: StockBook, pool: str) -> Preferences:
        """Return the preferences of a pool as they are now."""
        return self.file_preferences.overridden(book.find(PreferenceOverrides, pool))

    def priority(self, channel: str) -> int:
        return self.file_preferences.priorities.get(channel, 0)

    # ---- requests ----

    def answer_requests(self, book: StockBook, order_ids: Sequence[str]) -> list[SourcingAnswer]:
        """Answer the pending requests of these orders, planned together by pool."""
        orders = [order for order_id in order_ids if (order := book.order(order_id)) and order.pending_request]
        answers = []
        for pool in dict.fromkeys(order.pool for order in orders):
            orders_to_plan = [OrderToPlan(order, order.lines) for order in orders if order.pool == pool]
            at = max(order.pending_request.at for order in orders if order.pool == pool and order.pending_request)
            for order_to_plan, plan in self.planner.plan(book, pool, orders_to_plan, at):
                answers.append(self._answer(book, order_to_plan, plan, at))
        return answers

    def _answer(
        self, book: StockBook, order_to_plan: OrderToPlan, plan: CheckedPlan | FailedPlan, at: int
    ) -> SourcingAnswer:
        order = order_to_plan.order
        request = order.pending_request
        assert request is not None, "only orders with a request are in a batch"
        if isinstance(plan, FailedPlan):
            body = sourcing_answers.failure(order.order_id, request, plan, order_to_plan.lines)
            after = replace(order, waiting=())
        else:
            after, body = self._book_request(book, order_to_plan, plan, request, at=at)
        after = replace(after, lines=(), pending_request=None, answered_request=request)
        book.keep(settle(after, request.at))
        event_id = derive(request.event_id, "result")
        return SourcingAnswer(event_id, at, cause_id=request.event_id, trace=request.trace, body=body)

    def _book_request(
        self, book: StockBook, order_to_plan: OrderToPlan, plan: CheckedPlan, request: SourcingRequest, *, at: int
    ) -> tuple[SourcedOrder, SourcingResult]:
        order = order_to_plan.order
        had_reservations = any(each.status != RELEASED for each in order.reservations)
        after, body = self._book(book, order_to_plan, plan, request, at=at)
        unsourced = _unsourced_lines(order_to_plan, plan)
        preferences = self.preferences(book, order.pool)
        waiting = _waiting_lines(order, unsourced, request.at, preferences) if preferences.backorders else ()
        code = _code(order_to_plan, plan)
        body = replace(
            body,
            outcome=_outcome(unsourced, is_partial=had_reservations or bool(plan.plan.allocations)),
            code=code,
            detail=sourcing_answers.shortage_sentence(unsourced, len(order_to_plan.lines), code),
            unsourced=sourcing_answers.quantities(unsourced),
            waits=bool(waiting),
            cancel_at=_earliest_cancellation(waiting),
        )
        return replace(after, waiting=waiting), body

    # ---- waiting lines ----

    def source_waiting(
        self, book: StockBook, queued_lines: Sequence[QueuedLine], causes: Mapping[str, Cause]
    ) -> tuple[list[SourcingAnswer], set[LineKey]]:
        """Source waiting lines of one pool; `causes` are by SKU. Return the answers, and the lines with a source."""
        lines: dict[str, dict[str, Cause]] = {}
        for line in queued_lines:
            lines.setdefault(line.order_id, {})[line.line_id] = causes[line.item.sku]
        candidates = (self._still_waiting(book, order_id, line_causes) for order_id, line_causes in lines.items())
        orders_to_plan = [order_to_plan for order_to_plan in candidates if order_to_plan.lines]
        answers: list[SourcingAnswer] = []
        sourced: set[LineKey] = set()
        if not orders_to_plan:
            return answers, sourced
        at = max(cause.at for line_causes in lines.values() for cause in line_causes.values())
        for order_to_plan, plan in self.planner.plan(book, orders_to_plan[0].order.pool, orders_to_plan, at):
            if isinstance(plan, CheckedPlan) and plan.plan.allocations:
                order_id = order_to_plan.order.order_id
                cause = next(iter(lines[order_id].values()))
                answers.append(self._release(book, order_to_plan, plan, cause))
                sourced.update(LineKey(order_id, part.line_id) for part in plan.plan.allocations)
        return answers, sourced

    def _still_waiting(self, book: StockBook, order_id: str, line_ids: Mapping[str, Cause]) -> OrderToPlan:
        """Return the lines that still wait; all of the order's where its lines must be planned together."""
        order = book.order(order_id)
        if order is None or order.pending_request:
            return OrderToPlan(order or SourcedOrder(order_id, ""), ())
        waiting = [line for line in order.waiting if line.line_id in line_ids]
        if waiting and self.planner.whole_orders:
            waiting = list(order.waiting)
        return OrderToPlan(order, _requested_lines(waiting))

    def _release(self, book: StockBook, order_to_plan: OrderToPlan, plan: CheckedPlan, cause: Cause) -> SourcingAnswer:
        order = order_to_plan.order
        request = order.answered_request
        assert request is not None, "a line waits only after a request was answered"
        after, body = self._book(book, order_to_plan, plan, request, at=cause.at)
        sourced = {part.line_id for part in plan.plan.allocations}
        waiting = tuple(line for line in order.waiting if line.line_id not in sourced)
        body = replace(
            body,
            outcome=SourcingOutcome.RELEASED,
            code=SourcingOutcome.RELEASED,
            unsourced=sourcing_answers.quantities(_requested_lines(waiting)),
            waits=bool(waiting),
            cancel_at=_earliest_cancellation(waiting),
        )
        book.keep(settle(replace(after, waiting=waiting), cause.at))
        event_id = derive(f"{order.order_id}/released", after.issued)
        return SourcingAnswer(event_id, cause.at, cause_id=cause.event_id, trace=request.trace, body=body)

    # ---- both ----

    def _book(
        self, book: StockBook, order_to_plan: OrderToPlan, plan: CheckedPlan, request: SourcingRequest, *, at: int
    ) -> tuple[SourcedOrder, SourcingResult]:
        """Return the order with its reservations, and a result that says nothing yet of lines without a source."""
        order = order_to_plan.order
        fulfillment_orders = sourcing_answers.fulfillment_orders(order, plan.plan, self.planner)
        after = book.reserve(order, _reservations(order_to_plan, plan))
        after = replace(after, issued=order.issued + len(fulfillment_orders))
        for each in fulfillment_orders:
            count_lines(book, self.planner.sources[each.warehouse], at, len(each.lines))
        explained = ExplainedPlan(
            order_id=order.order_id,
            issued=after.issued,
            at=at,
            solver=plan.solver,
            gap=sourcing_answers.gap(plan),
            strategy=plan.plan.strategy,
            unsourced=sourcing_answers.quantities(_unsourced_lines(order_to_plan, plan)),
            explanations=sourcing_answers.explanations(plan.plan, self.planner),
        )
        if explained.explanations:
            book.keep(explained)
        body = SourcingResult(
            order_id=order.order_id,
            effect_id=request.effect_id,
            outcome="",
            code="",
            fulfillment_orders=fulfillment_orders,
            explanations=explained.explanations,
            solver=explained.solver,
            gap=explained.gap,
            strategy=explained.strategy,
        )
        return after, body


def _reservations(order_to_plan: OrderToPlan, plan: CheckedPlan) -> list[Reservation]:
    skus = {line.line_id: line.sku for line in order_to_plan.lines}
    return [
        Reservation(part.line_id, skus[part.line_id], part.warehouse, part.quantity) for part in plan.plan.allocations
    ]


def _requested_lines(waiting: Sequence[WaitingLine]) -> tuple[RequestedLine, ...]:
    return tuple(RequestedLine(line.line_id, line.sku, line.quantity) for line in waiting)


def _unsourced_lines(order_to_plan: OrderToPlan, plan: CheckedPlan) -> tuple[RequestedLine, ...]:
    return tuple(line for line in order_to_plan.lines if line.line_id in plan.plan.unsourced)


def _outcome(unsourced: Sequence[RequestedLine], *, is_partial: bool) -> str:
    if not unsourced:
        return SourcingOutcome.SOURCED
    return SourcingOutcome.PARTIAL if is_partial else SourcingOutcome.NONE


def _code(order_to_plan: OrderToPlan, plan: CheckedPlan) -> str:
    if _unsourced_lines(order_to_plan, plan):
        return sourcing_answers.shortage_code(plan.plan)
    return SourcingOutcome.SOURCED if order_to_plan.lines else sourcing_answers.NOTHING


def _waiting_lines(
    order: SourcedOrder, unsourced: Sequence[RequestedLine], at: int, preferences: Preferences
) -> tuple[WaitingLine, ...]:
    """Return the lines that wait from now on; one that waited before keeps its place and its last day."""
    times_before = {line.line_id: (line.since, line.cancel_at) for line in order.waiting}
    lines = []
    for line in unsourced:
        since, cancel_at = times_before.get(line.line_id, (at, preferences.cancel_at(at)))
        lines.append(WaitingLine(line.line_id, line.sku, line.quantity, since=since, cancel_at=cancel_at))
    return tuple(lines)


def _earliest_cancellation(waiting: Sequence[WaitingLine]) -> int | None:
    return min((line.cancel_at for line in waiting), default=None)
