"""An order as people and programs look at it: plain values, exact decimals as strings, times as RFC 3339."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import asdict

from app.domain.order import AMOUNT_SCALE, Address, FulfillmentOrder, Line, OrderState
from app.events.model import Event, OrderStatus, SourceExplanation
from app.inventory.item_stock import ItemStock
from app.inventory.ledger_values import BackorderRun, ExplainedPlan, PreferenceChange, SourcedOrder, WaitingLine


def amount(value: int) -> str:
    """Return ten-thousandths as an exact decimal with four places."""
    return f"{Decimal(value) / AMOUNT_SCALE:.4f}"


def time(at_ms: int | None) -> str | None:
    """Return milliseconds since the epoch as RFC 3339, UTC."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def order_view(state: OrderState) -> dict[str, Any]:
    """Return state, lines, lineage and timeline of one order."""
    order = state.order
    head = {name: value for name, value in asdict(order).items() if isinstance(value, str | bool) or value is None}
    return {
        **head,
        "placed_at": time(order.placed_at),
        "requested_ship_date": time(order.requested_ship_date),
        **{name: amount(getattr(order, name)) for name in ("subtotal", "shipping", "tax", "discount", "total")},
        "flow": state.flow,
        "flow_version": state.flow_version,
        "forgotten_at": time(state.forgotten_at or None),
        "version": state.version,
        "ship_to": _address(order.ship_to),
        "bill_to": _address(order.bill_to),
        "lines": [_line(line) for line in order.lines],
        "fulfillment_orders": [_fulfillment_order(each) for each in state.fulfillment_orders],
        "references": dict(state.references),
        "waiting_for": [{**asdict(effect), "requested_at": time(effect.requested_at)} for effect in state.effects],
        "timers": [{**asdict(timer), "due_at": time(timer.due_at)} for timer in state.timers],
        "lineage": [asdict(item) for item in state.lineage],
        "timeline": [{**asdict(entry), "at": time(entry.at)} for entry in state.timeline],
    }


def _fulfillment_order(part: FulfillmentOrder) -> dict[str, Any]:
    lines = [{"line_id": line.line_id, "quantity": amount(line.quantity)} for line in part.lines]
    return {**asdict(part), "lines": lines}


def _address(address: Address) -> dict[str, Any]:
    return asdict(address)


def _line(line: Line) -> dict[str, Any]:
    amounts = {name: amount(getattr(line, name)) for name in ("quantity", "unit_price", "total")}
    return asdict(line) | amounts


def status_view(event: Event) -> dict[str, Any]:
    """Return one record of order-status."""
    body = event.body
    if not isinstance(body, OrderStatus):
        raise TypeError(f"{event.name} is no order status")
    return {
        "at": time(event.at),
        "event_id": event.event_id,
        **{name: value for name, value in asdict(body).items() if name != "occurred_at"},
        "lines": [asdict(line) for line in body.lines],
    }


def sourcing_view(plans: Sequence[ExplainedPlan]) -> list[dict[str, Any]]:
    """Return why each line ships from where it does and from nowhere else, by the last plan about the line."""
    lines: dict[str, dict[str, Any]] = {}
    for plan in plans:
        head = {"at": time(plan.at), "solver": plan.solver, "gap": plan.gap and amount(plan.gap)}
        by_line: dict[str, list[dict[str, Any]]] = {}
        for explanation in plan.explanations:
            by_line.setdefault(explanation.line_id, []).append(_source_view(explanation))
        lines |= {
            name: {"line_id": name, **head, "strategy": plan.strategy, "sources": sources}
            for name, sources in by_line.items()
        }
    return list(lines.values())


def _source_view(source: SourceExplanation) -> dict[str, Any]:
    view = asdict(source) | {"quantity": source.quantity and amount(source.quantity), "terms": dict(source.terms)}
    del view["line_id"]
    return view


def waiting_view(order: SourcedOrder, line: WaitingLine) -> dict[str, Any]:
    """Return one line that waits for stock."""
    return {
        "order_id": order.order_id,
        "line_id": line.line_id,
        "sku": line.sku,
        "quantity": amount(line.quantity),
        "pool": order.pool,
        "priority": order.priority,
        "since": time(line.since),
        "cancel_at": time(line.cancel_at),
    }


def run_view(run: BackorderRun) -> dict[str, Any]:
    """Return one look at lines that wait."""
    return asdict(run) | {"at": time(run.at)}


def change_view(change: PreferenceChange) -> dict[str, Any]:
    """Return one change of preferences."""
    return asdict(change) | {"at": time(change.at), "before": dict(change.before), "after": dict(change.after)}


def stock_view(stock: ItemStock) -> list[dict[str, Any]]:
    """Return what each warehouse has of an item. `short` is what is reserved and not there."""
    return [
        {
            "sku": stock.sku,
            "site": shelf.site,
            "warehouse": warehouse,
            **{name: amount(getattr(shelf, name)) for name in ("on_hand", "reserved", "available", "short")},
            "version": shelf.version,
        }
        for warehouse, shelf in sorted(stock.shelves.items())
    ]
