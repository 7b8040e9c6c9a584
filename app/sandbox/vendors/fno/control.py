"""The control plane of the simulated F+O: orders that are born there, and what its people do (advance, change).

The API of F+O has no such calls: connectors never use them.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from app.events.sales_order_change import IOM
from app.sandbox.vendors.fno.entities import HEADER, LINE, SYMBOLS, EntityType, Values, coerce
from app.sandbox.vendors.fno.order_store import LINES_MAX, PROVIDER, OrderStore, SalesOrder
from app.sandbox.vendors.fno.progression import STAGES, Progression
from app.sandbox.vendors.simulation import RefusalError
from app.sandbox.vendors.simulation_http import CONTROL_PATH, answer, control_body, control_orders

_ORDER_PATH: Final = f"{CONTROL_PATH}/{PROVIDER}/orders"
_IGNORED: Final = frozenset(("isReadyToSync", "Lines", "SalesOrderStatus", "SalesOrderProcessingStatus"))
_IGNORED_IN_LINES: Final = frozenset(("InventoryLotId", "SalesOrderLineStatus", "SalesOrderNumber", "dataAreaId"))


class AdvanceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`lines` of a partial step: line numbers, or inventory lot ids."""

    to: str
    lines: list[int | str] = []


class ControlRoutes:
    def __init__(self, orders: OrderStore, progression: Progression) -> None:
        self._orders, self._progression = orders, progression

    def routes(self) -> list[web.RouteDef]:
        one = f"{_ORDER_PATH}/{{company}}/{{number}}"
        return [
            web.post(_ORDER_PATH, self._seed),
            web.get(one, self._show),
            web.post(f"{one}/advance", self._advance),
            web.post(f"{one}/change", self._change),
        ]

    async def _seed(self, request: web.Request) -> web.Response:
        """Add orders, all or none. `?automatic=Confirmed,Invoiced`: stages that come by themselves, else all."""
        automatic = _stages(request.query.get("automatic", ",".join(STAGES)))
        rows = await control_orders(request, Decimal)
        seeds = [_Seed.parse(row, f"$[{position}]") for position, row in enumerate(rows)]
        self._check_new(seeds)
        orders = [self._add(seed, automatic) for seed in seeds]
        for order in orders:
            self._orders.record_effect(order, "order created", number=order.number)
            self._orders.on_change(order, "c", "fno")
        return answer({"seeded": len(orders), "orders": [order.key for order in orders]}, 201)

    def _check_new(self, seeds: list["_Seed"]) -> None:
        keys: set[tuple[str, str]] = set()
        for position, seed in enumerate(seeds):
            key = (seed.company, seed.number.lower())
            if seed.number and (key in keys or self._orders.find(*key) is not None):
                problem = f"$[{position}].SalesOrderNumber: {seed.number} exists in {seed.company}"
                raise RefusalError(409, problem, "use another number, or none")
            keys.add(key)

    def _add(self, seed: "_Seed", automatic: frozenset[str]) -> SalesOrder:
        order = self._orders.new(seed.header, seed.company, seed.number, "fno", automatic)
        for line in seed.lines:
            self._orders.new_line(order, line)
        if seed.header.get("OrderTotalAmount"):
            order.header.values["OrderTotalAmount"] = seed.header["OrderTotalAmount"]
        return order

    async def _show(self, request: web.Request) -> web.Response:
        order = self._order(request)
        lines = [line.values for line in order.lines.values()]
        return answer({"key": order.key, "version": order.version, "header": order.header.values, "lines": lines})

    async def _advance(self, request: web.Request) -> web.Response:
        order, step = self._order(request), await control_body(request, AdvanceRequest)
        if step.to not in SYMBOLS["SalesOrderProcessingStatus"]:
            statuses = ", ".join(SYMBOLS["SalesOrderProcessingStatus"])
            raise RefusalError(400, f"$.to: {step.to[:50]!r} is not a processing status", f"use one of: {statuses}")
        before, lots = order.version, [_lot(order, line) for line in step.lines]
        try:
            self._progression.advance(order, step.to, lots, "fno")
        except RefusalError as exc:
            raise RefusalError(409, f"{order.key} is {order.status}", f"it cannot become {step.to}") from exc
        return answer({"key": order.key, "status": order.status, "changed": order.version > before})

    async def _change(self, request: web.Request) -> web.Response:
        order, body = self._order(request), await control_body(request, dict[str, Any])
        if "SalesOrderProcessingStatus" in body:
            raise RefusalError(400, "$.SalesOrderProcessingStatus is not changed here", "POST it to .../advance")
        self._orders.patch(order, body, "fno")
        return answer({"key": order.key, "version": order.version})

    def _order(self, request: web.Request) -> SalesOrder:
        company, number = request.match_info["company"], request.match_info["number"]
        order = self._orders.find(company, number)
        if order is None:
            raise RefusalError(404, f"{company} has no sales order {number}", "GET /_sim/state counts what there is")
        return order


