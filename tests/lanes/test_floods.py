"""Many records of one cause share dead letters: each is counted and named, and none costs a letter of its own."""

from dataclasses import replace

import pytest

from app.events.dead_letters import marks_of, offsets_of
from app.events.record import DEAD_LETTER, Record
from app.lanes.floods import FloodLimits
from tests.lanes.lane_driver import World
from tests.lanes.test_lane import counts

LIMITS = FloodLimits(letters_max=3, bytes_max=10_000, window_ms=60_000)


def flooded(limits: FloodLimits = LIMITS, batch: int = 40) -> World:
    world = World()
    world.limit(checkpoint_records_max=batch, fold=replace(world.limits.fold, floods=limits))
    return world


def offsets(letters: list[Record], topic: str, code: str) -> list[int]:
    """The offsets that the letters of a topic and code name, each as often as they do."""
    named = []
    for letter in letters:
        marks = marks_of(letter)
        if (marks["topic"].decode(), marks["code"].decode()) == (topic, code):
            named += [offset for run in offsets_of(letter) for offset in run] or [int(marks["offset"])]
    return named


async def test_a_flood_of_one_cause_shares_letters_and_every_record_is_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = flooded()
    for _ in range(100):
        world.produce(b"k", b"odd", b"one")
    await (await world.open()).settle(40)
    letters = world.cluster.read_all(DEAD_LETTER)
    assert offsets(letters, "in-a", "malformed") == list(range(0, 200, 2))
    assert len(letters) < 3 + 200 / 40 + 2
    assert world.seen.dead == ["malformed"] * 100
    assert world.seen.outcomes["dead-letter"] == 100
    assert counts(world) == {b"k": list(range(1, 101))}
    assert [record.message for record in caplog.records if "set aside" in record.message] == [
        "count-0: 3 records of in-a were set aside as malformed within 1 minutes: those that follow share dead letters,"
        " which name their offsets; find out who writes them"
    ]


async def test_another_cause_and_another_topic_keep_letters_of_their_own() -> None:
    world = flooded()
    world.produce(b"k", *[b"odd"] * 30, b"boom", b"boom")
    world.produce(b"k", b"odd", topic="in-b")
    await (await world.open()).settle()
    letters = world.cluster.read_all(DEAD_LETTER)
    assert offsets(letters, "in-a", "error") == [30, 31]
    assert offsets(letters, "in-b", "malformed") == [0]
    assert [bool(offsets_of(letter)) for letter in letters if marks_of(letter)["code"] == b"error"] == [False, False]


async def test_the_bytes_that_are_kept_of_one_cause_are_bounded() -> None:
    world = flooded()
    world.produce(None, b"x" * 3_900, b"y" * 3_900, b"z" * 3_900)
    await (await world.open()).settle()
    values = [len(letter.value or b"") for letter in world.cluster.read_all(DEAD_LETTER)]
    assert values == [3_900, 3_900, 1_024]


async def test_after_its_window_a_cause_has_letters_of_its_own_again_also_when_the_clock_went_back() -> None:
    for seconds in (60, -600):
        world = flooded()
        world.produce(b"k", *[b"odd"] * 10)
        driven = await world.open()
        await driven.settle()
        world.clock.advance(seconds)
        world.produce(b"k", b"odd")
        await driven.settle()
        *_, last = world.cluster.read_all(DEAD_LETTER)
        assert (last.key, offsets_of(last)) == (b"in-a/0/10", [])


async def test_246_kb_of_empty_records_make_less_than_a_megabyte_of_letters() -> None:
    world = flooded(FloodLimits(), batch=2_000)
    world.produce(None, *[b""] * 20_000, partition=0)
    await (await world.open()).settle()
    letters = world.cluster.read_all(DEAD_LETTER)
    assert sorted(offsets(letters, "in-a", "no-key")) == list(range(20_000))
    assert sum(len(text) + len(mark or b"") for letter in letters for text, mark in letter.headers) < 1_000_000
