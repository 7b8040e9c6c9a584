"""The flow engine: `step` applies one event to one order. Pure: the same input gives the same output, byte for byte.

Nothing is read from a clock: times are those of the input event. Nothing is drawn: ids are derived from the input
event's id.

Requirements: S7.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.domain.command_names import OrderCommandName
from app.domain.event_names import EventName
from app.domain.lifecycle import Status
from app.domain.order import Order, OrderState
from app.domain.vocabulary import Term
from app.errors import RecordError
from app.events.model import Event, OrderCommand, OrderCreated, ProviderEvent, ProviderResult, SourcingResult
from app.flows.flow_run import Run
from app.flows.loading.flow_compiler import Flow
from app.flows.reactions.order_commands import carry_out_command
from app.flows.reactions.provider_answers import apply_provider_result
from app.flows.reactions.provider_reports import apply_provider_event
from app.flows.reactions.sourcing_results import apply_sourcing_result, tell_source

CREATED: Final = EventName.ORDER_CREATED


class StepOutcome(Term):
    """What an event did to its order."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """It was applied before."""
    IGNORED = "ignored"
    """It is about something that is over."""
    PARKED = "parked"
    """The order cannot take it: it goes to dead-letter, with `code` and `detail`."""
    EARLY = "early"
    """There is no such order yet: `state` is None."""


class Step(Struct, frozen=True):
    """What became of the order. Only an applied event changes the state; `events` are to be written, in this order.

    `synced`: a dual-write row of the order is to be written.
    """

    state: OrderState | None
    cause: Event
    events: tuple[Event, ...] = ()
    synced: bool = False
    outcome: StepOutcome = StepOutcome.APPLIED
    detail: str = ""
    code: str = ""


def step(flow: Flow, state: OrderState | None, event: Event) -> Step:
    """Apply `event` to the order that `state` keeps, which runs `flow`. Never raises for what an event may carry."""
    if state is not None and event.event_id in state.recent:
        return Step(state, event, outcome=StepOutcome.DUPLICATE, detail="the event was applied before")
    try:
        if isinstance(event.body, OrderCreated):
            return _create(flow, state, event, event.body)
        if state is None:
            return Step(None, event, outcome=StepOutcome.EARLY, detail=f"no order {event.order_id!r} yet")
        return _apply(flow, state, event)
    except RecordError as refused:
        return Step(state, event, outcome=StepOutcome.PARKED, detail=refused.detail, code=refused.code)


def _apply(flow: Flow, state: OrderState, event: Event) -> Step:
    handle = _HANDLERS.get(type(event.body))
    if handle is None:
        raise RecordError("invalid", f"{event.name!r} is not an input of an order")
    if event.body.order_id != state.order.order_id:  # type: ignore[union-attr]
        raise RecordError("invalid", f"the event is about {event.order_id!r}, the order is {state.order.order_id!r}")
    if state.forgotten_at and not is_forget(event):
        return Step(state, event, outcome=StepOutcome.IGNORED, detail="the order's personal data was removed")
    run = Run(flow, state, event)
    ignored = handle(run, event.body)
    return Step(state, event, outcome=StepOutcome.IGNORED, detail=ignored) if ignored else _step(run)


def is_forget(event: Event) -> bool:
    """Return whether the event is the command to remove an order's personal data."""
    return isinstance(event.body, OrderCommand) and event.body.command == OrderCommandName.FORGET


def _create(flow: Flow, state: OrderState | None, event: Event, body: OrderCreated) -> Step:
    content = digest(body.order)
    if state is not None:
        if content == state.content:
            return Step(
                state,
                event,
                outcome=StepOutcome.DUPLICATE,
                detail="the order was created before, with the same content",
            )
        raise RecordError(
            "other-content",
            f"order {event.order_id!r} exists with other content; change it by a command, or send it under another id",
        )
    if body.order.order_id != event.order_id:
        raise RecordError("invalid", f"the event is about {event.order_id!r}, its order is {body.order.order_id!r}")
    order = _as_new(body.order)
    references = ((order.origin, order.source_ref),) if order.source_ref else ()
    fresh = OrderState(order, flow.name, flow.version, content=content, references=references)
    run = Run(flow, fresh, event)
    run.apply(CREATED, order, event_id=event.event_id)
    run.offer(CREATED)
    return _step(run)


def _step(run: Run) -> Step:
    tell_source(run, run.before)
    return Step(run.final_state(), run.cause, tuple(run.events), run.needs_sync())


def _as_new(order: Order) -> Order:
    """Return a new order as New, whatever its producer claims; one without a company is never ready to sync (S5)."""
    state, reason = Status.NEW.value
    ready = order.ready_to_sync and order.company is not None
    if all((line.state, line.reason) == Status.NEW.value for line in order.lines):
        lines = order.lines
    else:
        lines = tuple(replace(line, state=state, reason=reason) for line in order.lines)
    return replace(order, lines=lines, state=state, reason=reason, ready_to_sync=ready)


def digest(order: Order) -> str:
    """Return a digest that tells a copy of an order from another order with the same id."""
    return blake2b(_encode(order), digest_size=16).hexdigest()


_encode = msgspec.msgpack.Encoder().encode
_HANDLERS: Final[Mapping[type, Callable[[Run, Any], str]]] = {
    ProviderEvent: apply_provider_event,
    ProviderResult: apply_provider_result,
    SourcingResult: apply_sourcing_result,
    OrderCommand: carry_out_command,
}
