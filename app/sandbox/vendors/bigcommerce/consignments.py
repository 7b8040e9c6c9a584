"""The consignments of an order: which of its goods leave as parcels, are picked up, downloaded or sent as e-mail.

They are derived from the lines: `order_address_id`, `order_pickup_method_id` and `type` say where each one goes.
Amounts are numbers here, though they are text everywhere else (vendor: orderConsignment_Get of orders.v2.oas2.yml).
"""

from collections.abc import Callable
from typing import Any, Final

from app.sandbox.vendors.bigcommerce import fields
from app.sandbox.vendors.bigcommerce.fields import Wire
from app.sandbox.vendors.bigcommerce.order_store import StoredOrder

_AMOUNTS: Final = (
    *("base_cost", "cost_ex_tax", "cost_inc_tax", "cost_tax", "base_handling_cost", "handling_cost_ex_tax"),
    *("handling_cost_inc_tax", "handling_cost_tax"),
)
_AS_THEY_ARE: Final = (
    *("form_fields", "shipping_method", "items_total", "items_shipped", "cost_tax_class_id"),
    *("handling_cost_tax_class_id", "shipping_zone_id", "shipping_zone_name"),
)
_SHOP: Final[Wire] = {
    "id": 1,
    "name": "Location 1",
    "code": "LOCATION-1",
    "address_line_1": "123 Main Street",
    "address_line_2": "",
    "city": "Austin",
    "state": "Texas",
    "postal_code": "78726",
    "country_alpha2": "US",
    "email": "location1@example.com",
    "phone": "",
}
"""The one place where goods can be picked up."""

Show = Callable[[Wire], Wire]


def link(base: str, resource: str) -> Wire:
    """Return a link to a resource. `base` is the address of the API."""
    return {"url": f"{base}{resource}", "resource": resource}


def consignments(order: StoredOrder, base: str, *, with_lines: bool) -> Wire:
    """Return all consignments of an order. Lines are links, or whole where `with_lines` asks for it."""
    products, path = order.lists["products"], f"/orders/{order.order_id}"

    def show(product: Wire) -> Wire:
        return fields.product(product, order.order_id) if with_lines else link(base, f"{path}/products/{product['id']}")

    email = order.fields["billing_address"]["email"]
    certificates = _by_email([product for product in products if product.get("type") == "giftcertificate"], email, show)
    return {
        "pickups": _pickups(products, show),
        "shipping": [_parcel(address, order, base, show) for address in order.lists["shipping_addresses"]],
        "downloads": _by_email([product for product in products if product.get("type") == "digital"], email, show),
        "email": {"gift_certificates": certificates},
    }


def _parcel(row: Wire, order: StoredOrder, base: str, show: Show) -> Wire:
    address = fields.address(row, order.order_id, base)
    quotes = f"/orders/{order.order_id}/consignments/shipping/{address['id']}/shipping_quotes"
    lines = [product for product in order.lists["products"] if product.get("order_address_id") == address["id"]]
    return {
        "id": address["id"],
        **fields.person(address),
        **{name: address[name] for name in _AS_THEY_ARE},
        **{name: _number(address[name]) for name in _AMOUNTS},
        "line_items": [show(product) for product in lines],
        "shipping_quotes": link(base, quotes),
    }


def _pickups(products: list[Wire], show: Show) -> list[Wire]:
    by_method: dict[int, list[Wire]] = {}
    for product in products:
        if method := product.get("order_pickup_method_id"):
            by_method.setdefault(method, []).append(show(product))
    return [_pickup(method, lines) for method, lines in by_method.items()]


def _pickup(method: int, lines: list[Any]) -> Wire:
    return {
        "id": method,
        "pickup_method_id": method,
        "pickup_method_display_name": "Pick Up",
        "collection_instructions": "",
        "collection_time_description": "",
        "location": _SHOP,
        "line_items": lines,
    }


def _by_email(products: list[Wire], email: str, show: Show) -> list[Wire]:
    return [{"recipient_email": email, "line_items": list(map(show, products))}] if products else []


def _number(amount: object) -> float:
    """Return an amount as a number, 0 where a shop was seeded with something else."""
    try:
        return float(str(amount))
    except ValueError:
        return 0.0
