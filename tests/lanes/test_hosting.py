"""The lanes of a process: opened and closed with the assignment, held while they have enough, ended by any fault."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from app.errors import LaneError, TopicError
from app.events.record import Output
from app.lanes.hosting import LOST_MAX, LaneHost
from app.lanes.inbox import Batch
from app.lanes.lane import Lane
from app.lanes.open_transactions import Withheld
from app.lanes.watchdog import Watchdog
from app.worker.http_views import health_routes
from tests.lanes.example_roles import LEDGER, Counting
from tests.lanes.lane_driver import Seen, World
from tests.lanes.memory_log import MemoryLog
from tests.lanes.test_lane import counts

INPUTS = ("in-a", "in-b")


class Reading:
    """The consumer, as the host sees it: it reads from the cluster what the host does not hold back."""

    def __init__(self, world: World, host: LaneHost) -> None:
        self.world, self.host = world, host
        self.at: dict[tuple[str, int], int] = {}

    async def committed(self, topics: tuple[str, ...], _partition: int) -> Mapping[str, int | None]:
        return dict.fromkeys(topics)

    async def read_on(self) -> None:
        offsets = self.host.offsets()
        self.at.update(offsets)
        self.host.release(offsets)

    def fetch(self, topic: str, partition: int) -> None:
        start = self.at[topic, partition]
        records = self.world.cluster.read(topic, partition, start)
        if records and self.host.may_fetch(topic, partition):
            self.at[topic, partition] = records[-1].offset + 1
            self.host.offer(partition, start, Batch(topic, records, lambda: None))


async def ready(host: LaneHost) -> bool:
    """As the worker's own view says."""
    application = web.Application()
    application.add_routes(health_routes([host]))
    async with TestClient(TestServer(application)) as client, client.get("/ready") as answer:
        return answer.status == 200


class SlowLog(MemoryLog):
    """The answer to a commit is on its way until the gate is open; what was committed is visible before."""

    gate: asyncio.Event

    async def commit(self) -> None:
        await super().commit()
        await self.gate.wait()


class Hosted:
    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.world = World(partitions=2)
        self.failures: list[BaseException] = []
        self.host = LaneHost("count", INPUTS, self.make_lane, self.failures.append, partitions=2)
        self.reading = Reading(self.world, self.host)
        self.host.reading = self.reading
        self.logs: list[SlowLog] = []

    def make_lane(self, partition: int) -> Lane:
        self.logs.append(SlowLog(self.world.cluster, f"count-{partition}", LEDGER, partition))
        self.logs[-1].gate = self.gate
        return Lane(Counting(), self.logs[-1], partition, 2, self.world.limits, clock=self.world.clock)

    async def assign(self, *partitions: int) -> None:
        await self.host.assign({(topic, partition) for topic in INPUTS for partition in partitions})

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - any state of the lanes may be waited for
                await asyncio.sleep(0.001)

    def lose(self, topic: str, offset: int) -> None:
        """Hand over the record behind that one of partition 0, as if Faust had dropped that one."""
        (record,) = self.world.cluster.read(topic, 0, offset + 1)
        self.host.offer(0, offset + 1, Batch(topic, [record], lambda: None))

    def reads(self, *partitions: int) -> bool:
        return all(self.host.may_fetch("in-a", partition) for partition in partitions)


@pytest.fixture
def hosted() -> Hosted:
    return Hosted()


async def test_a_lane_that_is_being_revoked_is_not_let_read_on(hosted: Hosted) -> None:
    """Another lane may open just then; what this one were handed would be dropped by its pause and never read again."""
    await hosted.assign(0)
    await hosted.until(lambda: hosted.reads(0))
    revoking = asyncio.ensure_future(hosted.host.revoke())
    await asyncio.sleep(0)
    await hosted.reading.read_on()
    assert not hosted.reads(0)
    await revoking
    await hosted.host.close()


async def test_a_process_is_ready_once_it_has_joined_and_has_opened_what_it_was_given(hosted: Hosted) -> None:
    assert not await ready(hosted.host), "its group has said nothing yet"
    await hosted.assign()
    assert await ready(hosted.host), "a spare one: the group has more members than partitions"
    await hosted.host.revoke()
    assert await ready(hosted.host), "a rebalance takes no longer than it must and is no reason to take it away"
    await hosted.assign(0)
    assert not hosted.reads(0)
    assert not (await ready(hosted.host) and not hosted.host.status()[0].opened)
    await hosted.until(lambda: hosted.reads(0))
    assert await ready(hosted.host)
    await hosted.host.close()
    assert not await ready(hosted.host), "it ends"


async def test_a_lane_is_held_until_it_is_open(hosted: Hosted) -> None:
    await hosted.assign(0)
    assert not hosted.host.may_fetch("in-a", 0)
    await hosted.until(lambda: hosted.reads(0))
    assert not hosted.host.may_fetch("in-a", 1)
    assert [status.partition for status in hosted.host.status()] == [0]
    await hosted.host.close()


