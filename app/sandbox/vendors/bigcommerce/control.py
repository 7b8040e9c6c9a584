"""BigCommerce's part of the control plane: orders to seed, and where webhooks go."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from app.sandbox.vendors.bigcommerce.order_store import PROVIDER, OrderStore
from app.sandbox.vendors.bigcommerce.outgoing_webhooks import OutgoingWebhooks
from app.sandbox.vendors.simulation_http import CONTROL_PATH, answer, control_body, control_orders
from app.sandbox.vendors.simulation_webhooks import WebhookTarget

_PATH: Final = f"{CONTROL_PATH}/{PROVIDER}"


class ControlRoutes:
    def __init__(self, orders: OrderStore, webhooks: OutgoingWebhooks) -> None:
        self._orders, self._webhooks = orders, webhooks

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.post(f"{_PATH}/orders", self._seed), web.post(f"{_PATH}/webhooks", self._aim)]

    async def _seed(self, request: web.Request) -> web.Response:
        """Add orders, all or none. `?touch=1`: they were changed just now, so that a pull sees them."""
        orders = await control_orders(request)
        return answer({"seeded": self._orders.seed(orders, touch=request.query.get("touch") == "1")}, 201)

    async def _aim(self, request: web.Request) -> web.Response:
        return answer({"data": self._webhooks.aim(await control_body(request, WebhookTarget))})
