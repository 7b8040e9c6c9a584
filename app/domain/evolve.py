"""The evolution of an order by one event: its status, its lines, its timeline, the lineage of its fields. Pure.

Deciding what happens next is absent: that is the flow engine's business. What cannot be applied raises RecordError,
whose code and sentence go with the parked record.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from app.domain.lifecycle import MILESTONES, RANKS, TERMINAL, TRANSITIONS, Status
from app.domain.order import TIMELINE_MAX, Line, Lineage, LineQuantity, Order, OrderState, Partial, TimelineEntry
from app.errors import RecordError

_ROWS: Final = {
    (str(before.state), str(before.reason), str(event)): None
    if after is None
    else (str(after.state), str(after.reason))
    for (before, event), after in TRANSITIONS.items()
}
"""The transition table by plain strings: an order keeps its state and reason as a record brings them, and hashing a
Status costs more than all the rest of a look-up."""
_STATUS_AT: Final = {rank: status for status, rank in RANKS.items()}
_CANCELED: Final = Status.CANCELED.state
_HELD: Final = Status.HELD.state


def status_after(state: str, reason: str, event: str) -> tuple[str, str] | None:
    """Return (state, reason) after `event`, or None where it changes nothing.

    Raises RecordError("no-transition") when the transition table has no row for it.
    """
    try:
        return _ROWS[state, reason, event]
    except KeyError:
        raise RecordError(
            "no-transition",
            f"{event!r} is not expected while the order is {state!r} ({reason!r}): no row in the transition table",
        ) from None


def expects(order: Order, event: str) -> bool:
    """Return whether the transition table has a row for `event` and the order's status."""
    return (order.state, order.reason, event) in _ROWS


def move_order(order: Order, event: str) -> Order:
    """Return the order after an event of the order as a whole. Lines that stand where the order stands go with it.

    Lines that are ahead of it stay (some were shipped already when the rest was held), and so do canceled ones. Raises
    RecordError("no-transition").
    """
    after = status_after(order.state, order.reason, event)
    if after is None:
        return order
    (state, reason), here, here_reason = after, order.state, order.reason
    lines = [
        replace(line, state=state, reason=reason) if line.reason == here_reason and line.state == here else line
        for line in order.lines
    ]
    return replace(order, state=state, reason=reason, lines=tuple(lines))


def move_header(order: Order, event: str) -> Order:
    """Return the order after an event that its lines had each on its own; the same where it expects none."""
    after = _ROWS.get((order.state, order.reason, event))
    return order if after is None else replace(order, state=after[0], reason=after[1])


def move_some_lines(order: Order, event: str, line_ids: Collection[str]) -> Order:
    """Return the order with those of the lines moved that have a row for the event."""
    return _with_lines(
        order, [_move_line(line, event, is_late=False) if line.line_id in line_ids else line for line in order.lines]
    )


def furthest_milestone(order: Order, raised: Iterable[str]) -> int:
    """Return the furthest milestone of the order as a whole, 0 for none.

    A hold hides it from the status, so `raised` counts too.
    """
    rank = RANKS.get((order.state, order.reason), 0)
    for event in raised:
        rank = max(rank, MILESTONES[event])
    return rank


def would_go_back(state: OrderState, event: str) -> bool:
    """Return whether `event` would take the order to a status before a milestone that its goods have reached."""
    after = _ROWS.get((state.order.state, state.order.reason, event))
    return after is not None and RANKS.get(after, 0) < furthest_milestone(state.order, state.raised)


def progress(state: OrderState) -> tuple[str, str]:
    """Return (state, reason) as others see it: the furthest milestone is true of the goods, even during a hold."""
    furthest = max((MILESTONES[event] for event in state.raised), default=0)
    return _STATUS_AT.get(furthest, (state.order.state, state.order.reason))


def is_overtaken(state: OrderState, event: str) -> bool:
    """Return whether `event` is a milestone that the order as a whole has reached already, or passed."""
    return 0 < MILESTONES.get(event, 0) <= furthest_milestone(state.order, state.raised)


def move_lines(state: OrderState, event: str, quantities: Sequence[LineQuantity]) -> tuple[Order, tuple[Partial, ...]]:
    """Move the lines that reached `event` in full. Return the order, and how far the lines are that did so in part.

    Quantities add up over several documents; 0 means all that is left of the line. No `quantities` means every line;
    then lines that have no row for the event (canceled ones) stay. A held line stays so when the event is overtaken: it
    was there before the hold. Raises RecordError when a reported line is unknown or has no row.
    """
    order, is_late = state.order, is_overtaken(state, event)
    if not quantities:
        partials = state.partials and tuple([partial for partial in state.partials if partial.event != event])
        return _with_lines(order, [_move_line(line, event, is_late) for line in order.lines]), partials
    reported = _quantities_by_line(order, quantities)
    progress_of = {(partial.line_id, partial.event): partial for partial in state.partials}
    lines = []
    for line in order.lines:
        if line.line_id in reported and not (is_late and line.state == _HELD):
            line = _progress_line(line, event, reported[line.line_id], progress_of)
        lines.append(line)
    return _with_lines(order, lines), tuple(progress_of.values())


