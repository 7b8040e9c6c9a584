"""A lane's log tells records from what else takes up offsets in a topic."""

import pytest
from aiokafka import AIOKafkaProducer

from app.errors import LaneError
from app.events.record import Output
from app.kafka.cluster_access import ClusterAccess
from app.kafka.kafka_log import KafkaLimits, KafkaLog
from app.lanes.lane_log import Bounds, LedgerEntry
from tests.kafka.lane_world import LaneWorld

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


async def test_the_mark_of_a_transaction_is_no_record(world: LaneWorld) -> None:
    """A lane that has seen all is one mark behind the end of an input that other roles write, and nothing waits."""
    log = KafkaLog(f"{world.name}-0", world.ledger, 0, KafkaLimits(ClusterAccess(world.servers)))
    try:
        await log.fence()
        for value in (b"one", b"two"):
            await log.begin()
            await log.send([Output(world.in_a, b"k", value)], [])
            await log.commit()
        bounds = (await log.bounds([world.in_a]))[world.in_a]
        assert bounds == Bounds(0, 4), "two records and two marks"
        first = [await log.first_record(world.in_a, Bounds(begin, bounds.end)) for begin in range(bounds.end)]
        assert [record and record.offset for record in first] == [0, 2, 2, None]
        fetched = [await log.fetch(world.in_a, offset) for offset in range(bounds.end)]
        assert [record and record.value for record in fetched] == [b"one", None, b"two", None]
    finally:
        await log.close()


async def test_an_open_transaction_shows_between_two_ends_and_a_ledger_is_not_restored_before_it(
    world: LaneWorld,
) -> None:
    stranger = AIOKafkaProducer(bootstrap_servers=world.servers, transactional_id=f"{world.name}-stranger")
    log = KafkaLog(f"{world.name}-0", world.ledger, 0, KafkaLimits(ClusterAccess(world.servers), broker_gone_s=3))
    entries: list[LedgerEntry] = []
    await stranger.start()
    try:
        await log.fence()
        await stranger.begin_transaction()
        for topic in (world.in_a, world.ledger):
            await stranger.send_and_wait(topic, b"theirs", b"k", partition=0)
        assert (await log.bounds([world.in_a]))[world.in_a].end == 0
        assert await log.ends([world.in_a, world.in_b]) == {world.in_a: 1}, "in-b was not looked at yet"
        with pytest.raises(LaneError, match=rf"holds back {world.ledger}/0 from offset 0 on: only lanes may write"):
            await log.restore(lambda some, _: entries.extend(some))
        await stranger.commit_transaction()
        await log.restore(lambda some, _: entries.extend(some))  # waits for the mark, which comes after the answer
        assert [(entry.key, entry.value) for entry in entries] == [(b"k", b"theirs")]
    finally:
        await stranger.stop()
        await log.close()


async def test_an_owner_with_another_transactional_id_is_fenced_as_well(world: LaneWorld) -> None:
    former, latter = (
        KafkaLog(f"{world.name}-{name}", world.ledger, 0, KafkaLimits(ClusterAccess(world.servers)))
        for name in ("former", "latter")
    )
    try:
        await former.fence()
        await former.begin()
        await former.send([], [(b"k", b"theirs")])
        await latter.fence()
        await latter.fence_other(former.owner)
        with pytest.raises(LaneError, match=r"-former was fenced: another process took its transactional id"):
            await former.commit()
        entries: list[LedgerEntry] = []
        await latter.restore(lambda some, _: entries.extend(some))
        assert entries == []
    finally:
        await former.close()
        await latter.close()
