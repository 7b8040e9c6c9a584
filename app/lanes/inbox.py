"""The inbox of a lane: batches that were read and are not folded yet, and whom to tell once their records are finished.

Batches keep their order. Nothing is looked at here but offsets.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.events.record import Record
from app.lanes.position import Position


class Batch(NamedTuple):
    """Records of one input, in order. `done` is called once all of them are finished."""

    topic: str
    records: Sequence[Record]
    done: Callable[[], None]


class Inbox:
    """The batches of one lane: those that wait, each with the index of its next record, and those that were folded."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Batch, int]] = deque()
        self._folded: deque[Batch] = deque()

    def put_back(self, batch: Batch, index: int) -> None:
        """Return a batch that was taken from the front of `waiting` and is folded up to that index."""
        if index < len(batch.records):
            self.waiting.appendleft((batch, index))
        else:
            self._folded.append(batch)

    def acknowledge(self, position: Position) -> None:
        """Call `done` of each folded batch whose records are all finished, in order.

        A batch with an unfinished record holds up those behind it: Kafka's committed offset cannot have gaps.
        """
        while self._folded:
            batch = self._folded[0]
            if position[batch.topic].low <= batch.records[-1].offset:
                return
            self._folded.popleft().done()

    def clear(self) -> None:
        """Forget everything: it will be read again."""
        self.waiting.clear()
        self._folded.clear()
