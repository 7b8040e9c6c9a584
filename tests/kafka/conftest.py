"""The broker that the tests of the lanes share, and a fresh world of topics for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.sandbox.local import broker as local_broker
from tests.kafka.lane_world import LaneWorld


@pytest.fixture(scope="session")
def lane_broker() -> Iterator[str]:
    with local_broker.temporary() as info:
        yield info.bootstrap_servers


@pytest.fixture
async def world(lane_broker: str, tmp_path: Path) -> AsyncIterator[LaneWorld]:
    made = LaneWorld(lane_broker, tmp_path)
    await asyncio.to_thread(made.create_topics)
    yield made
    await made.end()
