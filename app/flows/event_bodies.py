"""Bodies of the events that flows write, built from an order. Pure; the structs are in events/model.py."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from app.domain.event_names import EventName
from app.domain.evolve import progress
from app.domain.lifecycle import State
from app.domain.order import Effect, Line, Order, OrderState
from app.events.model import (
    BillingRequested,
    Body,
    ChannelUpdateRequested,
    FulfillmentRequested,
    LineAssignment,
    LineQuantity,
    LineStatus,
    OrderAssigned,
    OrderProgressed,
    OrderStopped,
    OrderValidated,
    PolicyResult,
    SourcingRequested,
)

Results = tuple[PolicyResult, ...]


def line_statuses(lines: Iterable[Line]) -> tuple[LineStatus, ...]:
    """Return the status of each line."""
    return tuple([LineStatus(line.line_id, line.state, line.reason) for line in lines])


def order_validated(order: Order, results: Results) -> Body:
    """Return the body of `order validated`."""
    return OrderValidated(order, results)


def order_assigned(order: Order, results: Results) -> Body:
    """Return the body of `order assigned`."""
    lines = tuple([LineAssignment(line.line_id, line.site, line.warehouse) for line in order.lines])
    return OrderAssigned(
        order_id=order.order_id,
        company=order.company,
        invoice_customer=order.invoice_customer,
        site=order.site,
        warehouse=order.warehouse,
        lines=lines,
        policies=results,
    )


EMITTED: Final[Mapping[str, Callable[[Order, Results], Body]]] = {
    EventName.ORDER_VALIDATED: order_validated,
    EventName.ORDER_ASSIGNED: order_assigned,
}
"""Events that a step emits and that have a topic of their own."""


def order_progressed(order: Order, provider: str, reference: str) -> Body:
    """Return the body of `order picked`, `order shipped` or `order invoiced`."""
    return OrderProgressed(
        order_id=order.order_id,
        provider=provider,
        reference=reference,
        state=order.state,
        reason=order.reason,
        lines=line_statuses(order.lines),
    )


def order_stopped(order: Order, step: str, code: str, detail: str, results: Results) -> Body:
    """Return the body of `order held` or `order rejected`."""
    return OrderStopped(
        order_id=order.order_id,
        step=step,
        state=order.state,
        reason=order.reason,
        code=code,
        detail=detail,
        policies=results,
    )


def build_request(event: str, state: OrderState, effect: Effect, through: str, pool: str) -> Body:
    """Return the body of the request `event` for `effect`, with the order as it is now. `pool` sources the order."""
    return _REQUESTS[event](state, effect, through, pool)


Build = Callable[[OrderState, Effect, str, str], Body]
"""State, effect, who carries it out, pool of warehouses."""


def _with_order(body: type[FulfillmentRequested] | type[BillingRequested]) -> Build:
    def build(state: OrderState, effect: Effect, through: str, _pool: str) -> Body:
        return body(state.order, effect.effect_id, effect.provider, effect.action, effect.attempt, through)

    return build


def _sourcing(state: OrderState, effect: Effect, through: str, pool: str) -> Body:
    request = (effect.effect_id, effect.provider, effect.action, effect.attempt)
    return SourcingRequested(state.order, *request, through, pool)


def _channel_update(state: OrderState, effect: Effect, through: str, _pool: str) -> Body:
    """Report the furthest milestone: what is true of the goods, even while the order is held or a late attempt is
    repeated."""
    order = state.order
    status, reason = progress(state)
    lines = tuple(
        LineQuantity(line.line_id, line.quantity, line.reference)
        for line in order.lines
        if line.state != State.CANCELED
    )
    return ChannelUpdateRequested(
        order_id=order.order_id,
        source_ref=order.source_ref,
        effect_id=effect.effect_id,
        provider=effect.provider,
        action=effect.action,
        attempt=effect.attempt,
        through=through,
        state=status,
        reason=reason,
        lines=lines,
    )


_REQUESTS: Final[Mapping[str, Build]] = {
    EventName.FULFILLMENT_REQUESTED: _with_order(FulfillmentRequested),
    EventName.BILLING_REQUESTED: _with_order(BillingRequested),
    EventName.SOURCING_REQUESTED: _sourcing,
    EventName.CHANNEL_UPDATE_REQUESTED: _channel_update,
}
