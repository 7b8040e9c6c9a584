"""OData V4 of the sales order entities: collections, single records by key, creation, change with ETag, deletion."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from app.sandbox.vendors.fno.entities import HEADER, LINE, STATUS, Entity, EntityType, Values, parse_patch
from app.sandbox.vendors.fno.order_store import PROVIDER, OrderStore, SalesOrder
from app.sandbox.vendors.fno.progression import Progression
from app.sandbox.vendors.fno.query import Query, address, parse, render, run
from app.sandbox.vendors.simulation import RefusalError
from app.sandbox.vendors.simulation_http import body_of

DATA_PATH: Final = f"/{PROVIDER}/data"
COLLECTIONS: Final[Mapping[str, EntityType]] = {
    "SalesOrderHeadersV2": HEADER,
    "SalesOrderHeadersV3": HEADER,
    "SalesOrderHeadersV4": HEADER,
    "SalesOrderLinesV2": LINE,
    "SalesOrderLinesV3": LINE,
    "WaybillSalesOrderStatuses": STATUS,
}
STATUS_FIELD: Final = "WaybillSalesOrderStatuses/ProcessingStatus"
"""Where this tenant takes the status of what was shipped elsewhere."""
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


def error(refusal: RefusalError) -> Values:
    """Return F+O's error envelope."""
    body: Values = {"code": "", "message": refusal.message}
    if refusal.detail:
        kind = "System.InvalidOperationException"
        body["innererror"] = {"message": refusal.detail, "type": kind, "stacktrace": ""}
    return {"error": body}


class OData:
    def __init__(self, orders: OrderStore, progression: Progression, company: str, page_size: int) -> None:
        self._orders, self._progression, self._company, self._page_size = orders, progression, company, page_size

    def routes(self) -> list[web.RouteDef]:
        path = f"{DATA_PATH}/{{address:.+}}"
        methods = {"GET": self._get, "POST": self._post, "PATCH": self._patch, "DELETE": self._delete}
        return [web.route(method, path, handler) for method, handler in methods.items()]

    async def _get(self, request: web.Request) -> web.Response:
        collection, key = address(request.match_info["address"])
        query = parse(request.query, _type(collection))
        if key is None:
            return self._list(request, collection, query)
        _, entity = self._find(request, collection, key)
        context = f"{_root(request)}/$metadata#{collection}/$entity"
        return _answer({"@odata.context": context, **render(query, entity)}, headers={"ETag": entity.etag})

    def _list(self, request: web.Request, collection: str, query: Query) -> web.Response:
        visible = self._visible(request, self._candidates(query))
        page = run(query, visible, self._page_size)
        body: Values = {"@odata.context": f"{_root(request)}/$metadata#{collection}"}
        if query.count:
            body["@odata.count"] = page.total
        body["value"] = [render(query, entity) for entity in page.entities]
        if page.following:
            body["@odata.nextLink"] = _next_link(request, collection, query, len(page.entities))
        return _answer(body)

    def count(self, request: web.Request, collection: str) -> int:
        """Return how many records match the filter, whatever page is asked for. Raises RefusalError."""
        query = parse(request.query, _type(collection))
        return run(query, self._visible(request, self._candidates(query)), self._page_size).total

    def _candidates(self, query: Query) -> Iterable[Entity]:
        """Return the records that the filter's equalities leave, where an index has them."""
        if query.entity is STATUS:
            return [_status(order) for order in self._orders.all()]
        if query.entity is HEADER:
            reference = query.filter.only_value("CustomersOrderReference")
            orders = self._orders.all() if reference is None else self._orders.with_reference(reference)
            return [order.header for order in orders]
        company, number = query.filter.only_value("dataAreaId"), query.filter.only_value("SalesOrderNumber")
        if company is not None and number is not None:
            order = self._orders.find(company, number)
            return list(order.lines.values()) if order is not None else ()
        return [line for order in self._orders.all() for line in order.lines.values()]

    def _visible(self, request: web.Request, entities: Iterable[Entity]) -> Iterable[Entity]:
        """Return what the user sees: without cross-company=true its own company alone."""
        if request.query.get("cross-company", "").lower() == "true":
            return entities
        return [entity for entity in entities if entity.values["dataAreaId"] == self._company]

    async def _post(self, request: web.Request) -> web.Response:
        collection, key = address(request.match_info["address"])
        if key is not None:
            raise RefusalError(405, "The requested resource does not support http method 'POST'.")
        body = await _json_object(request)
        if _type(collection) is STATUS:
            raise RefusalError(405, "The requested resource does not support http method 'POST'.")
        if _type(collection) is HEADER:
            entity = self._orders.create(body, self._company).header
        else:
            _, entity = self._orders.add_line(body, self._company)
        location = f"{_root(request)}/{_key_of(collection, entity)}"
        context = f"{_root(request)}/$metadata#{collection}/$entity"
        shown_entity = {"@odata.context": context, "@odata.etag": entity.etag, **entity.values}
        return _answer(shown_entity, 201, {"ETag": entity.etag, "Location": location})

    async def _patch(self, request: web.Request) -> web.Response:
        collection, order, entity = self._addressed(request)
        body = await _json_object(request)
        _check_etag(request, entity)
        if _type(collection) is LINE:
            self._orders.patch_line(order, entity, body, "iom")
        elif _type(collection) is STATUS:
            self._progression.advance(order, parse_patch(STATUS, body).get("ProcessingStatus", order.status), (), "iom")
            entity = order.header
        else:
            self._orders.patch(order, body, "iom")
        return web.Response(status=204, headers={"ETag": entity.etag})

    async def _delete(self, request: web.Request) -> web.Response:
        collection, order, entity = self._addressed(request)
        _check_etag(request, entity)
        if _type(collection) is STATUS:
            raise RefusalError(405, "The requested resource does not support http method 'DELETE'.")
        if _type(collection) is LINE:
            self._orders.delete_line(order, entity.values["InventoryLotId"])
        else:
            self._orders.delete(order, "iom")
        return web.Response(status=204)

    def _addressed(self, request: web.Request) -> tuple[str, SalesOrder, Entity]:
        collection, key = address(request.match_info["address"])
        if key is None:
            raise RefusalError(405, f"The requested resource does not support http method '{request.method}'.")
        return collection, *self._find(request, collection, key)

    def _find(self, request: web.Request, collection: str, key: dict[str, str]) -> tuple[SalesOrder, Entity]:
        """Return order and record. Raises RefusalError: 400 for an incomplete key, 404 for none that is visible."""
        entity_type = _type(collection)
        if key.keys() != set(entity_type.key):
            raise RefusalError(400, f"The key of {collection} needs {' and '.join(entity_type.key)}.")
        company, last = (key[name] for name in entity_type.key)
        order = self._orders.with_lot(last) if entity_type is LINE else self._orders.find(company, last)
        if order is not None and order.company == company.lower():
            entity = order.lines[last] if entity_type is LINE else order.header
            entity = _status(order) if entity_type is STATUS else entity
            if self._visible(request, [entity]):
                return order, entity
        raise RefusalError(404, "An error has occurred.", f"{collection}: no record has the key {key}.")


