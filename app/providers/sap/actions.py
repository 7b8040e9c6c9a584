"""Actions of SAP: sales orders for accounting, created, and looked up by keys that SAP keeps for us. Pure.

SAP's metadata lets nobody outside write ExternalDocumentID or SenderBusinessSystemName, so the keys are fields that it
does let us write: PurchaseOrderByCustomer carries the order id, PurchaseOrderByShipToParty a mark by which an order of
ours is told from all others. Of an item UnderlyingPurchaseOrderItem carries the line id; where that does not fit, or
the release has no such field, the item's own PurchaseOrderByShipToParty does. Deliberately absent: freight, discounts
and taxes of the order as a whole; SAP's own pricing adds those.
"""

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any, Final, NamedTuple

from app.domain.external_keys import line_key, units
from app.domain.lifecycle import Status
from app.domain.order import AMOUNT_SCALE, Line, Order
from app.events.ids import derive
from app.events.model import BillingRequested
from app.providers.http_messages import Call, Reply
from app.providers.port import Action, Code, Outcome, Result
from app.providers.sap import odata

CREATE_SALES_ORDER: Final = "Create sales order for accounting"
ACTIONS: Final = frozenset({CREATE_SALES_ORDER})

ORDERS: Final = f"{odata.SALES_ORDERS}/A_SalesOrder"
REFERENCE_CHARS_MAX: Final = 35
"""Of PurchaseOrderByCustomer and PurchaseOrderByShipToParty, which keep small letters as they are."""
ITEM_REFERENCE_CHARS_MAX: Final = 6
MATERIAL_CHARS_MAX: Final = 40
UNDERLYING_ITEM: Final = "UnderlyingPurchaseOrderItem"
"""SAP S/4HANA Cloud has it. On-premise releases were seen without it, and refuse an order that names it."""
SHIP_TO_REFERENCE: Final = "PurchaseOrderByShipToParty"
"""An item of ours has the line id there, one that is added at SAP the header's mark, or nothing."""
UNIT: Final = "PC"
TEXT_ID: Final = "TX01"
"""The header text that keeps an order id which is too long for a field."""
_MARK: Final = "wb-"
_PRICED_FOR_MAX: Final = 99_999
_STEP: Final = 10
"""SAP numbers items 10, 20, 30, to leave room between them."""
_QUANTUM: Final = AMOUNT_SCALE // 1000
"""SAP counts quantities in thousandths."""


class SalesArea(NamedTuple):
    """Where in SAP orders belong, how they are priced, and which field of an item carries the line id."""

    order_type: str
    organization: str
    channel: str
    division: str
    sold_to: str
    price_condition: str
    item_reference: str = UNDERLYING_ITEM


class UnfitError(ValueError):
    """An order that SAP's fields cannot hold; the message names what and the fix."""


def order_of(action: Action) -> Order | Result:
    """Return the order of an action, or the refusal of an action that cannot be meant for SAP."""
    if action.name not in ACTIONS or not isinstance(action.body, BillingRequested):
        return Result(Outcome.DECLINED, Code.UNSUPPORTED, f"sap has no action {action.name!r} for this request")
    return action.body.order


def reference_of(order_id: str) -> str:
    """Return PurchaseOrderByCustomer of an order: its id, or where that is too long a key derived from it."""
    return order_id if units(order_id) <= REFERENCE_CHARS_MAX else mark_of(order_id)


def mark_of(order_id: str) -> str:
    """Return PurchaseOrderByShipToParty of our orders. No other order has the mark that belongs to its reference."""
    return _MARK + derive(order_id, "sap")


def has_mark(sales_order: Mapping[str, Any], order_id: str) -> bool:
    """Return whether a sales order is really this order's, and not only alike to SAP. Case of the mark is ignored."""
    return str(sales_order.get("PurchaseOrderByShipToParty") or "").strip().lower() == mark_of(order_id)


def find_orders(order_id: str) -> Call:
    fields = "SalesOrder,PurchaseOrderByCustomer,PurchaseOrderByShipToParty,OverallSDDocumentRejectionSts"
    has_our_reference = f"PurchaseOrderByCustomer eq {odata.literal(reference_of(order_id))}"
    return odata.read(ORDERS, ("$filter", has_our_reference), ("$select", fields))


def create_order(order: Order, area: SalesArea) -> Call | Result:
    """Return the creation of an order with all its items, or the refusal of an order that SAP's fields cannot hold."""
    try:
        return odata.create(ORDERS, _header(order, area))
    except UnfitError as exc:
        return Result(Outcome.DECLINED, Code.INVALID, str(exc))


def _header(order: Order, area: SalesArea) -> dict[str, Any]:
    lines = [line for line in order.lines if line.state != Status.CANCELED.state]
    if not lines:
        raise UnfitError("no line to bill: the order has none, or all are canceled")
    header: dict[str, Any] = {
        "SalesOrderType": area.order_type,
        "SalesOrganization": area.organization,
        "DistributionChannel": area.channel,
        "OrganizationDivision": area.division,
        "SoldToParty": area.sold_to,
        "PurchaseOrderByCustomer": reference_of(order.order_id),
        SHIP_TO_REFERENCE: mark_of(order.order_id),
        "CustomerPurchaseOrderDate": odata.date(order.placed_at),
    }
    if order.currency:
        header["TransactionCurrency"] = order.currency
    if order.requested_ship_date is not None:
        header["RequestedDeliveryDate"] = odata.date(order.requested_ship_date)
    if header["PurchaseOrderByCustomer"] != order.order_id:
        text = {"Language": "EN", "LongTextID": TEXT_ID, "LongText": order.order_id}
        header["to_Text"] = {"results": [text]}
    items = [_item(line, position, order.currency, area) for position, line in enumerate(lines, 1)]
    return header | {"to_Item": {"results": items}}


