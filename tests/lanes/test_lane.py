"""What a lane promises, over a log in memory: each record once, in order, all of it or nothing, wherever it dies."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import LaneError, LedgerError, NewerVersionError
from app.events.headers import FORWARDED
from app.events.ids import partition_of
from app.events.record import DEAD_LETTER, Output, Record
from app.lanes.role import Folded
from tests.lanes.example_roles import LEDGER, Counting, NewerCounting
from tests.lanes.lane_driver import CrashError, Driven, World
from tests.lanes.memory_log import STEPS

TURNING = [step for step in STEPS if not step.startswith(("fence", "restore", "bounds", "fetch"))]


def counts(world: World) -> dict[bytes, list[int]]:
    """For each key the counts that its outputs name, in the order of the topic."""
    found: dict[bytes, list[int]] = {}
    for record in world.cluster.read_all("out"):
        found.setdefault(record.key or b"", []).append(int((record.value or b"").split(b" ")[0].rsplit(b":", 1)[1]))
    return found


def check_exactly_once(world: World, expected: dict[bytes, int]) -> None:
    """Every record has one output, in order for each key, and the ledger says the same."""
    assert counts(world) == {key: list(range(1, count + 1)) for key, count in expected.items()}
    origins = [value.split(b":")[0] for value in world.outputs()]
    assert len(origins) == len(set(origins)) == sum(expected.values())
    ledger = world.cluster.ledger(LEDGER)
    assert {key: int(ledger[key].removesuffix(b"!")) for key in expected} == expected


async def test_outputs_state_and_position_come_together() -> None:
    world = World()
    world.produce(b"k1", b"one", b"two")
    world.produce(b"k2", b"three", topic="in-b")
    driven = await world.open()
    await driven.settle()
    check_exactly_once(world, {b"k1": 2, b"k2": 1})
    assert driven.lane.commits == 1
    assert driven.acknowledged == {"in-a": 2, "in-b": 1}
    assert driven.lane.status().position == {"in-a": 2, "in-b": 1}


async def test_nothing_is_visible_before_the_commit() -> None:
    world = World()
    world.produce(b"k1", b"one")
    role = Counting()
    driven = await world.open(role)
    world.fail_at("commit before")
    with pytest.raises(CrashError):
        await driven.settle()
    assert world.outputs() == []
    assert role.heap == {}
    assert driven.acknowledged == {}


@pytest.mark.parametrize("step", TURNING)
@pytest.mark.parametrize("occurrence", [1, 3])
async def test_a_crash_at_any_step_loses_and_doubles_nothing(step: str, occurrence: int) -> None:
    world = World()
    world.limit(checkpoint_records_max=1)
    for _ in range(3):
        world.produce(b"k1", b"a")
        world.produce(b"k2", b"b", topic="in-b")
    world.fail_at(step, occurrence)
    driven = await world.open()
    with pytest.raises(CrashError):
        await driven.settle(1)
    world.cluster.hook = lambda _id, _step: None
    await (await world.open()).settle()
    check_exactly_once(world, {b"k1": 3, b"k2": 3})


@given(
    records=st.lists(st.tuples(st.sampled_from([b"k1", b"k2", b"k3"]), st.sampled_from(["in-a", "in-b"])), min_size=1),
    crashes=st.lists(st.tuples(st.sampled_from(TURNING), st.integers(1, 4)), max_size=4),
    portion=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
async def test_whatever_dies_the_fold_is_the_same(
    records: list[tuple[bytes, str]], crashes: list[tuple[str, int]], portion: int
) -> None:
    world = World()
    expected: dict[bytes, int] = {}
    for key, topic in records:
        world.produce(key, b"v", topic=topic)
        expected[key] = expected.get(key, 0) + 1
    for step, occurrence in crashes:
        world.fail_at(step, occurrence)
        try:
            await (await world.open()).settle(portion)
        except CrashError:
            continue
    world.cluster.hook = lambda _id, _step: None
    await (await world.open()).settle()
    check_exactly_once(world, expected)


async def test_a_previous_owner_cannot_write_once_the_next_has_opened() -> None:
    world = World()
    world.produce(b"k1", b"one")
    zombie = await world.open()
    zombie.feed()
    await (await world.open()).settle()
    with pytest.raises(LaneError, match="fenced"):
        await zombie.lane.turn()
    check_exactly_once(world, {b"k1": 1})


async def test_what_a_dead_owner_left_open_is_not_read() -> None:
    world = World()
    world.produce(b"k1", b"one")
    world.fail_at("send after")
    with pytest.raises(CrashError):
        await (await world.open()).settle()
    world.cluster.hook = lambda _id, _step: None
    assert world.cluster.bounds(LEDGER, 0).end == 0, "the open transaction must hold readers back"
    await (await world.open()).settle()
    check_exactly_once(world, {b"k1": 1})


async def test_a_record_of_a_newer_version_ends_the_lane_and_waits_for_a_newer_process() -> None:
    world = World()
    world.produce(b"k1", b"one", b"newer", b"two")
    with pytest.raises(NewerVersionError, match="upgrade this process"):
        await (await world.open()).settle()
    assert (world.outputs(), world.cluster.read_all(DEAD_LETTER)) == ([], [])
    await (await world.open(NewerCounting())).settle()
    check_exactly_once(world, {b"k1": 3})
    assert world.cluster.read_all(DEAD_LETTER) == []


@pytest.mark.parametrize(
    ("value", "code", "detail"),
    [
        (b"boom", b"error", b"ValueError: boom"),
        (b"odd", b"malformed", b"an odd value"),
        (b"huge", b"output-too-large", b""),
    ],
)
async def test_a_poison_record_is_a_dead_letter_and_the_others_go_on(value: bytes, code: bytes, detail: bytes) -> None:
    world = World()
    world.produce(b"k1", b"one", value, b"two")
    driven = await world.open()
    await driven.settle()
    assert counts(world) == {b"k1": [1, 2]}
    (letter,) = world.cluster.read_all(DEAD_LETTER)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"in-a/0/1", value)
    assert headers["waybill-dead-code"] == code
    assert headers["waybill-dead-detail"].startswith(detail)
    assert headers["waybill-dead-key"] == b"k1"
    assert headers["waybill-dead-role"] == b"count"
    assert world.seen.dead == [code.decode()]
    assert driven.lane.commits == 1


async def test_a_record_over_the_limit_never_reaches_the_role() -> None:
    world = World()
    world.produce(b"k1", b"x" * 5_000)
    driven = await world.open()
    await driven.settle()
    (letter,) = world.cluster.read_all(DEAD_LETTER)
    assert letter.value == b"x" * 5_000
    assert dict(letter.headers)["waybill-dead-code"] == b"too-large"
    assert world.outputs() == []


async def test_a_dead_letter_that_is_itself_too_large_is_cut() -> None:
    world = World()
    world.limit(fold=replace(world.limits.fold, output_bytes_max=10_000))
    world.cluster.produce("in-a", 0, b"k1", b"x" * 9_990, [("their", b"y" * 100)])
    await (await world.open()).settle()
    (letter,) = world.cluster.read_all(DEAD_LETTER)
    assert letter.value == b"x" * 5_000
    assert dict(letter.headers)["waybill-dead-truncated"] == b"9990"


async def test_a_producers_marks_are_not_in_the_dead_letter() -> None:
    forged = [("waybill-dead-topic", b"order-ledger"), ("waybill-dead-key", b"k9"), ("waybill-dead-note", None)]
    for size in (4, 9_990):
        world = World()
        world.limit(fold=replace(world.limits.fold, output_bytes_max=10_000))
        value = b"boom" if size == 4 else b"x" * size
        world.cluster.produce("in-a", 0, None, value, [*forged, ("their", b"h")])  # type: ignore[list-item]
        await (await world.open()).settle()
        (letter,) = world.cluster.read_all(DEAD_LETTER)
        names = [name for name, _ in letter.headers]
        assert names.count("waybill-dead-topic") == 1
        assert dict(letter.headers)["waybill-dead-topic"] == b"in-a"
        assert not {"waybill-dead-key", "waybill-dead-note"} & set(names)


async def test_a_record_of_another_lane_is_passed_on_unchanged() -> None:
    world = World(partitions=4)
    key = b"bc-1-100"
    home = partition_of(key, 4)
    wrong = (home + 1) % 4
    world.cluster.produce("in-a", wrong, key, b"one", [("their", b"h")])
    await (await world.open(partition=wrong)).settle()
    (passed,) = world.cluster.read("in-a", home)
    assert (passed.key, passed.value) == (key, b"one")
    assert dict(passed.headers) == {"their": b"h", FORWARDED: f"in-a/{wrong}/0".encode()}
    assert world.seen.passed_on == 1

    await (await world.open(partition=home)).settle()
    assert counts(world) == {key: [1]}


@pytest.mark.parametrize("mark", [b"in-b/0/5", b"in-a/x", b"\xff", None])
async def test_a_mark_that_no_lane_wrote_is_replaced_when_a_record_is_passed_on(mark: bytes | None) -> None:
    world = World(partitions=4)
    home = partition_of(b"bc-1-100", 4)
    wrong = (home + 1) % 4
    forged = [(FORWARDED, mark), ("their", b"h")]
    world.cluster.produce("in-a", wrong, b"bc-1-100", b"one", forged)  # type: ignore[arg-type]
    await (await world.open(partition=wrong)).settle()
    (passed,) = world.cluster.read("in-a", home)
    assert passed.headers == (("their", b"h"), (FORWARDED, f"in-a/{wrong}/0".encode()))


async def test_a_key_is_found_in_the_value_or_the_record_is_a_dead_letter() -> None:
    world = World()
    world.produce(None, b"key=k1", b"nothing", partition=0)
    await (await world.open()).settle()
    assert counts(world) == {b"k1": [1]}
    (letter,) = world.cluster.read_all(DEAD_LETTER)
    assert dict(letter.headers)["waybill-dead-code"] == b"no-key"
    assert "waybill-dead-key" not in dict(letter.headers)


async def test_a_checkpoint_is_bounded_in_records_and_bytes() -> None:
    world = World()
    world.limit(checkpoint_records_max=64)
    world.produce(b"k1", *[b"v"] * 300)
    await (await world.open()).settle()
    assert max(world.seen.checkpoints) <= 64
    world.limit(checkpoint_records_max=1_000, checkpoint_bytes_max=2_000)
    world.seen.checkpoints.clear()
    world.produce(b"k1", *[b"v"] * 100)
    await (await world.open()).settle()
    assert max(world.seen.checkpoints) < 10
    check_exactly_once(world, {b"k1": 400})


async def test_a_lane_is_full_when_enough_batches_wait() -> None:
    world = World()
    world.limit(waiting_batches_max=2)
    world.produce(b"k1", *[b"v"] * 5)
    driven = await world.open()
    driven.feed(1)
    before = driven.lane.full
    driven.feed(1)
    between = driven.lane.full
    await driven.lane.turn()
    assert (before, between, driven.lane.full) == (False, True, False)


async def test_timers_go_out_without_any_input_and_survive_no_crash_twice() -> None:
    world = World()
    world.produce(b"k1", b"ring")
    driven = await world.open()
    await driven.settle()
    assert [value.split(b" ")[1] for value in world.outputs()] == [b"ring", b"rang"]


async def test_what_the_records_of_a_turn_lead_to_is_written_with_them() -> None:
    world = World()
    driven = await world.open()
    world.produce(b"batch", b"a")
    await driven.settle()
    assert not any(value.startswith(b"sum") for value in world.outputs())
    world.produce(b"batch", b"b", b"c")
    await driven.settle()
    assert [value for value in world.outputs() if value.startswith(b"sum")] == [b"sum 3"]
    assert driven.lane.commits == 2
    assert b"batch" not in driven.lane.role.heap or not driven.lane.role.heap[b"batch"]  # type: ignore[attr-defined]


async def test_lane_0_polls_and_writes_what_was_found_in_one_transaction() -> None:
    world = World()
    role = Counting()
    role.polled.append(Folded((Output("out", b"p", b"polled"),), {b"cursor": b"7"}))
    driven = await world.open(role)
    await driven.until(lambda: world.outputs() == [b"polled"])
    assert world.cluster.ledger(LEDGER)[b"cursor"] == b"7"
    await driven.close()


async def turns(driven: Driven, count: int) -> None:
    for _ in range(count):
        await driven.lane.turn()
        await asyncio.sleep(0)


async def test_who_had_something_to_say_is_asked_again_at_once_and_who_had_nothing_after_an_interval() -> None:
    world = World()
    world.limit(poll_interval_s=60)
    role = Counting()
    role.polled += [Folded((Output("out", b"p", text),)) for text in (b"first", b"second")]
    driven = await world.open(role)
    await driven.until(lambda: world.outputs() == [b"first", b"second"])
    await turns(driven, 5)
    role.polled.append(Folded((Output("out", b"p", b"third"),)))
    await turns(driven, 5)
    assert world.outputs() == [b"first", b"second"]
    world.clock.advance(60)
    await driven.until(lambda: world.outputs() == [b"first", b"second", b"third"])
    await driven.close()


async def test_another_input_begins_anew_and_the_position_in_a_former_one_is_kept() -> None:
    """A role that reads another topic from now on: what it remembers is neither lost nor taken for the new topic's."""
    world = World(inputs=("in-a",))
    world.produce(b"k1", b"one", b"two", b"three")
    driven = await world.open(Counting(("in-a",)))
    await driven.settle()
    await driven.close()
    for inputs, topic, counted in ((("in-b",), "in-b", 4), (("in-a",), "in-a", 5)):
        world.inputs = inputs
        world.cluster.add(topic)
        world.produce(b"k1", b"more", topic=topic)
        driven = await world.open(Counting(inputs), committed={topic: None})
        await driven.settle()
        assert world.cluster.ledger(LEDGER)[b"k1"] == b"%d" % counted
        assert driven.lane.status().position == {topic: len(world.cluster.read(topic, 0))}
        await driven.close()


