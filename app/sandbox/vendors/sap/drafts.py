"""Creation of sales orders by deep insert: reading, checks in SAP's words, defaults and prices."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final

from app.sandbox.vendors.sap.entities import DAY_MS, Entity, EntityType, Values, parse_fields
from app.sandbox.vendors.sap.refusals import SapError

ITEMS_MAX: Final = 1000
USER: Final = "SAP_COM_0109"
_CENT: Final = Decimal("0.01")
_STEP: Final = 10
_DIGITS: Final = 60
"""Enough for a price times a quantity without rounding."""
_AREA: Final = ("SalesOrganization", "DistributionChannel", "OrganizationDivision")
_MANDATORY: Final = ("SalesOrderType", *_AREA, "SoldToParty")


def draft_order(kind: EntityType, body: Mapping[str, Any], sold_to: str, now: int) -> Entity:
    """Return the order of a deep insert, complete but for its number. Raises SapError with 400.

    `kind` is what a sales order is in this release, `sold_to` the one business partner there is, `now` in ms.
    """
    fields = parse_fields(kind, body, "write", "insert")
    if missing := next((name for name in _MANDATORY if not fields.get(name)), ""):
        raise SapError(400, "V1/344", f"Enter a value for {missing}")
    if fields["SoldToParty"].lstrip("0") != sold_to.lstrip("0"):
        area = " ".join(fields[name] for name in _AREA)
        raise SapError(400, "V1/302", f"Sold-to party {fields['SoldToParty']} not maintained for sales area {area}")
    order = Entity(kind, _defaults(now) | fields)
    for navigation in ("to_Partner", "to_Text"):
        for values in _deep(body, kind, navigation):
            order.add(navigation, parse_fields(kind.lists[navigation], values, "write", "insert"))
    for values in _deep(body, kind, "to_Item"):
        _add_item(order, values)
    order.values["TotalNetAmount"] = sum((item.values["NetAmount"] for item in order.lists["to_Item"]), Decimal(0))
    return order


def number(below: Entity, sales_order: str) -> None:
    """Give a new order its number, and all that is below it."""
    below.values["SalesOrder"] = sales_order
    for further in below.lists.values():
        for entity in further:
            number(entity, sales_order)


def _defaults(now: int) -> Values:
    today = now - now % DAY_MS
    dates = dict.fromkeys(("CreationDate", "SalesOrderDate", "PricingDate", "RequestedDeliveryDate"), today)
    status = {"OverallSDProcessStatus": "A", "OverallOrdReltdBillgStatus": "A", "OverallSDDocumentRejectionSts": "A"}
    return {**dates, **status, "LastChangeDateTime": now, "CreatedByUser": USER, "TransactionCurrency": "USD"}


def _deep(body: Mapping[str, Any], kind: EntityType, navigation: str) -> list[Mapping[str, Any]]:
    """Return the records below: `{"results": [...]}`, or the array itself. Raises SapError with 400."""
    value = body.get(navigation, [])
    rows = value.get("results") if isinstance(value, dict) else value
    if not isinstance(rows, list) or len(rows) > ITEMS_MAX or not all(isinstance(row, dict) for row in rows):
        problem = f"Property '{navigation}' of '{kind.name}Type': an array of up to {ITEMS_MAX} was expected"
        raise SapError(400, "/IWCOR/CX_OD_BAD_REQUEST", problem)
    return rows


def _add_item(order: Entity, body: Mapping[str, Any]) -> None:
    fields = parse_fields(order.kind.lists["to_Item"], body, "write", "insert")
    number = fields.get("SalesOrderItem") or str((len(order.lists["to_Item"]) + 1) * _STEP)
    if any(item.values["SalesOrderItem"] == number for item in order.lists["to_Item"]):
        raise SapError(400, "V1/401", f"Item {number} exists already")
    if not fields.get("Material"):
        raise SapError(400, "V1/382", f"Item {number}: enter a material")
    if fields.get("RequestedQuantity", 0) <= 0:
        raise SapError(400, "V1/370", f"Item {number}: enter a quantity")
    currency = order.values["TransactionCurrency"]
    references = {name: order.values[name] for name in ("PurchaseOrderByCustomer", "PurchaseOrderByShipToParty")}
    defaults = {**references, "RequestedQuantityUnit": "PC", "SDProcessStatus": "A"}
    own = {"SalesOrderItem": number, "TransactionCurrency": currency, "OrderRelatedBillingStatus": "A"}
    item = order.add("to_Item", defaults | fields | own)
    prices = _deep(body, item.kind, "to_PricingElement")
    for step, values in enumerate(prices, 1):
        price = parse_fields(item.kind.lists["to_PricingElement"], values, "write", "insert")
        keys = {"PricingProcedureStep": str(step * _STEP), "PricingProcedureCounter": "1"}
        item.add("to_PricingElement", keys | price | {"TransactionCurrency": currency})
    for priced in item.lists["to_PricingElement"]:
        priced.values["ConditionAmount"] = _amount(priced, item.values["RequestedQuantity"])
    item.values["NetAmount"] = net_amount(item, item.values["RequestedQuantity"])


def net_amount(item: Entity, quantity: Decimal) -> Decimal:
    """Return what a quantity of an item costs by all of its prices."""
    return sum((_amount(price, quantity) for price in item.lists["to_PricingElement"]), Decimal(0))


def _amount(price: Entity, quantity: Decimal) -> Decimal:
    """Return what a quantity costs by one price, in cents: SAP rounds to the currency."""
    with localcontext() as context:
        context.prec = _DIGITS
        rate: Decimal = price.values["ConditionRateValue"]
        per: Decimal = price.values["ConditionQuantity"] or Decimal(1)
        return (rate * quantity / per).quantize(_CENT, ROUND_HALF_UP)
