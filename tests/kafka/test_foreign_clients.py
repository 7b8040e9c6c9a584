"""Clients that know nothing of Waybill read what it writes, and write what it reads, over a real broker."""

import asyncio
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from app import resources
from app.domain.order import Address, Line, Order
from app.events import codec
from app.events.model import Event, LineStatus, OrderCommand, OrderCreated, OrderProgressed
from app.events.record import Record
from app.kafka import topic_admin, topics
from app.sandbox.local import broker as local_broker
from app.sandbox.local.jars import find_kafka
from app.sandbox.local.jvm import find_java
from app.worker.http_views import registry_routes

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
CODEC = codec.load()
LIMIT_S = 90.0
CONSOLE_LIMIT_S = 180.0
AT = 1_769_851_800_000
ADDRESS = Address("Contoso Retail", "", "456 Fabrikam St", "Seattle", "WA", "98101", "US")
ORDER = Order(
    "web-7", "external", "7", "webshop", AT, "USD", 3_224_800, 99_500, 0, 0, 3_324_300, ADDRESS, ADDRESS,
    (Line("1", "D0001", "Höchst gute Lautsprecher", 20_000, 1_299_900, 2_599_800), Line("2", "D0003", "", -5, 1, -1)),
)  # fmt: skip
CREATED = Event("order created", "ab" * 16, "web-7", AT, "waybill/pull", "", OrderCreated(ORDER))
PICKED = Event(
    "order picked",
    "cd" * 16,
    "web-7",
    AT + 1,
    "waybill/orchestrate",
    "ab" * 16,
    OrderProgressed("web-7", "fno", "PL-1", "Fulfillment in Process", "Picked", (LineStatus("1", "New", "New"),)),
)


@dataclass(frozen=True)
class World:
    """A broker with all topics, and the registry's read calls on loopback."""

    servers: str
    registry: str


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with local_broker.temporary() as info:
        asyncio.run(topic_admin.apply(info.cluster, topics.load()))
        yield info.bootstrap_servers


@pytest.fixture
async def world(broker: str) -> AsyncIterator[World]:
    application = web.Application()
    application.add_routes(registry_routes(CODEC.schemas))
    async with TestServer(application) as server:
        yield World(broker, str(server.make_url("/")).rstrip("/"))


async def write(servers: str, event: Event, topic: str) -> int:
    """Its offset, in the partition of its key."""
    value, headers = CODEC.encode(event)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        sent = await producer.send_and_wait(topic, value, key=event.order_id.encode(), headers=headers)
    return int(sent.offset)


async def last_record(servers: str, topic: str) -> ConsumerRecord:
    """The latest record by time over all partitions."""
    places = [TopicPartition(topic, number) for number in range(4)]
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: list[ConsumerRecord] = []
        async with asyncio.timeout(LIMIT_S):
            while sum(ends.values()) > len(found):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
    return max(found, key=lambda record: int(record.timestamp))


def decoded(record: ConsumerRecord) -> Event:
    headers = tuple(record.headers)
    return CODEC.decode(
        Record(record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, headers)
    )


def read_one(servers: str, topic: str) -> Message:
    """With librdkafka, in a new group that reads committed records from the start."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    )  # fmt: skip
    try:
        consumer.subscribe([topic])
        message = consumer.poll(LIMIT_S)
    finally:
        consumer.close()
    assert message is not None
    assert message.error() is None
    return message


def console(tool: str, arguments: list[str], given: str = "") -> str:
    """What a command line tool of Kafka's own prints."""
    environment = {**os.environ, "CLASSPATH": find_kafka(print).classpath, "LC_ALL": "C.UTF-8"}
    command = [str(find_java()), "-Xmx256m", "-Dstdout.encoding=UTF-8", f"org.apache.kafka.tools.{tool}", *arguments]
    done = subprocess.run(
        command, env=environment, input=given, capture_output=True, text=True, timeout=CONSOLE_LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_confluents_deserializer_reads_an_order_through_our_registry_reads(world: World) -> None:
    await write(world.servers, CREATED, "order-created")

    def read() -> Any:
        message = read_one(world.servers, "order-created")
        with SchemaRegistryClient({"url": world.registry}) as client:
            context = SerializationContext("order-created", MessageField.VALUE)
            return AvroDeserializer(client)(message.value(), context)

    found = (await asyncio.to_thread(read))["order"]
    assert (found["order_id"], found["total"], found["currency"]) == ("web-7", Decimal("332.4300"), "USD")
    assert found["placed_at"] == datetime.fromtimestamp(AT / 1000, UTC)
    assert found["ship_to"]["city"] == "Seattle"
    assert [(line["name"], line["quantity"]) for line in found["lines"]] == [
        ("Höchst gute Lautsprecher", Decimal("2.0000")),
        ("", Decimal("-0.0005")),
    ]
    assert found["company"] is None


async def test_confluents_serializer_writes_what_we_read(world: World) -> None:
    def send() -> None:
        settings, schema = {"auto.register.schemas": False}, resources.schema_files()["order-command.v1.avsc"]
        datum = {"order_id": "web-7", "command": "change", "subject": "", "actor": "ops", "values": {"company": "usmf"}}
        context = SerializationContext("order-command", MessageField.VALUE)
        with SchemaRegistryClient({"url": world.registry}) as client:
            value = AvroSerializer(client, schema, conf=settings)(datum, context)
        with Producer({"bootstrap.servers": world.servers}) as producer:
            producer.produce("order-command", value, key=b"web-7")
            assert producer.flush(LIMIT_S) == 0

    await asyncio.to_thread(send)
    event = decoded(await last_record(world.servers, "order-command"))
    assert event.body == OrderCommand("web-7", "change", "", "ops", {"company": "usmf"})


async def test_kafkas_console_consumer_shows_key_and_headers(world: World) -> None:
    await write(world.servers, PICKED, "order-picked")
    properties = ["--formatter-property", "print.key=true", "--formatter-property", "print.headers=true"]
    arguments = [
        "--bootstrap-server",
        world.servers,
        "--topic",
        "order-picked",
        "--from-beginning",
        "--max-messages",
        "1",
    ]
    line = await asyncio.to_thread(console, "consumer.ConsoleConsumer", [*arguments, *properties])
    headers, key, value = line.split("\t")
    assert key == "web-7"
    assert "ce_type:order picked" in headers
    assert f"ce_causationid:{'ab' * 16}" in headers
    assert "ce_time:2026-01-31T09:30:00.001Z" in headers
    assert "Fulfillment in Process" in value


async def test_kafkas_console_producer_starts_an_order_with_a_line_of_json(world: World) -> None:
    example = resources.read_text("schemas/examples/order-created.json")
    arguments = ["--bootstrap-server", world.servers, "--topic", "order-created"]
    await asyncio.to_thread(console, "ConsoleProducer", arguments, example)
    record = await last_record(world.servers, "order-created")
    event = decoded(record)
    assert record.key is None
    assert (event.name, event.order_id) == ("order created", "web-100042")
    assert isinstance(event.body, OrderCreated)
    assert event.body.order.total == 3_552_900
