"""HTTP server of the simulated Flexe: our 3PL contract (docs/providers/flexe.openapi.yaml) under /flexe/v1.

Deliberately absent: registration of webhooks over the API, inbound orders and returns. A restart loses all orders.
"""

from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from math import ceil
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from app.domain.order import AMOUNT_SCALE
from app.sandbox.vendors.flexe.control import ControlRoutes
from app.sandbox.vendors.flexe.order_store import PROVIDER, OrderStore
from app.sandbox.vendors.flexe.outgoing_webhooks import OutgoingWebhooks
from app.sandbox.vendors.flexe.payloads import Text, decode_body, parse_creation
from app.sandbox.vendors.flexe.progression import Progression
from app.sandbox.vendors.flexe.warehouse_stock import WarehouseStock
from app.sandbox.vendors.simulation import Delays, RefusalError, SlidingQuota, World
from app.sandbox.vendors.simulation_http import Simulator, VendorSetup, answer, body_of

API_PATH: Final = f"/{PROVIDER}/v1"
SKUS_MAX: Final = 100
_CODES: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_field",
    429: "rate_limited",
    503: "unavailable",
}


@dataclass(frozen=True, slots=True)
class FlexeOptions:
    """100 calls in any minute are what the connector's documentation of Flexe names. `stock`: pieces of each sku.

    `split_share` of the orders with several lines leave in two shipments, chosen by `seed`.
    """

    api_key: str = "simulated-flexe-key"
    owner_id: str = "simulated-owner"
    webhook_secret: str = "whsec_c2ltdWxhdGVkLWZsZXhlLXdlYmhvb2tz"
    webhook_url: str = ""
    quota: int = 100
    window_ms: int = 60_000
    split_share: float = 0.25
    seed: int = 0
    stock: int = 1_000_000


def options_of(setup: VendorSetup) -> FlexeOptions:
    """Return the options of a setup; without settings those of the class."""
    usual = FlexeOptions()
    return FlexeOptions(
        api_key=setup.get("API_KEY", usual.api_key),
        owner_id=setup.get("OWNER_ID", usual.owner_id),
        webhook_secret=setup.get("WEBHOOK_SECRET", usual.webhook_secret),
        webhook_url=setup.webhook_url,
        quota=setup.quota(usual.quota),
    )


class _Cancellation(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Text = ""


class FlexeSimulator(Simulator):
    """One connection. Its webhooks leave while `sender.run` runs."""

    name = PROVIDER

    def __init__(self, world: World, options: FlexeOptions) -> None:
        self._world, self._options = world, options
        self._quota = SlidingQuota(options.quota, options.window_ms, world.clock)
        webhooks = OutgoingWebhooks(world, options.owner_id, options.webhook_secret, options.webhook_url)
        self.sender = webhooks.sender
        self.stock = WarehouseStock(options.stock * AMOUNT_SCALE)
        self.orders = OrderStore(world, options.owner_id, self.stock, webhooks.notify)
        self.progression = Progression(world, self.orders, options.split_share, options.seed)
        self._control = ControlRoutes(self.orders, self.progression, self.stock, webhooks)

    def settings(self, url: str) -> Mapping[str, str]:
        return {
            "BASE_URL": url,
            "API_KEY": self._options.api_key,
            "OWNER_ID": self._options.owner_id,
            "WEBHOOK_SECRET": self._options.webhook_secret,
        }

    def background(self) -> Sequence[Coroutine[None, None, None]]:
        return (self.sender.run(),)

    def routes(self) -> Sequence[web.RouteDef]:
        order = f"{API_PATH}/outbound-orders/{{order_id}}"
        return [
            web.post(f"{API_PATH}/outbound-orders", self._create),
            web.get(f"{API_PATH}/outbound-orders", self._find),
            web.get(order, self._get),
            web.post(f"{order}/cancel", self._cancel),
            web.get(f"{API_PATH}/inventory", self._inventory),
            *self._control.routes(),
        ]

    @contextmanager
    def admit(self, request: web.Request) -> Iterator[Mapping[str, str]]:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        key = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")
        if not compare_digest(key.encode("utf-8", "surrogateescape"), self._options.api_key.encode()):
            raise RefusalError(401, "The API key is missing or not valid.", headers={"WWW-Authenticate": "Bearer"})
        if wait_ms := self._quota.take():
            raise self.throttled(ceil(wait_ms / 1000))
        yield {}

    def throttled(self, retry_after_s: int) -> RefusalError:
        return RefusalError(429, "Too many calls.", headers={"Retry-After": str(retry_after_s)})

    def label(self, request: web.Request) -> str:
        resource = request.match_info.route.resource
        path = "other" if resource is None else resource.canonical.removeprefix(API_PATH)
        return f"{request.method} {path}"

    def refuse(self, refusal: RefusalError) -> web.Response:
        code = _CODES.get(refusal.status, "internal")
        return answer({"error": {"code": code, "message": refusal.message}}, refusal.status, refusal.headers)

    def state(self) -> Mapping[str, Any]:
        by_status = dict(Counter(order.status for order in self.orders.all()))
        webhooks = self.sender.state()
        return {
            "orders": len(self.orders),
            "by_status": by_status,
            "delays": self.progression.delays,
            "webhooks": webhooks,
        }

    def set_delays(self, delays: Delays) -> None:
        self.progression.set_delays(delays)

    def set_limits(self, quota: int, window_ms: int) -> None:
        self._quota = SlidingQuota(quota, window_ms, self._world.clock)

    async def _create(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise RefusalError(415, "The content type must be application/json.")
        order, is_new = self.orders.create(parse_creation(await body_of(request)))
        self.progression.schedule(order)
        return answer(order.to_payload(), 201 if is_new else 200)

    async def _find(self, request: web.Request) -> web.Response:
        external_id = request.query.get("external_id", "")
        if not external_id:
            raise RefusalError(400, "external_id is missing: orders are looked up by it.")
        order = self.orders.with_external_id(external_id)
        return answer({"outbound_orders": [] if order is None else [order.to_payload()]})

    async def _get(self, request: web.Request) -> web.Response:
        return answer(self.orders.get(request.match_info["order_id"]).to_payload())

    async def _cancel(self, request: web.Request) -> web.Response:
        order = self.orders.get(request.match_info["order_id"])
        body = await body_of(request)
        self.orders.cancel(order, decode_body(body, _Cancellation).reason if body else "")
        return answer(order.to_payload())

    async def _inventory(self, request: web.Request) -> web.Response:
        skus = request.query.getall("sku", [])
        if not 1 <= len(skus) <= SKUS_MAX:
            raise RefusalError(400, f"sku must be there 1 to {SKUS_MAX} times.")
        return answer({"inventory": [self.stock.to_payload(sku) for sku in skus]})


def open_simulator(world: World, setup: VendorSetup) -> FlexeSimulator:
    """Return the simulator that the host serves."""
    return FlexeSimulator(world, options_of(setup))
