"""Mapping of a BigCommerce V2 order, with its products and shipping addresses, to an Order. Pure.

Amounts are those with tax (`..._inc_tax`), and `tax` is 0, because it is inside: only so do subtotal, charges,
discounts and total add up on the wire (the sums without tax do not). Handling, wrapping and fees count as shipping,
coupons as discount. Children of a bundle are lines of their own with price 0: they are what is picked. The status is
judged by id, since merchants rename them. Consignments say nothing that lines and addresses do not say.

Requirements: S4, S10.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from app.domain.order import AMOUNT_SCALE, Address, Line, Order
from app.events.json_text import excerpt
from app.providers.port import RefusedOrder

ORIGIN: Final = "bigcommerce"
LINES_MAX: Final = 1000
UNFINISHED_STATUSES: Final = frozenset({0, 1, 7})
"""Incomplete, pending, awaiting payment: BigCommerce reports such orders before the shopper has paid."""

_EXACT: Final = Context(prec=20, traps=[Inexact, InvalidOperation])
_FOUR_PLACES: Final = Decimal("0.0001")


class UnmappableError(ValueError):
    """An order that cannot be mapped: the message names field, value and the fix."""


class WireAddress(Struct):
    id: int = 0
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    street_1: str | None = None
    street_2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country_iso2: str | None = None
    phone: str | None = None
    email: str | None = None


class WireProduct(Struct):
    id: int
    quantity: int
    price_inc_tax: Decimal
    total_inc_tax: Decimal
    name: str | None = None
    sku: str | None = None
    type: str | None = None
    order_address_id: int | None = None
    order_pickup_method_id: int | None = None


class WireFee(Struct):
    cost_inc_tax: Decimal = Decimal(0)


class WireOrder(Struct):
    id: int
    date_created: str
    subtotal_inc_tax: Decimal
    total_inc_tax: Decimal
    billing_address: WireAddress
    products: list[WireProduct]
    shipping_addresses: list[WireAddress]
    shipping_cost_inc_tax: Decimal = Decimal(0)
    handling_cost_inc_tax: Decimal = Decimal(0)
    wrapping_cost_inc_tax: Decimal = Decimal(0)
    discount_amount: Decimal = Decimal(0)
    coupon_discount: Decimal = Decimal(0)
    fees: list[WireFee] | None = None
    customer_id: int = 0
    channel_id: int = 1
    currency_code: str | None = None
    default_currency_code: str | None = None
    """The currency of the amounts where the shop has several; `currency_code` is then the one shown to the shopper.

    The vendor's samples lack the one or the other. An order without both is left to the policy of currencies.
    """


def to_order(store: str, wire: Mapping[str, Any]) -> Order | RefusedOrder | None:
    """Return the order, a refusal that says why, or None for one that the shopper has not finished."""
    status_id = wire.get("status_id")
    if isinstance(status_id, int) and status_id in UNFINISHED_STATUSES:
        return None
    try:
        return _order(store, msgspec.convert(wire, WireOrder, strict=False))
    except (msgspec.ValidationError, UnmappableError) as exc:
        return refuse(wire, str(exc))


def refuse(wire: Mapping[str, Any], reason: str) -> RefusedOrder:
    reference = excerpt(str(wire.get("id", "")))
    return RefusedOrder(reference, f"order {reference or 'without id'}: {reason}", msgspec.json.encode(wire))


def modified_at(wire: Mapping[str, Any]) -> int | None:
    """Return the time of the order's last change, in seconds; None when it has none."""
    try:
        return _instant(str(wire.get("date_modified"))) // 1000
    except UnmappableError:
        return None


