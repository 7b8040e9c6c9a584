"""An installation that is given another prefix takes its ledgers over, and a process of before can do nothing more."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import LaneError
from app.lanes.lane import Lane
from app.lanes.ledger_keys import OWNER_KEY
from tests.lanes.example_roles import LEDGER, Counting
from tests.lanes.lane_driver import Driven, World
from tests.lanes.memory_log import MemoryLog
from tests.lanes.test_lane import check_exactly_once


def owner(world: World) -> bytes | None:
    return world.cluster.ledger(LEDGER).get(OWNER_KEY)


async def test_a_lane_with_the_usual_prefix_notes_nothing() -> None:
    world = World()
    world.produce(b"k", b"one")
    await (await world.open()).settle()
    await (await world.open()).settle()
    assert owner(world) is None


async def test_a_lane_whose_topics_have_a_prefix_fences_no_lane_of_another_installation() -> None:
    world = World()
    world.installation, world.prefix = "shop-a.waybill", "shop-a."
    world.produce(b"k", b"one")
    await (await world.open()).settle()
    await (await world.open()).settle()
    assert owner(world) is None


async def test_a_process_with_the_former_prefix_is_fenced_and_the_other_way_round() -> None:
    world = World()
    world.produce(b"k", b"one")
    former = await world.open()
    await former.settle()
    world.produce(b"k", b"two")
    former.feed()
    world.installation = "acme-x7"
    latter = await world.open()
    assert owner(world) == b"acme-x7-count-0"
    with pytest.raises(LaneError, match="fenced"):
        await former.lane.turn()
    await latter.settle()

    world.produce(b"k", b"three")
    latter.feed()
    world.installation = "waybill"
    again = await world.open()
    with pytest.raises(LaneError, match="fenced"):
        await latter.lane.turn()
    await again.settle()
    assert owner(world) == b"waybill-count-0"
    check_exactly_once(world, {b"k": 3})


class SteppedLog(MemoryLog):
    """A log that waits for its turn before each step of opening."""

    turns: asyncio.Semaphore

    async def fence(self) -> None:
        await self.turns.acquire()
        await super().fence()

    async def fence_other(self, owner: str) -> None:
        await self.turns.acquire()
        await super().fence_other(owner)

    async def restore(self, take: Any) -> None:
        await self.turns.acquire()
        await super().restore(take)

    async def commit(self) -> None:
        await self.turns.acquire()
        await super().commit()


STEPS = 5
"""Of opening: fence, restore, commit the note, fence the other one, restore again."""


@given(order=st.permutations([0] * STEPS + [1] * STEPS))
@settings(deadline=None)
async def test_of_two_installations_that_open_at_once_one_folds(order: Sequence[int]) -> None:
    world = World()
    world.produce(b"k", b"one")
    await (await world.open()).settle()
    world.produce(b"k", b"two", b"three")
    lanes = [await stepped(world, name) for name in ("waybill", "acme-x7")]
    opening = [asyncio.create_task(lane.open({})) for lane, _ in lanes]
    for index in order:
        lanes[index][1].turns.release()
        for _ in range(10):
            await asyncio.sleep(0)
    for _, log in lanes:
        for _ in range(STEPS):
            log.turns.release()
    outcomes = await asyncio.gather(*opening, return_exceptions=True)
    for (lane, log), outcome in zip(lanes, outcomes, strict=True):
        log.turns = asyncio.Semaphore(1_000)
        assert outcome is None or isinstance(outcome, LaneError)
        if outcome is None:
            await fold(Driven(world, lane, log))
    await (await world.open()).settle()
    check_exactly_once(world, {b"k": 3})


async def stepped(world: World, installation: str) -> tuple[Lane, SteppedLog]:
    role = Counting(world.inputs)
    log = SteppedLog(world.cluster, f"{installation}-{role.name}-0", LEDGER, 0)
    log.turns = asyncio.Semaphore(0)
    return Lane(role, log, 0, world.cluster.partitions, world.limits, clock=world.clock, observer=world.seen), log


async def fold(driven: Driven) -> None:
    """Fold all there is, unless the other one has fenced this one."""
    with contextlib.suppress(LaneError):
        await driven.settle()
