"""Actions of BigCommerce and the reads of its feed (Orders V2): calls, and replies as values. Pure.

Requirements: S18, S21, S31, S70, S72.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

import msgspec

from app.domain.lifecycle import Reason
from app.events.model import ChannelUpdateRequested
from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply, decode, decode_object
from app.providers.port import Action, Code, Outcome, Result

UPDATE_ORDER_STATUS: Final = "Update order status"
ACTIONS: Final = frozenset({UPDATE_ORDER_STATUS})

AWAITING_FULFILLMENT: Final = 11
SHIPPED: Final = 2
COMPLETED: Final = 10
STATUS_OF_REASON: Final[Mapping[str, int]] = {Reason.PACKED: SHIPPED, Reason.FULFILLED: COMPLETED}

_ORDER_ID: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
"""As BigCommerce writes it: `0500` and `500` would lead to one order."""
_PULLED: Final = re.compile(r"bc-([^-]+)-[0-9]+", re.ASCII)
"""Our id of an order that was pulled: its store and its number there."""
PAGE_ORDERS: Final = 250
"""The most that V2 gives in one page."""


def update_request(action: Action, store: str) -> tuple[str, int] | Result:
    """Return (order id at BigCommerce, status_id), or the refusal of an action that cannot be meant for this store."""
    body = action.body
    if action.name not in ACTIONS or not isinstance(body, ChannelUpdateRequested):
        return Result(Outcome.DECLINED, Code.UNSUPPORTED, f"bigcommerce has no action {action.name!r} for this request")
    status_id = STATUS_OF_REASON.get(body.reason)
    if status_id is None:
        return Result(Outcome.DECLINED, Code.UNSUPPORTED, f"no status of BigCommerce stands for {body.reason!r}")
    if not _ORDER_ID.fullmatch(body.source_ref):
        return Result(Outcome.DECLINED, Code.INVALID, f"{body.source_ref!r} is not an order id of BigCommerce")
    pulled_from = _PULLED.fullmatch(body.order_id)
    if pulled_from is not None and pulled_from[1] != store:
        detail = (
            f"order {body.order_id!r} is of store {pulled_from[1]!r}, and WAYBILL_BIGCOMMERCE_STORE_HASH is {store!r}"
        )
        return Result(Outcome.DECLINED, Code.CONFLICT, detail)
    return body.source_ref, status_id


def read_order(order_id: str) -> Call:
    return Call(Intent.READ, "GET", f"/orders/{order_id}")


def set_status(order_id: str, status_id: int) -> Call:
    body = msgspec.json.encode({"status_id": status_id})
    return Call(Intent.SET, "PUT", f"/orders/{order_id}", body=body, headers=(("content-type", "application/json"),))


def status_id_of(reply: Reply, order_id: str) -> int:
    """Return the id of an order's status, not its name: merchants rename them. Raises MalformedReplyError."""
    order = decode_object(reply)
    status_id = order.get("status_id")
    if not isinstance(status_id, int):
        raise MalformedReplyError(f"expected a whole number as status_id, got {status_id!r}")
    if str(order.get("id")) != order_id:
        raise MalformedReplyError(f"expected order {order_id}, got {order.get('id')!r}")
    return status_id


def is_reached(current: int, status_id: int) -> bool:
    """Return whether an order has the status already. A completed one never goes back to shipped."""
    return current in (status_id, COMPLETED)


def updated(order_id: str, status_id: int, detail: str = "") -> Result:
    return Result(Outcome.OK, Code.OK, detail, order_id, values={"status_id": str(status_id)})


def list_orders(since: int, page: int) -> Call:
    """List orders that are paid and await fulfillment, with their fees, changed longest ago first.

    `since` in seconds, inclusive.
    """
    return _listing(
        "/orders",
        page,
        ("min_date_modified", format_datetime(datetime.fromtimestamp(since, UTC))),
        ("status_id", str(AWAITING_FULFILLMENT)),
        ("sort", "date_modified:asc"),
        ("include", "fees"),
    )


def list_products(order_id: int, page: int) -> Call:
    return _listing(f"/orders/{order_id}/products", page)


def list_shipping_addresses(order_id: int, page: int) -> Call:
    """List shipping addresses, by the documented path; the link within an order spells it /shippingaddresses."""
    return _listing(f"/orders/{order_id}/shipping_addresses", page)


def list_fees(order_id: int) -> Call:
    return Call(Intent.READ, "GET", f"/orders/{order_id}/fees")


def _listing(path: str, page: int, *query: tuple[str, str]) -> Call:
    return Call(Intent.READ, "GET", path, (*query, ("limit", str(PAGE_ORDERS)), ("page", str(page))))


def rows_of(reply: Reply) -> list[dict[str, Any]]:
    """Return the rows of a listing: V2 answers "none" with 204 or with []. Raises MalformedReplyError."""
    if reply.status == 204:
        return []
    return _rows(decode(reply))


def _rows(rows: Any) -> list[dict[str, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedReplyError("expected a JSON array of objects")
    return rows


def fees_of(reply: Reply) -> list[dict[str, Any]]:
    """Return the fees of an order: an object with an array `fees`, as documented, or rows like all other lists.

    Raises MalformedReplyError.
    """
    if reply.status != 204 and isinstance(body := decode(reply), dict):
        return _rows(body.get("fees"))
    return rows_of(reply)


def message_of(reply: Reply) -> str:
    """Return BigCommerce's own message: usually `[{"status": 404, "message": "..."}]`; the shape is not documented."""
    try:
        body = decode(reply)
    except MalformedReplyError:
        return reply.body[:1000].decode("utf-8", "replace")
    first = body[0] if isinstance(body, list) and body else body
    if isinstance(first, dict):
        return str(first.get("message") or first.get("title") or first)
    return str(first)
