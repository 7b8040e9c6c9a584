"""Flexe's part of the control plane: where webhooks go, and what happens to orders that does not happen by itself."""

from collections.abc import Sequence
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct

from app.events.json_fields import amount
from app.providers.flexe import quantities
from app.sandbox.vendors.flexe.order_store import FINAL, PROVIDER, OrderStore, StoredOrder
from app.sandbox.vendors.flexe.outgoing_webhooks import OutgoingWebhooks
from app.sandbox.vendors.flexe.payloads import Id, Quantity, Text
from app.sandbox.vendors.flexe.progression import Progression
from app.sandbox.vendors.flexe.warehouse_stock import WarehouseStock
from app.sandbox.vendors.simulation import RefusalError
from app.sandbox.vendors.simulation_http import CONTROL_PATH, answer, control_body
from app.sandbox.vendors.simulation_webhooks import WebhookTarget

_PATH: Final = f"{CONTROL_PATH}/{PROVIDER}"
_COUNTS_MAX: Final = 10_000


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    line_ref: Id
    quantity: Quantity


class _Shipment(Struct, frozen=True, forbid_unknown_fields=True):
    """No items: all that is left."""

    external_id: Id
    items: tuple[_Part, ...] = ()


class _Exception(Struct, frozen=True, forbid_unknown_fields=True):
    external_id: Id
    code: Id
    message: Text = ""


class _Release(Struct, frozen=True, forbid_unknown_fields=True):
    external_id: Id


class _Cancellation(Struct, frozen=True, forbid_unknown_fields=True):
    external_id: Id
    reason: Text = "canceled by the fulfiller"


class _Count(Struct, frozen=True, forbid_unknown_fields=True):
    sku: Id
    on_hand: Quantity


class _Counts(Struct, frozen=True, forbid_unknown_fields=True):
    counts: Annotated[tuple[_Count, ...], Meta(max_length=_COUNTS_MAX)]


class ControlRoutes:
    def __init__(
        self, orders: OrderStore, progression: Progression, stock: WarehouseStock, webhooks: OutgoingWebhooks
    ) -> None:
        self._orders, self._progression, self._stock, self._webhooks = orders, progression, stock, webhooks

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(f"{_PATH}/webhooks", self._aim),
            web.post(f"{_PATH}/shipments", self._ship),
            web.post(f"{_PATH}/exceptions", self._hold),
            web.post(f"{_PATH}/releases", self._release),
            web.post(f"{_PATH}/cancellations", self._cancel),
            web.post(f"{_PATH}/inventory", self._count),
        ]

    async def _aim(self, request: web.Request) -> web.Response:
        target = await control_body(request, WebhookTarget)
        self._webhooks.aim(target)
        return answer({"url": target.url}, 201)

    async def _ship(self, request: web.Request) -> web.Response:
        body = await control_body(request, _Shipment)
        order = self._order(body.external_id)
        self._orders.ship(order, {item.line_ref: _quantity(item.quantity) for item in body.items} or order.remaining())
        self._progression.schedule(order)
        return answer(order.to_payload(), 201)

    async def _hold(self, request: web.Request) -> web.Response:
        body = await control_body(request, _Exception)
        order = self._order(body.external_id)
        self._orders.hold(order, body.code, body.message)
        return answer(order.to_payload(), 201)

    async def _release(self, request: web.Request) -> web.Response:
        order = self._order((await control_body(request, _Release)).external_id)
        self._orders.release(order)
        self._progression.schedule(order)
        return answer(order.to_payload())

    async def _cancel(self, request: web.Request) -> web.Response:
        body = await control_body(request, _Cancellation)
        order = self._order(body.external_id)
        self._orders.cancel(order, body.reason)
        return answer(order.to_payload())

    async def _count(self, request: web.Request) -> web.Response:
        """Set counted stock, and release the orders that waited for some."""
        counts = (await control_body(request, _Counts)).counts
        for count in counts:
            self._stock.count(count.sku, amount(count.on_hand))
        for order in self._orders.all():
            if order.hold == "out_of_stock" and order.progress not in FINAL:
                self._orders.release(order)
                self._progression.schedule(order)
        return answer({"inventory": [self._stock.to_payload(count.sku) for count in counts]}, 201)

    def _order(self, external_id: str) -> StoredOrder:
        order = self._orders.with_external_id(external_id)
        if order is None:
            raise RefusalError(404, f"No order {external_id!r}", "name the external_id of an outbound order")
        return order


def _quantity(text: str) -> int:
    try:
        return quantities.from_text(text)
    except ValueError as exc:
        raise RefusalError(400, f"quantity: {exc}", 'send text such as "2"') from exc
