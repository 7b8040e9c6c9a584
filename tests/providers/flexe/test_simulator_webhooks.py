"""The webhooks of the simulated Flexe, over real sockets: signed, repeated, doubled, out of order, never lost."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.providers.flexe.webhook import receive
from app.providers.port import UnsharedLease
from app.providers.registry import build
from app.providers.webhooks import Received, WebhookRefusedError
from app.sandbox.vendors.flexe import FlexeOptions, FlexeSimulator
from app.sandbox.vendors.host import SimulatorOptions, serve
from app.sandbox.vendors.simulation import FaultRequest
from app.sandbox.vendors.simulation_webhooks import BACK_OFF_MS, GIVE_UP_MS
from tests.providers.flexe.bench import a_request
from tests.providers.flexe.simulated_flexe import (
    DELAYS,
    SECRET,
    Receiver,
    SimulatedFlexe,
    listening,
    open_simulated_flexe,
)
from tests.providers.orders import an_order

WHOLE = sum(DELAYS.values())


@pytest.fixture
async def flexe() -> AsyncIterator[SimulatedFlexe]:
    async with open_simulated_flexe(split_share=1.0) as flexe:
        yield flexe


@pytest.fixture
async def receiver(flexe: SimulatedFlexe) -> AsyncIterator[Receiver]:
    async with listening(flexe) as receiver:
        yield receiver


def quantities(receiver: Receiver, order: str) -> dict[str, int]:
    """What distinct shipments of an order add up to, by line."""
    events = {
        event.reference: event for told in receiver.received() for event in told.events if event.order_id == order
    }
    total: Counter[str] = Counter()
    for event in events.values():
        total.update({line.line_id: line.quantity for line in event.lines})
    return dict(total)


async def test_the_life_of_an_order_is_told(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    await flexe.create()
    await receiver.let_arrive(3)
    assert sorted(receiver.kinds()) == ["order.accepted", "shipment.shipped", "shipment.shipped"]
    assert quantities(receiver, "bc-demo-1") == {"1": 20_000, "2": 5_000}
    assert len({told.webhook_id for told in receiver.received()}) == 3
    events = [event for told in receiver.received() for event in told.events]
    assert {event.reference for event in events} == {"FXS-000001", "FXS-000002"}


async def test_exceptions_and_cancellations_are_told(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    await flexe.create()
    await flexe.control("exceptions", external_id="bc-demo-1", code="address", message="no such street")
    await flexe.control("cancellations", external_id="bc-demo-1", reason="no such street")
    await receiver.let_arrive(2)
    told = {event.event: event for each in receiver.received() for event in each.events}
    assert told["order delayed"].values == {"reason": "address", "detail": "no such street"}
    assert told["order canceled"].values == {"reason": "no such street"}


async def test_a_webhook_is_repeated_with_its_id_until_it_is_taken(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    receiver.answers = [503, 500, 401, 302, 202]
    started = flexe.now[0]
    await flexe.create()
    await flexe.control("cancellations", external_id="bc-demo-1")
    await receiver.let_arrive(5)
    assert flexe.now[0] - started >= sum(BACK_OFF_MS[:4])
    assert len({told.webhook_id for told in receiver.received()}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.posts}) > 1, "each attempt is signed anew"
    assert len({body for _, body in receiver.posts}) == 1
    await receiver.let_all_arrive()
    assert len(receiver.posts) == 5


async def test_nobody_at_the_address_is_tried_again(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    await flexe.control("webhooks", url="http://127.0.0.1:9/webhooks/flexe", secret=SECRET)
    await flexe.create()
    await flexe.control("cancellations", external_id="bc-demo-1")
    await flexe.let_pass_until(lambda: flexe.simulator.sender.counts["attempts"] >= 2)
    await flexe.control("webhooks", url=receiver.url, secret=SECRET)
    await receiver.let_arrive(1)
    assert receiver.kinds() == ["order.cancelled"]


async def test_one_that_is_never_taken_is_given_up_after_a_day(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    receiver.answers = [503] * 1000
    await flexe.create()
    await flexe.control("cancellations", external_id="bc-demo-1")
    await receiver.let_arrive(1)
    before = flexe.simulator.sender.counts["given up"]
    flexe.now[0] += GIVE_UP_MS
    await receiver.let_all_arrive()
    assert (before, flexe.simulator.sender.counts["given up"]) == (0, 1)


async def test_doubled_and_overtaken_webhooks_tell_the_same(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    flexe.world.faults.add(FaultRequest("flexe", "duplicate-webhooks", share=0.5, seconds=3600, delay_ms=90))
    flexe.world.faults.add(FaultRequest("flexe", "reorder-webhooks", share=0.5, seconds=3600, delay_ms=700, seed=3))
    for number in range(1, 21):
        await flexe.create(f"bc-demo-{number}")
    await receiver.let_arrive(60)
    await receiver.let_all_arrive()
    ids = [told.webhook_id for told in receiver.received()]
    assert len(set(ids)) == 60 < len(ids)
    shipments = [body["data"]["shipment"]["id"] for body in receiver.bodies() if "shipment" in body["data"]]
    assert list(dict.fromkeys(shipments)) != sorted(set(shipments)), "out of order"
    for number in range(1, 21):
        assert quantities(receiver, f"bc-demo-{number}") == {"1": 20_000, "2": 5_000}


async def test_another_secret_is_told_apart(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    await flexe.control("webhooks", url=receiver.url, secret="whsec_b3RoZXI=")
    await flexe.create()
    await receiver.let_arrive(1)
    with pytest.raises(WebhookRefusedError):
        receiver.received()


async def test_without_an_address_nothing_is_sent_or_kept(flexe: SimulatedFlexe, receiver: Receiver) -> None:
    await flexe.control("webhooks", url="")
    await flexe.create()
    flexe.let_pass(WHOLE)
    assert flexe.simulator.sender.counts["unsent"] == 3
    await flexe.control("webhooks", url=receiver.url)
    await flexe.create("bc-demo-2")
    await receiver.let_arrive(3)
    assert {event.order_id for told in receiver.received() for event in told.events} == {"bc-demo-2"}


async def test_options_name_an_address_too() -> None:
    async with open_simulated_flexe(webhook_url="http://127.0.0.1:9/x") as flexe:
        assert flexe.simulator.sender.state()["url"] == "http://127.0.0.1:9/x"


async def test_the_host_sends_what_the_settings_it_tells_can_read() -> None:
    """Client, simulator and receiver in real time, each with the settings that the host gives out."""
    heard: asyncio.Queue[Received] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        heard.put_nowait(receive(request.headers, await request.read(), settings, time.time()))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/", take)
    async with TestServer(app) as server:
        options = FlexeOptions(webhook_url=str(server.make_url("/")), split_share=0.0)
        async with serve(
            SimulatorOptions(vendors={"flexe": lambda world: FlexeSimulator(world, options)})
        ) as simulators:
            environ = simulators.environ()
            settings = {name.removeprefix("WAYBILL_FLEXE_"): value for name, value in environ.items()}
            provider = build("flexe", environ)
            await provider.perform(a_request(an_order()), UnsharedLease())
            await provider.close()
            events = [event for _ in range(2) for event in (await heard.get()).events]
    assert [(event.event, event.order_id) for event in events] == [("order shipped", "bc-demo-0")]
