"""POST /orders/{id}/shipments: what it accepts, what it answers, and what it does to the lines."""

from typing import Any, Final

from app.sandbox.vendors.bigcommerce.fields import Wire, person
from app.sandbox.vendors.bigcommerce.payloads import rfc2822
from app.sandbox.vendors.simulation import RefusalError

TRACKING_NUMBER_CHARACTERS_MAX: Final = 50
TRACKING_LINK_CHARACTERS_MAX: Final = 500
_CARRIERS: Final = frozenset(
    ("", "auspost", "canadapost", "endicia", "usps", "fedex", "royalmail", "ups", "upsready", "shipperhq")
)
_TRACKING: Final = ("tracking_number", "tracking_carrier", "tracking_link")
_TEXTS: Final = (*_TRACKING, "shipping_provider", "shipping_method", "comments")

_ITEM: Final = ("order_product_id", "quantity")

Lists = dict[str, list[Wire]]


def parse_request(body: Wire, lists: Lists) -> Wire:
    """Return the request with its optional texts filled in. Raises RefusalError with 400 that names the field."""
    if not any(address["id"] == body.get("order_address_id") for address in lists["shipping_addresses"]):
        raise _invalid("order_address_id")
    texts = {name: body.get(name, "") for name in _TEXTS}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise _invalid(name)
    _check_limits(texts)
    items = body.get("items")
    if not isinstance(items, list) or not items:
        raise _invalid("items")
    return {"order_address_id": body["order_address_id"], **texts, "items": _items(items, lists["products"])}


def _check_limits(texts: dict[str, str]) -> None:
    if len(texts["tracking_number"]) > TRACKING_NUMBER_CHARACTERS_MAX:
        raise _invalid("tracking_number")
    if len(texts["tracking_link"]) > TRACKING_LINK_CHARACTERS_MAX:
        raise _invalid("tracking_link")
    provider = texts["shipping_provider"]
    if provider not in _CARRIERS and not provider.startswith("carrier_"):
        raise _invalid("shipping_provider")


def _items(items: list[Any], products: list[Wire]) -> list[Wire]:
    open_quantities = {product["id"]: _open(product) for product in products}
    for item in items:
        if not isinstance(item, dict) or not all(type(item.get(key)) is int for key in _ITEM):
            raise _invalid("items")
        line, quantity = item["order_product_id"], item["quantity"]
        if quantity < 1 or quantity > open_quantities.get(line, 0):
            raise RefusalError(400, f"The field 'items' is invalid: line {line} has no {quantity} to ship.")
        open_quantities[line] -= quantity
    return [{"order_product_id": item["order_product_id"], "quantity": item["quantity"]} for item in items]


def shipment(request: Wire, fields: Wire, lists: Lists, number: int, now_ms: int) -> Wire:
    """Return the shipment as BigCommerce shows it."""
    address = next(item for item in lists["shipping_addresses"] if item["id"] == request["order_address_id"])
    products = {product["id"]: product for product in lists["products"]}
    return {
        "id": number,
        "order_id": fields["id"],
        "customer_id": fields["customer_id"],
        "order_address_id": request["order_address_id"],
        "date_created": rfc2822(now_ms),
        "tracking_number": request["tracking_number"],
        "merchant_shipping_cost": "0.0000",
        "shipping_method": request["shipping_method"] or address.get("shipping_method", "None"),
        "comments": request["comments"],
        "shipping_provider": request["shipping_provider"],
        "tracking_carrier": request["tracking_carrier"],
        "tracking_link": request["tracking_link"],
        "generated_tracking_link": "",
        "items": [
            {**item, "product_id": products[item["order_product_id"]].get("product_id", 0)} for item in request["items"]
        ],
        "billing_address": person(fields["billing_address"]),
        "shipping_address": person(address),
        "shipping_provider_display_name": request["shipping_provider"].upper(),
    }


def add_shipped(request: Wire, lists: Lists) -> None:
    """Raise the shipped quantities of lines and address."""
    products = {product["id"]: product for product in lists["products"]}
    for item in request["items"]:
        product = products[item["order_product_id"]]
        product["quantity_shipped"] = product.get("quantity_shipped", 0) + item["quantity"]
    for address in lists["shipping_addresses"]:
        if address["id"] == request["order_address_id"]:
            shipped = sum(item["quantity"] for item in request["items"])
            address["items_shipped"] = address.get("items_shipped", 0) + shipped


def is_complete(products: list[Wire]) -> bool:
    return all(_open(product) <= 0 for product in products)


def _open(product: Wire) -> int:
    return int(product.get("quantity", 0)) - int(product.get("quantity_shipped", 0))


def _invalid(name: str) -> RefusalError:
    return RefusalError(400, f"The field '{name}' is invalid.")
