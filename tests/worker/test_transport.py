"""What the consumer does not leave to Faust: when it may fetch, and what has been read."""

from collections.abc import AsyncIterator

import pytest
from faust.types import TP

from app.settings import Settings
from app.worker.app_factory import build_app
from app.worker.transport import BatchConsumer
from tests.lanes.example_roles import Counting

PLACE = TP("in-a", 0)


class Open:
    """Of the lanes, what a fetch asks first: everything may be fetched."""

    asked = False

    def may_fetch(self, _topic: str, _partition: int) -> bool:
        self.asked = True
        return True


@pytest.fixture
async def reader() -> AsyncIterator[BatchConsumer]:
    """One that was not started: its thread has a loop already."""
    made = build_app(Settings(), Counting(("in-a", "in-b"), "count", "out"), 4).consumer
    assert isinstance(made, BatchConsumer)
    yield made
    made._thread.thread_loop.close()


async def test_nothing_is_fetched_while_the_flow_stands_still(reader: BatchConsumer) -> None:
    """Faust looks whether it does before it waits, and drops what is fetched nevertheless."""
    lanes = Open()
    reader._lanes = lanes  # type: ignore[assignment]
    reader.stop_flow()
    assert await reader._getmany({PLACE}, 1.0) == {}
    assert not lanes.asked


async def test_what_faust_notes_of_earlier_fetches_keeps_nothing_from_a_lane(reader: BatchConsumer) -> None:
    reader._read_offset[PLACE] = 9
    assert reader._read_offset[PLACE] is None
