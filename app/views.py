"""An order as people and programs look at it: plain values, exact decimals as strings, times as RFC 3339."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import asdict

from app.domain.order import AMOUNT_SCALE, Address, FulfillmentOrder, Line, OrderState
from app.events.model import Event, OrderStatus


def amount(value: int) -> str:
    """Ten-thousandths as an exact decimal with four places."""
    return f"{Decimal(value) / AMOUNT_SCALE:.4f}"


def time(at_ms: int | None) -> str | None:
    """Milliseconds since the epoch as RFC 3339, UTC."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def order_view(found: OrderState) -> dict[str, Any]:
    """State, lines, lineage and timeline of one order."""
    order = found.order
    head = {name: value for name, value in asdict(order).items() if isinstance(value, str | bool) or value is None}
    return {
        **head,
        "placed_at": time(order.placed_at),
        "requested_ship_date": time(order.requested_ship_date),
        **{name: amount(getattr(order, name)) for name in ("subtotal", "shipping", "tax", "discount", "total")},
        "flow": found.flow,
        "flow_version": found.flow_version,
        "version": found.version,
        "ship_to": _address(order.ship_to),
        "bill_to": _address(order.bill_to),
        "lines": [_line(line) for line in order.lines],
        "fulfillment_orders": [_fulfillment_order(each) for each in found.fulfillment_orders],
        "references": dict(found.references),
        "waiting_for": [{**asdict(effect), "requested_at": time(effect.requested_at)} for effect in found.effects],
        "timers": [{**asdict(timer), "due_at": time(timer.due_at)} for timer in found.timers],
        "lineage": [asdict(item) for item in found.lineage],
        "timeline": [{**asdict(entry), "at": time(entry.at)} for entry in found.timeline],
    }


def _fulfillment_order(found: FulfillmentOrder) -> dict[str, Any]:
    lines = [{"line_id": line.line_id, "quantity": amount(line.quantity)} for line in found.lines]
    return {**asdict(found), "lines": lines}


def _address(address: Address) -> dict[str, Any]:
    return asdict(address)


def _line(line: Line) -> dict[str, Any]:
    amounts = {name: amount(getattr(line, name)) for name in ("quantity", "unit_price", "total")}
    return asdict(line) | amounts


def status_view(event: Event) -> dict[str, Any]:
    """One record of order-status."""
    body = event.body
    if not isinstance(body, OrderStatus):
        raise TypeError(f"{event.name} is no order status")
    return {
        "at": time(event.at),
        "event_id": event.event_id,
        **asdict(body),
        "lines": [asdict(line) for line in body.lines],
    }
