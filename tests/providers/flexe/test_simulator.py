"""The simulated Flexe over HTTP, field by field as docs/providers/flexe.md says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError

from app.sandbox.vendors.simulation import FaultRequest
from tests.providers.flexe.house import API, DELAYS, KEY, House, a_creation, opened


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as house:
        yield house


async def test_a_new_order_is_answered_with_all_of_it(house: House) -> None:
    status, order = await house.create(warehouse_id="DC1", requested_ship_date="2026-02-01")
    assert status == 201
    assert order == {
        "id": "FXO-000001",
        "external_id": "bc-demo-1",
        "owner_id": "owner-1",
        "warehouse_id": "DC1",
        "requested_ship_date": "2026-02-01",
        "ship_to": {
            "name": "Ana Peña",
            "company": "",
            "address": "1 Pine St",
            "city": "Seattle",
            "region": "",
            "postal_code": "",
            "country": "US",
            "email": "",
            "phone": "",
        },
        "items": [
            {"line_ref": "1", "sku": "S-ORAN", "quantity": "2", "quantity_shipped": "0"},
            {"line_ref": "2", "sku": "S-BLUE", "quantity": "0.5", "quantity_shipped": "0"},
        ],
        "status": "received",
        "hold": None,
        "cancel_reason": None,
        "created_at": "2026-01-31T12:00:00.123Z",
        "updated_at": "2026-01-31T12:00:00.123Z",
        "shipments": [],
    }


async def test_the_same_body_again_is_200_and_the_same_order(house: House) -> None:
    _, first = await house.create()
    body = dict(reversed(a_creation().items()))
    assert await house.call("POST", "/outbound-orders", json=body) == (200, first)
    house.later(sum(DELAYS.values()))
    status, shipped = await house.create()
    assert (status, shipped["id"], shipped["status"]) == (200, first["id"], "shipped")
    assert house.effects().count(("order created", "bc-demo-1")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"warehouse_id": "DC1"},
        {"items": a_creation()["items"][:1]},
        {"items": a_creation()["items"][::-1]},
        {"ship_to": {"name": "Bo"}},
        {"requested_ship_date": "2026-02-01"},
    ],
)
async def test_another_body_is_409_and_changes_nothing(house: House, changes: dict[str, Any]) -> None:
    _, first = await house.create()
    status, error = await house.create(**changes)
    assert (status, error["error"]["code"]) == (409, "conflict")
    assert "FXO-000001" in error["error"]["message"]
    assert await house.order() == first


async def test_orders_are_found_by_either_id(house: House) -> None:
    _, first = await house.create("a b&c/é")
    await house.create("another")
    assert await house.get("/outbound-orders/FXO-000001") == (200, first)
    found = await house.call("GET", "/outbound-orders", params={"external_id": "a b&c/é"})
    assert found == (200, {"outbound_orders": [first]})
    assert await house.get("/outbound-orders?external_id=nobody") == (200, {"outbound_orders": []})


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/outbound-orders/FXO-000009", 404, "not_found"),
        ("POST", "/outbound-orders/FXO-000009/cancel", 404, "not_found"),
        ("GET", "/outbound-orders", 400, "invalid_request"),
        ("GET", "/outbound-orders?external_id=", 400, "invalid_request"),
        ("GET", "/inventory", 400, "invalid_request"),
        ("GET", f"/inventory?{'sku=a&' * 101}", 400, "invalid_request"),
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/outbound-orders/FXO-000001", 405, "method_not_allowed"),
        ("POST", "/outbound-orders", 415, "unsupported_media_type"),
    ],
)
async def test_errors_have_a_code_and_a_sentence(house: House, method: str, path: str, status: int, code: str) -> None:
    answered, body = await house.call(method, path)
    assert (answered, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"external_id": ""}, "$.external_id"),
        ({"external_id": "x" * 129}, "$.external_id"),
        ({"external_id": 7}, "$.external_id"),
        ({"owner_id": None}, "$.owner_id"),
        ({"ship_to": None}, "$.ship_to"),
        ({"ship_to": {}}, "name"),
        ({"ship_to": {"name": "Ana", "street": "1 Pine St"}}, "street"),
        ({"items": []}, "$.items"),
        ({"items": [{"line_ref": "1", "sku": "A"}]}, "quantity"),
        ({"items": [{"line_ref": "1", "sku": "A", "quantity": 2}]}, "$.items[0].quantity"),
        ({"items": [{"line_ref": "1", "sku": "A", "quantity": "-1"}]}, "$.items[0].quantity"),
        ({"items": [{"line_ref": "1", "sku": "A", "quantity": "0"}]}, "more than 0"),
        ({"items": [{"line_ref": "1", "sku": "A", "quantity": "1.00001"}]}, "$.items[0].quantity"),
        ({"items": [{"line_ref": "1", "sku": "A", "quantity": "1\n"}]}, "quantity"),
        ({"items": [{"line_ref": "1", "sku": sku, "quantity": "1"} for sku in "AB"]}, "line_ref is there twice"),
        ({"items": [{"line_ref": str(at), "sku": "A", "quantity": "1"} for at in range(1001)]}, "$.items"),
        ({"requested_ship_date": "soon"}, "requested_ship_date"),
        ({"priority": 1}, "priority"),
    ],
)
async def test_fields_that_are_not_as_documented_are_422(house: House, changes: dict[str, Any], words: str) -> None:
    status, body = await house.call("POST", "/outbound-orders", json={**a_creation(), **changes})
    assert (status, body["error"]["code"]) == (422, "invalid_field")
    assert words in body["error"]["message"]
    assert house.effects() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
async def test_what_is_not_json_is_400(house: House, body: bytes) -> None:
    headers = {**KEY, "Content-Type": "application/json"}
    assert (await house.call("POST", "/outbound-orders", data=body, headers=headers))[0] == 400


async def test_another_owner_is_403(house: House) -> None:
    status, body = await house.create(owner_id="owner-2")
    assert (status, body["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("headers", [KEY, {"Authorization": "bearer  secret"}, {"X-API-Key": "secret"}])
async def test_the_key_is_taken_from_either_header(house: House, headers: dict[str, str]) -> None:
    assert (await house.call("GET", "/inventory?sku=A", headers=headers))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "secret"},
        {"Authorization": "Basic secret"},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "sécret"},
        {"Authorization": "Bearer wrong", "X-API-Key": "secret"},
    ],
)
async def test_a_key_is_required(house: House, headers: dict[str, str]) -> None:
    response = await house.client.get(f"{API}/inventory?sku=A", headers=headers)
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await response.json())["error"]["code"] == "unauthorized"


async def test_the_quota_of_any_minute_ends_in_429_with_a_time() -> None:
    async with opened(quota=2) as house:
        for pause in (0, 20_000):
            assert (await house.get("/inventory?sku=A"))[0] == 200
            house.now[0] += pause
        refused = await house.client.get(f"{API}/inventory?sku=A", headers=KEY)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
        assert (await refused.json())["error"]["code"] == "rate_limited"
        house.now[0] += 40_000
        assert (await house.get("/inventory?sku=A"))[0] == 200
        assert (await house.get("/inventory?sku=A"))[0] == 200
        assert (await house.get("/inventory?sku=A"))[0] == 429


async def test_an_order_is_canceled_once(house: House) -> None:
    await house.create()
    status, order = await house.call("POST", "/outbound-orders/FXO-000001/cancel", json={"reason": "no money"})
    assert (status, order["status"], order["cancel_reason"]) == (200, "cancelled", "no money")
    again = await house.call("POST", "/outbound-orders/FXO-000001/cancel", json={"reason": "another"})
    assert again == (200, order)
    house.later(1000)
    assert house.effects() == [("order created", "bc-demo-1"), ("order canceled", "bc-demo-1")]
    assert house.details("order canceled") == [{"reason": "no money"}]


async def test_no_reason_need_be_given(house: House) -> None:
    await house.create()
    assert (await house.call("POST", "/outbound-orders/FXO-000001/cancel"))[1]["cancel_reason"] == ""
    assert (await house.call("POST", "/outbound-orders/FXO-000001/cancel", data=b"{"))[0] == 400
    assert (await house.call("POST", "/outbound-orders/FXO-000001/cancel", json={"why": ""}))[0] == 422


@pytest.mark.parametrize("items", [[], [{"line_ref": "1", "quantity": "1"}]])
async def test_goods_that_have_left_are_not_canceled(house: House, items: list[Any]) -> None:
    await house.create()
    await house.control("shipments", external_id="bc-demo-1", items=items)
    status, body = await house.call("POST", "/outbound-orders/FXO-000001/cancel")
    assert (status, body["error"]["code"]) == (409, "conflict")
    assert "order canceled" not in dict(house.effects())


async def test_inventory_is_promised_taken_and_given_back() -> None:
    async with opened(stock=10) as house:
        await house.create()
        await house.create("bc-demo-2")
        shown = {"sku": "S-ORAN", "on_hand": "10", "allocated": "4", "available": "6"}
        blue = {"sku": "S-BLUE", "on_hand": "10", "allocated": "1", "available": "9"}
        assert await house.get("/inventory?sku=S-ORAN&sku=S-BLUE") == (200, {"inventory": [shown, blue]})
        await house.call("POST", "/outbound-orders/FXO-000002/cancel")
        await house.control("shipments", external_id="bc-demo-1", items=[{"line_ref": "1", "quantity": "0.5"}])
        _, body = await house.get("/inventory?sku=S-ORAN")
        assert body["inventory"] == [{"sku": "S-ORAN", "on_hand": "9.5", "allocated": "1.5", "available": "8"}]


async def test_a_dropped_answer_leaves_its_order(house: House) -> None:
    house.world.faults.add(FaultRequest("flexe", "drop-response"))
    with pytest.raises(ServerDisconnectedError):
        await house.create()
    house.world.faults.clear()
    assert (await house.create())[0] == 200


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("429", 429)])
async def test_faults_are_told_in_the_shape_of_the_contract(house: House, kind: Any, status: int) -> None:
    house.world.faults.add(FaultRequest("flexe", kind, retry_after_s=9))
    response = await house.client.get(f"{API}/inventory?sku=A", headers=KEY)
    assert (response.status, set((await response.json())["error"])) == (status, {"code", "message"})
    assert response.headers.get("Retry-After") == ("9" if status == 429 else None)


async def test_calls_are_counted_without_ids(house: House) -> None:
    await house.create()
    await house.get("/outbound-orders/FXO-000001")
    await house.call("POST", "/outbound-orders/FXO-000001/cancel")
    assert set(house.world.journal.calls) == {
        ("flexe", "POST /outbound-orders"),
        ("flexe", "GET /outbound-orders/{order_id}"),
        ("flexe", "POST /outbound-orders/{order_id}/cancel"),
    }