async def test_records_are_folded_and_a_full_lane_is_held(hosted: Hosted) -> None:
    hosted.world.limit(waiting_batches_max=1)
    hosted.world.produce(b"k", b"one", partition=0)
    await hosted.assign(0, 1)
    await hosted.until(lambda: hosted.reads(0, 1))
    hosted.reading.fetch("in-a", 0)
    assert not hosted.host.may_fetch("in-a", 0)
    await hosted.until(lambda: hosted.host.status()[0].commits > 0)
    assert hosted.host.may_fetch("in-a", 0)
    await hosted.host.close()


async def test_a_rebalance_closes_what_was_lost_and_keeps_the_rest(hosted: Hosted) -> None:
    await hosted.assign(0, 1)
    await hosted.until(lambda: hosted.reads(0, 1))
    kept = hosted.host.lanes[0]
    await hosted.host.revoke()
    assert not hosted.host.may_fetch("in-a", 0)
    await hosted.assign(0)
    assert hosted.host.lanes == [kept]
    assert [log.closed for log in hosted.logs] == [False, True]
    await hosted.reading.read_on()
    assert hosted.reads(0)
    assert hosted.failures == []
    await hosted.host.close()


async def test_a_lane_that_is_taken_over_ends_the_process(hosted: Hosted) -> None:
    await hosted.assign(0)
    await hosted.until(lambda: hosted.reads(0))
    hosted.world.cluster.fence("count-0")
    hosted.world.produce(b"k", b"one", partition=0)
    hosted.reading.fetch("in-a", 0)
    await hosted.until(lambda: bool(hosted.failures))
    assert "fenced" in str(hosted.failures[0])


async def test_a_stale_owner_is_found_out_right_after_a_rebalance(hosted: Hosted) -> None:
    await hosted.assign(0)
    await hosted.until(lambda: hosted.reads(0))
    hosted.world.cluster.fence("count-0")
    await hosted.host.revoke()
    await hosted.assign(0)
    await hosted.until(lambda: bool(hosted.failures))
    assert "fenced" in str(hosted.failures[0])


async def test_records_that_got_lost_on_the_way_are_read_again(hosted: Hosted) -> None:
    hosted.world.produce(b"k", b"one", partition=0)
    await hosted.assign(0)
    await hosted.until(lambda: hosted.reads(0))
    hosted.reading.fetch("in-a", 0)
    hosted.world.produce(b"k", b"two", b"three", partition=0)
    hosted.lose("in-a", 1)
    assert not hosted.reads(0)
    await hosted.until(lambda: hosted.reads(0))
    assert hosted.reading.at["in-a", 0] == 1
    hosted.reading.fetch("in-a", 0)
    await hosted.until(lambda: hosted.host.lanes[0].next_offsets()["in-a"] == 3)
    assert await hosted.host.value(0, b"k") == b"3"
    assert hosted.failures == []
    await hosted.host.close()


async def test_a_value_is_never_older_than_what_the_broker_shows(hosted: Hosted) -> None:
    await hosted.assign(0)
    await hosted.until(lambda: hosted.reads(0))
    assert await hosted.host.value(0, b"k") is None
    hosted.gate.clear()
    hosted.world.produce(b"k", b"one", partition=0)
    hosted.reading.fetch("in-a", 0)
    await hosted.until(lambda: hosted.world.cluster.ledger(LEDGER).get(b"k") == b"1")
    asking = asyncio.create_task(hosted.host.value(0, b"k"))
    await asyncio.sleep(0.01)
    assert not asking.done(), "the lane does not know yet that its commit succeeded"
    hosted.gate.set()
    assert await asking == b"1"
    await hosted.host.close()


async def test_records_that_get_lost_again_and_again_end_the_process(hosted: Hosted) -> None:
    hosted.world.produce(b"k", b"one", b"two", partition=0)
    await hosted.assign(0)
    for _ in range(LOST_MAX):
        await hosted.until(lambda: hosted.reads(0))
        hosted.lose("in-a", 0)
        assert hosted.failures == []
    await hosted.until(lambda: hosted.reads(0))
    hosted.lose("in-a", 0)
    assert "in-a from offset 0 to 1 got lost" in str(hosted.failures[0])
    await hosted.host.close()


async def test_partitions_that_were_added_are_named_although_all_inputs_have_them(hosted: Hosted) -> None:
    await hosted.host.assign({(topic, partition) for topic in INPUTS for partition in (0, 2)})
    assert isinstance(hosted.failures[0], TopicError)
    sentence = "count was given in-a/2, in-b/2: somebody has raised the number of partitions, which was 2. What lies in"
    assert str(hosted.failures[0]).startswith(sentence)
    hosted.host._feeds.pop(2).task.cancel()  # type: ignore[union-attr]  # a process would have ended
    await hosted.host.close()


