"""Waiting for a broker that is just starting, with a server that speaks Kafka's protocol in its place."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiokafka.conn
import pytest
from aiokafka.protocol.admin import ApiVersionRequest_v0, ApiVersionResponse_v0
from aiokafka.protocol.api import ResponseHeader_v0
from aiokafka.protocol.metadata import MetadataRequest_v2, MetadataResponse_v2

from app.kafka.broker_wait import wait_for_broker
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.local.ports import HOST, free_port

BROKER = (1, HOST, 9092, None)
VERSIONS = ApiVersionResponse_v0(0, [(MetadataRequest_v2.API_KEY, 0, MetadataRequest_v2.API_VERSION)])


async def answer(brokers: list[object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer which versions there are, and the metadata of a cluster of `brokers`."""
    answers = {
        ApiVersionRequest_v0.API_KEY: VERSIONS,
        MetadataRequest_v2.API_KEY: MetadataResponse_v2(brokers, "cluster", -1, []),
    }
    try:
        while size := await reader.read(4):
            request = await reader.readexactly(struct.unpack(">i", size)[0])
            api_key, _, correlation_id = struct.unpack_from(">hhi", request)
            message = ResponseHeader_v0(correlation_id).encode() + answers[api_key].encode()
            writer.write(struct.pack(">i", len(message)) + message)
    finally:
        writer.close()


@asynccontextmanager
async def kafka(port: int, *brokers: object) -> AsyncIterator[None]:
    async with await asyncio.start_server(partial(answer, list(brokers)), HOST, port):
        yield


async def test_a_broker_that_comes_later_is_waited_for() -> None:
    port = free_port()
    waiting = asyncio.create_task(wait_for_broker(ClusterAccess(f"127.0.0.1:1, {HOST}:{port}"), 120))
    await asyncio.sleep(0)
    assert not waiting.done()
    async with kafka(port, BROKER):
        assert await waiting


async def test_a_server_without_a_port_is_asked_at_kafkas_own(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(aiokafka.conn, "DEFAULT_KAFKA_PORT", port)
    async with kafka(port, BROKER):
        assert await wait_for_broker(ClusterAccess(HOST), 120)


async def test_a_cluster_without_a_live_broker_is_waited_for() -> None:
    port = free_port()
    async with kafka(port):
        assert not await wait_for_broker(ClusterAccess(f"{HOST}:{port}"), 0.3)


async def test_a_program_that_is_no_kafka_is_no_broker() -> None:
    port = free_port()
    async with await asyncio.start_server(lambda _, writer: writer.close(), HOST, port):
        assert not await wait_for_broker(ClusterAccess(f"{HOST}:{port}"), 0.3)


async def test_a_wait_is_told_at_once_with_where_and_how_long(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="app")
    await wait_for_broker(ClusterAccess("127.0.0.1:1"), 0.3)
    assert caplog.messages == ["waiting for a broker at 127.0.0.1:1, 0.3 s at most"]


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "no port", "127.0.0.1:99999999", ""])
async def test_a_broker_that_never_comes_ends_the_wait_without_an_error(servers: str) -> None:
    assert not await wait_for_broker(ClusterAccess(servers), 0.3)
