"""Field by field: the simulator's answers beside the vendor's OpenAPI document of Orders V2 and its samples."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.bigcommerce.simulated_bigcommerce import SimulatedShop, open_simulated_shop, seed
from tests.providers.bigcommerce.wire_orders import a_product, a_wire_order

MONEY = re.compile(r"-?\d+\.\d{4}")
TYPES: dict[str, type | re.Pattern[str] | tuple[type, ...]] = {
    "Whole": int,
    "Text": str,
    "Flag": bool,
    "List": list,
    "Money": MONEY,
    "Rate": re.compile(r"\d+\.\d{10}"),
    "Date": re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000"),
    "Date or empty": re.compile(r"|(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000"),
    "Text or null": (str, type(None)),
    "Whole or null": (int, type(None)),
}
PERSON = "first_name last_name company street_1 street_2 city state zip country country_iso2 phone email"
VENDOR: dict[str, dict[str, str]] = {
    "order": {
        "Whole": """id customer_id status_id items_total items_shipped shipping_address_count channel_id currency_id
            default_currency_id shipping_cost_tax_class_id handling_cost_tax_class_id wrapping_cost_tax_class_id""",
        "Date": "date_created date_modified",
        "Date or empty": "date_shipped",
        "Money": """subtotal_ex_tax subtotal_inc_tax subtotal_tax base_shipping_cost shipping_cost_ex_tax
            shipping_cost_inc_tax shipping_cost_tax base_handling_cost handling_cost_ex_tax handling_cost_inc_tax
            handling_cost_tax base_wrapping_cost wrapping_cost_ex_tax wrapping_cost_inc_tax wrapping_cost_tax
            total_ex_tax total_inc_tax total_tax discount_amount coupon_discount refunded_amount store_credit_amount
            gift_certificate_amount""",
        "Rate": "currency_exchange_rate store_default_to_transactional_exchange_rate",
        "Text": """status custom_status payment_method payment_status payment_provider_id currency_code
            default_currency_code store_default_currency_code order_source staff_notes customer_message customer_locale
            external_order_id ebay_order_id ip_address ip_address_v6 geoip_country geoip_country_iso2
            tax_provider_id""",
        "Flag": "order_is_digital is_email_opt_in is_deleted is_tax_inclusive_pricing",
        "Text or null": "cart_id credit_card_type external_id external_merchant_id external_source",
        "billing": "billing_address",
        "link": "products shipping_addresses coupons fees consignments",
    },
    "billing": {"Text": PERSON, "List": "form_fields"},
    "person": {"Text": PERSON},
    "link": {"Text": "url resource"},
    "product": {
        "Whole": """id order_id product_id order_address_id order_pickup_method_id quantity quantity_shipped
            quantity_refunded return_id wrapping_id variant_id""",
        "Money": """base_price price_ex_tax price_inc_tax price_tax base_total total_ex_tax total_inc_tax total_tax
            base_cost_price cost_price_ex_tax cost_price_inc_tax cost_price_tax refund_amount base_wrapping_cost
            wrapping_cost_ex_tax wrapping_cost_inc_tax wrapping_cost_tax fixed_shipping_cost weight width height depth
            discounted_total_inc_tax""",
        "Text": """name name_customer name_merchant sku upc type brand bin_picking_number ebay_item_id
            ebay_transaction_id wrapping_message""",
        "Flag": "is_refunded is_bundled_product",
        "Text or null": "wrapping_name event_name event_date external_id",
        "Whole or null": "option_set_id parent_order_product_id gift_certificate_id",
        "List": "applied_discounts product_options configurable_fields",
    },
    "address": {
        "Whole": """id order_id items_total items_shipped cost_tax_class_id handling_cost_tax_class_id
            shipping_zone_id""",
        "Money": """base_cost cost_ex_tax cost_inc_tax cost_tax base_handling_cost handling_cost_ex_tax
            handling_cost_inc_tax handling_cost_tax""",
        "Text": f"{PERSON} shipping_method shipping_zone_name",
        "List": "form_fields",
        "link": "shipping_quotes",
    },
    "shipment": {
        "Whole": "id order_id customer_id order_address_id",
        "Date": "date_created",
        "Money": "merchant_shipping_cost",
        "Text": """tracking_number tracking_carrier tracking_link generated_tracking_link shipping_method comments
            shipping_provider shipping_provider_display_name""",
        "List": "items",
        "person": "billing_address shipping_address",
    },
    "shipment item": {"Whole": "order_product_id product_id quantity"},
    "status": {"Whole": "id order", "Text": "name system_label custom_label system_description"},
    "status count": {"Whole": "id sort_order count", "Text": "name system_label custom_label system_description"},
}
"""Thing -> type, or thing within -> its fields. `fees` and `consignments` of an order: where no `include` asks."""
PAYMENT = {"authorized", "captured", "capture pending", "declined", "held for review", "paid", "partially refunded"} | {
    "pending",
    "refunded",
    "void",
    "void pending",
    "",
}


def check(thing: str, found: dict[str, Any]) -> None:
    """Every field there is has a name and a type of the vendor's; none is missing."""
    kinds = {name: kind for kind, names in VENDOR[thing].items() for name in names.split()}
    assert found.keys() == kinds.keys(), thing
    for name, kind in kinds.items():
        check_value(f"{thing}.{name}", found[name], kind)


