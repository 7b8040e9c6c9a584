"""Webhooks of providers: the values that one is read into, and the check of the Standard Webhooks signature. Pure.

Deliberately absent: the ids of earlier webhooks. The intake of webhooks (worker) remembers them, and answers a replay.
"""

import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from app.errors import SettingError, WaybillError
from app.events.model import ProviderEvent

TOLERANCE_S: Final = 300
"""Seconds that a webhook's time may be from ours, either way (Standard Webhooks: five minutes)."""
ID_CHARS_MAX: Final = 200
SIGNATURES_MAX: Final = 16
"""A sender that rotates its secret signs with each of them."""
_TIME_DIGITS_MAX: Final = 11


class RefusalCode(StrEnum):
    """The reason why a webhook is refused, from a closed list: it becomes a label of metrics."""

    BAD_SIGNATURE = "bad_signature"
    STALE = "stale"
    """Its time is too far from ours: it may be a replay of an old one."""
    MALFORMED = "malformed"


class WebhookRefusedError(WaybillError):
    """A refused webhook, which must not be sent again as it is. `detail` is cleaned of secrets by the registry."""

    def __init__(self, code: RefusalCode, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return 400 if self.code is RefusalCode.MALFORMED else 401


class Received(Struct, frozen=True):
    """The content of a webhook: events of orders, and hints ("<provider>/<store or system>") of what to pull at once.

    Without either it is of a kind that means nothing here, and is accepted all the same. `webhook_id` is the same when
    the sender repeats the webhook; "" when the sender gives none.
    """

    events: tuple[ProviderEvent, ...] = ()
    hints: tuple[str, ...] = ()
    webhook_id: str = ""


def verify(headers: Mapping[str, str], body: bytes, key: str | bytes, now_s: float) -> str:
    """Check signature and time, and return the webhook's id. `key`: base64 text (`whsec_...`), or raw bytes.

    Raises WebhookRefusedError, and SettingError for a key that is none. Source: the Standard Webhooks specification;
    the sum is the package's own, the clock is the caller's.
    """
    lower_case = {name.lower(): value for name, value in headers.items()}
    webhook_id = _id(lower_case)
    sent_at = _time(lower_case)
    try:
        expected = signer(key).sign(webhook_id, datetime.fromtimestamp(sent_at, UTC), body.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise WebhookRefusedError(RefusalCode.MALFORMED, f"the body is not UTF-8: {exc.reason}") from exc
    if not _is_signed(lower_case.get("webhook-signature", ""), expected):
        raise WebhookRefusedError(RefusalCode.BAD_SIGNATURE, "no webhook-signature fits; compare both sides' secrets")
    # The time is proven by the signature, so that it is looked at last: nobody learns our clock without the secret.
    if abs(now_s - sent_at) > TOLERANCE_S:
        detail = f"webhook-timestamp {sent_at} is more than {TOLERANCE_S} s away; sign it anew, or set the clock"
        raise WebhookRefusedError(RefusalCode.STALE, detail)
    return webhook_id


def signer(key: str | bytes) -> Webhook:
    """Return the signer for a key. Raises SettingError, without the key, when it is not a key."""
    try:
        return Webhook(key)
    except (binascii.Error, EmptyWebhookSecretError) as exc:
        raise SettingError("a webhook secret must be base64, with or without whsec_ before it; copy it again") from exc


def _id(headers: Mapping[str, str]) -> str:
    value = headers.get("webhook-id", "")
    if not value or len(value) > ID_CHARS_MAX or not value.isascii() or not value.isprintable():
        detail = f"webhook-id must be 1 to {ID_CHARS_MAX} printable ASCII characters"
        raise WebhookRefusedError(RefusalCode.BAD_SIGNATURE, detail)
    return value


def _time(headers: Mapping[str, str]) -> int:
    value = headers.get("webhook-timestamp", "")
    if not (value.isascii() and value.isdigit()) or len(value) > _TIME_DIGITS_MAX:
        raise WebhookRefusedError(RefusalCode.BAD_SIGNATURE, "webhook-timestamp must be whole seconds since the epoch")
    return int(value)


def _is_signed(signatures: str, expected: str) -> bool:
    candidates = signatures.split(" ", SIGNATURES_MAX)[:SIGNATURES_MAX]
    return any(hmac.compare_digest(_bytes(signature), _bytes(expected)) for signature in candidates)


def _bytes(text: str) -> bytes:
    """Encode a header as it came: bytes that are no UTF-8 are in it as surrogates."""
    return text.encode("utf-8", "surrogateescape")
