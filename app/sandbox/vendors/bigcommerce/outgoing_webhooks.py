"""Webhooks of one simulated store: registrations, and callbacks signed as Standard Webhooks.

Deliberately absent: the blocklist of domains, the history of events, and that a hook is deactivated after 90 days or
after two days of failures. Callbacks are repeated faster than BigCommerce does it (a minute, three, five and so on).
"""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct
from yarl import URL

from app.providers.webhooks import signer
from app.sandbox.vendors.bigcommerce.fields import Wire
from app.sandbox.vendors.bigcommerce.order_store import PROVIDER
from app.sandbox.vendors.simulation import RefusalError, World
from app.sandbox.vendors.simulation_webhooks import WebhookSender, WebhookTarget, check_target

CREATED: Final = "store/order/created"
UPDATED: Final = "store/order/updated"
STATUS_UPDATED: Final = "store/order/statusUpdated"
SCOPES: Final = (CREATED, UPDATED, STATUS_UPDATED)
"""What is called back. `store/order/*` stands for all of them."""
ALL_OF_ORDERS: Final = "store/order/*"
HOOKS_OF_SCOPE_MAX: Final = 10
STORE_ID: Final = "1025646"
_SCOPES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "order created": (CREATED,),
    "order changed": (UPDATED,),
    "shipment created": (UPDATED,),
    "status changed": (STATUS_UPDATED, UPDATED),
}
"""Kind of a change -> what it makes the store say."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class HookRefusedError(RefusalError):
    """As the V3 API refuses: `errors` by field."""

    def __init__(self, status: int, title: str, **errors: str) -> None:
        self.errors = errors
        super().__init__(status, title)


class HookRequest(Struct, frozen=True):
    """What POST takes. Unknown fields are ignored."""

    scope: str
    destination: str
    is_active: bool = True
    headers: dict[str, str] | None = None


class Hook(Struct, frozen=True):
    """As V3 shows it."""

    id: int
    client_id: str
    store_hash: str
    scope: str
    destination: str
    headers: Mapping[str, str] | None
    is_active: bool
    created_at: int
    updated_at: int

    def hears(self, scope: str) -> bool:
        return self.is_active and self.scope in (scope, ALL_OF_ORDERS)


class OutgoingWebhooks:
    """The hooks of one store and client. Callbacks leave while `run` runs. `secret` is the client's."""

    def __init__(self, world: World, store: str, client_id: str, secret: str) -> None:
        self._world, self._store, self._client_id, self._secret = world, store, client_id, secret
        self._hooks: dict[int, Hook] = {}
        self._senders: dict[str, WebhookSender] = {}
        self._idle: asyncio.Queue[WebhookSender] = asyncio.Queue()
        self._numbers = 0

    async def run(self) -> None:
        """Call back, until canceled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task((await self._idle.get()).run())

    async def drain(self) -> None:
        """Wait until every callback that is due has been attempted, so that simulated time may pass."""
        for sender in self._senders.values():
            await sender.drain()

    def all(self) -> list[Hook]:
        return list(self._hooks.values())

    def get(self, hook_id: int) -> Hook:
        """Return the hook. Raises HookRefusedError with 404."""
        if hook_id not in self._hooks:
            raise HookRefusedError(404, f"Webhook with id [{hook_id}] not found")
        return self._hooks[hook_id]

    def create(self, request: HookRequest) -> Hook:
        """Register a hook. Raises HookRefusedError with 422 for an unusable scope or destination, or a copy."""
        _check_scope(request.scope)
        _check_destination(request.destination)
        same = [hook.destination for hook in self._hooks.values() if hook.scope == request.scope]
        if request.destination in same:
            raise HookRefusedError(422, "A hook of this scope and destination exists", destination="error.exists")
        if len(same) >= HOOKS_OF_SCOPE_MAX:
            title = f"There are {HOOKS_OF_SCOPE_MAX} hooks of this scope"
            raise HookRefusedError(422, title, scope="error.limit")
        return self._add(request)

    def change(self, hook_id: int, request: HookRequest) -> Hook:
        """Replace a hook's fields, which may make it active again. Raises HookRefusedError."""
        hook = self.get(hook_id)
        _check_scope(request.scope)
        _check_destination(request.destination)
        self._hooks[hook_id] = msgspec.structs.replace(
            hook,
            scope=request.scope,
            destination=request.destination,
            is_active=request.is_active,
            headers=request.headers,
            updated_at=self._world.clock() // 1000,
        )
        return self._hooks[hook_id]

    def delete(self, hook_id: int) -> Hook:
        """Remove the hook and return it. Raises HookRefusedError with 404."""
        hook = self.get(hook_id)
        del self._hooks[hook_id]
        return hook

    def aim(self, target: WebhookTarget) -> list[Hook]:
        """Replace all hooks by one of each scope that goes to this target. Raises RefusalError."""
        if target.url:
            check_target(target)
        self._hooks.clear()
        self._secret = target.secret or self._secret
        return [self._add(HookRequest(scope, target.url)) for scope in SCOPES] if target.url else []

    def notify(self, order_id: int, kind: str, detail: Mapping[str, object]) -> None:
        """Call back every hook that hears of such a change."""
        for scope in _SCOPES_OF[kind]:
            body = msgspec.json.encode(self._callback(scope, order_id, detail))
            for hook in self._hooks.values():
                if hook.hears(scope):
                    self._sender(hook.destination).send(f"{hook.id}_{uuid.uuid4().hex}", body)

    def state(self) -> Mapping[str, object]:
        return {"hooks": len(self._hooks), "sent": [sender.state() for sender in self._senders.values()]}

    def _add(self, request: HookRequest) -> Hook:
        self._numbers += 1
        now_s = self._world.clock() // 1000
        hook = Hook(
            id=self._numbers,
            client_id=self._client_id,
            store_hash=self._store,
            scope=request.scope,
            destination=request.destination,
            headers=request.headers,
            is_active=request.is_active,
            created_at=now_s,
            updated_at=now_s,
        )
        self._hooks[hook.id] = hook
        return hook

    def _sender(self, destination: str) -> WebhookSender:
        sender = self._senders.get(destination)
        if sender is None:
            sender = self._senders[destination] = WebhookSender(
                self._world, PROVIDER, self._sign, WebhookTarget(destination)
            )
            self._idle.put_nowait(sender)
        return sender

    def _callback(self, scope: str, order_id: int, detail: Mapping[str, object]) -> Wire:
        """Return the body. Its `hash` is documented as SHA-1 of `data`: every change of one order has the same."""
        data: Wire = {"type": "order", "id": order_id}
        if scope == STATUS_UPDATED:
            data["status"] = {"previous_status_id": detail["previous"], "new_status_id": detail["status_id"]}
        return {
            "scope": scope,
            "store_id": STORE_ID,
            "data": data,
            "hash": hashlib.sha1(msgspec.json.encode(data), usedforsecurity=False).hexdigest(),
            "created_at": self._world.clock() // 1000,
            "producer": f"stores/{self._store}",
        }

    def _sign(self, _target: WebhookTarget, webhook_id: str, body: bytes, now_ms: int) -> dict[str, str]:
        """Return the headers of one attempt: the id stays, time and signature are those of now."""
        hook = self._hooks.get(int(webhook_id.partition("_")[0]))
        own = dict((hook.headers if hook else None) or {})
        at = datetime.fromtimestamp(now_ms // 1000, UTC)
        return own | {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(now_ms // 1000),
            "webhook-signature": signer(self._secret.encode()).sign(webhook_id, at, body.decode()),
        }


def _check_scope(scope: str) -> None:
    if scope not in (*SCOPES, ALL_OF_ORDERS):
        raise HookRefusedError(422, "The scope is not one that is simulated", scope="error.unknown")


def _check_destination(destination: str) -> None:
    """Allow HTTPS on port 443, as BigCommerce does, and programs on the simulator's own machine."""
    try:
        url = URL(destination)
    except ValueError:
        url = URL()
    if url.host in _LOOPBACK and url.scheme in ("http", "https"):
        return
    if url.scheme != "https" or not url.host or url.port != 443:
        raise HookRefusedError(422, "The destination must be HTTPS on port 443", destination="error.invalid")
