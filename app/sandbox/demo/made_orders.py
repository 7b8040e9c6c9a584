"""Orders for the demo, the same for the same seed, in the wire shapes of BigCommerce V2 and of F+O.

Validation must refuse some: each of them has one fault that a retailer meets. Nothing here is imported by the agents.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from itertools import count as numbers
from itertools import islice
from random import Random
from typing import Any, Final

from app.sandbox.demo.made_names import CUSTOMERS, DESTINATIONS, PRODUCTS, Destination

SEED: Final = 20261124
FIRST_ID: Final = 1001
LINES_MAX: Final = 40
REFUSED_EVERY: Final = 20
"""One order in twenty has a fault."""
COMPLETED: Final = ("Completed", "Fulfilled")
REFUSED: Final = ("Canceled", "Validation failed")
BIGCOMMERCE_FAULTS: Final = ("no lines", "negative quantity", "absurd quantity", "totals", "currency", "street")
FNO_FAULTS: Final = ("negative quantity", "absurd quantity", "currency", "street")

Wire = dict[str, Any]


@dataclass(frozen=True)
class DemoOrder:
    """One order to seed, and how it must end: (state, reason), or None for an order from a file, which may complete or
    be refused. Orders of round 0 run without a fault, those of each later round during an outage."""

    order_id: str
    source_ref: str
    scenario: int
    expected: tuple[str, str] | None
    wire: Wire
    round: int = 0


def money(amount: Decimal) -> str:
    """Return an amount as BigCommerce writes it: four decimal places."""
    return f"{amount:.4f}"


def _line_count(dice: Random) -> int:
    """Return a number of lines: mostly a few, now and then many, as in shops."""
    return LINES_MAX if dice.random() < 0.01 else min(LINES_MAX, 1 + int(dice.expovariate(0.35)))


def _faults(dice: Random, kinds: tuple[str, ...], count: int) -> dict[int, str]:
    """Return the fault of each order that has one, by its position: every kind once before any comes twice."""
    positions = dice.sample(range(count), k=count // REFUSED_EVERY)
    return {position: kinds[n % len(kinds)] for n, position in enumerate(positions)}


def _address(dice: Random, place: Destination) -> Wire:
    first, last = dice.choice(CUSTOMERS)
    return {
        "first_name": first,
        "last_name": last,
        "company": "",
        "street_1": f"{place.street} {dice.randint(1, 240)}",
        "street_2": "",
        "city": place.city,
        "state": place.region,
        "zip": place.postal_code,
        "country": place.country,
        "country_iso2": place.iso2,
        "phone": "",
        "email": f"customer{dice.randint(1, 9999)}@example.com",
        "form_fields": [],
    }


def _product(dice: Random, order_id: int, position: int) -> Wire:
    sku, name, price = dice.choice(PRODUCTS)
    quantity = dice.randint(1, 12)
    line_id = order_id * 100 + position
    total = price * quantity
    return {
        "id": line_id,
        "order_id": order_id,
        "product_id": 1000 + PRODUCTS.index((sku, name, price)),
        "variant_id": 0,
        "order_address_id": order_id * 10,
        "name": name,
        "sku": sku,
        "upc": "",
        "type": "physical",
        "price_ex_tax": money(price),
        "price_inc_tax": money(price),
        "price_tax": "0.0000",
        "total_ex_tax": money(total),
        "total_inc_tax": money(total),
        "total_tax": "0.0000",
        "quantity": quantity,
        "quantity_shipped": 0,
        "quantity_refunded": 0,
        "weight": "1.0000",
        "is_refunded": False,
        "parent_order_product_id": None,
        "is_bundled_product": False,
        "external_id": None,
        "product_options": [],
        "applied_discounts": [],
    }


def _bigcommerce_fault(wire: Wire, fault: str) -> None:
    first = wire["products"][0]
    match fault:
        case "no lines":
            wire["products"] = []
            wire["items_total"] = 0
        case "negative quantity":
            first["quantity"] = -1
        case "absurd quantity":
            first["quantity"] = 50_000_000
        case "totals":
            wire["total_inc_tax"] = money(Decimal(wire["total_inc_tax"]) + 7)
        case "currency":
            wire["currency_code"] = wire["default_currency_code"] = "QQQ"
        case "street":
            wire["shipping_addresses"][0]["street_1"] = ""


def bigcommerce_order(dice: Random, order_id: int, placed_s: int) -> Wire:
    """Return an expanded Orders V2 order, paid and awaiting fulfillment (status_id 11), tax free."""
    address = _address(dice, dice.choice(DESTINATIONS))
    products = [_product(dice, order_id, position) for position in range(_line_count(dice))]
    subtotal = sum((Decimal(product["total_inc_tax"]) for product in products), Decimal(0))
    shipping = Decimal(dice.choice(("0", "4.95", "12.5000")))
    created = format_datetime(datetime.fromtimestamp(placed_s, UTC))
    items = sum(product["quantity"] for product in products)
    return {
        "id": order_id,
        "customer_id": dice.randint(1, 9999),
        "date_created": created,
        "date_modified": created,
        "date_shipped": "",
        "status_id": 11,
        "status": "Awaiting Fulfillment",
        "custom_status": "Awaiting Fulfillment",
        "subtotal_ex_tax": money(subtotal),
        "subtotal_inc_tax": money(subtotal),
        "shipping_cost_ex_tax": money(shipping),
        "shipping_cost_inc_tax": money(shipping),
        "total_ex_tax": money(subtotal + shipping),
        "total_inc_tax": money(subtotal + shipping),
        "total_tax": "0.0000",
        "discount_amount": "0.0000",
        "coupon_discount": "0.0000",
        "refunded_amount": "0.0000",
        "items_total": items,
        "items_shipped": 0,
        "payment_method": "Credit Card",
        "payment_status": "captured",
        "order_is_digital": False,
        "currency_code": "USD",
        "default_currency_code": "USD",
        "shipping_address_count": 1,
        "channel_id": 1,
        "external_source": None,
        "external_id": None,
        "external_order_id": "",
        "customer_message": "",
        "staff_notes": "",
        "billing_address": dict(address),
        "products": products,
        "shipping_addresses": [
            {**address, "id": order_id * 10, "order_id": order_id, "items_total": items, "shipping_method": "None"}
        ],
    }


def bigcommerce_orders(
    store: str, count: int, seed: int = SEED, *, scenario: int = 1, channel: int = 1, used_ids: Collection[int] = ()
) -> Iterator[DemoOrder]:
    """Yield `count` orders of one sales channel, with ids that are none of `used_ids`."""
    dice = Random(f"{seed}/{scenario}")
    faults = _faults(dice, BIGCOMMERCE_FAULTS, count)
    ids = islice((number for number in numbers(FIRST_ID) if number not in used_ids), count)
    for position, order_id in enumerate(ids):
        wire = bigcommerce_order(dice, order_id, 1_760_000_000 + position) | {"channel_id": channel}
        if fault := faults.get(position):
            _bigcommerce_fault(wire, fault)
        yield DemoOrder(
            order_id=f"bc-{store}-{order_id}",
            source_ref=str(order_id),
            scenario=scenario,
            expected=REFUSED if fault else COMPLETED,
            wire=wire,
        )


def _fno_line(dice: Random, position: int, place: Destination) -> Wire:
    sku, name, price = dice.choice(PRODUCTS)
    quantity = dice.randint(1, 12)
    return {
        "LineNumber": position,
        "ItemNumber": sku,
        "LineDescription": name,
        "OrderedSalesQuantity": str(quantity),
        "SalesPrice": str(price),
        "LineAmount": str(price * quantity),
        "ShippingSiteId": place.site,
        "ShippingWarehouseId": place.warehouse,
    }


def _fno_fault(row: Wire, fault: str) -> None:
    match fault:
        case "negative quantity":
            row["Lines"][0]["OrderedSalesQuantity"] = "-1"
        case "absurd quantity":
            row["Lines"][0]["OrderedSalesQuantity"] = "50000000"
        case "currency":
            row["CurrencyCode"] = "QQQ"
        case "street":
            row["DeliveryAddressStreet"] = ""


def fno_order(dice: Random, company: str, number: str) -> Wire:
    """Return a sales order as F+O holds it (field names of SalesOrderHeadersV4 and SalesOrderLinesV3)."""
    place = dice.choice(DESTINATIONS)
    first, last = dice.choice(CUSTOMERS)
    lines = [_fno_line(dice, position, place) for position in range(1, _line_count(dice) + 1)]
    return {
        "dataAreaId": company,
        "SalesOrderNumber": number,
        "CustomersOrderReference": "",
        "SalesOrderOriginCode": "PHONE",
        "OrderingCustomerAccountNumber": f"US-{dice.randint(1, 999):03}",
        "InvoiceCustomerAccountNumber": f"US-{dice.randint(1, 999):03}",
        "CurrencyCode": "USD",
        "DefaultShippingSiteId": place.site,
        "DefaultShippingWarehouseId": place.warehouse,
        "DeliveryAddressName": f"{first} {last}",
        "DeliveryAddressStreet": f"{place.street} {dice.randint(1, 240)}",
        "DeliveryAddressCity": place.city,
        "DeliveryAddressStateId": place.region,
        "DeliveryAddressZipCode": place.postal_code,
        "DeliveryAddressCountryRegionId": place.iso3,
        "Email": "",
        "OrderTotalAmount": str(sum((Decimal(line["LineAmount"]) for line in lines), Decimal(0))),
        "OrderTotalTaxAmount": "0",
        "OrderTotalChargesAmount": "0",
        "TotalDiscountAmount": "0",
        "Lines": lines,
    }


def fno_orders(
    company: str, stamp: str, count: int, seed: int = SEED, *, scenario: int = 4, origin: str = "PHONE"
) -> Iterator[DemoOrder]:
    """Yield `count` orders of one origin code; `stamp` and scenario are part of their numbers."""
    dice = Random(f"{seed}/{scenario}")
    faults = _faults(dice, FNO_FAULTS, count)
    for position in range(count):
        number = f"SO-{stamp}-{scenario}-{position + 1:06}"
        wire = fno_order(dice, company, number) | {"SalesOrderOriginCode": origin}
        if fault := faults.get(position):
            _fno_fault(wire, fault)
        expected = REFUSED if fault else COMPLETED
        yield DemoOrder(
            order_id=f"fno-{company}-{number}", source_ref=number, scenario=scenario, expected=expected, wire=wire
        )
