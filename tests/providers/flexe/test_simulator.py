"""The simulated Flexe over HTTP, field by field as docs/providers/flexe.md says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError

from app.sandbox.vendors.simulation import FaultRequest
from tests.providers.flexe.simulated_flexe import API, DELAYS, KEY, SimulatedFlexe, a_creation, open_simulated_flexe


@pytest.fixture
async def flexe() -> AsyncIterator[SimulatedFlexe]:
    async with open_simulated_flexe() as flexe:
        yield flexe


async def test_a_new_order_is_answered_with_all_of_it(flexe: SimulatedFlexe) -> None:
    status, order = await flexe.create(warehouse_id="DC1", requested_ship_date="2026-02-01")
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


async def test_the_same_body_again_is_200_and_the_same_order(flexe: SimulatedFlexe) -> None:
    _, first = await flexe.create()
    body = dict(reversed(a_creation().items()))
    assert await flexe.call("POST", "/outbound-orders", json=body) == (200, first)
    flexe.let_pass(sum(DELAYS.values()))
    status, shipped = await flexe.create()
    assert (status, shipped["id"], shipped["status"]) == (200, first["id"], "shipped")
    assert flexe.effects().count(("order created", "bc-demo-1")) == 1


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
async def test_another_body_is_409_and_changes_nothing(flexe: SimulatedFlexe, changes: dict[str, Any]) -> None:
    _, first = await flexe.create()
    status, error = await flexe.create(**changes)
    assert (status, error["error"]["code"]) == (409, "conflict")
    assert "FXO-000001" in error["error"]["message"]
    assert await flexe.order() == first


async def test_orders_are_found_by_either_id(flexe: SimulatedFlexe) -> None:
    _, first = await flexe.create("a b&c/é")
    await flexe.create("another")
    assert await flexe.get("/outbound-orders/FXO-000001") == (200, first)
    found = await flexe.call("GET", "/outbound-orders", params={"external_id": "a b&c/é"})
    assert found == (200, {"outbound_orders": [first]})
    assert await flexe.get("/outbound-orders?external_id=nobody") == (200, {"outbound_orders": []})


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
async def test_errors_have_a_code_and_a_sentence(
    flexe: SimulatedFlexe, method: str, path: str, status: int, code: str
) -> None:
    answered, body = await flexe.call(method, path)
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
async def test_fields_that_are_not_as_documented_are_422(
    flexe: SimulatedFlexe, changes: dict[str, Any], words: str
) -> None:
    status, body = await flexe.call("POST", "/outbound-orders", json={**a_creation(), **changes})
    assert (status, body["error"]["code"]) == (422, "invalid_field")
    assert words in body["error"]["message"]
    assert flexe.effects() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
async def test_what_is_not_json_is_400(flexe: SimulatedFlexe, body: bytes) -> None:
    headers = {**KEY, "Content-Type": "application/json"}
    assert (await flexe.call("POST", "/outbound-orders", data=body, headers=headers))[0] == 400


async def test_another_owner_is_403(flexe: SimulatedFlexe) -> None:
    status, body = await flexe.create(owner_id="owner-2")
    assert (status, body["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("headers", [KEY, {"Authorization": "bearer  secret"}, {"X-API-Key": "secret"}])
async def test_the_key_is_taken_from_either_header(flexe: SimulatedFlexe, headers: dict[str, str]) -> None:
    assert (await flexe.call("GET", "/inventory?sku=A", headers=headers))[0] == 200


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
async def test_a_key_is_required(flexe: SimulatedFlexe, headers: dict[str, str]) -> None:
    response = await flexe.client.get(f"{API}/inventory?sku=A", headers=headers)
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await response.json())["error"]["code"] == "unauthorized"


async def test_the_quota_of_any_minute_ends_in_429_with_a_time() -> None:
    async with open_simulated_flexe(quota=2) as flexe:
        for pause in (0, 20_000):
            assert (await flexe.get("/inventory?sku=A"))[0] == 200
            flexe.now[0] += pause
        refused = await flexe.client.get(f"{API}/inventory?sku=A", headers=KEY)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
        assert (await refused.json())["error"]["code"] == "rate_limited"
        flexe.now[0] += 40_000
        assert (await flexe.get("/inventory?sku=A"))[0] == 200
        assert (await flexe.get("/inventory?sku=A"))[0] == 200
        assert (await flexe.get("/inventory?sku=A"))[0] == 429


async def test_an_order_is_canceled_once(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    status, order = await flexe.call("POST", "/outbound-orders/FXO-000001/cancel", json={"reason": "no money"})
    assert (status, order["status"], order["cancel_reason"]) == (200, "cancelled", "no money")
    again = await flexe.call("POST", "/outbound-orders/FXO-000001/cancel", json={"reason": "another"})
    assert again == (200, order)
    flexe.let_pass(1000)
    assert flexe.effects() == [("order created", "bc-demo-1"), ("order canceled", "bc-demo-1")]
    assert flexe.details("order canceled") == [{"reason": "no money"}]


async def test_no_reason_need_be_given(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    assert (await flexe.call("POST", "/outbound-orders/FXO-000001/cancel"))[1]["cancel_reason"] == ""
    assert (await flexe.call("POST", "/outbound-orders/FXO-000001/cancel", data=b"{"))[0] == 400
    assert (await flexe.call("POST", "/outbound-orders/FXO-000001/cancel", json={"why": ""}))[0] == 422


@pytest.mark.parametrize("items", [[], [{"line_ref": "1", "quantity": "1"}]])
async def test_goods_that_have_left_are_not_canceled(flexe: SimulatedFlexe, items: list[Any]) -> None:
    await flexe.create()
    await flexe.control("shipments", external_id="bc-demo-1", items=items)
    status, body = await flexe.call("POST", "/outbound-orders/FXO-000001/cancel")
    assert (status, body["error"]["code"]) == (409, "conflict")
    assert "order canceled" not in dict(flexe.effects())


async def test_inventory_is_promised_taken_and_given_back() -> None:
    async with open_simulated_flexe(stock=10) as flexe:
        await flexe.create()
        await flexe.create("bc-demo-2")
        shown = {"sku": "S-ORAN", "on_hand": "10", "allocated": "4", "available": "6"}
        blue = {"sku": "S-BLUE", "on_hand": "10", "allocated": "1", "available": "9"}
        assert await flexe.get("/inventory?sku=S-ORAN&sku=S-BLUE") == (200, {"inventory": [shown, blue]})
        await flexe.call("POST", "/outbound-orders/FXO-000002/cancel")
        await flexe.control("shipments", external_id="bc-demo-1", items=[{"line_ref": "1", "quantity": "0.5"}])
        _, body = await flexe.get("/inventory?sku=S-ORAN")
        assert body["inventory"] == [{"sku": "S-ORAN", "on_hand": "9.5", "allocated": "1.5", "available": "8"}]


async def test_a_dropped_answer_leaves_its_order(flexe: SimulatedFlexe) -> None:
    flexe.world.faults.add(FaultRequest("flexe", "drop-response"))
    with pytest.raises(ServerDisconnectedError):
        await flexe.create()
    flexe.world.faults.clear()
    assert (await flexe.create())[0] == 200


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("429", 429)])
async def test_faults_are_told_in_the_shape_of_the_contract(flexe: SimulatedFlexe, kind: Any, status: int) -> None:
    flexe.world.faults.add(FaultRequest("flexe", kind, retry_after_s=9))
    response = await flexe.client.get(f"{API}/inventory?sku=A", headers=KEY)
    assert (response.status, set((await response.json())["error"])) == (status, {"code", "message"})
    assert response.headers.get("Retry-After") == ("9" if status == 429 else None)


async def test_calls_are_counted_without_ids(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    await flexe.get("/outbound-orders/FXO-000001")
    await flexe.call("POST", "/outbound-orders/FXO-000001/cancel")
    assert set(flexe.world.journal.calls) == {
        ("flexe", "POST /outbound-orders"),
        ("flexe", "GET /outbound-orders/{order_id}"),
        ("flexe", "POST /outbound-orders/{order_id}/cancel"),
    }
