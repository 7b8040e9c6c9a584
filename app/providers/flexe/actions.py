"""Actions of Flexe: requests become calls, replies become results (webhook.py maps what it reports). Pure.

No public specification of Flexe's API exists: the wire is our own contract, docs/providers/flexe.md. A real one is
dropped in here.

Requirements: S25, S36, S53.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from app.domain.lifecycle import Status
from app.domain.order import Address, Line, Order
from app.events.model import FulfillmentRequested
from app.providers.flexe import quantities
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply, decode, decode_object
from app.providers.port import Action, Code, Outcome, Result

SEND_ORDER_TO_FULFILLMENT: Final = "Send order to fulfillment"
ACTIONS: Final = frozenset({SEND_ORDER_TO_FULFILLMENT})

ORDERS: Final = "/v1/outbound-orders"
CANCELLED: Final = "cancelled"
_JSON: Final = (("content-type", "application/json"),)


class OutboundAddress(Struct, frozen=True):
    name: str
    company: str
    address: str
    city: str
    region: str
    postal_code: str
    country: str
    email: str
    phone: str


class OutboundItem(Struct, frozen=True):
    """`line_ref` is our line id: it comes back with every shipment."""

    line_ref: str
    sku: str
    quantity: str


class OutboundOrder(Struct, frozen=True):
    """The body of a creation. `external_id` is our order id. There is no company, since Flexe has none."""

    external_id: str
    owner_id: str
    warehouse_id: str | None
    requested_ship_date: str | None
    ship_to: OutboundAddress
    items: tuple[OutboundItem, ...]


def outbound_order(action: Action, owner_id: str) -> OutboundOrder | Result:
    """Return the order to send, without canceled lines, or the refusal of an action that cannot be meant for Flexe."""
    body = action.body
    if action.name not in ACTIONS or not isinstance(body, FulfillmentRequested):
        return Result(Outcome.DECLINED, Code.UNSUPPORTED, f"flexe has no action {action.name!r} for this request")
    lines = [line for line in body.order.lines if line.state != Status.CANCELED.state]
    if not lines:
        return _invalid("the order has no line to ship: all are canceled, or it has none")
    if unshippable := [line.line_id for line in lines if line.quantity <= 0]:
        return _invalid(f"lines {', '.join(unshippable)} have no quantity above 0; change or cancel them")
    return _mapped(body.order, lines, owner_id)


def _mapped(order: Order, lines: Sequence[Line], owner_id: str) -> OutboundOrder:
    return OutboundOrder(
        external_id=order.order_id,
        owner_id=owner_id,
        warehouse_id=order.warehouse or None,
        requested_ship_date=_date(order.requested_ship_date),
        ship_to=_ship_to(order.ship_to),
        items=tuple(OutboundItem(line.line_id, line.sku, quantities.to_text(line.quantity)) for line in lines),
    )


def _invalid(detail: str) -> Result:
    return Result(Outcome.DECLINED, Code.INVALID, detail)


def _ship_to(address: Address) -> OutboundAddress:
    return OutboundAddress(
        name=address.name,
        company=address.company,
        address=address.street,
        city=address.city,
        region=address.region,
        postal_code=address.postal_code,
        country=address.country,
        email=address.email,
        phone=address.phone,
    )


def _date(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms // 1000, UTC).date().isoformat()


def create(order: OutboundOrder) -> Call:
    return Call(Intent.CREATE, "POST", ORDERS, body=msgspec.json.encode(order), headers=_JSON)


def find(order_id: str) -> Call:
    return Call(Intent.READ, "GET", ORDERS, (("external_id", order_id),))


def find_result(reply: Reply, order: OutboundOrder) -> Result | None:
    """Return the result of a lookup by our order id; None for none. Raises MalformedReplyError."""
    existing = next(iter(_own_rows(reply, order.external_id)), None)
    return None if existing is None else _accepted(existing, order)


def references_in(reply: Reply, order_id: str) -> list[str]:
    """Return the ids of the orders of a lookup, without those that are canceled beside another one."""
    rows = _own_rows(reply, order_id)
    valid = [row for row in rows if row.get("status") != CANCELLED]
    return [str(row["id"]) for row in valid or rows[:1]]


def _own_rows(reply: Reply, order_id: str) -> list[dict[str, Any]]:
    """Return the rows that have our order id, byte for byte. Raises MalformedReplyError."""
    rows = decode_object(reply).get("outbound_orders")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "id" in row for row in rows):
        raise MalformedReplyError("expected an array of objects with an id as outbound_orders")
    return [row for row in rows if row.get("external_id") == order_id]


def created_result(reply: Reply, order: OutboundOrder) -> Result:
    """Return the result of a creation. Raises MalformedReplyError."""
    return _accepted(decode_object(reply), order)


def _accepted(existing: Any, order: OutboundOrder) -> Result:
    """Return the result for an order that Flexe has: OK, unless it is canceled there or has other goods."""
    if not isinstance(existing, dict) or not isinstance(existing.get("id"), str) or not existing["id"]:
        raise MalformedReplyError("expected an outbound order with text as id")
    if existing.get("external_id") != order.external_id:
        raise MalformedReplyError(f"expected external_id {order.external_id!r}, got {existing.get('external_id')!r}")
    reference = existing["id"]
    if existing.get("status") == CANCELLED:
        return _conflict(f"flexe has canceled {reference}; an order with this id is not taken again", reference)
    if not _same_goods(existing, order):
        return _conflict(f"flexe has {reference} with other lines or quantities; make both sides alike", reference)
    return Result(Outcome.OK, Code.OK, reference=reference)


def _conflict(detail: str, reference: str) -> Result:
    return Result(Outcome.DECLINED, Code.CONFLICT, detail, reference)


def _same_goods(existing: Mapping[str, Any], order: OutboundOrder) -> bool:
    items = existing.get("items")
    if not isinstance(items, list):
        raise MalformedReplyError(f"expected an array as items, got {type(items).__name__}")
    ordered = [(item.line_ref, item.sku, quantities.from_text(item.quantity)) for item in order.items]
    return sorted(map(_goods, items)) == sorted(ordered)


def _goods(item: Any) -> tuple[str, str, int]:
    """Return line id, sku and ten-thousandths, however many zeros Flexe writes. Raises MalformedReplyError."""
    try:
        return str(item["line_ref"]), str(item["sku"]), quantities.from_text(item["quantity"])
    except (TypeError, KeyError, ValueError) as exc:
        raise MalformedReplyError(f"expected an item with line_ref, sku and quantity: {exc!r}") from exc


def message_of(reply: Reply) -> str:
    """Return Flexe's message, `{"error": {"code": "...", "message": "..."}}`, or the text of a proxy in between."""
    try:
        body = decode(reply)
    except MalformedReplyError:
        return reply.body[:1000].decode("utf-8", "replace")
    if isinstance(body, dict):
        error = body.get("error")
        source = error if isinstance(error, dict) else body
        return str(source.get("message") or source)
    return str(body)
