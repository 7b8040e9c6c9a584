"""Where plans become reservations, results and lines that wait: for requests in a batch, and for stock that came."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from app.events.ids import derive
from app.events.model import SourcingResult
from app.inventory import result_bodies
from app.inventory.checked_plans import Asked, Failed, Planned, Planner, count_lines
from app.inventory.ledger_values import RELEASED, Chosen, Explained, Request, Reservation, Sourced, Waiting, Wanted
from app.inventory.preferences import Preferences
from app.inventory.record_effects import closed
from app.inventory.result_bodies import Answer
from app.inventory.stock_book import Book
from app.inventory.waiters import Line, Waiter


class Cause(NamedTuple):
    """What made lines be looked at, and when (ms)."""

    event_id: str
    at: int


class Desk:
    """Plans, and books what was planned. Keeps nothing: what it decides is in the book and in the answers."""

    def __init__(self, planner: Planner, preferences: Preferences) -> None:
        """`preferences` are the file's."""
        self.planner, self.file = planner, preferences

    def preferences(self, book: Book, pool: str) -> Preferences:
        """As they are now."""
        return self.file.under(book.find(Chosen, pool))

    def priority(self, channel: str) -> int:
        return self.file.priorities.get(channel, 0)

    # ---- requests ----

    def batch(self, book: Book, order_ids: Sequence[str]) -> list[Answer]:
        """Answers the requests of these orders, planned together by pool."""
        found = [order for order_id in order_ids if (order := book.order(order_id)) is not None and order.asked]
        said = []
        for pool in dict.fromkeys(order.pool for order in found):
            asked = [Asked(order, order.lines) for order in found if order.pool == pool]
            at = max(order.asked.at for order in found if order.pool == pool and order.asked)
            for each, planned in self.planner.plan(book, pool, asked, at):
                said.append(self._answered(book, each, planned, at))
        return said

    def _answered(self, book: Book, asked: Asked, planned: Planned | Failed, at: int) -> Answer:
        order, request = asked.order, asked.order.asked
        assert request is not None, "only orders with a request are in a batch"
        if isinstance(planned, Failed):
            body = result_bodies.failure(order.order_id, request, planned, asked.lines)
            after = replace(order, waiting=())
        else:
            after, body = self._planned(book, asked, planned, request, at)
        book.keep(closed(replace(after, lines=(), asked=None, request=request), request.at))
        return Answer(derive(request.event_id, "result"), at, request.event_id, request.trace, body)

    def _planned(
        self, book: Book, asked: Asked, planned: Planned, request: Request, at: int
    ) -> tuple[Sourced, SourcingResult]:
        order, unsourced = asked.order, _unsourced(asked, planned)
        before = any(held.status != RELEASED for held in order.reservations)
        after, body = self._booked(book, asked, planned, request, at)
        preferences = self.preferences(book, order.pool)
        waiting = _waiting(order, unsourced, request.at, preferences) if preferences.backorders else ()
        reason = result_bodies.why(planned.plan) if unsourced else "sourced" if asked.lines else result_bodies.NOTHING
        partly = before or bool(planned.plan.allocations)
        body = replace(
            body,
            outcome="sourced" if not unsourced else "partial" if partly else "none",
            code=reason,
            detail=result_bodies.sentence(unsourced, len(asked.lines), reason),
            unsourced=result_bodies.quantities(unsourced),
            waits=bool(waiting),
            cancel_at=_cancel_at(waiting),
        )
        return replace(after, waiting=waiting), body

    # ---- lines that wait ----

    def wake(
        self, book: Book, waiters: Sequence[Waiter], causes: Mapping[str, Cause]
    ) -> tuple[list[Answer], set[Line]]:
        """Sources lines of one pool whose turn it is; `causes` by SKU. The results, and which lines have a source."""
        lines: dict[str, dict[str, Cause]] = {}
        for waiter in waiters:
            lines.setdefault(waiter.order_id, {})[waiter.line_id] = causes[waiter.item[1]]
        asked = [found for order_id, of in lines.items() if (found := self._waiting_now(book, order_id, of)).lines]
        said: list[Answer] = []
        sourced: set[Line] = set()
        if not asked:
            return said, sourced
        at = max(cause.at for of in lines.values() for cause in of.values())
        for each, planned in self.planner.plan(book, asked[0].order.pool, asked, at):
            if isinstance(planned, Planned) and planned.plan.allocations:
                cause = next(iter(lines[each.order.order_id].values()))
                said.append(self._released(book, each, planned, cause))
                sourced.update((each.order.order_id, part.line_id) for part in planned.plan.allocations)
        return said, sourced

    def _waiting_now(self, book: Book, order_id: str, line_ids: Mapping[str, Cause]) -> Asked:
        """The lines that wait still; all of the order's where its lines must be planned together."""
        order = book.order(order_id)
        if order is None or order.asked:
            return Asked(order or Sourced(order_id, ""), ())
        wanted = [line for line in order.waiting if line.line_id in line_ids]
        if wanted and self.planner.whole_orders:
            wanted = list(order.waiting)
        return Asked(order, tuple(Wanted(line.line_id, line.sku, line.quantity) for line in wanted))

    def _released(self, book: Book, asked: Asked, planned: Planned, cause: Cause) -> Answer:
        order, request = asked.order, asked.order.request
        assert request is not None, "a line waits only after a request was answered"
        after, body = self._booked(book, asked, planned, request, cause.at)
        given = {part.line_id for part in planned.plan.allocations}
        waiting = tuple(line for line in order.waiting if line.line_id not in given)
        still = tuple(Wanted(line.line_id, line.sku, line.quantity) for line in waiting)
        body = replace(
            body,
            outcome="released",
            code="released",
            unsourced=result_bodies.quantities(still),
            waits=bool(waiting),
            cancel_at=_cancel_at(waiting),
        )
        book.keep(closed(replace(after, waiting=waiting), cause.at))
        event_id = derive(f"{order.order_id}/released", after.issued)
        return Answer(event_id, cause.at, cause.event_id, request.trace, body)

    # ---- both ----

    def _booked(
        self, book: Book, asked: Asked, planned: Planned, request: Request, at: int
    ) -> tuple[Sourced, SourcingResult]:
        """The order with its reservations, and a result that says nothing yet of what is left."""
        order, plan = asked.order, planned.plan
        skus = {line.line_id: line.sku for line in asked.lines}
        parts = [
            Reservation(part.line_id, skus[part.line_id], part.warehouse, part.quantity) for part in plan.allocations
        ]
        issued = result_bodies.fulfillment_orders(order, plan, self.planner)
        after = replace(book.reserve(order, parts), issued=order.issued + len(issued))
        for each in issued:
            count_lines(book, self.planner.sources[each.warehouse], at, len(each.lines))
        told, gap = result_bodies.explanations(plan, self.planner), result_bodies.gap(planned)
        missing = result_bodies.quantities(_unsourced(asked, planned))
        explained = Explained(order.order_id, after.issued, at, planned.solver, gap, plan.strategy, missing, told)
        if told:
            book.keep(explained)
        body = SourcingResult(
            order.order_id,
            request.effect_id,
            "",
            "",
            fulfillment_orders=issued,
            explanations=told,
            solver=planned.solver,
            gap=gap,
            strategy=plan.strategy,
        )
        return after, body


def _unsourced(asked: Asked, planned: Planned) -> tuple[Wanted, ...]:
    return tuple(line for line in asked.lines if line.line_id in planned.plan.unsourced)


def _waiting(order: Sourced, unsourced: Sequence[Wanted], at: int, preferences: Preferences) -> tuple[Waiting, ...]:
    """Lines that wait from now on; one that waited already keeps its place and its last day."""
    known = {line.line_id: (line.since, line.cancel_at) for line in order.waiting}
    new = (at, preferences.cancel_at(at))
    return tuple(Waiting(line.line_id, line.sku, line.quantity, *known.get(line.line_id, new)) for line in unsourced)


def _cancel_at(waiting: Sequence[Waiting]) -> int | None:
    return min((line.cancel_at for line in waiting), default=None)
