"""A lane's log tells records from what else takes up offsets in a topic."""

import pytest

from app.events.record import Output
from app.kafka.kafka_log import KafkaLimits, KafkaLog
from app.lanes.lane_log import Bounds
from tests.kafka.lane_world import LaneWorld

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


async def test_the_mark_of_a_transaction_is_no_record(world: LaneWorld) -> None:
    """A lane that has seen all is one mark behind the end of an input that other roles write, and nothing waits."""
    log = KafkaLog(f"{world.name}-0", world.ledger, 0, KafkaLimits(world.servers))
    try:
        await log.fence()
        for value in (b"one", b"two"):
            await log.begin()
            await log.send([Output(world.in_a, b"k", value)], [])
            await log.commit()
        bounds = (await log.bounds([world.in_a]))[world.in_a]
        assert bounds == Bounds(0, 4), "two records and two marks"
        first = [await log.first_record(world.in_a, Bounds(begin, bounds.end)) for begin in range(bounds.end)]
        assert first == [0, 2, 2, None]
        fetched = [await log.fetch(world.in_a, offset) for offset in range(bounds.end)]
        assert [record and record.value for record in fetched] == [b"one", None, b"two", None]
    finally:
        await log.close()
