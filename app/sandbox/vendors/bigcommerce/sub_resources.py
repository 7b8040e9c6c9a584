"""Routes below one order: lists in pages, their single records, fees, consignments, shipments.

Deliberately absent: changes and deletion of shipments, changes of addresses, messages and quotes. Of the last two there
are none, as the document has it for orders that no storefront made.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from app.sandbox.vendors.bigcommerce import fields, includes
from app.sandbox.vendors.bigcommerce.consignments import consignments
from app.sandbox.vendors.bigcommerce.fields import Wire
from app.sandbox.vendors.bigcommerce.order_store import OrderStore, StoredOrder, not_there
from app.sandbox.vendors.bigcommerce.payloads import json_object
from app.sandbox.vendors.bigcommerce.query import paging
from app.sandbox.vendors.simulation_http import answer

Handler = Callable[[web.Request], Any]
_RECORD: Final = "{record:[0-9]{1,15}}"
_EMPTY_IS_204: Final = frozenset({"coupons", "taxes", "shipments"})
_SINGLE: Final = frozenset({"products", "shipping_addresses", "shipments"})
"""Lists whose records have a path of their own."""


class SubResources:
    """`base` gives the address of the API that a request came to."""

    def __init__(self, orders: OrderStore, base: Callable[[web.Request], str]) -> None:
        self._orders, self._base = orders, base

    def routes(self, order: str) -> list[web.RouteDef]:
        """Return all routes below the path of an order, which has its `order_id`."""
        quotes = self._nothing_of("shipping_addresses")
        return [
            *self._list_routes(order, "products"),
            *self._list_routes(order, "shipping_addresses"),
            *self._list_routes(order, "shipping_addresses", "shippingaddresses"),
            *self._list_routes(order, "coupons"),
            *self._list_routes(order, "taxes"),
            web.get(f"{order}/shipments/count", self._shipment_count),
            *self._list_routes(order, "shipments"),
            web.post(f"{order}/shipments", self._ship),
            web.get(f"{order}/fees", self._fees),
            web.get(f"{order}/consignments", self._consignments),
            web.get(f"{order}/messages", self._nothing_of("")),
            web.get(f"{order}/shipping_addresses/{_RECORD}/shipping_quotes", quotes),
            web.get(f"{order}/shippingaddresses/{_RECORD}/shippingquotes", quotes),
            web.get(f"{order}/consignments/shipping/{_RECORD}/shipping_quotes", quotes),
        ]

    def _list_routes(self, order: str, name: str, path: str = "") -> list[web.RouteDef]:
        place = f"{order}/{path or name}"
        single = [web.get(f"{place}/{_RECORD}", self._single_of(name))] if name in _SINGLE else []
        return [web.get(place, self._list_of(name)), *single]

    def _list_of(self, name: str) -> Handler:
        async def get(request: web.Request) -> web.Response:
            order, (page, limit) = self._order(request), paging(request.query)
            rows = order.rows(name)[(page - 1) * limit : page * limit]
            if not rows and page == 1 and name in _EMPTY_IS_204:
                return web.Response(status=204)
            return answer([_show(name, row, order, self._base(request)) for row in rows])

        return get

    def _single_of(self, name: str) -> Handler:
        async def get(request: web.Request) -> web.Response:
            order = self._order(request)
            return answer(_show(name, _record(request, order, name), order, self._base(request)))

        return get

    def _nothing_of(self, name: str) -> Handler:
        """Answer 204 for a list that an order, or one of its records, could have but never has here."""

        async def get(request: web.Request) -> web.Response:
            order = self._order(request)
            if name:
                _record(request, order, name)
            return web.Response(status=204)

        return get

    async def _fees(self, request: web.Request) -> web.Response:
        return answer({includes.FEES: self._order(request).lists[includes.FEES]})

    async def _consignments(self, request: web.Request) -> web.Response:
        with_lines = request.query.get("include") == includes.CONSIGNMENT_LINES
        return answer(consignments(self._order(request), self._base(request), with_lines=with_lines))

    async def _shipment_count(self, request: web.Request) -> web.Response:
        return answer({"count": len(self._order(request).shipments)})

    async def _ship(self, request: web.Request) -> web.Response:
        order = self._order(request)
        return answer(self._orders.ship(order, await json_object(request)), 201)

    def _order(self, request: web.Request) -> StoredOrder:
        return self._orders.get(int(request.match_info["order_id"]))


def _record(request: web.Request, order: StoredOrder, name: str) -> Wire:
    """Return the record of a list. Raises RefusalError with 404."""
    number = int(request.match_info["record"])
    record = next((row for row in order.rows(name) if row["id"] == number), None)
    if record is None:
        raise not_there()
    return record


def _show(name: str, row: Wire, order: StoredOrder, base: str) -> Wire:
    match name:
        case "products":
            return fields.product(row, order.order_id)
        case "shipping_addresses":
            return fields.address(row, order.order_id, base)
    return row
