"""Debezium's records over a real broker: a connector's keys on any partition, its Avro by a registry over HTTP."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from confluent_kafka import Producer

from app.events.record import DEAD_LETTER, Record
from app.kafka import topic_admin, topic_reader, topics
from app.kafka.cluster_access import ClusterAccess
from app.resources import ROOT
from app.sandbox.local import broker
from tests.events.connector import KEY, ROW, envelope, text
from tests.events.test_writers import AVRO_ROW, ENVELOPE, ENVELOPE_ID, KEY_ID, KEY_SCHEMA, framed
from tests.kafka.one_worker import OneWorker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
TOPIC = "dualwrite.fno.salesorders"
LIMIT_S = 180.0
ORDERS = [f"{number:06}" for number in range(1, 9)]
COUNTRY = {"DeliveryAddressCountryRegionId": "USA"}


class Registry:
    """What Waybill publishes gets ids of its own; Debezium's schemas are there already."""

    def __init__(self) -> None:
        self.schemas = {ENVELOPE_ID: json.dumps(ENVELOPE), KEY_ID: json.dumps(KEY_SCHEMA)}

    async def configure(self, request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    async def register(self, request: web.Request) -> web.Response:
        schema = (await request.json())["schema"]
        number = next((number for number, kept in self.schemas.items() if kept == schema), 1 + max(self.schemas))
        self.schemas[number] = schema
        return web.json_response({"id": number})

    async def read(self, request: web.Request) -> web.Response:
        schema = self.schemas.get(int(request.match_info["number"]))
        if schema is None:
            return web.json_response({"error_code": 40403, "message": "Schema not found"}, status=404)
        return web.json_response({"schema": schema})

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_put("/config/{subject}", self.configure)
        app.router.add_post("/subjects/{subject}/versions", self.register)
        app.router.add_get("/schemas/ids/{number}", self.read)
        return app


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[str]:
    """A broker with all topics, and the role mirror with a registry."""
    with broker.temporary() as info:
        await topic_admin.apply(info.cluster, topics.load())
        async with TestServer(Registry().application()) as registry:
            clean = {name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")}
            environment = {
                **clean,
                "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers,
                "SCHEMA_REGISTRY_URL": str(registry.make_url("/")),
                "WAYBILL_DUALWRITE_MAPS": "salesorders.fno-to-iom",
            }
            worker = await asyncio.to_thread(OneWorker, ROOT, tmp_path / "worker.log", environment, "mirror")
            try:
                yield info.bootstrap_servers
            finally:
                worker.kill()


def change_of(number: str, avro: bool) -> tuple[bytes, bytes]:
    key = KEY | {"SalesOrderNumber": number}
    if avro:
        row = AVRO_ROW | {"SalesOrderNumber": number}
        return framed(KEY_ID, KEY_SCHEMA, key), framed(ENVELOPE_ID, ENVELOPE, envelope("c", after=row))
    return text(key), text(envelope("c", after=ROW | COUNTRY | {"SalesOrderNumber": number}))


def send(servers: str) -> None:
    """With librdkafka, whose partitioner is not Java's: keys lie on partitions that nobody expects."""
    with Producer({"bootstrap.servers": servers}) as producer:
        for position, number in enumerate(ORDERS):
            key, value = change_of(number, avro=position % 2 == 1)
            for partition in (position % 4, (position + 1) % 4):  # at least once
                producer.produce(TOPIC, value, key=key, partition=partition)
        key, value = change_of("000009", avro=True)
        producer.produce(TOPIC, b"\0\0\0\x63\x63" + value[5:], key=key)
        producer.produce(TOPIC, None, key=change_of(ORDERS[1], avro=True)[0])
        producer.produce(TOPIC, text({"ts_ms": 1}), key=text({"serverName": "fno"}))
        assert producer.flush(LIMIT_S) == 0


async def records(servers: str, topic: str, count: int) -> list[Record]:
    """The first so many."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            async with topic_reader.consumer(ClusterAccess(servers)) as reader:
                there = [
                    record
                    async for record in topic_reader.read_to_end(reader, await topic_reader.partitions(reader, topic))
                ]
            if len(there) >= count:
                return there
            await asyncio.sleep(0.2)


async def test_what_a_connector_writes_becomes_orders_each_once(servers: str) -> None:
    await asyncio.to_thread(send, servers)
    letters = await records(servers, DEAD_LETTER, 1)
    marks: list[dict[str, Any]] = [dict(letter.headers) for letter in letters]
    assert [mark["waybill-dead-code"] for mark in marks] == [b"unknown-schema"]
    assert b"schema id 25443: http://127.0.0.1" in marks[0]["waybill-dead-detail"]
    created = await records(servers, "order-created", len(ORDERS))
    assert sorted(record.key or b"" for record in created) == [f"fno-usmf-{number}".encode() for number in ORDERS]
