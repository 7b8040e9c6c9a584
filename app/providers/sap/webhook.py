"""Notifications of SAP, verified and read as hints: a document changed, so that the pull reads again. Pure.

They are CloudEvents 1.0 in structured JSON. SAP does not sign them: the sender shows a bearer token that both sides
have. Kinds that are not used here are accepted and report nothing.
"""

import hmac
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from app.providers.webhooks import ID_CHARS_MAX, Received, RefusalCode, WebhookRefusedError

HINT: Final = "sap"
"""The source to pull at once."""
_BEARER: Final = "bearer "
_KEYS: Final[Mapping[str, str]] = {
    "sap.s4.beh.salesorder.v1.SalesOrder.": "SalesOrder",
    "sap.s4.beh.billingdocument.v1.BillingDocument.": "BillingDocument",
}
"""Beginning of a type -> the field of `data` that holds the document's number."""
_Text = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
_Key = Annotated[str, Meta(min_length=1, max_length=10)]


class _Notification(Struct):
    id: _Text
    source: _Text
    type: _Text
    specversion: Literal["1.0"]
    data: dict[str, object] = {}


def receive(headers: Mapping[str, str], body: bytes, settings: Mapping[str, str], _now_s: float) -> Received:
    """Verify a notification and return its content. `settings` are the manifest's, without their prefix.

    Raises WebhookRefusedError. Our time plays no part: a notification that comes late,
    or twice, costs one look at SAP.
    """
    _check_sender(headers, settings.get("WEBHOOK_SECRET", ""))
    notification = _decoded(body)
    hints = (HINT,) if _key_of(notification) else ()
    return Received(hints=hints, webhook_id=f"{notification.source} {notification.id}")


def _check_sender(headers: Mapping[str, str], secret: str) -> None:
    authorization = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
    token = authorization[len(_BEARER) :].strip() if authorization[: len(_BEARER)].lower() == _BEARER else ""
    is_equal = hmac.compare_digest(token.encode("utf-8", "surrogateescape"), secret.encode())
    if not secret or not is_equal:
        detail = "authorization must be Bearer and the value of WAYBILL_SAP_WEBHOOK_SECRET; compare both sides"
        raise WebhookRefusedError(RefusalCode.BAD_SIGNATURE, detail)


def _decoded(body: bytes) -> _Notification:
    try:
        return msgspec.json.decode(body, type=_Notification)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _malformed(f"no CloudEvent 1.0 in structured JSON: {exc}") from exc


def _key_of(notification: _Notification) -> str:
    """Return the document's number, "" for a kind that is not used. Raises WebhookRefusedError where it is missing."""
    field = next((field for start, field in _KEYS.items() if notification.type.startswith(start)), "")
    if not field:
        return ""
    try:
        return msgspec.convert(notification.data.get(field), _Key)
    except msgspec.ValidationError as exc:
        raise _malformed(f"data.{field} of {notification.type} is no document number: {exc}") from exc


def _malformed(detail: str) -> WebhookRefusedError:
    return WebhookRefusedError(RefusalCode.MALFORMED, detail)
