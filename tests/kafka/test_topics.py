"""topics.yaml against a real broker: created once, never changed, every difference told."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec.structs import replace

from app.errors import BrokerError, TopicError
from app.events.dead_letters import gathered_letter
from app.events.record import Output, Record
from app.kafka import topic_reader, transactions
from app.kafka.cluster_access import ClusterAccess
from app.kafka.topic_admin import CreatedTopic, Drift, apply, check, check_brokers
from app.kafka.topics import load
from app.kafka.transactions import transact
from app.sandbox.local import broker as local_broker
from app.sandbox.local.jvm import wait_until
from tests.commands.console import Console

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
TOPICS = load()
DAY_MS = 86_400_000
LIMIT_S = 60


@pytest.fixture(scope="module")
def running() -> Iterator[local_broker.BrokerInfo]:
    with local_broker.temporary() as info:
        yield info


@pytest.fixture
def broker(running: local_broker.BrokerInfo) -> str:
    return running.bootstrap_servers


@pytest.fixture
def cluster(running: local_broker.BrokerInfo) -> ClusterAccess:
    return running.cluster


@pytest.fixture
def broker_pid(running: local_broker.BrokerInfo) -> int:
    return running.pid


async def test_what_is_missing_is_created_and_what_differs_is_told_but_kept(
    broker: str, cluster: ClusterAccess
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic("order-held", 2, 1, topic_configs={"retention.ms": "1000000000"})])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        await producer.send_and_wait("order-held", b"kept", partition=1)

    assert len(await check(cluster, TOPICS)) == len(TOPICS) - 1 + 3
    others = [topic for topic in TOPICS if topic.name != "order-held"]
    assert await apply(cluster, TOPICS) == [CreatedTopic(topic.name, topic.partitions) for topic in others]
    assert await apply(cluster, TOPICS) == []
    assert await check(cluster, TOPICS) == [
        Drift("order-held", "partitions", "4", "2"),
        Drift("order-held", "message.timestamp.type", "LogAppendTime", "CreateTime"),
        Drift("order-held", "retention.ms", "2592000000", "1000000000"),
    ]
    async with AIOKafkaConsumer(bootstrap_servers=broker) as consumer:
        place = TopicPartition("order-held", 1)
        assert await consumer.end_offsets([place]) == {place: 1}


async def test_a_record_that_says_it_is_old_is_kept_for_as_long_as_any_other(
    broker: str, cluster: ClusterAccess
) -> None:
    await apply(cluster, TOPICS)
    old_ms = time.time_ns() // 1_000_000 - 40 * DAY_MS
    async with AIOKafkaProducer(bootstrap_servers=broker, compression_type="gzip") as producer:
        sent = [await producer.send_and_wait("order-created", b"{}", timestamp_ms=old_ms) for _ in range(2)]
    assert all(record.timestamp > old_ms + 39 * DAY_MS for record in sent)
    async with AIOKafkaConsumer("order-created", bootstrap_servers=broker, auto_offset_reset="earliest") as consumer:
        record = await consumer.getone()
    assert record.timestamp > old_ms + 39 * DAY_MS


async def test_how_long_a_transaction_may_hold_readers_back_is_looked_at(cluster: ClusterAccess) -> None:
    assert await check_brokers(cluster, 60_000) == []
    assert await check_brokers(cluster, 59_999) == [
        Drift("broker 1", "transaction.max.timeout.ms", "at most 59999", "60000")
    ]


def test_records_that_share_a_dead_letter_are_read_from_their_topic_to_be_replayed(
    broker: str, cluster: ClusterAccess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker)
    waybill = Console(capsys)
    asyncio.run(apply(cluster, TOPICS))
    values = [b"%d" % number for number in range(6)]
    asyncio.run(transact(cluster, [Output("stock-change", b"k", value, [("their", b"h")], 2) for value in values]))
    first = Record("stock-change", 2, 1, 0, b"k", b"1", ())
    letter = gathered_letter(first, [1, 2, 4, 99], "malformed", "no JSON", role="source", now_ms=0)
    asyncio.run(transact(cluster, [letter._replace(partition=2)]))

    (listed,) = waybill("dead-letters", "list", "--json").json
    assert (listed["id"], listed["records"], listed["code"]) == ("stock-change/2/1", 4, "malformed")
    said = waybill("dead-letters", "replay", "stock-change/2/1")
    assert (said.code, said.out) == (0, "1 replayed\n")
    assert said.err == "stock-change/2/1: to stock-change, 3 records; 1 are no longer there\n"
    assert waybill("dead-letters", "list", "--json").json == []
    replayed = asyncio.run(read_all(cluster, "stock-change"))[len(values) :]
    assert [(each.key, each.value, each.headers) for each in replayed] == [
        (b"k", value, (("their", b"h"),)) for value in (b"1", b"2", b"4")
    ]


async def test_a_broker_that_stores_nothing_is_not_waited_for_without_an_end(
    broker_pid: int, cluster: ClusterAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client would try again for ever, as it does where the broker's disk is full."""
    monkeypatch.setattr(transactions, "WRITE_LIMIT_S", 1.0)
    monkeypatch.setattr(transactions, "STOP_LIMIT_S", 1.0)
    await apply(cluster, TOPICS)

    async def write_to_a_paused_broker() -> None:
        async with transactions.started_producer(cluster) as producer:
            os.kill(broker_pid, signal.SIGSTOP)
            try:
                # The kernel stops the threads once the first of them runs, which takes a while on a busy machine.
                assert wait_until(lambda: psutil.Process(broker_pid).status() == psutil.STATUS_STOPPED, LIMIT_S)
                await transactions.write(producer, [Output("order-held", b"k", b"v")])
            finally:
                os.kill(broker_pid, signal.SIGCONT)

    with pytest.raises(BrokerError, match=r"did not store the records within 1 s: is its disk full"):
        await asyncio.wait_for(write_to_a_paused_broker(), 2 * LIMIT_S)


