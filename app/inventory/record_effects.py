"""What records of stock and of orders do to the ledger at once, before anything is planned."""

from typing import NamedTuple

from msgspec.structs import replace

from app.domain.lifecycle import RANKS, STATUS_OF, TERMINAL
from app.domain.order import Line
from app.errors import RecordError
from app.events.model import Event, SourcingCommand, SourcingRequested, StockChange
from app.inventory import item_stock
from app.inventory.ledger_values import OPEN, RECENT_REQUESTS_MAX, Request, Reservation, Sourced, Wanted
from app.inventory.stock_book import Book
from app.inventory.waiters import Item
from app.optimizer.gazetteer import Place


class Taken(NamedTuple):
    """What became of a record, and the items whose stock may now suffice for lines that wait."""

    outcome: str
    woken: tuple[Item, ...] = ()


def stock_changed(book: Book, change: StockChange, event_id: str, home: str | None) -> Taken:
    """A receipt, adjustment or snapshot. `home` is the pool that the network gives the warehouse, if it knows it.

    Raises RecordError for a pool that is not the warehouse's: two would write its stock.
    """
    if home is not None and home != change.pool:
        problem = f"warehouse {change.warehouse} belongs to pool {home!r}, not {change.pool!r}; send `pool: {home}`"
        raise RecordError("wrong-pool", problem)
    before = book.stock(change.sku)
    after, outcome = item_stock.change(before, change, event_id)
    book.keep_stock(after)
    grew = after.shelf(change.warehouse).available > before.shelf(change.warehouse).available
    if outcome in ("set", "added") and home is None:
        outcome = "no-source"
    return Taken(outcome, ((change.pool, change.sku),) if grew else ())


def asked(book: Book, event: Event, body: SourcingRequested, place: Place, priority: int) -> Taken:
    """A request: its lines wait for their batch. Those that are canceled, on their way or reserved are passed over."""
    order = book.order(body.order.order_id) or Sourced(body.order.order_id, body.pool)
    if event.event_id in order.recent:
        return Taken("repeated")
    lines = tuple(
        Wanted(line.line_id, line.sku, line.quantity)
        for line in body.order.lines
        if _is_wanted(line) and not order.holds(line.line_id)
    )
    named = {line.line_id for line in lines}
    book.keep(
        replace(
            order,
            pool=body.pool,
            place=place,
            priority=priority,
            wanted_at=body.order.requested_ship_date or 0,
            lines=lines,
            asked=Request(event.event_id, body.effect_id, event.at, event.trace),
            waiting=tuple(line for line in order.waiting if line.line_id in named),
            recent=(*order.recent, event.event_id)[-RECENT_REQUESTS_MAX:],
            settled_at=0,
        )
    )
    return Taken("asked")


def _is_wanted(line: Line) -> bool:
    status = STATUS_OF.get((line.state, line.reason))
    return status not in TERMINAL and (line.state, line.reason) not in RANKS


def confirmed(book: Book, body: SourcingCommand, at: int) -> Taken:
    """Lines have left: what was reserved of them is neither reserved nor there any more."""
    order = book.order(body.order_id)
    if order is None or not any(_is_meant(body, held) for held in order.reservations):
        return Taken("nothing")
    book.keep(closed(book.confirm(order, lambda held: _is_meant(body, held)), at))
    return Taken("confirmed")


def released(book: Book, body: SourcingCommand, at: int) -> Taken:
    """Lines are not wanted: what was reserved of them is free, and where no warehouse is named they wait no more."""
    order = book.order(body.order_id)
    if order is None:
        return Taken("nothing")
    freed = tuple({(body.pool, held.sku): None for held in order.reservations if _is_meant(body, held)})
    named = {line.line_id for line in body.lines if not line.warehouse}
    after = book.release(order, lambda held: _is_meant(body, held))
    if named or not body.lines:
        after = replace(
            after,
            lines=tuple(line for line in after.lines if body.lines and line.line_id not in named),
            waiting=tuple(line for line in after.waiting if body.lines and line.line_id not in named),
        )
    if after == order:
        return Taken("nothing")
    book.keep(closed(after, at))
    return Taken("released", freed)


def _is_meant(body: SourcingCommand, held: Reservation) -> bool:
    """Whether a command is about the reservation, which is still open; without lines it is about all of the order."""
    named = any(line.line_id == held.line_id and line.warehouse in ("", held.warehouse) for line in body.lines)
    return held.status == OPEN and (named or not body.lines)


def closed(order: Sourced, at: int) -> Sourced:
    """The order, settled if nothing of it is open."""
    return replace(order, settled_at=max(1, at) if order.is_final else 0)
