"""Settled values, which a lane does not keep in memory: read back from the ledger when they are needed again."""

from collections.abc import Callable
from typing import TypeVar

from app.errors import LaneError
from app.lanes.lane_log import Log
from app.lanes.lane_state import Cold, LaneState

Answer = TypeVar("Answer")


class SettledValues:
    """`ledger` is the topic whose partition `log` reads, `place` names lane and partition in errors.

    `now_ms` gives the time from which on a value that was read back may leave again.
    """

    def __init__(self, state: LaneState, log: Log, ledger: str, place: str, *, now_ms: Callable[[], int]) -> None:
        self._state, self._log, self._ledger, self._place = state, log, ledger, place
        self._now_ms = now_ms

    async def fetch(self, key: bytes, offset: int) -> bytes | None:
        """Return the value of the key at that ledger offset, None when it is not there any more. Raises LaneError."""
        entry = await self._log.fetch(self._ledger, offset)
        return entry.value if entry is not None and entry.key == key else None

    async def load(self, key: bytes) -> None:
        """Bring a settled value back into memory.

        It is there: compaction keeps the last record of a key. Raises LaneError where somebody changed the topic.
        """
        offset = self._state.settled[key]
        value = await self.fetch(key, offset)
        if value is None:
            raise LaneError(
                f"{self._place} has no value of {key!r} at offset {offset} any more: was the topic changed by hand? A"
                " restart reads it anew"
            )
        self._state.warm(key, value, self._now_ms())

    async def load_for(self, fold: Callable[[], Answer]) -> Answer:
        """Return what `fold` returns once all settled values that it needs are in memory.

        A fold is a plain function, so it cannot wait for a value in its middle. It raises Cold before it has had any
        effect and is called again from its beginning, with one more key in memory each time.
        """
        while True:
            try:
                return fold()
            except Cold as cold:
                await self.load(cold.key)
