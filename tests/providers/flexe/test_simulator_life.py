"""What happens to orders at the simulated Flexe: by itself, in two shipments, held, released, out of stock."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.flexe.quantities import from_text
from app.sandbox.vendors.flexe import FlexeOptions, FlexeSimulator
from app.sandbox.vendors.flexe.payloads import DeliveryAddress, OrderCreation, OrderedItem
from app.sandbox.vendors.simulation import World
from tests.providers.flexe.simulated_flexe import DELAYS, SimulatedFlexe, a_creation, open_simulated_flexe

WHOLE = sum(DELAYS.values())


@pytest.fixture
async def flexe() -> AsyncIterator[SimulatedFlexe]:
    """Every order with several lines leaves in two shipments."""
    async with open_simulated_flexe(split_share=1.0) as flexe:
        yield flexe


def shipped(order: Any) -> dict[str, int]:
    """What its shipments add up to, by line."""
    total: Counter[str] = Counter()
    for shipment in order["shipments"]:
        total.update({item["line_ref"]: from_text(item["quantity"]) for item in shipment["items"]})
    return dict(total)


async def test_an_order_is_accepted_then_shipped_in_its_time() -> None:
    async with open_simulated_flexe(split_share=0.0) as flexe:
        await flexe.create()
        seen = [(await flexe.order())["status"]]
        for wait in (DELAYS["accepted"] - 10, 10, DELAYS["shipped"] - 10, 10, WHOLE):
            flexe.let_pass(wait)
            seen.append((await flexe.order())["status"])
        assert seen == ["received", "received", "accepted", "accepted", "shipped", "shipped"]
        order = await flexe.order()
        assert order["shipments"] == [
            {
                "id": "FXS-000001",
                "shipped_at": "2026-01-31T12:00:00.373Z",
                "carrier": "simulated",
                "tracking_number": "1Z000000001",
                "items": a_creation()["items"],
            }
        ]
        assert [item["quantity_shipped"] for item in order["items"]] == ["2", "0.5"]
        assert flexe.effects() == [("order created", "bc-demo-1"), ("order shipped", "bc-demo-1")]
        assert flexe.details("order shipped") == [{"shipment": "FXS-000001", "items": a_creation()["items"]}]


async def test_an_order_that_is_split_leaves_twice_and_adds_up(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    flexe.let_pass(DELAYS["accepted"] + DELAYS["shipped"])
    order = await flexe.order()
    assert (order["status"], len(order["shipments"])) == ("partially_shipped", 1)
    flexe.let_pass(DELAYS["completed"])
    order = await flexe.order()
    assert (order["status"], len(order["shipments"])) == ("shipped", 2)
    assert shipped(order) == {"1": 20_000, "2": 5_000}


async def test_orders_of_one_line_leave_at_once(flexe: SimulatedFlexe) -> None:
    await flexe.create(items=a_creation()["items"][:1])
    flexe.let_pass(WHOLE)
    assert len((await flexe.order())["shipments"]) == 1


QUANTITIES = st.lists(st.integers(1, 10**7), min_size=2, max_size=12)


@given(QUANTITIES, st.text(min_size=1, max_size=20), st.integers(0, 3))
def test_two_parts_are_never_empty_and_always_add_up(quantities: list[int], external_id: str, seed: int) -> None:
    simulator = FlexeSimulator(World(), FlexeOptions(split_share=1.0, seed=seed))
    items = tuple(
        OrderedItem(str(at), f"S{at % 3}", f"{quantity / 10_000:.4f}") for at, quantity in enumerate(quantities)
    )
    order, _ = simulator.orders.create(OrderCreation(external_id, "simulated-owner", DeliveryAddress("Ana"), items))
    first = simulator.progression.first_part(order)
    assert first
    assert all(0 < quantity <= quantities[int(line)] for line, quantity in first.items())
    assert first == simulator.progression.first_part(order), "the same seed and order, the same parts"
    simulator.orders.ship(order, first)
    assert order.progress == "partially_shipped"
    simulator.orders.ship(order, order.remaining())
    assert order.progress == "shipped"
    assert order.shipped == {str(at): quantity for at, quantity in enumerate(quantities)}


def test_the_seed_and_the_order_decide_whether_it_is_split() -> None:
    def split(seed: int) -> list[bool]:
        simulator = FlexeSimulator(World(), FlexeOptions(seed=seed))
        items = (OrderedItem("1", "A", "3"), OrderedItem("2", "B", "1"))
        orders = [
            simulator.orders.create(
                OrderCreation(f"bc-demo-{number}", "simulated-owner", DeliveryAddress("Ana"), items)
            )[0]
            for number in range(400)
        ]
        return [simulator.progression.first_part(order) != order.remaining() for order in orders]

    assert split(0) == split(0)
    assert split(0) != split(1)
    assert 60 < sum(split(0)) < 140, "a quarter"


async def test_a_stage_without_a_delay_waits_for_the_control_plane(flexe: SimulatedFlexe) -> None:
    delays = {"provider": "flexe", "delays": {"shipped": None}}
    assert (await flexe.client.post("/_sim/progress", json=delays)).status == 200
    await flexe.create()
    flexe.let_pass(10_000)
    assert (await flexe.order())["status"] == "accepted"
    part = [{"line_ref": "1", "quantity": "1"}]
    status, order = await flexe.control("shipments", external_id="bc-demo-1", items=part)
    assert (status, order["status"], shipped(order)) == (201, "partially_shipped", {"1": 10_000})
    flexe.let_pass(DELAYS["completed"])
    assert shipped(await flexe.order()) == {"1": 20_000, "2": 5_000}


async def test_new_delays_hold_for_orders_that_waited(flexe: SimulatedFlexe) -> None:
    await flexe.client.post("/_sim/progress", json={"provider": "flexe", "delays": {"accepted": None}})
    await flexe.create()
    flexe.let_pass(1000)
    assert (await flexe.order())["status"] == "received"
    await flexe.client.post("/_sim/progress", json={"provider": "flexe", "delays": {"accepted": 20}})
    flexe.let_pass(20)
    assert (await flexe.order())["status"] == "accepted"
    unknown = {"provider": "flexe", "delays": {"lost": 1}}
    assert (await flexe.client.post("/_sim/progress", json=unknown)).status == 400


async def test_an_exception_holds_the_order_until_it_is_released(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    status, order = await flexe.control("exceptions", external_id="bc-demo-1", code="address", message="no such street")
    assert (status, order["status"], order["hold"]) == (201, "on_hold", "address")
    flexe.let_pass(10_000)
    assert (await flexe.order())["status"] == "on_hold"
    assert len(flexe.world.schedule) == 0, "nothing is tried while it is held"
    assert flexe.details("order delayed") == [{"exception": "FXO-000001-E1", "code": "address"}]
    await flexe.control("releases", external_id="bc-demo-1")
    flexe.let_pass(WHOLE)
    order = await flexe.order()
    assert (order["status"], order["hold"]) == ("shipped", None)


async def test_out_of_stock_holds_the_order_until_there_is_some(flexe: SimulatedFlexe) -> None:
    assert (await flexe.control("inventory", counts=[{"sku": "S-BLUE", "on_hand": "0"}]))[0] == 201
    await flexe.create()
    flexe.let_pass(10_000)
    order = await flexe.order()
    assert (order["hold"], shipped(order)) in (("out_of_stock", {}), ("out_of_stock", {"1": 10_000}))
    await flexe.control("inventory", counts=[{"sku": "S-BLUE", "on_hand": "0.5"}])
    flexe.let_pass(WHOLE)
    assert shipped(await flexe.order()) == {"1": 20_000, "2": 5_000}
    _, body = await flexe.get("/inventory?sku=S-BLUE")
    assert body["inventory"] == [{"sku": "S-BLUE", "on_hand": "0", "allocated": "0", "available": "0"}]


async def test_the_fulfiller_cancels_what_it_holds(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    await flexe.control("exceptions", external_id="bc-demo-1", code="damaged")
    status, order = await flexe.control("cancellations", external_id="bc-demo-1", reason="burnt")
    assert (status, order["status"], order["hold"], order["cancel_reason"]) == (200, "cancelled", None, "burnt")


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("shipments", {"external_id": "nobody"}, 404),
        ("shipments", {"external_id": "bc-demo-1", "items": [{"line_ref": "1", "quantity": "2.5"}]}, 409),
        ("shipments", {"external_id": "bc-demo-1", "items": [{"line_ref": "9", "quantity": "1"}]}, 409),
        ("shipments", {"external_id": "bc-demo-1", "items": [{"line_ref": "1", "quantity": "0"}]}, 400),
        ("shipments", {"external_id": "bc-demo-1", "parts": []}, 400),
        ("exceptions", {"external_id": "bc-demo-1"}, 400),
        ("inventory", {"counts": [{"sku": "A", "on_hand": "-1"}]}, 400),
        ("webhooks", {"url": "file:///etc/passwd"}, 400),
        ("webhooks", {"url": "http://"}, 400),
        ("webhooks", {"url": "http://[::1/x"}, 400),
        ("webhooks", {"url": "http://127.0.0.1/x", "secret": "whsec_"}, 400),
    ],
)
async def test_the_control_plane_refuses_with_a_fix(flexe: SimulatedFlexe, name: str, body: Any, status: int) -> None:
    await flexe.create()
    answered, error = await flexe.control(name, **body)
    assert answered == status
    assert error["error"]
    assert flexe.effects() == [("order created", "bc-demo-1")]


async def test_what_is_final_is_left_alone(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    flexe.let_pass(WHOLE)
    before = await flexe.order()
    for name in ("shipments", "exceptions", "cancellations"):
        body = {"code": "late"} if name == "exceptions" else {}
        assert (await flexe.control(name, external_id="bc-demo-1", **body))[0] == 409
    assert await flexe.order() == before


async def test_the_state_shows_no_secret(flexe: SimulatedFlexe) -> None:
    await flexe.create()
    await flexe.control("webhooks", url="http://127.0.0.1:9/x", secret="whsec_aGlkZGVu")
    state = await (await flexe.client.get("/_sim/state")).json()
    assert state["providers"]["flexe"]["by_status"] == {"received": 1}
    assert state["providers"]["flexe"]["webhooks"]["url"] == "http://127.0.0.1:9/x"
    assert "aGlkZGVu" not in str(state)
