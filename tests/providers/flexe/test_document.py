"""docs/providers/flexe.openapi.yaml against what is spoken: answers and webhooks of the simulator, our own requests."""

import re
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from typing import Any

import msgspec
import pytest
import yaml
from aiohttp import web
from jsonschema import Draft202012Validator, ValidationError

from app import resources
from app.providers.flexe import actions
from app.providers.flexe.webhook import _KINDS
from app.providers.registry import load_manifests
from app.sandbox.vendors.flexe.server import _CODES, API_PATH
from app.sandbox.vendors.simulation import FaultRequest
from tests.providers.flexe.bench import a_request
from tests.providers.flexe.simulated_flexe import KEY, SimulatedFlexe, a_creation, listening, open_simulated_flexe
from tests.providers.orders import a_line, an_order

DOCUMENT: Any = yaml.safe_load(resources.read_text("docs/providers/flexe.openapi.yaml"))
JSON = {**KEY, "content-type": "application/json"}
GUIDE = resources.read_text("docs/providers/flexe.md")


def resolved(part: Any) -> Any:
    """A part of the document, with the one reference it may be followed."""
    if "$ref" not in part:
        return part
    found = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def check(value: Any, schema: Any) -> None:
    """Raises ValidationError."""
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def operations() -> Iterator[tuple[str, str, Any]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post"):
                yield method.upper(), path, operation


def operation_of(method: str, path: str) -> Any:
    for documented, template, operation in operations():
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", template)
        if documented == method and re.fullmatch(pattern, path.partition("?")[0]):
            return operation
    raise AssertionError(f"{method} {path} is not documented")


def response_of(method: str, path: str, status: int) -> Any:
    return resolved(operation_of(method, path)["responses"][str(status)])


@pytest.fixture
async def flexe() -> AsyncIterator[SimulatedFlexe]:
    async with open_simulated_flexe(split_share=1.0) as flexe:
        yield flexe


async def spoken(flexe: SimulatedFlexe, method: str, path: str, **given: Any) -> int:
    """Make a call and hold its answer to the document."""
    response = await flexe.client.request(method, f"/flexe{path}", **{"headers": KEY, **given})
    documented = response_of(method, path, response.status)
    assert response.content_type == "application/json"
    check(await response.json(), documented["content"]["application/json"]["schema"])
    for name, header in documented.get("headers", {}).items():
        check(int(response.headers[name]), header["schema"])
    return response.status


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert DOCUMENT["openapi"] == "3.1.0"


async def test_the_operations_are_the_simulators(flexe: SimulatedFlexe) -> None:
    routes = [route for route in flexe.simulator.routes() if isinstance(route, web.RouteDef)]
    served = {(route.method, route.path) for route in routes if route.path.startswith(API_PATH)}
    assert served == {(method, f"/flexe{path}") for method, path, _ in operations()}


async def test_answers_of_an_orders_whole_life_are_as_documented(flexe: SimulatedFlexe) -> None:
    orders = "/v1/outbound-orders"
    full = {"warehouse_id": "DC1", "requested_ship_date": "2026-02-01"}
    assert await spoken(flexe, "POST", orders, json=a_creation(**full)) == 201
    assert await spoken(flexe, "POST", orders, json=a_creation(**full)) == 200
    assert await spoken(flexe, "POST", orders, json=a_creation()) == 409
    for _ in range(6):
        flexe.let_pass(100)
        assert await spoken(flexe, "GET", f"{orders}/FXO-000001") == 200
        assert await spoken(flexe, "GET", f"{orders}?external_id=bc-demo-1") == 200
        assert await spoken(flexe, "GET", "/v1/inventory?sku=S-ORAN&sku=S-BLUE") == 200
    assert (await flexe.order())["status"] == "shipped"
    assert await spoken(flexe, "POST", f"{orders}/FXO-000001/cancel") == 409
    await spoken(flexe, "POST", orders, json=a_creation("bc-demo-2"))
    await flexe.control("exceptions", external_id="bc-demo-2", code="address")
    assert await spoken(flexe, "GET", f"{orders}/FXO-000002") == 200
    assert await spoken(flexe, "POST", f"{orders}/FXO-000002/cancel", json={"reason": "late"}) == 200


@pytest.mark.parametrize(
    ("method", "path", "given", "status"),
    [
        ("POST", "/v1/outbound-orders", {"data": b"{", "headers": JSON}, 400),
        ("POST", "/v1/outbound-orders", {"json": a_creation(), "headers": {}}, 401),
        ("POST", "/v1/outbound-orders", {"json": a_creation(owner_id="owner-2")}, 403),
        ("POST", "/v1/outbound-orders", {"data": BytesIO(b" " * 1_100_000), "headers": JSON}, 413),
        ("POST", "/v1/outbound-orders", {"data": b"text"}, 415),
        ("POST", "/v1/outbound-orders", {"json": {}}, 422),
        ("GET", "/v1/outbound-orders", {}, 400),
        ("GET", "/v1/outbound-orders?external_id=x", {"headers": {}}, 401),
        ("GET", "/v1/outbound-orders?external_id=x", {}, 200),
        ("GET", "/v1/outbound-orders/x", {"headers": {}}, 401),
        ("GET", "/v1/outbound-orders/x", {}, 404),
        ("POST", "/v1/outbound-orders/x/cancel", {"headers": {}}, 401),
        ("POST", "/v1/outbound-orders/x/cancel", {}, 404),
        ("GET", "/v1/inventory", {}, 400),
        ("GET", "/v1/inventory", {"headers": {}}, 401),
    ],
)
async def test_refusals_are_as_documented(
    flexe: SimulatedFlexe, method: str, path: str, given: Any, status: int
) -> None:
    assert await spoken(flexe, method, path, **given) == status


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in operations()])
async def test_every_operation_may_be_throttled(flexe: SimulatedFlexe, method: str, path: str) -> None:
    flexe.world.faults.add(FaultRequest("flexe", "429", retry_after_s=3))
    assert await spoken(flexe, method, path.replace("{order_id}", "x")) == 429