async def test_the_own_ledger_as_input_is_membership_only() -> None:
    """Read, it would go round in a circle: each commit writes to it."""
    world = World(inputs=(LEDGER,))
    role = Counting((LEDGER,))
    role.polled.append(Folded(changes={b"cursor": b"7"}))
    driven = await world.open(role)
    assert driven.lane.next_offsets() == {}
    await driven.until(lambda: driven.lane.commits == 1)
    assert driven.lane.commits == 1
    assert await driven.lane.backlog() == {}
    await driven.close()
    assert (await world.open(role)).lane.status().keys == 1


async def test_a_settled_key_leaves_memory_and_a_late_event_finds_it() -> None:
    world = World()
    world.limit(settled_after_s=60)
    world.produce(b"k1", b"one", b"final")
    driven = await world.open()
    await driven.settle()
    await _let_settle(world, driven)
    world.produce(b"k1", b"late")
    await driven.settle()
    assert counts(world) == {b"k1": [1, 2, 3]}
    assert [topic for topic, _ in driven.log.fetched] == [LEDGER]
    assert driven.lane.status().settled == 0


async def test_a_settled_key_is_found_after_a_restore_too() -> None:
    world = World()
    world.produce(b"k1", b"one", b"final")
    world.produce(b"k2", b"live")
    await (await world.open()).settle()
    world.clock.advance(3_600)
    role = Counting()
    driven = await world.open(role)
    assert (driven.lane.status().keys, driven.lane.status().settled) == (1, 1)
    assert role.heap == {b"k2": b"1"}
    world.produce(b"k1", b"late")
    await driven.settle()
    assert counts(world)[b"k1"] == [1, 2, 3]


