"""HTTP server of the simulated store: paths, credentials, rate limit and error shape of BigCommerce Orders V2.

Deliberately absent: POST and DELETE of orders. A restart loses all orders.
"""

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from math import ceil
from typing import Any, Final

from aiohttp import web

from app.sandbox.vendors.bigcommerce import includes
from app.sandbox.vendors.bigcommerce.control import ControlRoutes
from app.sandbox.vendors.bigcommerce.hook_routes import HookRoutes, refusal_body
from app.sandbox.vendors.bigcommerce.order_store import PROVIDER, OrderStore, StoredOrder, not_there
from app.sandbox.vendors.bigcommerce.outgoing_webhooks import HookRefusedError, OutgoingWebhooks
from app.sandbox.vendors.bigcommerce.payloads import json_object
from app.sandbox.vendors.bigcommerce.query import parse
from app.sandbox.vendors.bigcommerce.statuses import list_statuses
from app.sandbox.vendors.bigcommerce.sub_resources import SubResources
from app.sandbox.vendors.simulation import Delays, FixedQuota, RefusalError, World
from app.sandbox.vendors.simulation_http import Simulator, VendorSetup, answer
from app.sandbox.vendors.simulation_webhooks import WebhookTarget

API_PATH: Final = f"/{PROVIDER}/stores/{{store}}/v2"


@dataclass(frozen=True, slots=True)
class BigCommerceOptions:
    """`quota` calls in each window of `window_ms`: 150 in 30 s is a Standard or Plus plan.

    `client_secret` signs the webhooks. They go to `webhook_url`, and to whom hooks are registered for.
    """

    store_hash: str = "demo"
    access_token: str = "simulated-bigcommerce-token"
    client_id: str = "simulated-bigcommerce-client"
    client_secret: str = "simulated-bigcommerce-secret"
    webhook_url: str = ""
    quota: int = 150
    window_ms: int = 30_000


def options_of(setup: VendorSetup) -> BigCommerceOptions:
    """Return the options of a setup; without settings those of the class."""
    usual = BigCommerceOptions()
    return BigCommerceOptions(
        store_hash=setup.get("STORE_HASH", usual.store_hash),
        access_token=setup.get("ACCESS_TOKEN", usual.access_token),
        client_secret=setup.get("CLIENT_SECRET", usual.client_secret),
        webhook_url=setup.webhook_url,
        quota=setup.quota(usual.quota),
    )


