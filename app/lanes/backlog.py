"""The backlog of a lane: how many records of each input wait for it."""

from collections.abc import Mapping, Sequence

from app.events.record import Record
from app.lanes.lane_log import Bounds, Log
from app.lanes.position import Position


class Backlog:
    """`topics` are the lane's inputs, `position` is how far it is in them, `log` its own connection.

    This is the one definition of "records wait", for watchdog, lag and commit age. The end of an input alone does not
    do: a transaction ends with a marker that takes up an offset and is handed to nobody. A lane that has folded all of
    an input which other roles write is one offset behind its end for as long as it has nothing to do.
    """

    def __init__(self, topics: Sequence[str], position: Position, log: Log) -> None:
        self._topics, self._position, self._log = topics, position, log
        self._empty_below = dict.fromkeys(topics, 0)
        """For each input an offset: nothing but markers of transactions lies between the position and it."""
        self.oldest_at: Mapping[str, int] = {}
        """The timestamp (ms) of the first record that waits in an input, as of the last count, where one does."""

    async def count(self) -> Mapping[str, int]:
        """Return the number of offsets from the first unfinished record to the end, for each input.

        The broker is asked on the lane's own connection, so that a consumer that sleeps is noticed. Raises LaneError
        when it does not answer.
        """
        bounds = await self._log.bounds(self._topics)
        first = {topic: await self._first(topic, bounds[topic]) for topic in self._topics}
        self.oldest_at = {topic: record.timestamp for topic, record in first.items() if record}
        return {topic: bounds[topic].end - record.offset if record else 0 for topic, record in first.items()}

    async def _first(self, topic: str, bounds: Bounds) -> Record | None:
        """Return the first record that waits, None where none does."""
        begin = max(self._position[topic].low, self._empty_below[topic], bounds.begin)
        if begin >= bounds.end:
            return None
        first = await self._log.first_record(topic, Bounds(begin, bounds.end))
        if first is None:
            # Markers alone: the next count begins behind them, so that they are read over once only.
            self._empty_below[topic] = bounds.end
        return first
