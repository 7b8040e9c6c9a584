"""Webhooks of Flexe, verified and read as events of orders. Pure.

The order in which they come means nothing: quantities add up, and a repeated webhook is the same event. Kinds that are
not used here are accepted and report nothing.

Requirements: S26, S37, S54.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from app.domain.event_names import EventName
from app.errors import RecordError
from app.events import headers as times
from app.events.intake_limits import LINES_MAX, NAME_CHARS_MAX, ORDER_ID, TEXT_CHARS_MAX
from app.events.model import LineQuantity, ProviderEvent
from app.providers.flexe import quantities
from app.providers.webhooks import Received, RefusalCode, WebhookRefusedError, verify

PROVIDER: Final = "flexe"
T = TypeVar("T", bound="_Data")

_Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]


class _Item(Struct):
    line_ref: _Name
    quantity: str


class _Shipment(Struct):
    """No items would mean all lines of the order, so that there is at least one."""

    id: _Name
    items: Annotated[list[_Item], Meta(min_length=1, max_length=LINES_MAX)]


class _Exception(Struct):
    id: _Name
    code: _Name
    message: str = ""


class _Data(Struct):
    """`id` is Flexe's id of the order, `external_id` ours."""

    id: _Name
    external_id: _Name
    owner_id: str


class _Shipped(_Data):
    shipment: _Shipment


class _Delayed(_Data):
    exception: _Exception


class _Cancelled(_Data):
    reason: str = ""


class _Webhook(Struct):
    type: _Name
    timestamp: str
    data: Raw


def receive(headers: Mapping[str, str], body: bytes, settings: Mapping[str, str], now_s: float) -> Received:
    """Verify a webhook and return its content. `settings` are the manifest's, without their prefix.

    Raises WebhookRefusedError.
    """
    webhook_id = verify(headers, body, settings["WEBHOOK_SECRET"], now_s)
    event = _event(body, settings["OWNER_ID"])
    return Received(() if event is None else (event,), webhook_id=webhook_id)


def _event(body: bytes, owner_id: str) -> ProviderEvent | None:
    webhook = _decoded(body, _Webhook)
    read = _KINDS.get(webhook.type)
    if read is None:
        return None
    return read(webhook.data, owner_id, _time(webhook.timestamp))


def _shipped(data: Raw, owner_id: str, at: int) -> ProviderEvent:
    shipped = _data(data, _Shipped, owner_id)
    lines = tuple(LineQuantity(item.line_ref, _quantity(item)) for item in shipped.shipment.items)
    return ProviderEvent(
        order_id=shipped.external_id,
        provider=PROVIDER,
        event=EventName.ORDER_SHIPPED,
        reference=shipped.shipment.id,
        occurred_at=at,
        lines=lines,
    )


def _delayed(data: Raw, owner_id: str, at: int) -> ProviderEvent:
    delayed = _data(data, _Delayed, owner_id)
    values = {"reason": delayed.exception.code, "detail": delayed.exception.message[:TEXT_CHARS_MAX]}
    return ProviderEvent(
        order_id=delayed.external_id,
        provider=PROVIDER,
        event=EventName.ORDER_DELAYED,
        reference=delayed.exception.id,
        occurred_at=at,
        values=values,
    )


def _cancelled(data: Raw, owner_id: str, at: int) -> ProviderEvent:
    cancelled = _data(data, _Cancelled, owner_id)
    values = {"reason": cancelled.reason[:TEXT_CHARS_MAX]}
    return ProviderEvent(
        order_id=cancelled.external_id,
        provider=PROVIDER,
        event=EventName.ORDER_CANCELED,
        reference=cancelled.id,
        occurred_at=at,
        values=values,
    )


_KINDS: Final[Mapping[str, Callable[[Raw, str, int], ProviderEvent]]] = {
    "shipment.shipped": _shipped,
    "shipment.exception": _delayed,
    "order.cancelled": _cancelled,
}


def _data(data: Raw, kind: type[T], owner_id: str) -> T:
    message = _decoded(data, kind, " in data")
    if message.owner_id != owner_id:
        raise _malformed(f"data.owner_id {message.owner_id[:80]!r} is not ours; send webhooks of {owner_id!r} here")
    if not ORDER_ID.fullmatch(message.external_id):
        raise _malformed(f"data.external_id {message.external_id[:80]!r} is no order id; send what came with the order")
    return message


D = TypeVar("D")


def _decoded(data: bytes | Raw, kind: type[D], where: str = "") -> D:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _malformed(f"not as documented{where}: {exc}") from exc


def _time(text: str) -> int:
    try:
        return times.milliseconds(text, "timestamp")
    except RecordError as exc:
        raise _malformed(exc.detail) from exc


def _quantity(item: _Item) -> int:
    try:
        return quantities.from_text(item.quantity)
    except ValueError as exc:
        raise _malformed(f"data.shipment.items of line {item.line_ref!r}: {exc}") from exc


def _malformed(detail: str) -> WebhookRefusedError:
    return WebhookRefusedError(RefusalCode.MALFORMED, detail)
