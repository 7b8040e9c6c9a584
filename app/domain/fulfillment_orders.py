"""What fulfillment orders do to an order's lines: a line that several sources ship becomes several, and each line gets
the warehouse that ships it. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from app.domain.lifecycle import RANKS, Status
from app.domain.order import FulfillmentOrder, Line, LineQuantity, Order, OrderState
from app.errors import RecordError

_SHIPPED: Final = RANKS[Status.PACKED.value]
_CANCELED: Final = Status.CANCELED.state
_APART: Final = frozenset({Status.BACKORDERED.value, Status.NOT_FOUND.value})


def taken(order: Order, given: Sequence[FulfillmentOrder]) -> tuple[Order, tuple[FulfillmentOrder, ...]]:
    """The order with lines that are split as the fulfillment orders say, which then name the lines so made.

    The first part keeps the line's id and place, the others are `<line>/2`, `<line>/3`, ... at the end; amounts are
    shared by quantity, to the ten-thousandth. Raises RecordError("invalid") where a line is not sourced as a whole.
    """
    parts: dict[str, list[str]] = {}
    pieces: dict[str, list[int]] = {}
    for asked in (part for found in given for part in found.lines):
        pieces.setdefault(asked.line_id, []).append(asked.quantity)
    lines: list[Line] = []
    added: list[Line] = []
    for line in order.lines:
        if line.line_id in pieces:
            line, *others = _cut(line, pieces[line.line_id], {other.line_id for other in order.lines})
            parts[line.line_id] = [line.line_id, *(other.line_id for other in others)]
            added += others
        lines.append(line)
    changed = replace(order, lines=(*lines, *added)) if added else order
    return changed, tuple(_named(found, parts) for found in given)


def _cut(line: Line, quantities: list[int], used: Collection[str]) -> list[Line]:
    if sum(quantities) != line.quantity or min(quantities) <= 0:
        raise RecordError("invalid", f"line {line.line_id!r} has {line.quantity}, its sources ship {quantities}")
    free = (f"{line.line_id}/{number}" for number in range(2, len(used) + len(quantities) + 2))
    ids = [line.line_id, *(name for name in free if name not in used)][: len(quantities)]
    totals = [line.total * size // line.quantity for size in quantities[:-1]]
    totals.append(line.total - sum(totals))
    cut = zip(ids, quantities, totals, strict=True)
    return [replace(line, line_id=name, quantity=size, total=total) for name, size, total in cut]


def _named(found: FulfillmentOrder, parts: Mapping[str, list[str]]) -> FulfillmentOrder:
    """The next part of each of its lines is taken from `parts`."""
    lines = tuple(LineQuantity(parts[part.line_id].pop(0), part.quantity, part.line_id) for part in found.lines)
    return replace(found, lines=lines)


def placed(order: Order, orders: Sequence[FulfillmentOrder]) -> tuple[Order, tuple[str, ...]]:
    """The order with the shipping site and warehouse of its sourced lines, and the paths of what was set (S63b)."""
    sources = {part.line_id: found for found in orders for part in found.lines}
    lines, set_now = [], []
    for line in order.lines:
        found = sources.get(line.line_id)
        if found is not None and (line.site, line.warehouse) != (found.site, found.warehouse):
            line = replace(line, site=found.site, warehouse=found.warehouse)
            set_now += [f"lines.{line.line_id}.site", f"lines.{line.line_id}.warehouse"]
        lines.append(line)
    return (replace(order, lines=tuple(lines)) if set_now else order), tuple(set_now)


def selected(state: OrderState) -> Order:
    """The order with the lines that may go to the ERP: where sources are determined line by line, those that have a
    shipping warehouse (S63c, S64); elsewhere all."""
    if not state.fulfillment_orders:
        return state.order
    return replace(state.order, lines=tuple(line for line in state.order.lines if line.warehouse))


def has_shipped(line: Line) -> bool:
    return RANKS.get((line.state, line.reason), 0) >= _SHIPPED


def is_canceled(line: Line) -> bool:
    return line.state == _CANCELED


def stands_apart(line: Line) -> bool:
    """Whether the line has no source, so that it takes no part in what happens to the goods of the order."""
    return (line.state, line.reason) in _APART


def waits(line: Line) -> bool:
    """Whether the line waits for stock."""
    return (line.state, line.reason) == Status.BACKORDERED.value
