"""Polling of sources that tell nothing by themselves, such as a shop's API: one poll at a time, beside the turns."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.errors import RecordError
from app.lanes.role import Folded

_journal = logging.getLogger(__name__)


class Poller:
    """`poll` is None for a lane that polls nothing. `wake` is called when an answer is there.

    A poll that brought something is repeated at once, one that brought nothing after `interval_s`.
    """

    def __init__(
        self,
        name: str,
        poll: Callable[[], Awaitable[Folded | None]] | None,
        interval_s: float,
        *,
        monotonic: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._name, self._poll, self._interval_s = name, poll, interval_s
        self._monotonic, self._wake = monotonic, wake
        self._task: asyncio.Task[Folded | None] | None = None
        self._next_at = 0.0

    def take_answer(self) -> Folded | None:
        """Return the answer, once, if there is one; start the next poll when it is time. Raises what a poll raised."""
        if self._poll is None:
            return None
        now = self._monotonic()
        if self._task is None:
            if now >= self._next_at:
                self._task = asyncio.create_task(self._poll_once(self._poll), name=f"{self._name} poll")
                self._task.add_done_callback(lambda _: self._wake())
            return None
        if not self._task.done():
            return None
        answer, self._task = self._task.result(), None
        self._next_at = now + self._interval_s if answer is None else now
        return answer

    async def cancel(self) -> None:
        """End the poll that is under way; its answer is lost, and the next owner polls again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _poll_once(self, poll: Callable[[], Awaitable[Folded | None]]) -> Folded | None:
        try:
            return await poll()
        except RecordError as exc:
            _journal.error("%s: what the source said cannot be used, it is asked again: %s", self._name, exc)
            return None
