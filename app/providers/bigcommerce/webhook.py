"""What BigCommerce's webhooks say: that orders were made or changed, so that a pull should look at once. Pure.

A webhook names an order and tells nothing of it, and it may come twice, late or never: it only speeds up the pull,
which finds orders by itself.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from app.errors import SettingError
from app.providers.webhooks import Received, RefusalCode, WebhookRefusedError, verified

PROVIDER: Final = "bigcommerce"
SCOPES: Final = frozenset({"store/order/created", "store/order/updated", "store/order/statusUpdated"})
"""What may make an order ready for a pull."""

_Text = Annotated[str, Meta(max_length=200)]


class _Callback(Struct):
    """`producer` is the store, as `stores/<hash>`; `created_at` in seconds.

    `hash` is no signature. It tells copies, but not two changes of one order: it is made of the order's id alone, so
    that it takes the time to tell these.
    """

    scope: _Text
    producer: _Text
    hash: _Text = ""
    created_at: int | None = None


def receive(headers: Mapping[str, str], body: bytes, settings: Mapping[str, str], now_s: float) -> Received:
    """The store that a webhook is about, once its signature is proven. `settings` are the manifest's, without prefix.

    Copies of a webhook have the same hash, scope, store and time, whatever their `webhook-id` (webhooks overview of
    BigCommerce). One that lacks hash or time is known by its `webhook-id`, which stays the same when it is sent again.
    Raises WebhookRefusedError; SettingError when there is no client secret to prove it with.
    """
    secret = settings["CLIENT_SECRET"]
    if not secret:
        variable = "WAYBILL_BIGCOMMERCE_CLIENT_SECRET"
        raise SettingError(f"{variable} is not set, so that no webhook can be proven: set it, or delete the hooks")
    webhook_id = verified(headers, body, secret.encode(), now_s)
    told = _decoded(body)
    if told.hash and told.created_at:
        webhook_id = f"{told.producer} {told.scope} {told.hash} {told.created_at}"
    ours = told.producer == f"stores/{settings['STORE_HASH']}"
    hints = (f"{PROVIDER}/{settings['STORE_HASH']}",) if ours and told.scope in SCOPES else ()
    return Received(hints=hints, webhook_id=webhook_id)


def _decoded(body: bytes) -> _Callback:
    try:
        return msgspec.json.decode(body, type=_Callback)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WebhookRefusedError(RefusalCode.MALFORMED, f"not a callback of BigCommerce: {exc}") from exc
