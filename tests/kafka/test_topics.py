"""topics.yaml against a real broker: created once, never changed, every difference told."""

from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec.structs import replace

from app.errors import BrokerError, TopicError
from app.kafka.topic_admin import CreatedTopic, Drift, apply, check
from app.kafka.topics import load
from app.sandbox.local import broker as local_broker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
TOPICS = load()


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with local_broker.temporary() as info:
        yield info.bootstrap_servers


async def test_what_is_missing_is_created_and_what_differs_is_told_but_kept(broker: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic("order-held", 2, 1, topic_configs={"retention.ms": "1000000000"})])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        await producer.send_and_wait("order-held", b"kept", partition=1)

    assert len(await check(broker, TOPICS)) == len(TOPICS) - 1 + 2
    others = [topic for topic in TOPICS if topic.name != "order-held"]
    assert await apply(broker, TOPICS) == [CreatedTopic(topic.name, topic.partitions) for topic in others]
    assert await apply(broker, TOPICS) == []
    assert await check(broker, TOPICS) == [
        Drift("order-held", "partitions", "4", "2"),
        Drift("order-held", "retention.ms", "2592000000", "1000000000"),
    ]
    async with AIOKafkaConsumer(bootstrap_servers=broker) as consumer:
        place = TopicPartition("order-held", 1)
        assert await consumer.end_offsets([place]) == {place: 1}


async def test_a_topic_that_the_broker_refuses_is_named(broker: str) -> None:
    with pytest.raises(TopicError, match=r"wrong name: Kafka refused it \(17: "):
        await apply(broker, [replace(TOPICS[0], name="wrong name")])


async def test_a_broker_that_is_away_is_named() -> None:
    with pytest.raises(BrokerError, match=r"no answer from Kafka at 127\.0\.0\.1:9 .* is the broker running"):
        await check("127.0.0.1:9", TOPICS)
