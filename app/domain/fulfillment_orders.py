"""Fulfillment orders applied to an order's lines: a line for each source that ships it, with its warehouse. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from app.domain.lifecycle import RANKS, Status
from app.domain.order import FulfillmentOrder, Line, LineQuantity, Order, OrderState
from app.errors import RecordError

_SHIPPED: Final = RANKS[Status.PACKED.value]
_CANCELED: Final = Status.CANCELED.state
_APART: Final = frozenset({Status.BACKORDERED.value, Status.NOT_FOUND.value})


def split_lines(order: Order, orders: Sequence[FulfillmentOrder]) -> tuple[Order, tuple[FulfillmentOrder, ...]]:
    """Split lines as the fulfillment orders say. Return the order, and the fulfillment orders with the new lines' ids.

    The first part keeps the line's id and place, the others are `<line>/2`, `<line>/3`, ... at the end; amounts are
    shared by quantity, to the ten-thousandth. Raises RecordError("invalid") where a line is not sourced as a whole.
    """
    parts: dict[str, list[str]] = {}
    pieces: dict[str, list[int]] = {}
    for part in (part for fulfillment in orders for part in fulfillment.lines):
        pieces.setdefault(part.line_id, []).append(part.quantity)
    lines: list[Line] = []
    added: list[Line] = []
    for line in order.lines:
        if line.line_id in pieces:
            line, *others = _cut(line, pieces[line.line_id], {other.line_id for other in order.lines})
            parts[line.line_id] = [line.line_id, *(other.line_id for other in others)]
            added += others
        lines.append(line)
    changed = replace(order, lines=(*lines, *added)) if added else order
    return changed, tuple(_name_parts(fulfillment, parts) for fulfillment in orders)


def _cut(line: Line, quantities: list[int], used: Collection[str]) -> list[Line]:
    if sum(quantities) != line.quantity or min(quantities) <= 0:
        raise RecordError("invalid", f"line {line.line_id!r} has {line.quantity}, its sources ship {quantities}")
    free = (f"{line.line_id}/{number}" for number in range(2, len(used) + len(quantities) + 2))
    ids = [line.line_id, *(name for name in free if name not in used)][: len(quantities)]
    totals = [line.total * size // line.quantity for size in quantities[:-1]]
    totals.append(line.total - sum(totals))
    cut = zip(ids, quantities, totals, strict=True)
    return [replace(line, line_id=name, quantity=size, total=total) for name, size, total in cut]


def _name_parts(fulfillment: FulfillmentOrder, parts: Mapping[str, list[str]]) -> FulfillmentOrder:
    """Give each of its lines the next id from `parts`, which gets shorter."""
    lines = tuple(LineQuantity(parts[part.line_id].pop(0), part.quantity, part.line_id) for part in fulfillment.lines)
    return replace(fulfillment, lines=lines)


def place_lines(order: Order, orders: Sequence[FulfillmentOrder]) -> tuple[Order, tuple[str, ...]]:
    """Set the shipping site and warehouse of sourced lines (S63b). Return the order and the paths of what was set."""
    sources = {part.line_id: fulfillment for fulfillment in orders for part in fulfillment.lines}
    lines, set_now = [], []
    for line in order.lines:
        source = sources.get(line.line_id)
        if source is not None and (line.site, line.warehouse) != (source.site, source.warehouse):
            line = replace(line, site=source.site, warehouse=source.warehouse)
            set_now += [f"lines.{line.line_id}.site", f"lines.{line.line_id}.warehouse"]
        lines.append(line)
    return (replace(order, lines=tuple(lines)) if set_now else order), tuple(set_now)


def select_sourced_lines(state: OrderState) -> Order:
    """Return the order with the lines that may go to the ERP (S63c, S64).

    Where sources are determined line by line, these are the lines that have a shipping warehouse; elsewhere all.
    """
    if not state.fulfillment_orders:
        return state.order
    return replace(state.order, lines=tuple(line for line in state.order.lines if line.warehouse))


def has_shipped(line: Line) -> bool:
    """Return whether the line has left its warehouse."""
    return RANKS.get((line.state, line.reason), 0) >= _SHIPPED


def is_canceled(line: Line) -> bool:
    """Return whether the line is canceled."""
    return line.state == _CANCELED


def stands_apart(line: Line) -> bool:
    """Return whether the line has no source, so that it takes no part in what happens to the goods of the order."""
    return (line.state, line.reason) in _APART


def waits(line: Line) -> bool:
    """Return whether the line waits for stock."""
    return (line.state, line.reason) == Status.BACKORDERED.value
