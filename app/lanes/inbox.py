"""What was read for a lane and is not folded yet, and whom to tell when it is. Order is kept; nothing is judged."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.events.record import Record
from app.lanes.position import Position


class Batch(NamedTuple):
    """Records of one input, in order, and whom to tell once all of them are finished."""

    topic: str
    records: Sequence[Record]
    done: Callable[[], None]


class Intake:
    """The batches of one lane: those that wait, each with the index of its next record, and those that were folded."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Batch, int]] = deque()
        self._folded: deque[Batch] = deque()

    def stopped(self, batch: Batch, index: int) -> None:
        """The batch that was taken from the front is folded up to that index."""
        if index < len(batch.records):
            self.waiting.appendleft((batch, index))
        else:
            self._folded.append(batch)

    def acknowledge(self, position: Position) -> None:
        """Tell those whose records are all finished. One with unfinished records holds up those behind it."""
        while self._folded:
            batch = self._folded[0]
            if position[batch.topic].low <= batch.records[-1].offset:
                return
            self._folded.popleft().done()

    def clear(self) -> None:
        """Forget everything: it will be read again."""
        self.waiting.clear()
        self._folded.clear()