class _Seed(Struct, frozen=True):
    """A row-shaped order, read and complete enough to be stored."""

    company: str
    number: str
    header: Values
    lines: list[Values]

    @classmethod
    def parse(cls, row: Mapping[str, Any], at: str) -> "_Seed":
        """Parse a row. Raises RefusalError that names the place."""
        lines = row.get("Lines", [])
        if not isinstance(lines, list) or len(lines) > LINES_MAX or not all(isinstance(line, dict) for line in lines):
            raise RefusalError(400, f"{at}.Lines cannot be used", f"send an array of at most {LINES_MAX} objects")
        header = _values(HEADER, row, _IGNORED, at)
        number = header.pop("SalesOrderNumber", "")
        if not header.get("dataAreaId") or not header.get("OrderingCustomerAccountNumber"):
            raise RefusalError(400, f"{at}: dataAreaId or OrderingCustomerAccountNumber is missing", "send both")
        if header.get("SalesOrderOriginCode", "").upper() == IOM:
            raise RefusalError(400, f"{at}.SalesOrderOriginCode: {IOM} marks orders made through OData", "use another")
        default_site = header.get("DefaultShippingSiteId", "")
        values = [_line(line, f"{at}.Lines[{n}]", default_site) for n, line in enumerate(lines)]
        return cls(header["dataAreaId"].lower(), number, header, values)


def _line(line: Mapping[str, Any], at: str, default_site: str) -> Values:
    values = _values(LINE, line, _IGNORED_IN_LINES, at)
    if not values.get("ItemNumber"):
        raise RefusalError(400, f"{at}.ItemNumber is missing", "send the item")
    if not values.get("ShippingSiteId") and not default_site:
        raise RefusalError(400, f"{at}.ShippingSiteId is missing", "send it, or the header's DefaultShippingSiteId")
    return values


def _values(entity: EntityType, row: Mapping[str, Any], ignored: frozenset[str], at: str) -> Values:
    values: Values = {}
    for name, value in row.items():
        if name in ignored or value is None:
            continue
        if name not in entity.fields:
            raise RefusalError(400, f"{at}.{name[:100]} is not a field of a sales order", "leave it out")
        try:
            values[name] = coerce(entity, name, _exact(entity, name, value))
        except RefusalError as exc:
            raise RefusalError(400, f"{at}.{name}: {str(value)[:100]!r} cannot be used", exc.detail) from exc
    return values


def _exact(entity: EntityType, name: str, value: object) -> object:
    """Convert amounts, which rows carry as text; anything that is no number goes on to be refused."""
    if entity.fields[name].kind != "amount" or not isinstance(value, str):
        return value
    try:
        return Decimal(value)
    except InvalidOperation:
        return value


def _stages(text: str) -> frozenset[str]:
    stages = frozenset(stage.strip() for stage in text.split(",") if stage.strip())
    if unknown := stages - set(STAGES):
        raise RefusalError(400, f"automatic: F+O has no stage {min(unknown)[:50]!r}", f"use: {', '.join(STAGES)}")
    return stages


def _lot(order: SalesOrder, line: int | str) -> str:
    numbers = {int(entity.values["LineNumber"]): lot for lot, entity in order.lines.items()}
    lot = numbers.get(line) if isinstance(line, int) else line
    if lot not in order.lines:
        raise RefusalError(404, f"$.lines: {order.key} has no line {str(line)[:50]!r}", "use line numbers or lot ids")
    return lot
