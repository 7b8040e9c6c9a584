"""OData V2 of both services: collections, records by key, creation with deep insert, change with ETag, cancellation."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from app.sandbox.vendors.sap import metadata
from app.sandbox.vendors.sap.entities import Entity, EntityType
from app.sandbox.vendors.sap.order_store import PROVIDER, OrderStore
from app.sandbox.vendors.sap.query import Query, address, key_of, parse, render, run
from app.sandbox.vendors.sap.refusals import SapError
from app.sandbox.vendors.sap.schema import CANCEL, SALES, Service
from app.sandbox.vendors.simulation_http import answer, body_of

ROOT: Final = f"/{PROVIDER}/sap/opu/odata/sap"
METADATA: Final = "$metadata"
_COUNT: Final = "/$count"
_VERSION: Final = {"dataserviceversion": "2.0"}


class OData:
    def __init__(self, services: Mapping[str, Service], orders: OrderStore, page_size: int) -> None:
        self._services, self._orders, self._page_size = services, orders, page_size

    def routes(self) -> list[web.RouteDef]:
        path = f"{ROOT}/{{service}}/{{address:.*}}"
        methods = {"POST": self._post, "PATCH": self._patch, "MERGE": self._patch}
        # Reads answer HEAD as well, which fetches a token without a body.
        reads = [web.get(f"{ROOT}/{{service}}", self._root), web.get(path, self._get)]
        return [*reads, *(web.route(method, path, handler) for method, handler in methods.items())]

    async def _root(self, request: web.Request) -> web.Response:
        return _answer({"EntitySets": sorted(self._service(request).types)})

    async def _get(self, request: web.Request) -> web.Response:
        service, text = self._service(request), request.match_info["address"]
        if not text:
            return await self._root(request)
        if text == METADATA:
            return web.Response(body=metadata.document(service), content_type="application/xml", headers=_VERSION)
        is_count = text.endswith(_COUNT)
        collection, key, navigation = address(text.removesuffix(_COUNT))
        kind = self._kind(request, collection)
        if is_count:
            return self._count(request, kind, key, navigation)
        if key is not None:
            entity = self._find(kind, key)
            return self._below(request, entity, navigation) if navigation else _one(request, entity)
        query = parse(request.query, kind)
        page = run(query, self._orders.candidates(kind, query.filter), self._page_size)
        body: dict[str, Any] = {"__count": str(page.total)} if query.count else {}
        body["results"] = [render(entity, _base(request), query) for entity in page.entities]
        if page.token is not None:
            body["__next"] = str(request.url.update_query({"$skiptoken": str(page.token)}))
        return _answer(body)

    def _count(self, request: web.Request, kind: EntityType, key: str | None, navigation: str) -> web.Response:
        """Answer `A_SalesOrder/$count` and `A_SalesOrder('1')/to_Item/$count` with the number of matches, as text."""
        if key is None:
            query = parse(request.query, kind)
            total = run(query, self._orders.candidates(kind, query.filter), self._page_size).total
        else:
            entity = self._find(kind, key)
            below = _list_of(entity, navigation)
            total = run(parse(request.query, entity.kind.lists[navigation]), below, self._page_size).total
        return web.Response(text=str(total), content_type="text/plain", headers=_VERSION)

    def _below(self, request: web.Request, entity: Entity, navigation: str) -> web.Response:
        """Answer `A_SalesOrder('1')/to_Item`, all of it in one page, and `A_SalesOrderItem(...)/to_SalesOrder`."""
        if navigation == entity.kind.single and entity.parent is not None:
            return _one(request, entity.parent)
        rows = _list_of(entity, navigation)
        query = parse(request.query, entity.kind.lists[navigation])
        below = run(query, rows, len(rows) or 1).entities
        return _answer({"results": [render(row, _base(request), query) for row in below]})

    async def _post(self, request: web.Request) -> web.Response:
        collection, key, navigation = address(request.match_info["address"])
        if collection in self._service(request).functions:
            return self._cancel(request)
        if not self._is_sales_order(self._kind(request, collection)) or key is not None or navigation:
            raise _unsupported(request)
        order = self._orders.create(await _object(request))
        # What was sent comes back: a deep insert shows what it made, the rest is deferred.
        navigations = frozenset((name,) for name, below in order.lists.items() if below)
        query = parse({}, order.kind)
        body = render(order, _base(request), _expanding(query, navigations))
        uri = body["__metadata"]["uri"]
        return _answer(body, 201, {"Location": uri, "ETag": order.etag})

    async def _patch(self, request: web.Request) -> web.Response:
        """Change fields of a header. It needs the ETag of what was read."""
        collection, key, navigation = address(request.match_info["address"])
        kind = self._kind(request, collection)
        if not self._is_sales_order(kind) or key is None or navigation:
            raise _unsupported(request)
        order, body = self._find(kind, key), await _object(request)
        _check_etag(request, order)
        inner = body.get("d", body)
        if not isinstance(inner, dict):
            raise SapError(400, "/IWCOR/CX_OD_BAD_REQUEST", "An object was expected as `d`")
        self._orders.patch(order, inner)
        return web.Response(status=204, headers={"ETag": order.etag})

    def _cancel(self, request: web.Request) -> web.Response:
        """Cancel a billing document by the function import of its service."""
        number = request.query.get("BillingDocument", "").strip("'").lstrip("0")
        document = self._orders.billing_documents.get(number)
        if document is None:
            raise SapError(404, "VF/041", f"Billing document {number[:20]} does not exist")
        reversal = self._orders.cancel(document)
        values = {
            "BillingDocument": number,
            "CancellationBillingDocument": reversal.values["BillingDocument"],
            "SystemMessageType": "S",
            "SystemMessageIdentification": "VF",
            "SystemMessageNumber": "311",
            "SystemMessageText": f"Document {number} has been saved",
            "SystemMessageVariable1": number,
        }
        result = {name: values.get(name, "") for name in CANCEL.returns.fields}
        kind = {"__metadata": {"type": f"{CANCEL.of.service}.{CANCEL.returns.name}"}}
        return _answer({"results": [kind | result]})

    def _find(self, kind: EntityType, text: str) -> Entity:
        key = key_of(text, kind)
        entity = self._orders.with_key(kind, key)
        if entity is None:
            raise SapError(404, "/IWBEP/CM_MGW_RT/000", f"Resource not found for {kind.name}({', '.join(key)[:50]})")
        return entity

    def _service(self, request: web.Request) -> Service:
        name = request.match_info["service"]
        if name not in self._services:
            raise SapError(
                404, "/IWFND/MED/170", f"No service found for namespace '', name '{name[:60]}', version '0001'"
            )
        return self._services[name]

    def _kind(self, request: web.Request, collection: str) -> EntityType:
        service = self._service(request)
        if collection in service.functions:
            raise _unsupported(request)
        if collection not in service.types:
            raise SapError(404, "/IWFND/CM_BEC/026", f"Resource not found for the segment '{collection}'")
        return service.types[collection]

    def _is_sales_order(self, kind: EntityType) -> bool:
        """Return whether it is the sales order, which alone can be created and changed."""
        return kind is self._services[SALES].root


def _list_of(entity: Entity, navigation: str) -> list[Entity]:
    """Return the records below. Raises SapError with 404."""
    if navigation not in entity.lists:
        raise SapError(404, "/IWFND/CM_BEC/026", f"Resource not found for the segment '{navigation}'")
    return entity.lists[navigation]


def _one(request: web.Request, entity: Entity) -> web.Response:
    body = render(entity, _base(request), parse(request.query, entity.kind))
    return _answer(body, headers={"ETag": entity.etag} if entity.etag else {})


def _expanding(query: Query, expand: frozenset[tuple[str, ...]]) -> Query:
    return Query(
        filter=query.filter,
        order=query.order,
        top=query.top,
        skip=query.skip,
        token=query.token,
        count=query.count,
        expand=expand,
        select=query.select,
    )


def _unsupported(request: web.Request) -> SapError:
    path = request.match_info["address"][:80]
    return SapError(405, "/IWBEP/CM_MGW_RT/027", f"Method {request.method} is not supported for {path}")


def _check_etag(request: web.Request, entity: Entity) -> None:
    """Raises SapError: 428 when the caller names no state, 412 when it read an older one."""
    if_match = request.headers.get("If-Match", "")
    if not if_match:
        raise SapError(428, "/IWFND/CM_MGW/522", "Precondition required: send If-Match with the ETag of the entity")
    if if_match not in ("*", entity.etag):
        raise SapError(412, "/IWFND/CM_MGW/523", "Precondition failed: the entity was changed since it was read")


async def _object(request: web.Request) -> dict[str, Any]:
    """Return the body. Raises SapError: 415 for another content type, 400 for anything but a JSON object."""
    if request.content_type != "application/json":
        raise SapError(415, "/IWFND/CM_CONSUMER/500", "The content type must be application/json")
    try:
        return msgspec.json.decode(await body_of(request), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SapError(400, "/IWCOR/CX_OD_BAD_REQUEST", f"The request body cannot be read: {exc}") from exc


def _base(request: web.Request) -> str:
    return f"{request.url.origin()}{ROOT}"


def _answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return answer({"d": body}, status, {**_VERSION, **(headers or {})})
