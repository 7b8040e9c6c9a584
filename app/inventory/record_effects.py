"""Effects of stock changes, sourcing requests and commands on the ledger, at once and before anything is planned."""

from typing import NamedTuple

from msgspec.structs import replace

from app.domain.lifecycle import RANKS, STATUS_OF, TERMINAL
from app.domain.order import Line
from app.domain.personal_data import redact
from app.errors import RecordError
from app.events.model import Event, SourcingCommand, SourcingRequested, StockChange
from app.inventory import item_stock
from app.inventory.backorder_queue import ItemKey
from app.inventory.ledger_values import (
    OPEN,
    RECENT_REQUESTS_MAX,
    ExplainedPlan,
    RequestedLine,
    Reservation,
    SourcedOrder,
    SourcingRequest,
)
from app.inventory.stock_book import StockBook
from app.optimizer.gazetteer import Place


class RecordEffect(NamedTuple):
    """The outcome of a record, and the items whose stock may now suffice for lines that wait."""

    outcome: str
    woken: tuple[ItemKey, ...] = ()


def apply_stock_change(book: StockBook, change: StockChange, event_id: str, home: str | None) -> RecordEffect:
    """Book a receipt, adjustment or snapshot. `home` is the pool of the warehouse in the network, None for none.

    Raises RecordError for a pool that is not the warehouse's: two would write its stock.
    """
    if home is not None and home != change.pool:
        problem = f"warehouse {change.warehouse} belongs to pool {home!r}, not {change.pool!r}; send `pool: {home}`"
        raise RecordError("wrong-pool", problem)
    before = book.stock(change.sku)
    after, outcome = item_stock.apply_change(before, change, event_id)
    book.keep_stock(after)
    has_grown = after.shelf(change.warehouse).available > before.shelf(change.warehouse).available
    if outcome in ("set", "added") and home is None:
        outcome = "no-source"
    return RecordEffect(outcome, (ItemKey(change.pool, change.sku),) if has_grown else ())


def take_request(
    book: StockBook, event: Event, body: SourcingRequested, *, place: Place, priority: int
) -> RecordEffect:
    """Note a request: its lines wait for their batch. Canceled, shipped and reserved lines are passed over."""
    order = book.order(body.order.order_id) or SourcedOrder(body.order.order_id, body.pool)
    if event.event_id in order.recent:
        return RecordEffect("repeated")
    lines = tuple(
        RequestedLine(line.line_id, line.sku, line.quantity)
        for line in body.order.lines
        if _needs_source(line) and not order.holds(line.line_id)
    )
    line_ids = {line.line_id for line in lines}
    book.keep(
        replace(
            order,
            pool=body.pool,
            place=place,
            priority=priority,
            wanted_at=body.order.requested_ship_date or 0,
            lines=lines,
            pending_request=SourcingRequest(event.event_id, body.effect_id, event.at, event.trace),
            waiting=tuple(line for line in order.waiting if line.line_id in line_ids),
            recent=(*order.recent, event.event_id)[-RECENT_REQUESTS_MAX:],
            settled_at=0,
        )
    )
    return RecordEffect("asked")


def _needs_source(line: Line) -> bool:
    status = STATUS_OF.get((line.state, line.reason))
    return status not in TERMINAL and (line.state, line.reason) not in RANKS


def confirm_reservations(book: StockBook, body: SourcingCommand, at: int) -> RecordEffect:
    """Confirm what is reserved of lines that have left: it is neither reserved nor there any more."""
    order = book.order(body.order_id)
    if order is None or not any(_is_meant(body, reservation) for reservation in order.reservations):
        return RecordEffect("nothing")
    book.keep(settle(book.confirm(order, lambda reservation: _is_meant(body, reservation)), at))
    return RecordEffect("confirmed")


def forget_order(book: StockBook, body: SourcingCommand) -> RecordEffect:
    """Remove the personal data of an order: where it went, and the explanations that tell how far that is."""
    order = book.order(body.order_id)
    if order is None:
        return RecordEffect("nothing")
    book.keep(redact(order))
    for issued in range(order.issued + 1):
        plan = book.find(ExplainedPlan, f"{order.order_id}/{issued}")
        if plan is not None:
            book.keep(redact(plan))
    return RecordEffect("forgotten")


def release_reservations(book: StockBook, body: SourcingCommand, at: int) -> RecordEffect:
    """Free what is reserved of lines that are not needed. Lines for which no warehouse is named wait no more either."""
    order = book.order(body.order_id)
    if order is None:
        return RecordEffect("nothing")
    freed = tuple({ItemKey(body.pool, each.sku): None for each in order.reservations if _is_meant(body, each)})
    line_ids = {line.line_id for line in body.lines if not line.warehouse}
    after = book.release(order, lambda reservation: _is_meant(body, reservation))
    if line_ids or not body.lines:
        after = replace(
            after,
            lines=tuple(line for line in after.lines if body.lines and line.line_id not in line_ids),
            waiting=tuple(line for line in after.waiting if body.lines and line.line_id not in line_ids),
        )
    if after == order:
        return RecordEffect("nothing")
    book.keep(settle(after, at))
    return RecordEffect("released", freed)


def _is_meant(body: SourcingCommand, reservation: Reservation) -> bool:
    """Return whether a command is about the open reservation. A command without lines is about the whole order."""
    is_named = any(
        line.line_id == reservation.line_id and line.warehouse in ("", reservation.warehouse) for line in body.lines
    )
    return reservation.status == OPEN and (is_named or not body.lines)


def settle(order: SourcedOrder, at: int) -> SourcedOrder:
    """Return the order, settled at that time if nothing of it is open."""
    return replace(order, settled_at=max(1, at) if order.is_final else 0)