async def test_an_empty_restart_goes_on_where_it_was() -> None:
    world = World()
    world.produce(b"k1", b"one")
    await (await world.open()).settle()
    driven = await world.open(committed={"in-a": 1})
    assert driven.lane.next_offsets() == {"in-a": 1, "in-b": 0}
    await driven.settle()
    check_exactly_once(world, {b"k1": 1})


async def test_a_lost_ledger_is_refused() -> None:
    world = World()
    world.produce(b"k1", b"one", b"two")
    await (await world.open()).settle()
    world.cluster.recreate(LEDGER)
    with pytest.raises(LedgerError, match=r"in-a/0 was folded up to offset 2, but the ledger ledger knows of 0 only"):
        await world.open(committed={"in-a": 2})


@pytest.mark.parametrize("again", [1, 2, 3])
async def test_a_topic_that_was_created_again_is_read_from_its_beginning(
    again: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the new topic is shorter than the old one was, as long, or longer."""
    world = World()
    world.produce(b"k1", b"one", b"two")
    await (await world.open()).settle()
    world.cluster.recreate("in-a")
    world.clock.advance(1)
    world.produce(b"k1", *[b"new"] * again)
    await (await world.open(committed={"in-a": 2})).settle()
    assert counts(world) == {b"k1": list(range(1, 3 + again))}
    assert "in-a/0" in caplog.text
    assert "created anew" in caplog.text


async def test_records_that_retention_removed_are_named_and_the_rest_is_folded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.produce(b"k1", b"one")
    await (await world.open()).settle()
    world.produce(b"k1", b"lost", b"kept")
    world.cluster.truncate("in-a", 0, 2)
    driven = await world.open()
    driven.read["in-a"] = 2
    await driven.settle()
    assert counts(world) == {b"k1": [1, 2]}
    assert "from 1 to 2" in caplog.text


async def test_a_pause_drops_what_waits_and_reading_goes_on_there() -> None:
    world = World()
    world.produce(b"k1", b"one", b"two")
    driven = await world.open()
    driven.feed()
    await driven.lane.pause()
    assert driven.lane.next_offsets() == {"in-a": 0, "in-b": 0}
    driven.lane.resume()
    driven.read = dict(driven.lane.next_offsets())
    await driven.settle()
    check_exactly_once(world, {b"k1": 2})


def test_a_record_is_a_plain_tuple() -> None:
    """The transport makes them without calling the class."""
    assert Record._fields == ("topic", "partition", "offset", "timestamp", "key", "value", "headers")


async def _let_settle(world: World, driven: Driven) -> None:
    world.clock.advance(61)
    await driven.lane.turn()
    assert (driven.lane.status().keys, driven.lane.status().settled) == (0, 1)