def _item(line: Line, position: int, currency: str, area: SalesArea) -> dict[str, Any]:
    if not 0 < units(line.sku) <= MATERIAL_CHARS_MAX:
        raise UnfitError(f"line {line.line_id!r}: sku {line.sku[:60]!r} is no material; 1 to 40 characters are")
    if line.quantity <= 0 or line.quantity % _QUANTUM:
        quantity = odata.decimal(line.quantity)
        raise UnfitError(f"line {line.line_id!r}: SAP takes no quantity {quantity}, but more than 0 in thousandths")
    return {
        "SalesOrderItem": str(position * _STEP),
        **_item_reference(line.line_id, area.item_reference),
        "Material": line.sku,
        "RequestedQuantity": odata.decimal(line.quantity, 3),
        "RequestedQuantityUnit": UNIT,
        "to_PricingElement": {"results": [_price(line, currency, area)]},
    }


def _item_reference(line_id: str, field: str) -> dict[str, str]:
    """Return the field with the line id. SAP may capitalise the short field: only ids that stay the same go there."""
    short = line_key(line_id, ITEM_REFERENCE_CHARS_MAX)
    if field == UNDERLYING_ITEM and short == line_id == line_id.upper():
        return {UNDERLYING_ITEM: line_id}
    return {SHIP_TO_REFERENCE: line_key(line_id, REFERENCE_CHARS_MAX)}


def line_id_of(item: odata.Entity, mark: str) -> str:
    """Return our line id of an item, or the key that stands for it; "" for an item that somebody at SAP added.

    `mark` is that of the order.
    """
    if short := str(item.get(UNDERLYING_ITEM) or ""):
        return short
    reference = str(item.get(SHIP_TO_REFERENCE) or "")
    return "" if reference == mark else reference


def _price(line: Line, currency: str, area: SalesArea) -> dict[str, str]:
    """Return the price of a line: its unit price, or where that times quantity is not its total, the total for all."""
    rate = line.unit_price
    per = 1
    if line.unit_price * line.quantity != line.total * AMOUNT_SCALE:
        shared = gcd(line.quantity, AMOUNT_SCALE)
        rate = line.total * (AMOUNT_SCALE // shared)
        per = line.quantity // shared
    if per > _PRICED_FOR_MAX:
        raise UnfitError(f"line {line.line_id!r}: SAP prices up to {_PRICED_FOR_MAX} at once; split the line")
    price = {
        "ConditionType": area.price_condition,
        "ConditionRateValue": odata.decimal(rate),
        "ConditionQuantity": str(per),
        "ConditionQuantityUnit": UNIT,
    }
    return {**price, "ConditionCurrency": currency} if currency else price


def message_of(reply: Reply) -> str:
    """Return SAP's own message, and the fix where a release lacks the field of the line ids."""
    words = odata.message_of(reply)
    if UNDERLYING_ITEM not in words:
        return words
    return f"{words}; where the release has no such field, set WAYBILL_SAP_ITEM_REFERENCE={SHIP_TO_REFERENCE}"


def number_of_entity(entity: odata.Entity) -> str:
    """Return SAP's number of a sales order. Raises MalformedReplyError."""
    return odata.number_of(entity, "SalesOrder")


def number_of(reply: Reply) -> str:
    return number_of_entity(odata.entity_of(reply))


def by_preference(orders: Sequence[Mapping[str, Any]], order_id: str) -> list[str]:
    """Return the numbers of the order's sales orders; the first one stands for the order. Raises MalformedReplyError.

    Two exist when a creation took effect after it was given up: then one that was not rejected wins, else the lowest.
    """
    ours = [order for order in orders if has_mark(order, order_id)]
    rejected = {number_of_entity(order): order.get("OverallSDDocumentRejectionSts") == "C" for order in ours}
    return sorted(rejected, key=lambda number: (rejected[number], len(number), number))


def references_in(orders: Sequence[Mapping[str, Any]], order_id: str) -> list[str]:
    """Return the numbers of the order's sales orders, without those that were rejected beside another one.

    Raises MalformedReplyError.
    """
    rejected = {number_of_entity(order) for order in orders if order.get("OverallSDDocumentRejectionSts") == "C"}
    numbers = by_preference(orders, order_id)
    return [number for number in numbers if number not in rejected] or numbers[:1]


def existing_result(numbers: Sequence[str]) -> Result:
    """Return the result for an order that SAP has. `numbers`: the one that stands for it, and others, if any."""
    first, *others = numbers
    detail = f"SAP also has {', '.join(others)} with this reference: reject them" if others else "was there already"
    return Result(Outcome.OK, Code.OK, detail, first)


def created_result(sales_order: str) -> Result:
    return Result(Outcome.OK, Code.OK, "", sales_order)