def _move_line(line: Line, event: str, is_late: bool) -> Line:
    after = _ROWS.get((line.state, line.reason, event))
    if after is None or (is_late and line.state == _HELD):
        return line
    return replace(line, state=after[0], reason=after[1])


def _with_lines(order: Order, lines: list[Line]) -> Order:
    """Return the same order when no line moved, so that "nothing changed" is cheap to see."""
    if all(before is after for before, after in zip(order.lines, lines, strict=True)):
        return order
    return replace(order, lines=tuple(lines))


def _quantities_by_line(order: Order, quantities: Sequence[LineQuantity]) -> dict[str, int]:
    """Return the quantity reported by line id, 0 for all that remains. A report may name a line by its reference."""
    ids = {line.reference: line.line_id for line in order.lines if line.reference}
    ids.update((line.line_id, line.line_id) for line in order.lines)
    quantity_by_line: dict[str, int] = {}
    for reported in quantities:
        line_id = ids.get(reported.line_id) or ids.get(reported.reference)
        if line_id is None:
            raise RecordError("unknown-line", f"the order has no line {reported.line_id or reported.reference!r}")
        if reported.quantity < 0:
            raise RecordError("invalid", f"line {line_id!r}: a reported quantity is never negative")
        whole = reported.quantity == 0 or quantity_by_line.get(line_id) == 0
        quantity_by_line[line_id] = 0 if whole else quantity_by_line.get(line_id, 0) + reported.quantity
    return quantity_by_line


def _progress_line(line: Line, event: str, quantity: int, partials: dict[tuple[str, str], Partial]) -> Line:
    after = _line_after(line, event)
    so_far = partials.pop((line.line_id, event), None)
    total = quantity + (so_far.quantity if so_far else 0)
    if after is line or event not in MILESTONES or quantity == 0 or total >= line.quantity:
        return after
    partials[line.line_id, event] = Partial(line.line_id, event, total)
    return line


def _line_after(line: Line, event: str) -> Line:
    try:
        after = _ROWS[line.state, line.reason, event]
    except KeyError:
        raise RecordError(
            "no-transition",
            f"{event!r} is not expected while line {line.line_id!r} is {line.state!r} ({line.reason!r}): "
            "no row in the transition table",
        ) from None
    if after is None:
        return line
    return replace(line, state=after[0], reason=after[1])


def shared_milestone(order: Order) -> int | None:
    """Return the furthest milestone that every line has reached, canceled lines aside; None when no line remains."""
    ranks = [RANKS.get((line.state, line.reason), 0) for line in order.lines if line.state != _CANCELED]
    return min(ranks, default=None)


def add_entry(timeline: tuple[TimelineEntry, ...], entry: TimelineEntry) -> tuple[TimelineEntry, ...]:
    """Return the timeline with `entry`, without the oldest beyond TIMELINE_MAX: these are on the topics alone."""
    return (*timeline[-TIMELINE_MAX + 1 :], entry)


def merge_lineage(lineage: tuple[Lineage, ...], changes: Sequence[Lineage]) -> tuple[Lineage, ...]:
    """Return one entry for each field: the last event and rule that set it."""
    if not changes:
        return lineage
    latest = {entry.field: entry for entry in lineage}
    latest.update((change.field, change) for change in changes)
    return tuple(latest.values())


def set_reference(references: tuple[tuple[str, str], ...], provider: str, theirs: str) -> tuple[tuple[str, str], ...]:
    """Return what each provider calls the order; the last answer wins. Without `theirs` nothing changes."""
    if not theirs or (provider, theirs) in references:
        return references
    return (*(pair for pair in references if pair[0] != provider), (provider, theirs))


def changed_lines(before: Order, after: Order) -> list[Line]:
    """Return the lines of `after` whose status is another than in `before`."""
    if before.lines is after.lines:
        return []
    lines_before = {line.line_id: line for line in before.lines}
    return [line for line in after.lines if _stands_elsewhere(lines_before.get(line.line_id), line)]


def _stands_elsewhere(before: Line | None, after: Line) -> bool:
    return before is None or before.reason != after.reason or before.state != after.state


def is_final(order: Order) -> bool:
    """Return whether the order's status is terminal."""
    return (order.state, order.reason) in _FINAL


_FINAL: Final = frozenset(status.value for status in TERMINAL)
