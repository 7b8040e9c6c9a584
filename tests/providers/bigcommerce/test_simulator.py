"""The simulated BigCommerce, over HTTP and field by field against the documented samples of Orders V2."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError
from hypothesis import given
from hypothesis import strategies as st

from app.sandbox.vendors.bigcommerce.order_store import OrderStore
from app.sandbox.vendors.bigcommerce.query import parse
from app.sandbox.vendors.simulation import FaultRequest, World
from tests.providers.bigcommerce.simulated_bigcommerce import (
    API,
    MONEY,
    NOW,
    TOKEN,
    SimulatedShop,
    open_simulated_shop,
    seed,
)


@pytest.fixture
async def shop() -> AsyncIterator[SimulatedShop]:
    async with open_simulated_shop() as shop:
        yield shop


async def test_order_has_the_documented_fields_and_types(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    status, order = await shop.get("/orders/218")
    assert status == 200
    assert (order["id"], order["status_id"], order["status"]) == (218, 11, "Awaiting Fulfillment")
    assert (order["date_created"], order["date_shipped"]) == ("Mon, 04 Mar 2019 10:00:00 +0000", "")
    assert all(isinstance(order[name], str) and order[name][-5] == "." for name in MONEY)
    assert order["currency_exchange_rate"] == "1.0000000000"
    assert order["external_id"] is None
    assert order["fees"]["resource"] == "/orders/218/fees"
    assert order["products"]["resource"] == "/orders/218/products"
    assert order["shipping_addresses"]["url"].endswith(f"{API}/orders/218/shippingaddresses")
    assert order["coupons"]["resource"] == "/orders/218/coupons"


async def test_links_lead_to_the_lists(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    _, order = await shop.get("/orders/218")
    for name in ("products", "shipping_addresses"):
        response = await shop.client.get(order[name]["url"].split(":", 2)[2].lstrip("0123456789"), headers=TOKEN)
        found = await response.json()
        assert all(given.items() <= shown.items() for given, shown in zip(seed()[name], found, strict=True))


async def test_both_spellings_of_shipping_addresses(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    assert await shop.get("/orders/218/shippingaddresses") == await shop.get("/orders/218/shipping_addresses")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3]),
        ("sort=id:desc", [3, 2, 1]),
        ("min_id=2", [2, 3]),
        ("max_id=2", [1, 2]),
        ("status_id=11", [1, 3]),
        ("customer_id=7", [2]),
        ("channel_id=2", [3]),
        ("email=JANEDOE@example.com", [1, 2, 3]),
        ("email=other@example.com", []),
        ("external_order_id=external-2", [2]),
        ("min_total=70", [3]),
        ("min_date_modified=2019-03-05T00:00:00Z", [3]),
        ("min_date_modified=Tue,%2005%20Mar%202019%2000:00:00%20%2B0000", [3]),
        ("max_date_modified=2019-03-04T10:00:00%2B00:00", [1, 2]),
        ("sort=date_modified:desc", [3, 1, 2]),
        ("limit=2", [1, 2]),
        ("limit=2&page=2", [3]),
        ("limit=2&page=3", []),
    ],
)
async def test_filters_pages_and_sorts(shop: SimulatedShop, query: str, expected: list[int]) -> None:
    other = seed(3, channel_id=2, total_inc_tax="70.0000", date_modified="Tue, 05 Mar 2019 00:00:00 +0000")
    await shop.seed(seed(1), seed(2, status_id=2, customer_id=7), other)
    assert await shop.ids(query) == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=251", 413),
        ("limit=0", 400),
        ("limit=x", 400),
        ("page=0", 400),
        ("page=1e3", 400),
        ("sort=total:asc", 400),
        ("sort=id:up", 400),
        ("min_id=-1", 400),
        ("min_total=NaN", 400),
        ("min_date_modified=yesterday", 400),
    ],
)
async def test_unusable_parameters(shop: SimulatedShop, query: str, status: int) -> None:
    answered, body = await shop.get(f"/orders?{query}")
    assert answered == status
    assert body[0]["status"] == status
    assert body[0]["message"]


async def test_empty_answers_come_as_204_and_as_an_empty_array(shop: SimulatedShop) -> None:
    assert await shop.get("/orders") == (204, None)
    assert await shop.get("/orders?page=2") == (200, [])
    await shop.seed(seed(products=[]))
    assert await shop.get("/orders/218/products") == (200, [])
    assert await shop.get("/orders/218/shipments") == (204, None)
    assert await shop.get("/orders/218/coupons") == (204, None)


async def test_count_and_statuses(shop: SimulatedShop) -> None:
    await shop.seed(seed(1), seed(2), seed(3, status_id=0))
    _, counted = await shop.get("/orders/count")
    assert counted["count"] == 3
    assert {entry["id"]: entry["count"] for entry in counted["statuses"] if entry["count"]} == {0: 1, 11: 2}
    _, statuses = await shop.get("/order_statuses")
    assert [entry["id"] for entry in statuses] == list(range(15))
    shipped = statuses[2]
    assert (shipped["name"], shipped["order"]) == ("Shipped", 8)
    assert {"system_label", "custom_label", "system_description"} < shipped.keys()


async def test_put_of_a_status_returns_the_whole_order_and_moves_date_modified(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    status, order = await shop.call("PUT", "/orders/218", json={"status_id": 2, "total_tax": "9", "unknown": 1})
    assert (status, order["status_id"], order["status"]) == (200, 2, "Shipped")
    assert (order["date_modified"], order["date_shipped"]) == (NOW, NOW)
    assert order["total_tax"] == "0.0000"
    assert order["products"]["resource"] == "/orders/218/products"
    assert await shop.ids("min_date_modified=2019-03-05T21:40:11Z") == [218]


async def test_only_real_changes_are_effects(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    for _ in range(3):
        await shop.call("PUT", "/orders/218", json={"status_id": 10})
    await shop.call("PUT", "/orders/218", json={"staff_notes": "late"})
    created, status, notes = shop.world.journal.effects("bigcommerce")
    assert (created.kind, created.order) == ("order created", "bc-hash-218")
    assert (status.kind, status.detail) == ("status changed", {"status_id": 10, "previous": 11})
    assert (notes.kind, notes.detail) == ("order changed", {"fields": ("staff_notes",)})
    assert shop.world.journal.calls["bigcommerce", "PUT /orders/{order_id}"] == 4


@pytest.mark.parametrize("body", [{"status_id": 15}, {"status_id": "2"}, {"status_id": True}, {"staff_notes": 1}])
async def test_put_refuses_what_does_not_exist(shop: SimulatedShop, body: dict[str, Any]) -> None:
    await shop.seed(seed())
    before = await shop.get("/orders/218")
    status, error = await shop.call("PUT", "/orders/218", json=body)
    assert (status, error[0]["status"]) == (400, 400)
    assert await shop.get("/orders/218") == before


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "wrong"}, {"X-Auth-Token": "sécret"}])
async def test_a_token_is_required(shop: SimulatedShop, headers: dict[str, str]) -> None:
    response = await shop.client.get(f"{API}/orders", headers=headers)
    assert response.status == 401
    assert (await response.json())[0]["status"] == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{API}/orders/999", 404),
        ("GET", f"{API}/orders/999/products", 404),
        ("PUT", f"{API}/orders/999", 404),
        ("GET", f"{API}/nothing", 404),
        ("GET", "/bigcommerce/stores/other/v2/orders", 404),
        ("DELETE", f"{API}/orders/218", 405),
        ("PUT", f"{API}/orders/218", 415),
    ],
)
async def test_errors_are_arrays(shop: SimulatedShop, method: str, path: str, status: int) -> None:
    await shop.seed(seed())
    response = await shop.client.request(method, path, headers=TOKEN)
    assert (response.status, (await response.json())[0]["status"]) == (status, status)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b"\xff\xfe"])
async def test_bodies_that_are_no_objects(shop: SimulatedShop, body: bytes) -> None:
    await shop.seed(seed())
    headers = {**TOKEN, "Content-Type": "application/json"}
    response = await shop.client.put(f"{API}/orders/218", data=body, headers=headers)
    assert response.status == 400


async def test_the_quota_ends_in_429_until_the_window_is_over(shop: SimulatedShop) -> None:
    limits = {"provider": "bigcommerce", "quota": 2, "window_ms": 30_000}
    assert (await shop.client.post("/_sim/limits", json=limits)).status == 200
    left = [(await shop.client.get(f"{API}/orders", headers=TOKEN)).headers for _ in range(2)]
    assert [headers["X-Rate-Limit-Requests-Left"] for headers in left] == ["1", "0"]
    assert left[0]["X-Rate-Limit-Requests-Quota"] == "2"
    assert left[0]["X-Rate-Limit-Time-Window-Ms"] == "30000"
    shop.now[0] += 10_000
    refused = await shop.client.get(f"{API}/orders", headers=TOKEN)
    assert (refused.status, refused.headers["X-Retry-After"]) == (429, "20")
    assert refused.headers["X-Rate-Limit-Time-Reset-Ms"] == "20000"
    shop.now[0] += 20_000
    assert (await shop.client.get(f"{API}/orders", headers=TOKEN)).status == 204


async def test_a_dropped_answer_leaves_its_effect(shop: SimulatedShop) -> None:
    await shop.seed(seed())
    shop.world.faults.add(FaultRequest("bigcommerce", "drop-response"))
    with pytest.raises(ServerDisconnectedError):
        await shop.call("PUT", "/orders/218", json={"status_id": 2})
    shop.world.faults.clear()
    assert (await shop.get("/orders/218"))[1]["status_id"] == 2


async def test_changed_orders_move_to_the_end_of_a_pull(shop: SimulatedShop) -> None:
    await shop.seed(seed(1), seed(2), seed(3))
    await shop.call("PUT", "/orders/1", json={"status_id": 2})
    shop.now[0] += 1000
    await shop.call("PUT", "/orders/2", json={"status_id": 2})
    await shop.call("PUT", "/orders/1", json={"status_id": 10})
    assert await shop.ids("sort=date_modified:asc") == [3, 1, 2]
    assert await shop.ids("sort=date_modified:asc&min_date_modified=2019-03-05T21:40:12Z") == [1, 2]
    assert await shop.ids("sort=date_modified:asc&limit=1&page=2&status_id=2") == []


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 7), st.sampled_from(["asc", "desc"]))
def test_pages_have_every_order_once(modified: list[int], limit: int, direction: str) -> None:
    """However many orders share their date_modified."""
    orders = OrderStore(World(), "hash", lambda *_: None)
    dates = {number: f"Mon, 04 Mar 2019 10:00:0{second} +0000" for number, second in enumerate(modified, start=1)}
    orders.seed([seed(number, date_modified=dates[number]) for number in reversed(dates)], touch=False)
    seen: list[int] = []
    for page in range(1, len(orders) // limit + 2):
        query = parse({"sort": f"date_modified:{direction}", "limit": str(limit), "page": str(page)})
        seen += [order.order_id for order in query.run(orders)]
    sign = 1 if direction == "asc" else -1
    assert seen == sorted(dates, key=lambda number: (sign * modified[number - 1], number))
