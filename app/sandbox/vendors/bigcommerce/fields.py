"""Every field of Orders V2 with its default (vendor: orders.v2.oas2.yml).

Money is text with four decimal places, a rate has ten; what may be null is null here.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

Wire = dict[str, Any]
ZERO: Final = "0.0000"


def _each(names: str, value: Any) -> Wire:
    return dict.fromkeys(names.split(), value)


ORDER: Final[Mapping[str, Any]] = {
    **_each("subtotal_ex_tax subtotal_inc_tax subtotal_tax total_ex_tax total_inc_tax total_tax", ZERO),
    **_each("base_shipping_cost shipping_cost_ex_tax shipping_cost_inc_tax shipping_cost_tax", ZERO),
    **_each("base_handling_cost handling_cost_ex_tax handling_cost_inc_tax handling_cost_tax", ZERO),
    **_each("base_wrapping_cost wrapping_cost_ex_tax wrapping_cost_inc_tax wrapping_cost_tax", ZERO),
    **_each("discount_amount coupon_discount refunded_amount store_credit_amount gift_certificate_amount", ZERO),
    **_each("shipping_cost_tax_class_id handling_cost_tax_class_id wrapping_cost_tax_class_id", 0),
    **_each("customer_id items_total items_shipped", 0),
    **_each("currency_id default_currency_id channel_id shipping_address_count", 1),
    **_each("currency_code default_currency_code store_default_currency_code", "USD"),
    **_each("currency_exchange_rate store_default_to_transactional_exchange_rate", "1.0000000000"),
    **_each("order_is_digital is_email_opt_in is_deleted is_tax_inclusive_pricing", False),
    **_each("date_shipped payment_method payment_status payment_provider_id external_order_id staff_notes", ""),
    **_each("customer_message ip_address ip_address_v6 geoip_country geoip_country_iso2", ""),
    **_each("cart_id credit_card_type external_id external_merchant_id external_source", None),
    "billing_address": {},
    "customer_locale": "en",
    "ebay_order_id": "0",
    "order_source": "external",
    "tax_provider_id": "BasicTaxProvider",
}
PERSON: Final = _each(
    "first_name last_name company street_1 street_2 city state zip country country_iso2 phone email", ""
)
"""What addresses of all kinds share."""
BILLING: Final[Mapping[str, Any]] = {**PERSON, "form_fields": []}
ADDRESS: Final[Mapping[str, Any]] = {
    **PERSON,
    **_each("base_cost cost_ex_tax cost_inc_tax cost_tax", ZERO),
    **_each("base_handling_cost handling_cost_ex_tax handling_cost_inc_tax handling_cost_tax", ZERO),
    **_each("cost_tax_class_id handling_cost_tax_class_id items_total items_shipped", 0),
    "shipping_method": "None",
    "shipping_zone_id": 1,
    "shipping_zone_name": "",
    "form_fields": [],
}
PRODUCT: Final[Mapping[str, Any]] = {
    **_each("price_ex_tax price_inc_tax total_ex_tax total_inc_tax refund_amount fixed_shipping_cost", ZERO),
    **_each("base_cost_price cost_price_ex_tax cost_price_inc_tax cost_price_tax", ZERO),
    **_each("base_wrapping_cost wrapping_cost_ex_tax wrapping_cost_inc_tax wrapping_cost_tax", ZERO),
    **_each("weight width height depth", ZERO),
    **_each("quantity quantity_shipped quantity_refunded return_id wrapping_id product_id variant_id", 0),
    **_each("order_address_id order_pickup_method_id", 0),
    **_each("name sku upc brand bin_picking_number ebay_item_id ebay_transaction_id wrapping_message", ""),
    **_each("event_name event_date external_id gift_certificate_id option_set_id", None),
    **_each("parent_order_product_id wrapping_name", None),
    **_each("is_refunded is_bundled_product", False),
    **_each("applied_discounts configurable_fields product_options", []),
    "type": "physical",
}


def order(values: Wire) -> Wire:
    """Return an order's own fields, complete."""
    fields = {**ORDER, **values}
    return {**fields, "billing_address": {**BILLING, **fields["billing_address"]}}


def product(values: Wire, order_id: int) -> Wire:
    """Return a line as GET /orders/{id}/products shows it."""
    fields = {**PRODUCT, "order_id": order_id, **values}
    derived = {
        "base_price": fields["price_ex_tax"],
        "base_total": fields["total_ex_tax"],
        "price_tax": _difference(fields["price_inc_tax"], fields["price_ex_tax"]),
        "total_tax": _difference(fields["total_inc_tax"], fields["total_ex_tax"]),
        "discounted_total_inc_tax": fields["total_inc_tax"],
        "name_customer": fields["name"],
        "name_merchant": fields["name"],
    }
    return {**derived, **fields}


def address(values: Wire, order_id: int, base: str) -> Wire:
    """Return an address as GET /orders/{id}/shipping_addresses shows it. `base` is the address of the API."""
    path = f"/orders/{order_id}/shippingaddresses/{values['id']}/shippingquotes"
    quotes = {"url": f"{base}{path}", "resource": path}
    return {**ADDRESS, "order_id": order_id, "shipping_quotes": quotes, **values}


def person(values: Wire) -> Wire:
    """Return the part of an address that a shipment repeats."""
    return {name: values.get(name, "") for name in PERSON}


def _difference(more: str, less: str) -> str:
    """Subtract two amounts; 0 where a shop was seeded with something else."""
    try:
        return f"{Decimal(more) - Decimal(less):.4f}"
    except (ArithmeticError, ValueError, TypeError):
        return ZERO
