"""Waiting for a broker that is just starting, with plain servers in its place."""

import asyncio

import pytest

from app.kafka import arrival
from app.kafka.arrival import broker_there
from app.sandbox.local.ports import HOST, free_port


async def serve(port: int) -> asyncio.Server:
    return await asyncio.start_server(lambda _, writer: writer.close(), HOST, port)


async def test_a_broker_that_comes_later_is_waited_for() -> None:
    port = free_port()
    waiting = asyncio.create_task(broker_there(f"127.0.0.1:1, {HOST}:{port}", 20))
    await asyncio.sleep(0)
    assert not waiting.done()
    async with await serve(port):
        assert await waiting


async def test_a_server_without_a_port_is_asked_at_kafkas_own(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(arrival, "DEFAULT_PORT", port)
    async with await serve(port):
        assert await broker_there(HOST, 20)


async def test_a_wait_is_told_at_once_with_where_and_how_long(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="app")
    await broker_there("127.0.0.1:1", 0.3)
    assert caplog.messages == ["waiting for a broker at 127.0.0.1:1, 0.3 s at most"]


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "no port", "127.0.0.1:99999999", ""])
async def test_a_broker_that_never_comes_ends_the_wait_without_an_error(servers: str) -> None:
    assert not await broker_there(servers, 0.3)