def _order(store: str, wire: WireOrder) -> Order:
    if len(wire.products) > LINES_MAX:
        raise UnmappableError(f"products: {len(wire.products)} lines, at most {LINES_MAX} are taken; split it")
    email = wire.billing_address.email or ""
    charges = (wire.shipping_cost_inc_tax, wire.handling_cost_inc_tax, wire.wrapping_cost_inc_tax)
    return Order(
        order_id=f"bc-{store}-{wire.id}",
        origin=ORIGIN,
        source_ref=str(wire.id),
        channel=f"{ORIGIN}-{wire.channel_id}",
        placed_at=_instant(wire.date_created),
        currency=wire.default_currency_code or wire.currency_code or "",
        subtotal=amount("subtotal_inc_tax", wire.subtotal_inc_tax),
        shipping=_sum("shipping_cost_inc_tax", *charges, *(fee.cost_inc_tax for fee in wire.fees or ())),
        tax=0,
        discount=_sum("discount_amount", wire.discount_amount, wire.coupon_discount),
        total=amount("total_inc_tax", wire.total_inc_tax),
        ship_to=_address(_destination(wire), email),
        bill_to=_address(wire.billing_address, email),
        lines=tuple(_line(position, product) for position, product in enumerate(wire.products, 1)),
        customer=str(wire.customer_id) if wire.customer_id else email,
    )


def _line(position: int, product: WireProduct) -> Line:
    field = f"products[{position - 1}]"
    if product.order_pickup_method_id:
        problem = "the goods are picked up in a shop; ship such orders there"
        raise UnmappableError(f"{field}.order_pickup_method_id: {problem}")
    return Line(
        line_id=str(position),
        sku=product.sku or "",
        name=product.name or "",
        quantity=product.quantity * AMOUNT_SCALE,
        unit_price=amount(f"{field}.price_inc_tax", product.price_inc_tax),
        total=amount(f"{field}.total_inc_tax", product.total_inc_tax),
        reference=str(product.id),
    )


def _destination(wire: WireOrder) -> WireAddress:
    """Return the one address that the goods go to. An order without any (digital goods) has the billing address.

    Raises UnmappableError when goods go to several: to send all of them to the first would be silently wrong.
    """
    goods = [product for product in wire.products if product.type != "digital"]
    used = {product.order_address_id for product in goods if product.order_address_id}
    if len(used) > 1:
        raise UnmappableError(
            f"order_address_id: goods go to {len(used)} addresses; make one order of each in the shop"
        )
    if not wire.shipping_addresses:
        return wire.billing_address
    return next((address for address in wire.shipping_addresses if address.id in used), wire.shipping_addresses[0])


def _address(wire: WireAddress, email: str) -> Address:
    return Address(
        name=_joined(" ", wire.first_name, wire.last_name),
        company=wire.company or "",
        street=_joined(", ", wire.street_1, wire.street_2),
        city=wire.city or "",
        region=wire.state or "",
        postal_code=wire.zip or "",
        country=wire.country_iso2 or "",
        email=wire.email or email,
        phone=wire.phone or "",
    )


def _joined(separator: str, *parts: str | None) -> str:
    return separator.join(part.strip() for part in parts if part and part.strip())


def amount(field: str, value: Decimal) -> int:
    """Return ten-thousandths. Raises UnmappableError for what is not a number of at most four places."""
    try:
        return int(_EXACT.quantize(value, _FOUR_PLACES).scaleb(4))
    except (Inexact, InvalidOperation, ValueError, OverflowError) as exc:
        text = excerpt(str(value))
        raise UnmappableError(f"{field}: {text} is not an amount of at most 16 digits and 4 decimals") from exc


def _sum(field: str, *values: Decimal) -> int:
    return sum(amount(field, value) for value in values)


def _instant(text: str) -> int:
    """Return milliseconds of an RFC 2822 or ISO 8601 date; UTC where no zone is given. Raises UnmappableError."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(text)
            # A year that UTC does not have would end whoever asks for what came after.
            in_utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (TypeError, ValueError, OverflowError):
            continue
        return int(in_utc.timestamp()) * 1000
    raise UnmappableError(f"date {excerpt(text)!r} is neither RFC 2822 nor ISO 8601")
