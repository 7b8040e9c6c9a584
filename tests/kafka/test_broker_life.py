"""The life of the local broker, on the real Kafka: start, use, stop, start again, killed, and gone."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.sandbox.local import broker
from app.sandbox.local.broker_fence import FENCED
from app.sandbox.local.broker_folder import BrokerFolder
from app.sandbox.local.jvm import MarkedProcess, wait_until
from app.sandbox.local.ports import free_port, is_taken

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
TOPIC = "kept"
LARGE = os.urandom(5_000_000)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose name Kafka's properties and Java's defaults would trip over; no broker outlives the test."""
    folder = tmp_path / "dátos, más"
    yield folder
    broker.stop(folder)


async def create_and_fill(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, num_partitions=4, replication_factor=1)])
    await admin.close()
    async with (
        AIOKafkaProducer(bootstrap_servers=servers, transactional_id="life", max_request_size=8_000_000) as producer,
        producer.transaction(),
    ):
        await producer.send_and_wait(TOPIC, LARGE, partition=3)


async def topics_and_record(servers: str) -> tuple[set[str], bytes | None]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    topics = set(await admin.list_topics())
    await admin.close()
    place = TopicPartition(TOPIC, 3)
    async with AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed") as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        record = await asyncio.wait_for(consumer.getone(place), 60)
    return topics, record.value


def test_topics_outlive_a_stop_and_a_kill(data: Path) -> None:
    port = free_port()
    first = broker.start(data, port)
    assert first.bootstrap_servers == f"127.0.0.1:{port}"
    assert broker.status(data) == broker.BrokerStatus(True, first.bootstrap_servers, first.pid, first.version, data)
    assert os.getsid(first.pid) != os.getsid(0), "the broker would end with the terminal"
    assert broker.start(data, port) == first
    asyncio.run(create_and_fill(first.bootstrap_servers))

    kept = {TOPIC, "__transaction_state"}

    assert broker.stop(data)
    assert not MarkedProcess(first.pid, BrokerFolder.of(data).mark).alive()
    assert not is_taken(port)
    assert (data / "log" / ".kafka_cleanshutdown").exists(), "Kafka was not stopped cleanly"
    assert not broker.status(data).running

    second = broker.start(data, port)
    assert not (data / "controller.log").exists()
    assert second.pid != first.pid
    assert asyncio.run(topics_and_record(second.bootstrap_servers)) == (kept, LARGE)

    os.kill(second.pid, signal.SIGKILL)
    assert wait_until(lambda: broker.status(data).pid is None, 60)
    third = broker.start(data, port)
    # Without it the broker would lose its leaderships once more when the dead one's registration expires.
    assert FENCED.search((data / "controller.log").read_text()), "the crashed broker was not fenced first"
    assert asyncio.run(topics_and_record(third.bootstrap_servers)) == (kept, LARGE)


def test_a_temporary_broker_leaves_nothing_behind() -> None:
    notices: list[str] = []
    with broker.temporary(notice=notices.append) as info:
        assert broker.status(info.data).running
    assert not MarkedProcess(info.pid, BrokerFolder.of(info.data).mark).alive()
    assert not info.data.exists()
    assert notices[-1] == f"Kafka (process {info.pid}) stopped; its topics are removed"
