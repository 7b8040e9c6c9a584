"""SAP's part of the control plane: where notifications go, and what accountants do (bill, post, cancel)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from app.sandbox.vendors.sap.entities import Entity
from app.sandbox.vendors.sap.order_store import PROVIDER, OrderStore
from app.sandbox.vendors.sap.outgoing_webhooks import OutgoingWebhooks
from app.sandbox.vendors.sap.progression import Progression
from app.sandbox.vendors.simulation import RefusalError
from app.sandbox.vendors.simulation_http import CONTROL_PATH, answer, body_of, control_body
from app.sandbox.vendors.simulation_webhooks import WebhookTarget

_PATH: Final = f"{CONTROL_PATH}/{PROVIDER}"


class BillRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Quantities as text, by item of the sales order; none: all that is left."""

    quantities: dict[str, str] = {}


class ControlRoutes:
    """Orders go by SAP's number, or by our order id."""

    def __init__(self, orders: OrderStore, progression: Progression, webhooks: OutgoingWebhooks) -> None:
        self._orders, self._progression, self._webhooks = orders, progression, webhooks

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(f"{_PATH}/webhooks", self._aim),
            web.get(f"{_PATH}/orders/{{order}}", self._show),
            web.post(f"{_PATH}/orders/{{order}}/bill", self._bill),
            web.post(f"{_PATH}/billing/{{document}}/post", self._post),
            web.post(f"{_PATH}/billing/{{document}}/cancel", self._cancel),
        ]

    async def _aim(self, request: web.Request) -> web.Response:
        target = await control_body(request, WebhookTarget)
        self._webhooks.aim(target)
        return answer({"url": target.url}, 201)

    async def _show(self, request: web.Request) -> web.Response:
        order = self._order(request)
        quantities = {item: str(quantity) for item, quantity in self._orders.open_quantities(order).items()}
        documents = [
            document.values["BillingDocument"]
            for document in self._orders.billing_documents.values()
            if any(item.values["SalesDocument"] == order.values["SalesOrder"] for item in document.lists["to_Item"])
        ]
        return answer({"sales_order": order.values["SalesOrder"], "open": quantities, "billing_documents": documents})

    async def _bill(self, request: web.Request) -> web.Response:
        order = self._order(request)
        body = await control_body(request, BillRequest) if await body_of(request) else BillRequest()
        document = self._progression.bill(order, _quantities(body.quantities))
        return answer(_summary(document), 201)

    async def _post(self, request: web.Request) -> web.Response:
        document = self._document(request)
        self._orders.post(document)
        return answer(_summary(document))

    async def _cancel(self, request: web.Request) -> web.Response:
        document = self._document(request)
        reversal = self._orders.cancel(document)
        return answer({**_summary(document), "by": reversal.values["BillingDocument"]})

    def _order(self, request: web.Request) -> Entity:
        name = request.match_info["order"]
        order = self._orders.order(name)
        if order is None:
            raise RefusalError(404, f"SAP has no order {name[:80]!r}", "name a sales order, or an order id")
        return order

    def _document(self, request: web.Request) -> Entity:
        name = request.match_info["document"]
        document = self._orders.billing_documents.get(name)
        if document is None:
            raise RefusalError(404, f"SAP has no billing document {name[:80]!r}", "GET .../orders/{order} lists them")
        return document


def _summary(document: Entity) -> dict[str, Any]:
    return {
        "billing_document": document.values["BillingDocument"],
        "transfer_status": document.values["AccountingTransferStatus"],
        "cancelled": document.values["BillingDocumentIsCancelled"],
    }


def _quantities(texts: Mapping[str, str]) -> dict[str, Decimal]:
    try:
        return {item.lstrip("0"): Decimal(text) for item, text in texts.items()}
    except InvalidOperation as exc:
        raise RefusalError(400, "$.quantities: not a decimal", 'send text such as "1.000"') from exc
