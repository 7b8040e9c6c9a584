"""What an order of the simulated BigCommerce consists of: single records, fees and consignments, as V2 documents."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.bigcommerce.simulated_bigcommerce import API, SimulatedShop, open_simulated_shop, seed

FEE = {
    "id": 1,
    "type": "custom_fee",
    "display_name_customer": "A Fee",
    "display_name_merchant": "A Fee",
    "source": "AA",
    "base_cost": "12.3000",
    "cost_ex_tax": "12.3000",
    "cost_inc_tax": "12.3000",
    "cost_tax": "0.0000",
    "tax_class_id": 22,
}
SHIPMENT = {"order_address_id": 51, "items": [{"order_product_id": 65, "quantity": 1}]}


@pytest.fixture
async def shop() -> AsyncIterator[SimulatedShop]:
    async with open_simulated_shop() as shop:
        await shop.seed(seed(fees=[FEE]), seed(219))
        yield shop


@pytest.mark.parametrize(
    ("collection", "record"),
    [("products", 65), ("products", 66), ("shipping_addresses", 51), ("shippingaddresses", 51), ("shipments", 1)],
)
async def test_a_single_record_is_the_one_of_its_list(shop: SimulatedShop, collection: str, record: int) -> None:
    await shop.call("POST", "/orders/218/shipments", json=SHIPMENT)
    _, listed = await shop.get(f"/orders/218/{collection}")
    assert await shop.get(f"/orders/218/{collection}/{record}") == (
        200,
        next(item for item in listed if item["id"] == record),
    )


@pytest.mark.parametrize(
    "path",
    [
        "/orders/218/products/9",
        "/orders/9/products/65",
        "/orders/218/shipping_addresses/9",
        "/orders/218/shipping_addresses/9/shipping_quotes",
        "/orders/218/shipments/1",
        "/orders/9/shipments/count",
        "/orders/9/fees",
        "/orders/9/consignments",
        "/orders/9/messages",
        "/orders/218/consignments/shipping/9/shipping_quotes",
        "/order_statuses/99",
    ],
)
async def test_what_is_not_there_is_404(shop: SimulatedShop, path: str) -> None:
    status, errors = await shop.get(path)
    assert (status, errors) == (404, [{"status": 404, "message": "The requested resource was not found."}])


@pytest.mark.parametrize(
    "path",
    [
        "/orders/218/shipping_addresses/51/shipping_quotes",
        "/orders/218/shippingaddresses/51/shippingquotes",
        "/orders/218/consignments/shipping/51/shipping_quotes",
        "/orders/218/messages",
    ],
)
async def test_orders_of_the_api_have_no_quotes_and_nobody_writes_messages(shop: SimulatedShop, path: str) -> None:
    """Quotes are made in the storefront alone; the document has 204 for all other orders."""
    assert await shop.get(path) == (204, None)


async def test_shipments_are_counted(shop: SimulatedShop) -> None:
    assert await shop.get("/orders/218/shipments/count") == (200, {"count": 0})
    await shop.call("POST", "/orders/218/shipments", json=SHIPMENT)
    assert await shop.get("/orders/218/shipments/count") == (200, {"count": 1})


async def test_a_single_status(shop: SimulatedShop) -> None:
    _, statuses = await shop.get("/order_statuses")
    assert await shop.get("/order_statuses/2") == (200, statuses[2])


@pytest.mark.parametrize("path", ["/orders/218/products/65", "/orders/218/shipments/1", "/orders/218/fees"])
async def test_changes_of_parts_are_not_served(shop: SimulatedShop, path: str) -> None:
    status, errors = await shop.call("PUT", path, json={})
    assert (status, errors[0]["status"]) == (405, 405)


async def test_lists_of_an_order_come_in_pages(shop: SimulatedShop) -> None:
    products = [{**product, "id": number} for number in range(1, 61) for product in seed()["products"][:1]]
    await shop.seed(seed(220, products=products))

    async def ids(query: str) -> list[int]:
        status, rows = await shop.get(f"/orders/220/products{query}")
        assert status == 200
        return [row["id"] for row in rows]

    assert await ids("") == list(range(1, 51))
    assert await ids("?page=2") == list(range(51, 61))
    assert await ids("?limit=60") == list(range(1, 61))
    assert await ids("?page=3") == []
    assert (await shop.get("/orders/220/products?limit=251"))[0] == 413
    assert (await shop.get("/orders/220/products?page=0"))[0] == 400


async def test_fees_have_a_path_of_their_own(shop: SimulatedShop) -> None:
    assert await shop.get("/orders/218/fees") == (200, {"fees": [FEE]})
    assert await shop.get("/orders/219/fees") == (200, {"fees": []})


@pytest.mark.parametrize("path", ["/orders/218", "/orders?min_id=218&max_id=218"])
async def test_fees_and_consignments_are_links_until_they_are_included(shop: SimulatedShop, path: str) -> None:
    order = await one(shop, path)
    for name in ("fees", "consignments"):
        resource = f"/orders/218/{name}"
        assert order[name]["resource"] == resource
        assert order[name]["url"].endswith(f"{API}{resource}")
    mark = "&" if "?" in path else "?"
    assert (await one(shop, f"{path}{mark}include=fees"))["fees"] == [FEE]
    both = await one(shop, f"{path}{mark}include=consignments,fees&consignment_structure=object")
    assert (both["fees"], both["consignments"]) == ([FEE], (await shop.get("/orders/218/consignments"))[1])


async def test_consignments_need_their_structure_and_unknown_includes_are_ignored(shop: SimulatedShop) -> None:
    bare = await one(shop, "/orders/218")
    assert await one(shop, "/orders/218?include=consignments") == bare
    assert await one(shop, "/orders/218?include=nothing&consignment_structure=object") == bare


async def one(shop: SimulatedShop, path: str) -> dict[str, Any]:
    status, body = await shop.get(path)
    assert status == 200
    order: dict[str, Any] = body[0] if isinstance(body, list) else body
    return order


NUMBERS = """base_cost cost_ex_tax cost_inc_tax cost_tax base_handling_cost handling_cost_ex_tax handling_cost_inc_tax
    handling_cost_tax items_total items_shipped shipping_zone_id cost_tax_class_id handling_cost_tax_class_id id"""
TEXTS = """first_name last_name company street_1 street_2 city state zip country country_iso2 phone email
    shipping_method shipping_zone_name"""


async def test_a_shipping_consignment_is_as_documented(shop: SimulatedShop) -> None:
    _, consignments = await shop.get("/orders/218/consignments")
    assert consignments.keys() == {"pickups", "shipping", "downloads", "email"}
    assert (consignments["pickups"], consignments["downloads"]) == ([], [])
    assert consignments["email"] == {"gift_certificates": []}
    [shipping] = consignments["shipping"]
    assert shipping.keys() == {*NUMBERS.split(), *TEXTS.split(), "form_fields", "line_items", "shipping_quotes"}
    assert all(isinstance(shipping[name], int | float) for name in NUMBERS.split())
    assert all(isinstance(shipping[name], str) for name in TEXTS.split())
    assert (shipping["id"], shipping["first_name"], shipping["items_total"]) == (51, "Jane", 4)
    assert [item["resource"] for item in shipping["line_items"]] == [
        "/orders/218/products/65",
        "/orders/218/products/66",
    ]
    assert shipping["shipping_quotes"]["resource"] == "/orders/218/consignments/shipping/51/shipping_quotes"


async def test_what_is_no_parcel_has_a_consignment_of_its_own_kind(shop: SimulatedShop) -> None:
    parcel, pickup = seed()["products"]
    goods = [
        parcel,
        {**pickup, "order_address_id": 0, "order_pickup_method_id": 3},
        {**parcel, "id": 67, "type": "digital", "order_address_id": 0},
        {**parcel, "id": 68, "type": "giftcertificate", "order_address_id": 0},
    ]
    await shop.seed(seed(220, products=goods))
    _, consignments = await shop.get("/orders/220/consignments")
    [pickups], [downloads] = consignments["pickups"], consignments["downloads"]
    [certificates] = consignments["email"]["gift_certificates"]
    parts = (consignments["shipping"][0], pickups, downloads, certificates)
    assert [[item["resource"] for item in part["line_items"]] for part in parts] == [
        [f"/orders/220/products/{number}"] for number in (65, 66, 67, 68)
    ]
    assert (pickups["id"], pickups["pickup_method_id"]) == (3, 3)
    assert pickups.keys() == {
        *("id", "pickup_method_id", "pickup_method_display_name", "collection_instructions"),
        *("collection_time_description", "location", "line_items"),
    }
    assert downloads["recipient_email"] == certificates["recipient_email"] == "janedoe@example.com"


@pytest.mark.parametrize("path", ["/orders/218/consignments?", "/orders/218?consignment_structure=object&"])
async def test_lines_can_be_included_in_consignments(shop: SimulatedShop, path: str) -> None:
    _, body = await shop.get(f"{path}include=consignments.line_items")
    consignments = body.get("consignments", body)
    assert consignments["shipping"][0]["line_items"] == (await shop.get("/orders/218/products"))[1]
