"""Rows of the simulated F+O on the real Kafka: in order, on Java's partition, none lost while the broker is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.events.ids import partition_of
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.sandbox.vendors.fno.row_outbox import TOPIC, RowOutbox

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
PARTITIONS = 4
ORDERS, ROWS = 60, 5


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "kafka"
    broker.stop(tmp_path / "kafka")


async def create_topic(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=1)])
    await admin.close()


async def records(servers: str) -> list[ConsumerRecord]:
    places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found += batch
        return found


@asynccontextmanager
async def running(outbox: RowOutbox) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_refused(outbox: RowOutbox) -> None:
    async with asyncio.timeout(30):
        while True:
            if outbox.error:
                return
            await asyncio.sleep(0.05)


def publish(outbox: RowOutbox, first: int) -> None:
    for row in range(first, first + ROWS):
        for order in range(ORDERS):
            outbox.publish(f"bc-hash-{order}".encode(), f"{row}".encode())


async def test_rows_keep_their_order_and_outlast_a_broker_that_is_away(data: Path) -> None:
    port = free_port()
    servers = f"127.0.0.1:{port}"
    outbox = RowOutbox(ClusterAccess(servers))
    async with running(outbox):
        publish(outbox, 0)
        await until_refused(outbox)
        assert len(outbox) == ORDERS * ROWS
        await asyncio.to_thread(broker.start, data, port)
        await create_topic(servers)
        assert await outbox.flush(30)
        assert outbox.error == ""
        await asyncio.to_thread(broker.stop, data)
        publish(outbox, ROWS)
        outbox.publish(b"bc-hash-0", None)
        await asyncio.to_thread(broker.start, data, port)
        assert await outbox.flush(60)
    found = await records(servers)
    assert all(record.partition == partition_of(record.key, PARTITIONS) for record in found)
    assert all(record.headers == (("content-type", b"application/json"),) for record in found)
    for order in range(ORDERS):
        values = [record.value for record in found if record.key == f"bc-hash-{order}".encode()]
        once = [value for n, value in enumerate(values) if n == 0 or value != values[n - 1]]
        tombstone = [None] if order == 0 else []
        assert once == [*(f"{row}".encode() for row in range(2 * ROWS)), *tombstone]