async def test_inputs_must_have_equally_many_partitions(hosted: Hosted) -> None:
    await hosted.host.assign({("in-a", 0), ("in-a", 1), ("in-b", 0)})
    assert isinstance(hosted.failures[0], TopicError)
    assert "in-b" in str(hosted.failures[0])
    await hosted.host.close()


async def test_records_of_a_former_assignment_are_dropped(hosted: Hosted) -> None:
    hosted.world.produce(b"k", b"one", partition=0)
    (record,) = hosted.world.cluster.read("in-a", 0)
    hosted.host.offer(0, 0, Batch("in-a", [record], lambda: None))
    await hosted.assign(0)
    await hosted.until(lambda: hosted.reads(0))
    await hosted.host.revoke()
    hosted.host.offer(0, 0, Batch("in-a", [record], lambda: None))
    assert hosted.host.lanes[0].next_offsets() == {"in-a": 0, "in-b": 0}
    await hosted.host.close()


class Backlogs(Seen):
    def __init__(self) -> None:
        super().__init__()
        self.backlogs: list[tuple[dict[str, int], float | None]] = []
        self.oldest_at: list[dict[str, int]] = []

    def backlog(
        self, partition: int, records: Mapping[str, int], since: float | None, oldest_at: Mapping[str, int]
    ) -> None:
        self.backlogs.append((dict(records), since))
        self.oldest_at.append(dict(oldest_at))


async def test_the_watchdog_ends_a_process_whose_lane_stands_still() -> None:
    world, seen = World(), Backlogs()
    failures: list[BaseException] = []
    driven = await world.open()
    watchdog = Watchdog(60, world.clock.monotonic, seen, failures.append)
    written_at = world.clock.now_ms()
    world.produce(b"k", b"one")
    await watchdog.look([driven.lane])
    world.clock.advance(59)
    await watchdog.look([driven.lane])
    assert seen.oldest_at == [{"in-a": written_at}] * 2, "it is as old as the record is"
    assert failures == []
    world.clock.advance(2)
    await watchdog.look([driven.lane])
    assert "count-0 has committed nothing for 61 s although records wait" in str(failures[0])
    assert seen.backlogs[0] == ({"in-a": 1, "in-b": 0}, 1_000)


async def test_the_watchdog_lets_an_idle_and_a_working_lane_be() -> None:
    world = World()
    failures: list[BaseException] = []
    driven = await world.open()
    watchdog = Watchdog(60, world.clock.monotonic, Seen(), failures.append)
    for _ in range(3):
        await watchdog.look([driven.lane])
        world.clock.advance(100)
    for _ in range(3):
        world.produce(b"k", b"one")
        await driven.settle()
        world.produce(b"k", b"waits")
        await watchdog.look([driven.lane])
        world.clock.advance(100)
    assert failures == []


async def test_the_watchdog_lets_a_lane_be_that_has_seen_all_but_the_mark_of_a_transaction() -> None:
    """Inputs that other roles write end with one; it is no record, and nothing waits."""
    world = World()
    failures: list[BaseException] = []
    driven = await world.open()
    watchdog = Watchdog(60, world.clock.monotonic, Seen(), failures.append)
    world.produce_committed(b"k", b"one")
    await driven.settle()
    for _ in range(4):
        await watchdog.look([driven.lane])
        world.clock.advance(40)
    assert failures == []
    world.produce(b"k", b"two")
    await watchdog.look([driven.lane])
    world.clock.advance(61)
    await watchdog.look([driven.lane])
    assert "committed nothing for" in str(failures[0])


async def test_a_burst_after_an_idle_hour_ends_no_process() -> None:
    """The age counts from when records came, not from when the lane last had something to do."""
    world, seen = World(), Backlogs()
    failures: list[BaseException] = []
    driven = await world.open()
    watchdog = Watchdog(60, world.clock.monotonic, seen, failures.append)
    world.produce_committed(b"k", b"one")
    await driven.settle()
    for _ in range(720):
        await watchdog.look([driven.lane])
        world.clock.advance(5)
    assert {since for _, since in seen.backlogs} == {None}
    assert all(not any(records.values()) for records, _ in seen.backlogs), "a marker is no record"
    world.produce(b"k", *[b"burst"] * 5_000)
    came_at = world.clock.monotonic()
    for _ in range(12):
        await watchdog.look([driven.lane])
        world.clock.advance(5)
    assert failures == []
    assert seen.backlogs.pop() == ({"in-a": 5_000, "in-b": 0}, came_at)
    await driven.settle()
    await watchdog.look([driven.lane])
    assert failures == []
    assert seen.backlogs[-1] == ({"in-a": 0, "in-b": 0}, None)
    assert seen.oldest_at[-1] == {}


