"""Orders and lines whose ids F+O takes for one another, or whose fields are too short for, through the whole pipeline:
each is sent, found in what comes back, and ends as its own."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from app.domain.order import Order
from app.providers.fno.client import Fno
from app.sandbox.vendors.fno import FnoSimulator
from app.sandbox.vendors.host import SimulatorOptions, serve
from tests.agents.fno_pipeline import FnoPipeline
from tests.flows.journey import an_order

STAGES = ("Confirmed", "Picked", "Delivered", "Invoiced")
DONE = ("Completed", "Fulfilled")
LONG = "warehouse-7/shelf-12/position-0000000000000042/"


@pytest.fixture
async def pipeline() -> AsyncIterator[FnoPipeline]:
    async with serve(SimulatorOptions()) as simulators:
        simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES))
        url = f"{simulators.base_url}/fno"
        writer = Fno(url, f"{url}/token", "simulated-client", lambda: "simulated-fno-secret")
        yield FnoPipeline(simulators, writer)
        await writer.close()


def order_of(order_id: str, name: str, *line_ids: str) -> Order:
    order = an_order(order_id=order_id, origin="external", channel="external", source_ref=order_id)
    lines = order.lines
    if line_ids:
        lines = tuple(replace(line, line_id=line_id) for line, line_id in zip(lines, line_ids, strict=True))
    return replace(order, lines=lines, ship_to=replace(order.ship_to, name=name))


async def test_orders_that_f_o_takes_for_one_another_are_each_completed_as_their_own(pipeline: FnoPipeline) -> None:
    people = {"Case-A": "Alice", "Wild-1": "Ann", "Pure-1": "Ada", "case-a": "Bob", "Wild-*": "Ben"}
    await pipeline.create(*(order_of(order_id, name) for order_id, name in people.items()))
    assert sorted(order.header.values["DeliveryAddressName"] for order in pipeline.at_fno()) == sorted(people.values())
    pipeline.simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES, 1))
    await pipeline.until(lambda: all(pipeline.status(order_id) == DONE for order_id in people))
    for order_id, name in people.items():
        number = pipeline.state(order_id).reference("fno")
        assert number is not None
        order = pipeline.simulators.of(FnoSimulator).orders.find("USMF", number)
        assert order is not None
        assert (order.header.values["DeliveryAddressName"], order.status) == (name, "Invoiced")
    assert pipeline.dead == []


@pytest.mark.parametrize(
    "order_id",
    ["A" * 128, "a" * 128, "a" * 61, "*", "%", "a..b", "o'neil", "stra\u00dfe", "\u304b\u30ab", "a\u200bb", "A~b"],
)
async def test_whatever_an_id_is_made_of_the_order_comes_back_as_itself(pipeline: FnoPipeline, order_id: str) -> None:
    await pipeline.create(order_of(order_id, "Alice"))
    pipeline.simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES, 1))
    await pipeline.until(lambda: pipeline.status(order_id) == DONE)
    assert (len(pipeline.at_fno()), pipeline.dead) == (1, [])


@pytest.mark.parametrize(
    "line_ids", [("1", "2"), (f"{LONG}1", f"{LONG}2"), ("a", "A"), (" 1", "1"), ("\u00e9" * 21, "e" * 21)]
)
async def test_what_f_o_says_of_a_line_is_said_of_ours(pipeline: FnoPipeline, line_ids: tuple[str, str]) -> None:
    await pipeline.create(order_of("Case-A", "Alice", *line_ids))
    [order] = pipeline.at_fno()
    first, second = order.lines.values()
    fno = pipeline.simulators.of(FnoSimulator)
    fno.progression.advance(order, "Picked", (), "fno")
    fno.orders.patch_line(order, second, {"ShippingWarehouseId": "US-NYC", "OrderedSalesQuantity": 7}, "fno")
    fno.progression.advance(order, "PartiallyDelivered", (str(first.values["InventoryLotId"]),), "fno")
    await pipeline.settle()
    assert pipeline.dead == []
    lines = {line.line_id: line for line in pipeline.state("Case-A").order.lines}
    assert tuple(lines) == line_ids
    assert (lines[line_ids[0]].reason, lines[line_ids[1]].reason) == ("Packed", "Picked")
    assert (lines[line_ids[1]].quantity, lines[line_ids[1]].warehouse) == (70_000, "US-NYC")
    fno.progression.advance(order, "Invoiced", (), "fno")
    await pipeline.settle()
    assert (pipeline.status("Case-A"), pipeline.dead) == (DONE, [])


async def test_a_text_that_f_o_cannot_hold_holds_the_order_and_names_the_field(pipeline: FnoPipeline) -> None:
    order = order_of("bc-shop-1", "Alice")
    await pipeline.create(replace(order, ship_to=replace(order.ship_to, city="x" * 81)))
    assert (pipeline.status("bc-shop-1")[0], pipeline.at_fno(), pipeline.dead) == ("On Hold", [], [])
    notes = [entry.note for entry in pipeline.state("bc-shop-1").timeline]
    assert any("DeliveryAddressCity has 81 characters, at most 80" in note for note in notes)
