"""The lanes' promise on a real broker, whatever happens to the process: each record once, in order, all or nothing."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from app.events.ids import partition_of
from app.worker.process_end import EXIT_LANE_LOST, EXIT_REFUSED
from tests.kafka.lane_worker import CRASHED
from tests.kafka.lane_world import PARTITIONS, LaneWorld, Worker, counted

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


async def test_a_worker_counts_forwards_buries_and_stops_in_order(world: LaneWorld) -> None:
    """One process, everything that a record can be."""
    world.load(keys=50, each=4)
    world.produce(b"k1", b"boom", counts=False)
    home = partition_of(b"stray", PARTITIONS)
    world.produce(b"stray", b"one", partition=(home + 1) % PARTITIONS)
    world.produce(None, b"nothing", partition=2, counts=False)
    world.produce(None, b"key=found", partition=partition_of(b"found", PARTITIONS), counts=False)
    world.sent[b"found"] += 1
    worker = await world.start()
    await world.until_counted()
    world.check()
    letters = [dict(message.headers() or []) for message in world.read("dead-letter")]
    mine = {(mark["waybill-dead-code"], mark["waybill-dead-topic"]) for mark in letters}
    assert {(b"error", world.in_a.encode()), (b"no-key", world.in_a.encode())} <= mine
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0


async def crashes(world: LaneWorld, step: str) -> None:
    first = await world.start(CRASH=f"{step} 3", WAYBILL_BATCH_RECORDS_MAX=64)
    assert await first.ended() == CRASHED


async def has_an_agent_that_fails(world: LaneWorld) -> None:
    first = await world.start(AGENT=2)
    assert await first.ended() == EXIT_LANE_LOST
    assert first.said("the agent's own fault")


async def writes_what_the_broker_refuses(world: LaneWorld) -> None:
    world.configure(world.out, max_message_bytes="300")
    first = await world.start()
    assert await first.ended() == EXIT_LANE_LOST
    assert first.said("max.message.bytes")
    world.configure(world.out, max_message_bytes="1048588")


ENDS: dict[str, Callable[[LaneWorld], Awaitable[None]]] = {
    "before": partial(crashes, step="before"),
    "inside": partial(crashes, step="inside"),
    "after": partial(crashes, step="after"),
    "agent": has_an_agent_that_fails,
    "refused": writes_what_the_broker_refuses,
}


async def test_wherever_the_process_ends_the_next_one_goes_on(lane_broker: str, tmp_path: Path) -> None:
    """A crash before, inside and after a transaction, an agent that fails, a write that fails.

    Side by side, because a dead member holds its group up for a session time-out.
    """

    async def survive(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        world = LaneWorld(lane_broker, folder)
        await asyncio.to_thread(world.create_topics)
        try:
            world.load(keys=40, each=10)
            await ENDS[name](world)
            await world.start()
            await world.until_counted()
            world.check()
        finally:
            await world.end()

    async with asyncio.TaskGroup() as group:
        for name in ENDS:
            group.create_task(survive(name), name=name)


async def test_a_paused_owner_that_wakes_up_is_fenced(world: LaneWorld) -> None:
    world.load(keys=20, each=2)
    zombie = await world.start()
    await world.until_counted()
    zombie.signal(signal.SIGSTOP)
    successor = await world.start()
    await world.until(lambda: successor.opened() == PARTITIONS, "the successor owns all lanes")
    world.load(keys=20, each=2)
    await world.until_counted()
    zombie.signal(signal.SIGCONT)
    assert await zombie.ended() == EXIT_LANE_LOST
    assert zombie.said("was fenced")
    world.load(keys=20, each=2)
    await world.until_counted()
    world.check()


def has_opened(worker: Worker, lanes: int) -> bool:
    return worker.opened() == lanes


@pytest.mark.parametrize("faults", [{}, {"OVERTAKEN": 1}])
async def test_what_a_fetch_brings_that_a_rebalance_overtook_is_read_again(
    world: LaneWorld, faults: dict[str, int]
) -> None:
    """The lanes that stay go back to where they are. A fetch from before must not take along what lies there, and what
    Faust remembers of it must not keep that from them."""
    stop = asyncio.Event()

    async def trickle() -> None:
        while not stop.is_set():
            await asyncio.to_thread(world.load, 40, 1)
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    first = await world.start(DWELL_S=1, **faults)
    await world.until(lambda: first.opened() == PARTITIONS and bool(world.read(world.out)), "the first worker counts")
    for _ in range(2):
        second = await world.start(DWELL_S=1, **faults)
        await world.until(partial(has_opened, second, 2), "the second worker took two lanes")
        second.signal(signal.SIGTERM)
        assert await second.ended() == 0
    stop.set()
    await trickling
    await world.until_counted()
    world.check()


async def test_a_rebalance_with_batches_in_flight_and_a_slow_producer(world: LaneWorld) -> None:
    world.load(keys=100, each=20)
    first = await world.start(SLOW_S=0.2, WAYBILL_BATCH_RECORDS_MAX=64)
    await world.until(lambda: first.said("reading on at"), "the first worker reads")
    second = await world.start(SLOW_S=0.2, WAYBILL_BATCH_RECORDS_MAX=64)
    await world.until(lambda: second.opened() == 2, "the second worker took two lanes")
    world.load(keys=100, each=2)
    await world.until_counted()
    world.check()
    for worker in (first, second):
        assert worker.process.returncode is None
        assert not worker.said("CRITICAL")


async def test_a_settled_key_gets_a_late_event(world: LaneWorld) -> None:
    world.produce(b"k1", b"one", b"final")
    first = await world.start(WAYBILL_SETTLED_AFTER_S=0)
    await world.until_counted()
    world.produce(b"k1", b"late")
    await world.until_counted()
    first.signal(signal.SIGTERM)
    assert await first.ended() == 0
    world.produce(b"k1", b"final")
    second = await world.start(WAYBILL_SETTLED_AFTER_S=0)
    await world.until_counted()
    world.produce(b"k1", b"later")
    await world.until_counted()
    world.check()
    assert second.said("1 live and 0 settled keys")


async def test_a_topic_that_is_created_again_and_a_ledger_that_is_lost(world: LaneWorld) -> None:
    world.produce(b"k1", b"one", b"two")
    first = await world.start()
    await world.until_counted()
    first.signal(signal.SIGTERM)
    assert await first.ended() == 0

    world.delete_topic(world.in_a)
    world.create_topics(world.in_a)
    world.produce(b"k1", b"three", b"four", b"five")
    second = await world.start()
    await world.until_counted()
    assert second.said("created anew")
    counts = sorted(counted(message)[1] for message in world.read(world.out))
    assert counts == [1, 2, 3, 4, 5]
    second.signal(signal.SIGTERM)
    assert await second.ended() == 0

    world.delete_topic(world.ledger)
    world.create_topics(world.ledger)
    third = await world.start()
    assert await third.ended() == EXIT_REFUSED
    assert third.said("the ledger was lost")


async def test_calls_that_a_killed_process_made_are_repeated_and_counted_once(world: LaneWorld, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    first = await world.start(ROLE="Calling", CALLS=tmp_path)
    await world.until(lambda: first.opened() == PARTITIONS, "the worker reads")
    world.produce(b"k1", b"p-1", b"p-2")
    world.produce(b"k2", b"p-3")
    await world.until(lambda: calls.exists() and len(calls.read_text().splitlines()) == 2, "two calls run")
    (tmp_path / "p-3.answer").touch()
    await world.until(lambda: len(world.read(world.out)) == 1, "one answer is counted")
    await first.kill()
    (tmp_path / "p-1.answer").touch()
    (tmp_path / "p-2.answer").touch()
    await world.start(ROLE="Calling", CALLS=tmp_path)
    await world.until(lambda: len(world.read(world.out)) == 3, "all answers are counted")
    noted = calls.read_text().splitlines()
    assert sorted(noted[:2]) == ["p-1 False", "p-3 False"]
    assert noted[2:] == ["p-1 True", "p-2 True"]
    assert sorted(message.value() or b"" for message in world.read(world.out)) == [b"p-1", b"p-2", b"p-3"]
