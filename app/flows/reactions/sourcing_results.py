"""Sourcing results: which lines have a source, which are backordered, which have none (S62-S65). Pure.

Lines of one order may stand at different places: the order's own status moves as docs/adr/0020 says. What is reserved
for lines that nobody wants any more is given back, whenever that turns out.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from app.domain import fulfillment_orders
from app.domain.command_names import PoolCommandName
from app.domain.event_names import EventName
from app.domain.evolve import furthest_milestone, move_header, move_some_lines, shared_milestone
from app.domain.order import FulfillmentOrder, Line, Order, Timer, TimerPurpose
from app.domain.outcomes import SourcingOutcome
from app.errors import RecordError
from app.events.ids import derive
from app.events.model import ReservedLine, SourcingCommand, SourcingResult
from app.flows.flow_run import CANCELED, SOURCE, Run
from app.flows.loading.flow_compiler import Node
from app.flows.milestones import AT, raise_whole
from app.flows.reactions.provider_answers import close_effect

SOURCED: Final = EventName.ORDER_SOURCED
EXPIRED: Final = EventName.BACKORDER_EXPIRED
BACKORDER: Final = TimerPurpose.BACKORDER
_OUTCOMES: Final = frozenset(SourcingOutcome)
_UNSOURCED: Final = {True: EventName.ORDER_BACKORDERED, False: EventName.ORDER_NOT_SOURCED}


def apply_sourcing_result(run: Run, body: SourcingResult) -> str:
    """Apply a result. Return why it was ignored, or "". Raises RecordError for an unknown outcome."""
    if body.outcome not in _OUTCOMES:
        raise RecordError("invalid", f"outcome {body.outcome!r} is none of {', '.join(sorted(_OUTCOMES))}")
    node = run.flow.sourcing
    if node is None:
        raise RecordError("invalid", f"flow {run.flow.name!r} has no step that sources an order")
    effect = run.state.effect(body.effect_id)
    fresh, unwanted = _sort_out(run, body)
    if effect is not None:
        close_effect(run, effect)
        run.finish(node.name)
    elif body.outcome != SourcingOutcome.RELEASED and run.state.order.state != CANCELED:
        return f"effect {body.effect_id!r} is not pending"
    if unwanted:
        send_pool_command(run, PoolCommandName.RELEASE, unwanted)
    if fresh or (body.unsourced and run.state.order.state != CANCELED):
        _take_over(run, node, body, fresh)
    elif not unwanted:
        return "no line wants a source any more"
    else:
        run.note(EventName.SOURCING_RESULT, step=node.name, note="no line wants a source any more: it is released")
    return ""


def _sort_out(run: Run, body: SourcingResult) -> tuple[list[FulfillmentOrder], list[ReservedLine]]:
    """Return the fulfillment orders of lines that still want one, and what else was reserved or waits."""
    recorded = {fulfillment.fulfillment_order_id for fulfillment in run.state.fulfillment_orders}
    lines = {line.line_id: line for line in run.state.order.lines}
    fresh, unwanted = [], []
    for fulfillment in body.fulfillment_orders:
        if fulfillment.fulfillment_order_id in recorded:
            continue
        still_wanted = tuple(part for part in fulfillment.lines if _wants(run, lines.get(part.line_id)))
        unwanted += [
            ReservedLine(part.line_id, fulfillment.warehouse) for part in fulfillment.lines if part not in still_wanted
        ]
        if still_wanted:
            fresh.append(replace(fulfillment, lines=still_wanted))
    if body.waits:
        unwanted += [ReservedLine(part.line_id) for part in body.unsourced if not _wants(run, lines.get(part.line_id))]
    return fresh, unwanted


def _wants(run: Run, line: Line | None) -> bool:
    """Return whether the line wants a source: it is not canceled, has none, and has not left."""
    if (
        line is None
        or fulfillment_orders.is_canceled(line)
        or fulfillment_orders.has_shipped(line)
        or run.state.order.state == CANCELED
    ):
        return False
    return all(
        part.line_id != line.line_id for fulfillment in run.state.fulfillment_orders for part in fulfillment.lines
    )


def _take_over(run: Run, node: Node, body: SourcingResult, fresh: list[FulfillmentOrder]) -> None:
    order, orders = fulfillment_orders.split_lines(run.state.order, fresh)
    sourced = {part.line_id for fulfillment in orders for part in fulfillment.lines}
    order = move_some_lines(order, SOURCED, sourced)
    unsourced = _UNSOURCED[body.waits]
    order = move_some_lines(order, unsourced, _lacking(run, order, body, sourced))
    event = SOURCED if sourced else unsourced
    run.state = replace(run.state, fulfillment_orders=(*run.state.fulfillment_orders, *orders))
    _set_deadline(run, order, body)
    run.apply(event, move_header(order, event), step=node.name, note=_note(body, orders))
    if sourced:
        _go_on(run)


def _lacking(run: Run, order: Order, body: SourcingResult, sourced: Collection[str]) -> set[str]:
    """Return the lines without a source. An answer is about the whole order: a line that it does not name has none."""
    if body.outcome == SourcingOutcome.RELEASED:
        return {part.line_id for part in body.unsourced}
    return {line.line_id for line in order.lines if line.line_id not in sourced and _wants(run, line)}


def _note(body: SourcingResult, orders: Iterable[FulfillmentOrder]) -> str:
    sources = "; ".join(
        f"{fulfillment.warehouse} ships {', '.join(part.line_id for part in fulfillment.lines)}"
        for fulfillment in orders
    )
    lacking = ", ".join(part.line_id for part in body.unsourced)
    return "; ".join(filter(None, (body.outcome, sources, f"no source for {lacking}" if lacking else "", body.detail)))


def _go_on(run: Run) -> None:
    """Run what follows a source once for each lot of lines that got one, also while an earlier lot is under way."""
    for node in run.flow.listening.get(SOURCED, ()):
        if run.has_started(node):
            run.renew(node)
            run.work(node)
    run.offer(SOURCED)


def _set_deadline(run: Run, order: Order, body: SourcingResult) -> None:
    """Set the time at which lines that wait are canceled, as the sourcing engine names it; one for all of an order."""
    timers = tuple(timer for timer in run.state.timers if timer.purpose != BACKORDER)
    waiting = any(map(fulfillment_orders.waits, order.lines))
    if waiting and body.waits and body.cancel_at is not None and timers == run.state.timers:
        timers = (*timers, Timer(derive(body.effect_id, BACKORDER), body.cancel_at, BACKORDER, BACKORDER))
    elif waiting:
        return
    run.state = replace(run.state, timers=timers)


def expire_backorders(run: Run) -> str:
    """Cancel the lines that have waited too long. The other lines are then all of the order."""
    before = run.state.order
    waiting = {line.line_id for line in before.lines if fulfillment_orders.waits(line)}
    if not waiting:
        return "no line waits for stock any more"
    after = move_some_lines(before, EXPIRED, waiting)
    shared = shared_milestone(after)
    if shared is None:
        after = move_header(after, EXPIRED)
    run.apply(EXPIRED, after, note=f"lines {', '.join(sorted(waiting))} found no stock in time")
    if shared is not None and shared > furthest_milestone(after, run.state.raised):
        raise_whole(run, AT[shared], after, "waybill", EventName.BACKORDER_EXPIRED)
    return ""


def tell_source(run: Run, before: Order) -> None:
    """Tell the role `source` what became of reservations: lines that shipped, and lines that are canceled."""
    after = run.state.order
    if run.flow.sourcing is None or after is before:
        return
    old, new = ({line.line_id: line for line in order.lines} for order in (before, after))
    shipped, unwanted = [], []
    for fulfillment in run.state.fulfillment_orders:
        for part in fulfillment.lines:
            line, was = new.get(part.line_id), old.get(part.line_id)
            reserved = ReservedLine(part.reference or part.line_id, fulfillment.warehouse)
            if was is None or fulfillment_orders.has_shipped(was) or fulfillment_orders.is_canceled(was):
                continue
            if line is None or fulfillment_orders.is_canceled(line):
                unwanted.append(reserved)
            elif fulfillment_orders.has_shipped(line):
                shipped.append(reserved)
    backordered = [line for line in before.lines if fulfillment_orders.waits(line)]
    unwanted += [
        ReservedLine(line.line_id)
        for line in backordered
        if fulfillment_orders.is_canceled(new.get(line.line_id, line))
    ]
    for command, lines in ((PoolCommandName.CONFIRM, shipped), (PoolCommandName.RELEASE, unwanted)):
        if lines:
            send_pool_command(run, command, lines)


def send_pool_command(run: Run, command: str, lines: Sequence[ReservedLine]) -> None:
    """Tell the pool that the order was sourced from to do something with it."""
    order = run.state.order
    run.emit(
        EventName.SOURCING_COMMAND,
        SourcingCommand(
            pool=run.flow.pool_of(order),
            command=command,
            order_id=order.order_id,
            lines=tuple(lines),
            values={},
            actor=SOURCE,
        ),
    )
