"""Parts of an order: links, or the parts themselves where `include` asks for them."""

from typing import Final

from multidict import MultiMapping

from app.sandbox.vendors.bigcommerce.consignments import consignments, link
from app.sandbox.vendors.bigcommerce.fields import Wire
from app.sandbox.vendors.bigcommerce.order_store import StoredOrder

FEES: Final = "fees"
CONSIGNMENTS: Final = "consignments"
CONSIGNMENT_LINES: Final = "consignments.line_items"
_LINKS: Final = {
    "products": "products",
    "shipping_addresses": "shippingaddresses",
    "coupons": "coupons",
    FEES: FEES,
    CONSIGNMENTS: CONSIGNMENTS,
}
"""Field -> last part of its path. The document spells that of the addresses in two ways."""
NOTHING: Final[frozenset[str]] = frozenset()


def parse(params: MultiMapping[str]) -> frozenset[str]:
    """Return the parts that a query includes: consignments with `consignment_structure=object` alone, as documented."""
    names = frozenset(",".join(params.getall("include", [])).split(","))
    structured = params.get("consignment_structure") == "object"
    return names & ({FEES, CONSIGNMENTS, CONSIGNMENT_LINES} if structured else {FEES})


def show(order: StoredOrder, base: str, parts: frozenset[str] = NOTHING) -> Wire:
    """Return the order as the API shows it, with these parts in it. `base` is the address of the API."""
    path = f"/orders/{order.order_id}"
    wire = order.fields | {name: link(base, f"{path}/{last}") for name, last in _LINKS.items()}
    if FEES in parts:
        wire[FEES] = order.lists[FEES]
    if parts & {CONSIGNMENTS, CONSIGNMENT_LINES}:
        wire[CONSIGNMENTS] = consignments(order, base, with_lines=CONSIGNMENT_LINES in parts)
    return wire
