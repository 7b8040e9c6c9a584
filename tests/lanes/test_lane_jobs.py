"""Lanes whose records call somebody: in sequence for a key, otherwise side by side, bounded, repeated after a death."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.errors import LaneError
from app.events.record import DEAD_LETTER, Record
from app.lanes.jobs import JobLimits
from app.lanes.role import Folded, Job
from tests.lanes.example_roles import Calling
from tests.lanes.lane_driver import Driven, World


class Somebody:
    """Whom the calls go to: each is noted and answered when the test says so."""

    def __init__(self, *, answers: bool = False) -> None:
        self.calls: list[tuple[bytes, bool]] = []
        self.running: dict[bytes, asyncio.Event] = {}
        self.most_running = 0
        self.answers = answers

    async def __call__(self, effect: bytes, repeated: bool) -> None:
        self.calls.append((effect, repeated))
        self.running[effect] = asyncio.Event()
        self.most_running = max(self.most_running, len(self.running))
        try:
            if not self.answers:
                await self.running[effect].wait()
            if effect.endswith(b"-bad"):
                raise ValueError("no")
        finally:
            del self.running[effect]

    def answer(self, effect: bytes) -> None:
        self.running[effect].set()


async def opened(world: World, somebody: Somebody) -> Driven:
    role = Calling(world.inputs, "call")
    role.call = somebody
    return await world.open(role)


async def test_calls_of_a_key_run_in_sequence_and_of_others_side_by_side() -> None:
    world, somebody = World(), Somebody()
    driven = await opened(world, somebody)
    world.produce(b"k1", b"p-1", b"p-2")
    world.produce(b"k2", b"p-3")
    await driven.until(lambda: set(somebody.running) == {b"p-1", b"p-3"})
    somebody.answer(b"p-1")
    await driven.until(lambda: set(somebody.running) == {b"p-2", b"p-3"})
    assert world.outputs() == [b"p-1"]
    somebody.answer(b"p-3")
    somebody.answer(b"p-2")
    await driven.until(lambda: len(world.outputs()) == 3)
    assert driven.acknowledged == {"in-a": 3}


async def test_the_position_names_what_is_unfinished_and_only_that_is_repeated() -> None:
    world, somebody = World(), Somebody()
    driven = await opened(world, somebody)
    for number in range(5):
        world.produce(b"k%d" % number, b"p-%d" % number)
    await driven.until(lambda: len(somebody.running) == 4)
    for number in (0, 2, 3):
        somebody.answer(b"p-%d" % number)
    await driven.until(lambda: len(world.outputs()) == 3)
    assert driven.lane.status().position["in-a"] == 1

    # Killed here: what it had running is gone, what it had open is fenced.
    world.clock.advance(world.limits.lease_s)
    successor = Somebody(answers=True)
    await (await opened(world, successor)).settle()
    assert sorted(successor.calls) == [(b"p-1", True), (b"p-4", True)]
    assert sorted(world.outputs()) == [b"p-%d" % number for number in range(5)]
    assert "duplicate" not in world.seen.outcomes, "what was finished is read again, and not folded again"
    await driven.lane._jobs.cancel()


async def test_a_record_that_calls_nobody_waits_behind_the_call_of_its_key() -> None:
    world, somebody = World(), Somebody()
    driven = await opened(world, somebody)
    world.produce(b"k1", b"p-1", b"plain")
    world.produce(b"k2", b"plain")
    await driven.until(lambda: bool(world.outputs()))
    assert world.outputs() == [b"in-a/0/2:1 plain"]
    somebody.answer(b"p-1")
    await driven.until(lambda: len(world.outputs()) == 2)
    assert world.outputs()[1] == b"p-1"
    await driven.until(lambda: driven.acknowledged == {"in-a": 3})


async def test_new_records_are_not_called_repeated() -> None:
    world, somebody = World(), Somebody(answers=True)
    world.produce(b"k1", b"p-old")
    driven = await opened(world, somebody)
    world.produce(b"k1", b"p-new")
    await driven.until(lambda: len(world.outputs()) == 2)
    assert somebody.calls == [(b"p-old", True), (b"p-new", False)]


async def test_a_copy_that_waited_sees_what_the_first_did() -> None:
    world, somebody = World(), Somebody()
    driven = await opened(world, somebody)
    world.produce(b"k1", b"p-1", b"p-1")
    await driven.until(lambda: b"p-1" in somebody.running)
    somebody.answer(b"p-1")
    await driven.until(lambda: driven.acknowledged == {"in-a": 2})
    assert [effect for effect, _ in somebody.calls] == [b"p-1"]
    assert world.seen.outcomes == {"applied": 1, "duplicate": 1}


async def test_calls_are_bounded_in_all_and_for_each_provider_and_taking_stops() -> None:
    world, somebody = World(), Somebody()
    world.limit(jobs=JobLimits(running_max=6, per_provider_max=4, waiting_max=3))
    driven = await opened(world, somebody)
    for number in range(20):
        world.produce(b"s%d" % number, b"slow-%d" % number)
    await driven.until(lambda: len(somebody.running) == 4)
    for _ in range(20):
        driven.feed()
        await driven.lane.turn()
        await asyncio.sleep(0)
    status = driven.lane.status()
    assert (somebody.most_running, status.waiting) == (4, 3)
    assert any((await driven.lane.backlog()).values())
    while len(world.outputs()) < 20:
        for effect in list(somebody.running):
            somebody.answer(effect)
        await asyncio.sleep(0)
        await driven.lane.turn()
        assert driven.lane.status().waiting <= 3
    assert somebody.most_running == 4


async def test_waiting_records_are_bounded_in_bytes_too() -> None:
    world, somebody = World(), Somebody()
    world.limit(jobs=JobLimits(waiting_bytes_max=3_000))
    driven = await opened(world, somebody)
    world.produce(b"k1", *[b"p-" + b"x" * 1_000] * 10)
    await driven.until(lambda: bool(somebody.running))
    for _ in range(5):
        driven.feed()
        await driven.lane.turn()
    assert driven.lane.status().waiting == 3
    await driven.close()


async def test_a_call_that_fails_is_a_dead_letter_and_its_key_goes_on() -> None:
    world, somebody = World(), Somebody(answers=True)
    world.produce(b"k1", b"p-bad", b"p-good")
    driven = await opened(world, somebody)
    await driven.until(lambda: world.outputs() == [b"p-good"])
    (letter,) = world.cluster.read_all(DEAD_LETTER)
    assert (letter.value, dict(letter.headers)["waybill-dead-code"]) == (b"p-bad", b"error")
    assert driven.acknowledged == {"in-a": 2}


async def test_a_rebalance_does_not_wait_for_calls_and_a_kept_lane_keeps_them() -> None:
    world, somebody = World(), Somebody()
    driven = await opened(world, somebody)
    world.produce(b"k1", b"p-1")
    await driven.until(lambda: bool(somebody.running))
    await driven.lane.pause()
    driven.lane.resume()
    driven.read = dict(driven.lane.next_offsets())
    somebody.answer(b"p-1")
    await driven.until(lambda: world.outputs() == [b"p-1"])
    assert somebody.calls == [(b"p-1", False)]


async def test_closing_drops_the_calls() -> None:
    world, somebody = World(), Somebody()
    driven = await opened(world, somebody)
    world.produce(b"k1", b"p-1")
    await driven.until(lambda: bool(somebody.running))
    await driven.close()
    assert not somebody.running
    assert driven.log.closed
    assert world.outputs() == []


async def test_no_request_leaves_with_a_stale_lease_until_it_is_proved_again() -> None:
    world, somebody = World(), Somebody(answers=True)
    driven = await opened(world, somebody)
    world.produce(b"k1", b"p-1")
    await driven.until(lambda: world.outputs() == [b"p-1"])
    before = driven.lane.commits
    world.clock.advance(world.limits.lease_s + 1)
    assert not driven.lane._lease.valid()
    world.produce(b"k1", b"p-2")
    await driven.until(lambda: len(world.outputs()) == 2)
    # One empty transaction as a proof, one with the result.
    assert driven.lane.commits == before + 2


async def test_a_zombie_that_wakes_up_calls_nobody() -> None:
    world, somebody = World(), Somebody(answers=True)
    zombie = await opened(world, somebody)
    world.produce(b"k1", b"p-1")
    zombie.feed()
    world.clock.advance(world.limits.lease_s + 1)
    successor = Somebody(answers=True)
    await (await opened(world, successor)).settle()
    with pytest.raises(LaneError, match="fenced"):
        await zombie.until(lambda: False)
    assert somebody.calls == []
    assert successor.calls == [(b"p-1", True)]
    await zombie.lane._jobs.cancel()


async def test_a_lease_is_not_valid_from_a_rebalance_to_the_next_commit() -> None:
    world, somebody = World(), Somebody(answers=True)
    driven = await opened(world, somebody)
    world.produce(b"k1", b"plain")
    await driven.settle()
    lease = driven.lane._lease
    assert lease.valid()
    await driven.lane.pause()
    assert not lease.valid()
    driven.lane.resume()
    assert not lease.valid()
    await driven.lane.turn()
    assert lease.valid()


async def test_a_job_with_another_key_than_its_record_waits_for_that_key() -> None:
    world, somebody = World(), Somebody()

    class Shared(Calling):
        def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded | Job:
            job = super().fold(record, state, repeated=repeated)
            assert isinstance(job, Job)
            return job._replace(key=b"shared")

    role = Shared(world.inputs, "call")
    role.call = somebody
    driven = await world.open(role)
    world.produce(b"k1", b"p-1")
    world.produce(b"k2", b"p-2")
    await driven.until(lambda: b"p-1" in somebody.running)
    for _ in range(5):
        await driven.lane.turn()
        await asyncio.sleep(0)
    assert set(somebody.running) == {b"p-1"}
    somebody.answer(b"p-1")
    await driven.until(lambda: b"p-2" in somebody.running)
    somebody.answer(b"p-2")
    await driven.until(lambda: len(world.outputs()) == 2)


async def test_run_takes_turns_by_itself() -> None:
    world, somebody = World(), Somebody(answers=True)
    world.limits = replace(world.limits, tick_s=0.001)
    driven = await opened(world, somebody)
    running = asyncio.create_task(driven.lane.run())
    world.produce(b"k1", b"p-1")
    driven.feed()
    for _ in range(10_000):
        if world.outputs():
            break
        await asyncio.sleep(0)
    assert world.outputs() == [b"p-1"]
    await driven.lane.pause()
    running.cancel()
    await driven.close()


class Witness(Somebody):
    """Somebody who notes as well which owners might act at the time of each call."""

    def __init__(self) -> None:
        super().__init__(answers=True)
        self.owners: list[Driven] = []
        self.able: list[int] = []

    async def __call__(self, effect: bytes, repeated: bool) -> None:
        self.able.append(sum(owner.lane._lease.valid() for owner in self.owners))
        await super().__call__(effect, repeated)


async def test_an_owner_that_fences_one_at_work_acts_only_after_the_proof_of_that_one() -> None:
    """The new owner was given the lane, slept, and fences it although the group gave it back meanwhile."""
    world, somebody = World(), Witness()
    first = await opened(world, somebody)
    world.produce(b"k1", b"p-1")
    await first.settle()
    world.clock.advance(1)
    second = await opened(world, somebody)
    somebody.owners = [first, second]
    world.produce(b"k1", b"p-2")
    await second.settle()
    assert (first.lane._lease.valid(), second.lane._lease.valid()) == (True, False)
    assert [effect for effect, _ in somebody.calls] == [b"p-1"]
    world.clock.advance(world.limits.lease_s - 1)
    await second.until(lambda: len(world.outputs()) == 2)
    assert somebody.able[1:] == [1]
    assert not first.lane._lease.valid()


async def test_an_owner_whose_predecessor_has_long_been_silent_acts_at_once() -> None:
    world, somebody = World(), Somebody(answers=True)
    world.produce(b"k1", b"p-1")
    await (await opened(world, somebody)).settle()
    world.clock.advance(world.limits.lease_s)
    world.produce(b"k1", b"p-2")
    await (await opened(world, somebody)).settle()
    assert [effect for effect, _ in somebody.calls] == [b"p-1", b"p-2"]


async def test_what_is_read_does_not_wait_for_the_proof_of_a_former_owner() -> None:
    world = World()
    world.produce(b"k1", b"one")
    await (await world.open()).settle()
    second = await world.open()
    reading = asyncio.create_task(second.lane.value(b"k1"))
    await second.until(reading.done)
    assert await reading == b"1"
    assert not second.lane._lease.valid()