async def test_markers_that_were_looked_at_are_not_read_again() -> None:
    world = World()
    driven = await world.open()
    world.produce_committed(b"k", b"one")
    await driven.settle()
    looks: list[str] = []
    world.cluster.hook = lambda _id, step: looks.append(step)
    for _ in range(3):
        assert await driven.lane.backlog() == {"in-a": 0, "in-b": 0}
    assert looks.count("first record before") == 1


class WithheldAges(Seen):
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[Mapping[str, float]] = []

    def withheld(self, partition: int, seconds: Mapping[str, float]) -> None:
        self.seconds.append(seconds)


async def test_a_strangers_open_transaction_is_named_once_and_ends_no_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    world, seen = World(), WithheldAges()
    failures: list[BaseException] = []
    driven = await world.open()
    watchdog = Watchdog(60, world.clock.monotonic, seen, failures.append)
    world.produce(b"k", b"one")
    world.cluster.fence("stranger")
    world.cluster.begin("stranger")
    world.cluster.write("stranger", Output("in-a", b"k", b"theirs"), 0)
    world.produce(b"k", b"behind", b"it")
    for _ in range(4):
        await driven.settle()
        await watchdog.look([driven.lane])
        world.clock.advance(10)
    assert failures == []
    assert counts(world) == {b"k": [1]}
    assert seen.seconds == [{"in-a": age, "in-b": 0} for age in (0, 10, 20, 30)]
    sentences = [record.message for record in caplog.records if "open transaction" in record.message]
    assert sentences == ["count-0: " + Withheld("in-a", 1, 4, 20).sentence(0)]
    assert driven.lane.status().degraded == (Withheld("in-a", 1, 4, 30).sentence(0),)

    world.cluster.commit("stranger")
    await driven.settle()
    await watchdog.look([driven.lane])
    assert counts(world) == {b"k": [1, 2, 3, 4]}
    assert seen.seconds[-1] == {"in-a": 0, "in-b": 0}
    assert driven.lane.status().degraded == ()
    assert "count-0: in-a/0 is held back no longer" in caplog.messages


async def test_transactions_that_end_in_time_are_not_worth_a_word() -> None:
    """Each look meets another one that is open, as where other roles write without a pause."""
    world, seen = World(), WithheldAges()
    driven = await world.open()
    watchdog = Watchdog(60, world.clock.monotonic, seen, lambda _: None)
    for number in range(5):
        world.cluster.fence("other role")
        world.cluster.begin("other role")
        world.cluster.write("other role", Output("in-a", b"k", b"%d" % number), 0)
        await watchdog.look([driven.lane])
        world.cluster.commit("other role")
        world.clock.advance(14)
    assert {age for seconds in seen.seconds for age in seconds.values()} == {0}
    assert driven.lane.status().degraded == ()


@pytest.mark.parametrize("look", ["first record before", "ends before"])
async def test_a_lane_that_is_let_go_while_it_is_looked_at_ends_no_process(look: str) -> None:
    world, seen = World(), Backlogs()
    failures: list[BaseException] = []
    driven = await world.open()
    world.produce(b"k", b"one")

    def close(_id: str, step: str) -> None:
        if step == look:
            driven.lane.suspend()
            raise LaneError("count-0 could not read in-a: the client is closed")

    world.cluster.hook = close
    await Watchdog(60, world.clock.monotonic, seen, failures.append).look([driven.lane])
    assert (failures, seen.backlogs) == ([], [])


async def test_the_watchdog_ends_a_process_whose_broker_is_gone() -> None:
    world = World()
    failures: list[BaseException] = []
    driven = await world.open()

    def gone(_id: str, _step: str) -> None:
        raise LaneError("no answer from the broker for 45 s")

    world.cluster.hook = gone
    await Watchdog(60, world.clock.monotonic, Seen(), failures.append).look([driven.lane])
    assert "no answer" in str(failures[0])


async def test_the_watchdog_ends_a_process_that_its_group_gives_no_partitions(hosted: Hosted) -> None:
    clock, failures = hosted.world.clock, list[BaseException]()
    watchdog = Watchdog(60, clock.monotonic, Seen(), failures.append)

    def look_after(seconds: float) -> list[BaseException]:
        clock.advance(seconds)
        watchdog.look_at_group(hosted.host.assigned)
        return failures

    assert look_after(0) == look_after(119) == []
    await hosted.host.assign(set())
    assert look_after(200) == look_after(200) == [], "a group may have more members than partitions"
    await hosted.host.revoke()
    assert look_after(0) == look_after(119) == []
    clock.advance(2)
    watching = asyncio.create_task(watchdog.watch(hosted.host, 0.001))
    await hosted.until(lambda: bool(failures))
    watching.cancel()
    assert "given out no partitions for 121 s" in str(failures[0])
