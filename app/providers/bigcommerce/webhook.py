"""Webhooks of BigCommerce, verified and read as hints: orders changed, so that a pull should read at once. Pure.

A webhook carries the id of an order and nothing else, and may come twice, late or never: it only speeds up the pull,
which finds orders by itself.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from app.errors import SettingError
from app.providers.webhooks import Received, RefusalCode, WebhookRefusedError, verify

PROVIDER: Final = "bigcommerce"
SCOPES: Final = frozenset({"store/order/created", "store/order/updated", "store/order/statusUpdated"})
"""The scopes after which an order may be ready for a pull."""

_Text = Annotated[str, Meta(max_length=200)]


class _Callback(Struct):
    """`producer` is the store, as `stores/<hash>`; `created_at` in seconds.

    `hash` is no signature. It is computed from the order's id alone: copies have the same one, but so have two changes
    of one order, which only the time tells apart.
    """

    scope: _Text
    producer: _Text
    hash: _Text = ""
    created_at: int | None = None


def receive(headers: Mapping[str, str], body: bytes, settings: Mapping[str, str], now_s: float) -> Received:
    """Verify a webhook and return a hint to its store. `settings` are the manifest's, without prefix.

    Copies of a webhook have the same hash, scope, store and time, whatever their `webhook-id` (webhooks overview of
    BigCommerce). One that lacks hash or time is known by its `webhook-id`, which stays the same when it is sent again.
    Raises WebhookRefusedError; SettingError when there is no client secret to prove it with.
    """
    secret = settings["CLIENT_SECRET"]
    if not secret:
        variable = "WAYBILL_BIGCOMMERCE_CLIENT_SECRET"
        raise SettingError(f"{variable} is not set, so that no webhook can be proven: set it, or delete the hooks")
    webhook_id = verify(headers, body, secret.encode(), now_s)
    callback = _decoded(body)
    if callback.hash and callback.created_at:
        webhook_id = f"{callback.producer} {callback.scope} {callback.hash} {callback.created_at}"
    is_ours = callback.producer == f"stores/{settings['STORE_HASH']}"
    hints = (f"{PROVIDER}/{settings['STORE_HASH']}",) if is_ours and callback.scope in SCOPES else ()
    return Received(hints=hints, webhook_id=webhook_id)


def _decoded(body: bytes) -> _Callback:
    try:
        return msgspec.json.decode(body, type=_Callback)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WebhookRefusedError(RefusalCode.MALFORMED, f"not a callback of BigCommerce: {exc}") from exc
