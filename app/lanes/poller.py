"""Asks a role for what has to be polled, one question at a time, beside the lane's turns."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.errors import RecordError
from app.lanes.role import Folded

_journal = logging.getLogger(__name__)


class Poller:
    """`ask` is None for lanes that poll nothing. `wake` is called when an answer is there.

    Who had something is asked again at once, who had nothing after `every_s`.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[Folded | None]] | None,
        every_s: float,
        monotonic: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._name, self._ask, self._every_s, self._monotonic, self._wake = name, ask, every_s, monotonic, wake
        self._task: asyncio.Task[Folded | None] | None = None
        self._next_at = 0.0

    def found(self) -> Folded | None:
        """The answer, once, when there is one; asks again when it is time. Raises what the source raised."""
        if self._ask is None:
            return None
        now = self._monotonic()
        if self._task is None:
            if now >= self._next_at:
                self._task = asyncio.create_task(self._question(self._ask), name=f"{self._name} poll")
                self._task.add_done_callback(lambda _: self._wake())
            return None
        if not self._task.done():
            return None
        answer, self._task = self._task.result(), None
        self._next_at = now + self._every_s if answer is None else now
        return answer

    async def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _question(self, ask: Callable[[], Awaitable[Folded | None]]) -> Folded | None:
        try:
            return await ask()
        except RecordError as exc:
            _journal.error("%s: what the source said cannot be used, it is asked again: %s", self._name, exc)
            return None