async def read_all(cluster: ClusterAccess, topic: str) -> list[Record]:
    async with topic_reader.consumer(cluster) as reader:
        places = await topic_reader.partitions(reader, topic)
        return sorted([record async for record in topic_reader.read_to_end(reader, places)], key=lambda r: r.timestamp)


async def test_fewer_replicas_than_asked_for_are_told_and_more_than_brokers_are_refused(cluster: ClusterAccess) -> None:
    held = next(topic for topic in load(replication=3) if topic.name == "order-held")
    await apply(cluster, TOPICS)
    async with transactions.started_producer(cluster) as producer:  # the broker makes its topic of transactions
        await transactions.write(producer, [Output("order-held", b"k", b"v")])
    assert [(d.topic, d.setting, d.expected) for d in await check(cluster, [held]) if "replica" in str(d)] == [
        ("order-held", "replication", "3"),
        ("order-held", "min.insync.replicas", "2"),
        ("__transaction_state", "replication", "3"),
    ]
    new = [replace(held, name="new-1"), replace(held, name="new-2")]
    with pytest.raises(TopicError, match=r"new-1, new-2: Kafka refused it \(38: .*; set WAYBILL_REPLICATION"):
        await apply(cluster, new)


async def test_a_topic_that_the_broker_refuses_is_named(cluster: ClusterAccess) -> None:
    with pytest.raises(TopicError, match=r"wrong name: Kafka refused it \(17: "):
        await apply(cluster, [replace(TOPICS[0], name="wrong name")])


async def test_a_broker_that_is_away_is_named() -> None:
    with pytest.raises(BrokerError, match=r"no Kafka answers at 127\.0\.0\.1:9: start one"):
        await check(ClusterAccess("127.0.0.1:9"), TOPICS)
