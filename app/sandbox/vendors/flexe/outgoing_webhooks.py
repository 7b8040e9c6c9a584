"""The webhooks of the simulated Flexe: Standard Webhooks, with the type, time and data that our contract documents."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from app.errors import SettingError
from app.providers.webhooks import signer
from app.sandbox.vendors.flexe.order_store import PROVIDER, StoredOrder
from app.sandbox.vendors.flexe.payloads import iso
from app.sandbox.vendors.simulation import RefusalError, World
from app.sandbox.vendors.simulation_webhooks import WebhookSender, WebhookTarget


class OutgoingWebhooks:
    """`secret` signs for targets that bring none of their own."""

    def __init__(self, world: World, owner_id: str, secret: str, url: str) -> None:
        self._world, self._owner_id, self._secret = world, owner_id, secret
        self.sender: Final = WebhookSender(world, PROVIDER, signed_headers, WebhookTarget(url, secret) if url else None)

    def aim(self, target: WebhookTarget) -> None:
        """Send webhooks there from now on, nowhere when the address is "". Raises RefusalError."""
        try:
            signer(target.secret or self._secret)
        except SettingError as exc:
            if target.url:
                raise RefusalError(400, f"secret: {exc}", "send base64, with whsec_ before it") from exc
        self.sender.aim(target, self._secret)

    def notify(self, kind: str, order: StoredOrder, details: Mapping[str, object]) -> None:
        data = {"id": order.order_id, "external_id": order.creation.external_id, "owner_id": self._owner_id, **details}
        body = {"type": kind, "timestamp": iso(self._world.clock()), "data": data}
        self.sender.send(f"msg_{uuid.uuid4().hex}", msgspec.json.encode(body))


def signed_headers(target: WebhookTarget, webhook_id: str, body: bytes, now_ms: int) -> dict[str, str]:
    """Return the headers of one attempt: the id stays, time and signature are those of now."""
    at = datetime.fromtimestamp(now_ms // 1000, UTC)
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(now_ms // 1000),
        "webhook-signature": signer(target.secret).sign(webhook_id, at, body.decode()),
    }