class BigCommerceSimulator(Simulator):
    """One store. Raises nothing; errors are answers."""

    name = PROVIDER

    def __init__(self, world: World, options: BigCommerceOptions) -> None:
        self._world, self._options = world, options
        self._quota = FixedQuota(options.quota, options.window_ms, world.clock)
        self.webhooks = OutgoingWebhooks(world, options.store_hash, options.client_id, options.client_secret)
        self.webhooks.aim(WebhookTarget(options.webhook_url))
        self.orders = OrderStore(world, options.store_hash, self.webhooks.notify)

    def settings(self, url: str) -> Mapping[str, str]:
        return {
            "BASE_URL": url,
            "STORE_HASH": self._options.store_hash,
            "ACCESS_TOKEN": self._options.access_token,
            "CLIENT_SECRET": self._options.client_secret,
        }

    def background(self) -> Sequence[Coroutine[None, None, None]]:
        return (self.webhooks.run(),)

    def routes(self) -> Sequence[web.RouteDef]:
        order = f"{API_PATH}/orders/{{order_id:[0-9]{{1,15}}}}"
        return [
            web.get(f"{API_PATH}/orders", self._list),
            web.get(f"{API_PATH}/orders/count", self._count),
            web.get(order, self._get),
            web.put(order, self._put),
            *SubResources(self.orders, self._base).routes(order),
            web.get(f"{API_PATH}/order_statuses", self._statuses),
            web.get(f"{API_PATH}/order_statuses/{{status_id:[0-9]{{1,15}}}}", self._status),
            *HookRoutes(self.webhooks).routes(),
            *ControlRoutes(self.orders, self.webhooks).routes(),
        ]

    @contextmanager
    def admit(self, request: web.Request) -> Iterator[Mapping[str, str]]:
        token = request.headers.get("X-Auth-Token", "")
        if not compare_digest(token.encode(), self._options.access_token.encode()):
            raise RefusalError(401, "X-Auth-Token is missing or not valid.")
        if request.match_info.get("store", self._options.store_hash) != self._options.store_hash:
            raise RefusalError(404, "The store was not found.")
        if wait_ms := self._quota.take():
            raise self.throttled(ceil(wait_ms / 1000))
        yield self._limits()

    def _limits(self) -> dict[str, str]:
        return {
            "X-Rate-Limit-Time-Window-Ms": str(self._quota.window_ms),
            "X-Rate-Limit-Time-Reset-Ms": str(self._quota.reset_ms),
            "X-Rate-Limit-Requests-Quota": str(self._quota.limit),
            "X-Rate-Limit-Requests-Left": str(self._quota.remaining),
        }

    def throttled(self, retry_after_s: int) -> RefusalError:
        return RefusalError(429, "Too many requests.", headers={"X-Retry-After": str(retry_after_s)})

    def label(self, request: web.Request) -> str:
        resource = request.match_info.route.resource
        path = "other" if resource is None else resource.canonical.removeprefix(API_PATH)
        return f"{request.method} {path}"

    def refuse(self, refusal: RefusalError) -> web.Response:
        """Answer with the error: an array in V2, an object in V3."""
        v2 = [{"status": refusal.status, "message": refusal.message}]
        body = refusal_body(refusal) if isinstance(refusal, HookRefusedError) else v2
        return answer(body, refusal.status, {**self._limits(), **refusal.headers})

    def state(self) -> Mapping[str, Any]:
        by_status = {str(status): count for status, count in self.orders.count_by_status().items() if count}
        return {"orders": len(self.orders), "by_status": by_status, "webhooks": self.webhooks.state()}

    def set_delays(self, delays: Delays) -> None:
        if delays:
            raise RefusalError(400, "Orders of BigCommerce do not progress by themselves", "send delays for fno")

    def set_limits(self, quota: int, window_ms: int) -> None:
        self._quota = FixedQuota(quota, window_ms, self._world.clock)

    async def _list(self, request: web.Request) -> web.Response:
        """List orders. An empty first page is 204, an empty later one `[]`: V2 is seen to do both."""
        query = parse(request.query)
        orders = query.run(self.orders)
        if not orders and query.page == 1:
            return web.Response(status=204)
        parts, base = includes.parse(request.query), self._base(request)
        return answer([includes.show(order, base, parts) for order in orders])

    async def _count(self, _request: web.Request) -> web.Response:
        counts = self.orders.count_by_status()
        statuses = [{**status, "count": counts[number]} for number, status in enumerate(list_statuses("sort_order"))]
        return answer({"statuses": statuses, "count": len(self.orders)})

    async def _get(self, request: web.Request) -> web.Response:
        return answer(includes.show(self._order(request), self._base(request), includes.parse(request.query)))

    async def _put(self, request: web.Request) -> web.Response:
        order = self._order(request)
        self.orders.update(order, await json_object(request))
        return answer(includes.show(order, self._base(request)))

    async def _statuses(self, _request: web.Request) -> web.Response:
        return answer(list_statuses())

    async def _status(self, request: web.Request) -> web.Response:
        number = int(request.match_info["status_id"])
        status = next((status for status in list_statuses() if status["id"] == number), None)
        if status is None:
            raise not_there()
        return answer(status)

    def _order(self, request: web.Request) -> StoredOrder:
        return self.orders.get(int(request.match_info["order_id"]))

    def _base(self, request: web.Request) -> str:
        return f"{request.url.origin()}{API_PATH.format(store=self._options.store_hash)}"


def open_simulator(world: World, setup: VendorSetup) -> BigCommerceSimulator:
    """Return the simulator that the host serves."""
    return BigCommerceSimulator(world, options_of(setup))