def _status(order: SalesOrder) -> Entity:
    """Return the tenant's own entity: a view of the header."""
    header = order.header
    values = {name: header.values[name] for name in STATUS.key} | {"ProcessingStatus": order.status}
    return Entity(values, header.record_id, header.revision)


def _type(collection: str) -> EntityType:
    if collection not in COLLECTIONS:
        raise RefusalError(404, f"Resource not found for the segment '{collection}'.")
    return COLLECTIONS[collection]


def _root(request: web.Request) -> str:
    return f"{request.url.origin()}{DATA_PATH}"


def _key_of(collection: str, entity: Entity) -> str:
    fields = COLLECTIONS[collection].key
    pairs = (f"{name}='{quote(str(entity.values[name]).replace(chr(39), chr(39) * 2))}'" for name in fields)
    return f"{collection}({','.join(pairs)})"


def _next_link(request: web.Request, collection: str, query: Query, shown_now: int) -> str:
    """Return the address of the same query from where this page ends. $top counts down with it."""
    options: dict[str, str] = {**request.query, "$skip": str(query.skip + shown_now)}
    if query.top is not None:
        options["$top"] = str(query.top - shown_now)
    text = "&".join(f"{quote(name, safe='$')}={quote(value)}" for name, value in options.items())
    return f"{_root(request)}/{collection}?{text}"


def _check_etag(request: web.Request, entity: Entity) -> None:
    """Raises RefusalError with 412 when the caller read an older state."""
    if_match = request.headers.get("If-Match", "*")
    if if_match not in ("*", entity.etag):
        raise RefusalError(412, "An error has occurred.", "The record was changed by another user: read it again.")


async def _json_object(request: web.Request) -> Values:
    try:
        return _decode(await body_of(request))
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RefusalError(400, "An error has occurred.", f"The request body cannot be read: {exc}") from exc


def _answer(body: Values, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    kind = {"Content-Type": "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8"}
    return web.Response(body=_encode(body), status=status, headers={**(headers or {}), **kind})
