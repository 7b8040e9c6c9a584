"""The notifications of the simulated SAP: CloudEvents 1.0 in structured JSON that carry a document's number alone."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from app.sandbox.vendors.simulation import RefusalError, World
from app.sandbox.vendors.simulation_webhooks import WebhookSender, WebhookTarget

_TYPE: Final = "sap.s4.beh."
_SOURCE: Final = "/default/sap.s4.beh/SIMULATED100"


class OutgoingWebhooks:
    """`secret` is shown to targets that bring none of their own."""

    def __init__(self, world: World, provider: str, secret: str, url: str) -> None:
        self._world, self._secret = world, secret
        self.sender: Final = WebhookSender(world, provider, _headers, WebhookTarget(url, secret) if url else None)

    def aim(self, target: WebhookTarget) -> None:
        """Send notifications there from now on, nowhere when the address is "". Raises RefusalError."""
        secret = target.secret or self._secret
        if target.url and (not secret.isascii() or not secret.isprintable() or " " in secret):
            raise RefusalError(400, "secret: no header can carry it", "send printable ASCII without spaces")
        self.sender.aim(target, self._secret)

    def notify(self, kind: str, number: str) -> None:
        """Send a notification. In a kind such as `salesorder.v1.SalesOrder.Created.v1` the third part names the key."""
        moment = datetime.fromtimestamp(self._world.clock() // 1000, UTC)
        notice_id = str(uuid.uuid4())
        body = {
            "type": _TYPE + kind,
            "specversion": "1.0",
            "source": _SOURCE,
            "id": notice_id,
            "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "datacontenttype": "application/json",
            "data": {kind.split(".")[2]: number},
        }
        self.sender.send(notice_id, msgspec.json.encode(body))


def _headers(target: WebhookTarget, _webhook_id: str, _body: bytes, _now_ms: int) -> Mapping[str, str]:
    return {"content-type": "application/cloudevents+json", "authorization": f"Bearer {target.secret}"}