def check_value(where: str, value: Any, kind: str) -> None:
    if kind in VENDOR:
        check(kind, value)
        return
    wanted = TYPES[kind]
    if isinstance(wanted, re.Pattern):
        assert isinstance(value, str), f"{where} = {value!r}"
        assert wanted.fullmatch(value), f"{where} = {value!r}"
    else:
        assert isinstance(value, wanted), f"{where} = {value!r}"
        assert not isinstance(value, bool) or kind == "Flag", f"{where} = {value!r}"


@pytest.fixture
async def shop() -> AsyncIterator[SimulatedShop]:
    async with open_simulated_shop() as shop:
        yield shop


@pytest.mark.parametrize("order", [seed(), a_wire_order(218), {"id": 218}], ids=["rich", "priced", "bare"])
async def test_an_order_alone_in_lists_and_after_a_change(shop: SimulatedShop, order: dict[str, Any]) -> None:
    await shop.seed(order)
    _, shown = await shop.get("/orders/218")
    check("order", shown)
    assert shown["payment_status"] in PAYMENT
    assert (await shop.get("/orders"))[1] == [shown]
    _, changed = await shop.call("PUT", "/orders/218", json={"status_id": 2})
    check("order", changed)
    assert changed["date_shipped"]


async def test_what_was_given_is_shown_as_it_is(shop: SimulatedShop) -> None:
    given = a_wire_order(218)
    await shop.seed(given)
    _, shown = await shop.get("/orders/218")
    own = {name: value for name, value in given.items() if name not in ("products", "shipping_addresses")}
    own.pop("billing_address")
    assert own.items() <= shown.items()
    for name in ("products", "shipping_addresses"):
        _, found = await shop.get(f"/orders/218/{name}")
        assert all(item.items() <= seen.items() for item, seen in zip(given[name], found, strict=True))


async def test_lines_and_their_taxes(shop: SimulatedShop) -> None:
    await shop.seed(a_wire_order(218, products=[a_product(1), a_product(2, price_inc_tax="none")]))
    _, (priced, strange) = await shop.get("/orders/218/products")
    check("product", priced)
    assert (priced["price_tax"], priced["total_tax"], priced["base_price"]) == ("2.5000", "5.0000", "10.0000")
    assert strange["price_tax"] == "0.0000"


async def test_addresses(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    _, (address,) = await shop.get("/orders/218/shipping_addresses")
    check("address", address)
    assert address["shipping_quotes"]["resource"] == "/orders/218/shippingaddresses/51/shippingquotes"


async def test_a_shipment(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    body = {
        "order_address_id": 51,
        "tracking_number": "EJ958083578US",
        "shipping_provider": "usps",
        "tracking_carrier": "",
        "comments": "Ready",
        "items": [{"order_product_id": 65, "quantity": 1}],
    }
    status, made = await shop.call("POST", "/orders/218/shipments", json=body)
    assert (status, made["shipping_provider_display_name"]) == (201, "USPS")
    assert {**body, "items": made["items"]}.items() <= made.items()
    check("shipment", made)
    for item in made["items"]:
        check("shipment item", item)
    assert (await shop.get("/orders/218/shipments"))[1] == [made]


async def test_statuses_and_their_counts(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    _, statuses = await shop.get("/order_statuses")
    _, counted = await shop.get("/orders/count")
    assert counted.keys() == {"statuses", "count"}
    for status, count in zip(statuses, counted["statuses"], strict=True):
        check("status", status)
        check("status count", count)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/orders/9", None, 404),
        ("GET", "/orders?limit=251", None, 413),
        ("GET", "/orders?page=x", None, 400),
        ("PUT", "/orders/218", {"status_id": 99}, 400),
        ("POST", "/orders/218/shipments", {"order_address_id": 0}, 400),
        ("DELETE", "/orders/218", None, 405),
    ],
)
async def test_errors_are_an_array_with_status_and_message(
    shop: SimulatedShop, method: str, path: str, body: Any, status: int
) -> None:
    await shop.seed(seed())
    answered, errors = await shop.call(method, path, json=body)
    assert (answered, [sorted(error) for error in errors]) == (status, [["message", "status"]])
    assert errors[0]["status"] == status


async def test_the_limit_is_told_with_every_answer(shop: SimulatedShop) -> None:
    for path in ("/orders", "/orders/9", "/order_statuses"):
        response = await shop.client.get(f"/bigcommerce/stores/hash/v2{path}", headers={"x-auth-token": "secret"})
        told = {name: value for name, value in response.headers.items() if name.startswith("X-Rate-Limit")}
        assert told.keys() == {
            f"X-Rate-Limit-{name}" for name in ("Time-Window-Ms", "Time-Reset-Ms", "Requests-Quota", "Requests-Left")
        }
        assert all(value.isdigit() for value in told.values())
