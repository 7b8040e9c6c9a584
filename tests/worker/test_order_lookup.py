"""`/orders/{id}` of a worker with some of the lanes: from memory for their orders, from the ledger for the others."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace

from app.agents import order_ledger
from app.agents.orchestrate import Orchestrate
from app.agents.order_ledger import Early
from app.domain.order import OrderState
from app.events.ids import partition_of
from app.kafka.topics import load as load_topics
from app.lanes.hosting import LaneHost
from app.lanes.lane import Lane
from app.lanes.lane_limits import LaneLimits
from app.queries.order_queries import order_in
from app.queries.views import order_view
from app.worker.http_views import order_route
from app.worker.order_lookup import OrderLookup
from tests.agents.stand_ins import CODEC
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import Journey, an_order, published
from tests.lanes.lane_driver import StillClock
from tests.lanes.memory_log import MemoryCluster, MemoryLog

LEDGER = Orchestrate.ledger
PARTITIONS = 2
Answer = tuple[int, Any]


def order_of_lane(partition: int) -> str:
    return next(name for name in map("web-{}".format, range(100)) if partition_of(name.encode(), 2) == partition)


OURS, THEIRS = order_of_lane(0), order_of_lane(1)


def state_of(order_id: str) -> OrderState:
    journey = Journey(an_order(2))
    journey.created()
    return replace(journey.state, order=replace(journey.state.order, order_id=order_id))


class Ledger:
    """The ledger's topic. `scans` are the orders that it was read for."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.cluster = MemoryCluster([topic.name for topic in load_topics(PARTITIONS)], PARTITIONS, self.clock.now_ms)
        self.scans: list[str] = []

    def write(self, order_id: str, entry: OrderState | Early) -> None:
        key = order_id.encode()
        self.cluster.produce(LEDGER, partition_of(key, PARTITIONS), key, order_ledger.encode(entry))

    async def scan(self, order_id: str) -> OrderState | None:
        self.scans.append(order_id)
        return order_in(self.cluster.ledger(LEDGER).get(order_id.encode()))


class Reading:
    """A consumer that never reads: all of these orders come from the ledger."""

    async def committed(self, topics: tuple[str, ...], _partition: int) -> Mapping[str, int | None]:
        return dict.fromkeys(topics)

    async def read_on(self) -> None: ...


class Process:
    """A worker with lanes of orchestrate, and its view."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.flows = ledger, published()
        self.failures: list[BaseException] = []
        self.host = LaneHost(
            "waybill-orchestrate", Orchestrate.inputs, self._make_lane, self.failures.append, partitions=PARTITIONS
        )
        self.host.reading = Reading()

    def _make_lane(self, partition: int) -> Lane:
        cluster, limits = self.ledger.cluster, LaneLimits(tick_s=0.001)
        log = MemoryLog(cluster, f"waybill-orchestrate-{partition}", LEDGER, partition)
        role = Orchestrate(CODEC, self.flows, ORDERS)
        return Lane(role, log, partition, PARTITIONS, limits, clock=self.ledger.clock)

    async def assign(self, *partitions: int) -> None:
        await self.host.assign({(topic, partition) for topic in Orchestrate.inputs for partition in partitions})
        async with asyncio.timeout(60):
            while not all(status.opened for status in self.host.status()):  # noqa: ASYNC110 - any lane may be the last
                await asyncio.sleep(0.001)

    async def ask(self, order_id: str, memory_limit_s: float = 60.0) -> Answer:
        return await ask(OrderLookup(self.host, PARTITIONS, self.ledger.scan, show, memory_limit_s), order_id)


async def show(order: OrderState) -> Mapping[str, Any]:
    return order_view(order)


async def ask(lookup: OrderLookup, order_id: str) -> Answer:
    application = web.Application()
    application.add_routes([order_route(lookup.find)])
    async with TestClient(TestServer(application)) as client, client.get(f"/orders/{order_id}") as answer:
        return answer.status, json.loads(await answer.text())


async def scanned(ledger: Ledger, order_id: str) -> Answer:
    """The answer of a process that has no lane."""
    return await ask(OrderLookup(None, PARTITIONS, ledger.scan, show), order_id)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def process(ledger: Ledger) -> AsyncIterator[Process]:
    process = Process(ledger)
    yield process
    await process.host.close()


async def test_the_lane_of_an_order_answers_from_memory_as_the_ledger_would(ledger: Ledger, process: Process) -> None:
    ledger.write(OURS, state_of(OURS))
    await process.assign(0)
    answer = await process.ask(OURS)
    assert ledger.scans == []
    assert answer == await scanned(ledger, OURS)
    assert (answer[0], answer[1]["order_id"]) == (200, OURS)


async def test_an_order_that_is_no_longer_in_memory_is_read_back(ledger: Ledger, process: Process) -> None:
    ledger.write(OURS, replace(state_of(OURS), settled_at=1))
    await process.assign(0)
    assert [status.settled for status in process.host.status()] == [1]
    answer = await process.ask(OURS)
    assert ledger.scans == []
    assert answer == await scanned(ledger, OURS)
    assert answer[0] == 200


async def test_what_was_not_created_is_not_found(ledger: Ledger, process: Process) -> None:
    ledger.write(OURS, Early((), 1))
    await process.assign(0, 1)
    for order_id in (OURS, THEIRS):
        assert await process.ask(order_id) == (404, {"error": f"no order {order_id} in the ledger"})
    assert ledger.scans == []


async def test_orders_of_other_lanes_are_read_from_the_ledger(ledger: Ledger, process: Process) -> None:
    ledger.write(THEIRS, state_of(THEIRS))
    await process.assign(0)
    assert (await process.ask(THEIRS))[1]["order_id"] == THEIRS
    assert ledger.scans == [THEIRS]


async def test_during_a_rebalance_the_ledger_is_read(ledger: Ledger, process: Process) -> None:
    ledger.write(OURS, state_of(OURS))
    await process.assign(0)
    await process.host.revoke()
    assert (await process.ask(OURS))[0] == 200
    assert ledger.scans == [OURS]


async def test_a_process_with_a_successor_does_not_answer_from_its_old_memory(ledger: Ledger, process: Process) -> None:
    ledger.write(OURS, state_of(OURS))
    await process.assign(0)
    assert (await process.ask(OURS))[1]["version"] == state_of(OURS).version
    ledger.cluster.fence("waybill-orchestrate-0")
    ledger.write(OURS, replace(state_of(OURS), version=77))
    ledger.clock.advance(60)
    assert (await process.ask(OURS, memory_limit_s=0.2))[1]["version"] == 77
    assert ledger.scans == [OURS]
    assert "fenced" in str(process.failures[0])
