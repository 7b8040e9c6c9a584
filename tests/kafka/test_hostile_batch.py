"""A producer's compressed batch that unpacks to more than a worker may take, on a real broker."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from app.events.record import DEAD_LETTER, Record
from app.kafka import topic_admin, topic_reader, topics
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.local import broker as local_broker
from tests.kafka.one_worker import OneWorker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
LARGE = bytes(40_000_000)
LIMIT_S = 120.0


@pytest.fixture
def broker() -> Iterator[str]:
    with local_broker.temporary() as info:
        yield info.bootstrap_servers


async def dead_letters(broker: str) -> list[Record]:
    async with topic_reader.consumer(ClusterAccess(broker)) as reader:
        places = await topic_reader.partitions(reader, DEAD_LETTER)
        return [record async for record in topic_reader.read_to_end(reader, places)]


async def test_a_batch_that_unpacks_to_120_mb_is_one_dead_letter_and_the_lane_goes_on(
    broker: str, tmp_path: Path
) -> None:
    await topic_admin.apply(ClusterAccess(broker), topics.load())
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, compression_type="zstd", max_request_size=200_000_000, max_batch_size=200_000_000
    )
    await producer.start()
    batch = producer.create_batch()
    for _ in range(3):
        batch.append(key=None, value=LARGE, timestamp=None)
    await (await producer.send_batch(batch, "order-created", partition=0))
    await producer.send_and_wait("order-created", b"{}", partition=0)
    await producer.stop()
    worker = await asyncio.to_thread(
        OneWorker, ROOT, tmp_path / "worker.log", {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker}, "orchestrate"
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            while len(letters := await dead_letters(broker)) < 2:
                assert worker.process.poll() is None, worker.said[-3000:]
                await asyncio.sleep(0.5)
    finally:
        await asyncio.to_thread(worker.kill)
    marks = [dict(letter.headers) for letter in letters]
    assert [(mark["waybill-dead-offset"], mark["waybill-dead-code"]) for mark in marks] == [
        (b"2", b"too-large"),
        (b"3", b"invalid"),
    ]
    assert marks[0]["waybill-dead-detail"].startswith(b"offsets 0 to 2 are a batch of 3 records: it unpacks to more")