def test_the_errors_codes_are_the_simulators() -> None:
    code = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]
    assert set(code["enum"]) == {*_CODES.values(), "internal"}


async def test_webhooks_are_as_documented(flexe: SimulatedFlexe) -> None:
    async with listening(flexe) as receiver:
        await flexe.create()
        await flexe.create("bc-demo-2")
        await flexe.control("exceptions", external_id="bc-demo-2", code="address")
        await flexe.control("cancellations", external_id="bc-demo-2")
        await receiver.let_arrive(5)
        assert set(receiver.kinds()) == DOCUMENT["webhooks"].keys()
        for headers, body in receiver.posts:
            webhook = DOCUMENT["webhooks"][msgspec.json.decode(body)["type"]]["post"]
            check(msgspec.json.decode(body), webhook["requestBody"]["content"]["application/json"]["schema"])
            for parameter in map(resolved, webhook["parameters"]):
                check(headers[parameter["name"]], parameter["schema"])


def test_the_client_asks_as_documented() -> None:
    full = an_order(warehouse="DC1", requested_ship_date=1_769_860_800_000)
    for order in (an_order(), full, an_order(lines=(a_line(quantity=1),))):
        wanted = actions.outbound_order(a_request(order), "owner-1")
        assert isinstance(wanted, actions.OutboundOrder)
        call = actions.create(wanted)
        assert call.body is not None
        documented = operation_of(call.method, call.path)["requestBody"]["content"]["application/json"]["schema"]
        check(msgspec.json.decode(call.body), documented)
        assert {name for name, _ in actions.find(wanted.external_id).query} == {
            parameter["name"] for parameter in operation_of("GET", actions.ORDERS)["parameters"]
        }


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("NewOutboundOrder", {"items": []}),
        ("NewOutboundOrder", {"owner_id": ""}),
        ("NewOutboundOrder", {"priority": 1}),
        ("NewOutboundOrder", {"items": [{"line_ref": "1", "sku": "A", "quantity": 2}]}),
        ("NewOutboundOrder", {"items": [{"line_ref": "1", "sku": "A", "quantity": "0.0"}]}),
    ],
)
def test_the_document_refuses_what_the_simulator_refuses(kind: str, change: dict[str, Any]) -> None:
    schema = {"$ref": f"#/components/schemas/{kind}"}
    check(a_creation(), schema)
    with pytest.raises(ValidationError):
        check(a_creation() | change, schema)


def test_the_examples_are_valid() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        for example in schema.get("examples", []):
            check(example, schema)


def test_the_guide_says_that_the_contract_is_our_own_and_names_everything() -> None:
    assert "No public specification of Flexe's API exists" in GUIDE
    assert "dropped in" in GUIDE
    manifest = load_manifests()["flexe"]
    assert not [name for name in map(manifest.variable, manifest.required) if f"`{name}`" not in GUIDE]
    assert not [kind for kind in (*_KINDS, *DOCUMENT["webhooks"]) if f"`{kind}`" not in GUIDE]
    assert not [event for event in manifest.events if f"*{event}*" not in GUIDE]
    assert not [path for path in DOCUMENT["paths"] if path.replace("order_id", "id") not in GUIDE]
