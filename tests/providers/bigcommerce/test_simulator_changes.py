"""The simulated BigCommerce: shipments as documented, and what can be seeded."""

from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest

from tests.providers.bigcommerce.simulated_bigcommerce import NOW, SimulatedShop, open_simulated_shop, seed


@pytest.fixture
async def shop() -> AsyncIterator[SimulatedShop]:
    async with open_simulated_shop() as shop:
        yield shop


async def test_touch_makes_seeded_orders_new_to_a_pull(shop: SimulatedShop) -> None:
    await shop.seed(seed(1), touch=False)
    await shop.seed(seed(2), touch=True)
    assert await shop.ids("min_date_modified=2019-03-05T21:40:11Z") == [2]
    assert (await shop.get("/orders/2"))[1]["date_modified"] == NOW


async def test_shipment_as_documented(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    given_shipment = {
        "order_address_id": 51,
        "tracking_number": "EJ958083578US",
        "shipping_provider": "usps",
        "comments": "Ready",
        "items": [{"order_product_id": 66, "quantity": 2}],
    }
    status, shipment = await shop.call("POST", "/orders/218/shipments", json=given_shipment)
    assert status == 201
    assert (shipment["id"], shipment["order_id"], shipment["customer_id"]) == (1, 218, 11)
    assert (shipment["date_created"], shipment["merchant_shipping_cost"]) == (NOW, "0.0000")
    assert shipment["items"] == [{"order_product_id": 66, "product_id": 77, "quantity": 2}]
    assert (shipment["billing_address"]["first_name"], shipment["shipping_address"]["street_1"]) == (
        "Jane",
        "555 East Street",
    )
    assert await shop.get("/orders/218/shipments") == (200, [shipment])
    _, order = await shop.get("/orders/218")
    assert (order["status_id"], order["items_shipped"]) == (3, 2)


async def test_the_last_shipment_makes_the_order_shipped(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    for line, quantity, status_id in ((65, 1, 3), (66, 3, 2)):
        items = [{"order_product_id": line, "quantity": quantity}]
        status, _ = await shop.call("POST", "/orders/218/shipments", json={"order_address_id": 51, "items": items})
        assert (status, (await shop.get("/orders/218"))[1]["status_id"]) == (201, status_id)
    assert [kind for kind, _ in shop.effects()].count("shipment created") == 2


async def test_a_second_partial_shipment_is_no_second_change_of_status(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    for _ in range(2):
        items = [{"order_product_id": 66, "quantity": 1}]
        await shop.call("POST", "/orders/218/shipments", json={"order_address_id": 51, "items": items})
    kinds = [kind for kind, _ in shop.effects()]
    assert (kinds.count("shipment created"), kinds.count("status changed")) == (2, 1)
    _, addresses = await shop.get("/orders/218/shipping_addresses")
    assert addresses[0]["items_shipped"] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"order_address_id": 52},
        {"items": []},
        {"items": [{"order_product_id": 66, "quantity": 4}]},
        {"items": [{"order_product_id": 66, "quantity": 2}, {"order_product_id": 66, "quantity": 2}]},
        {"items": [{"order_product_id": 99, "quantity": 1}]},
        {"items": [{"order_product_id": 66, "quantity": 0}]},
        {"tracking_number": "x" * 51},
        {"shipping_provider": "pigeon"},
    ],
)
async def test_unusable_shipments_change_nothing(shop: SimulatedShop, change: dict[str, Any]) -> None:
    await shop.seed(seed())
    usable = {"order_address_id": 51, "items": [{"order_product_id": 66, "quantity": 3}]}
    status, error = await shop.call("POST", "/orders/218/shipments", json={**usable, **change})
    assert (status, error[0]["status"]) == (400, 400)
    assert await shop.get("/orders/218/shipments") == (204, None)
    assert shop.effects() == [("order created", "bc-hash-218")]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": 0}, "$[1].id"),
        ({"id": "7"}, "$[1].id"),
        ({"status_id": 99}, "$[1].status_id"),
        ({"date_created": "soon"}, "$[1].date_created"),
        ({"total_inc_tax": 12.5}, "$[1].total_inc_tax"),
        ({"products": {"url": "https://example.com"}}, "$[1].products"),
        ({"products": [{"id": None}]}, "$[1].products[0].id"),
        ({"billing_address": None}, "$[1].billing_address"),
    ],
)
async def test_unusable_seeds_name_the_place_and_leave_nothing(
    shop: SimulatedShop, change: dict[str, Any], place: str
) -> None:
    response = await shop.seed(seed(1), seed(2, **change))
    body = await response.json()
    assert (response.status, body["error"].split(":")[0]) == (400, place)
    assert body["fix"]
    assert await shop.get("/orders") == (204, None)


async def test_an_id_is_seeded_once(shop: SimulatedShop) -> None:
    assert (await shop.seed(seed(1))).status == 201
    response = await shop.seed(seed(2), seed(1))
    assert (response.status, "order 1 exists" in (await response.json())["error"]) == (409, True)
    assert await shop.ids("") == [1]


async def test_what_a_policy_must_refuse_can_be_seeded(shop: SimulatedShop) -> None:
    negative = deepcopy(seed(2))
    negative["products"][0]["quantity"] = -1
    assert (await shop.seed(seed(1, products=[]), negative, seed(3, currency_code="QQQ"))).status == 201


async def test_seeding_takes_an_object_with_orders_as_well(shop: SimulatedShop) -> None:
    response = await shop.client.post("/_sim/bigcommerce/orders", json={"orders": [seed(1)]})
    assert await response.json() == {"seeded": 1}
    unusable = await shop.client.post("/_sim/bigcommerce/orders", data=b'["x"]')
    assert (unusable.status, "$[0]" in (await unusable.json())["error"]) == (400, True)
