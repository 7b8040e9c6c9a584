"""The lane's lease: how a process that was paused for too long learns, before it does harm, that it has a successor.

A commit proves that nobody had fenced the lane when it was asked for, and the proof is good for a term from then on.
The monotonic clock goes on during a pause.

Fencing takes no proof away: the former owner does not hear of it before its next commit. Mostly its proof has run out
by then, because another process is given the lane only after the session time-out. Not always: one that was given the
lane, was stopped before it fenced, and wakes up after the lane went elsewhere, fences an owner that is at work. So an
owner acts only once the last proof of the former one must have run out.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Lease(Protocol):
    """Whether this process may still act for the lane. A process that was paused for too long may have a successor."""

    def valid(self) -> bool:
        """True while the last proof of ownership is young enough. Ask right before a request leaves the process."""

    async def confirm(self) -> None:
        """Return once the lease is valid; a stale one is proved again by an empty transaction.

        Does not return while a rebalance is under way. Raises LaneError when another process owns the lane: this one
        then ends.
        """


class LaneLease:
    """The lease that a lane renews with each commit.

    `term_s` is how long a proof is good for; `wake` asks the lane to commit, be it an empty checkpoint.
    """

    def __init__(self, term_s: float, monotonic: Callable[[], float], wake: Callable[[], None]) -> None:
        self._term_s, self._monotonic, self._wake = term_s, monotonic, wake
        self._proved_at: float | None = None
        self._acts_from = float("-inf")
        self._waiters: list[tuple[asyncio.Future[None], Callable[[], bool]]] = []
        self.suspended = False
        """True during a rebalance, while nobody knows whose lane it is."""

    def valid(self) -> bool:
        return self._is_proved() and self._monotonic() >= self._acts_from

    async def confirm(self) -> None:
        await self._until(self.valid)

    async def prove(self) -> None:
        """Return once ownership is proved, which is enough for reading. Otherwise as `confirm`."""
        await self._until(self._is_proved)

    def expire(self) -> None:
        """Void the proof, after a rebalance: the lane is said to be ours, and has to prove it."""
        self.suspended, self._proved_at = False, None

    def follow(self, proved_ago_s: float = 0.0) -> None:
        """Wait with acting for a former owner, which proved itself at least that long ago. Never lengthens a wait."""
        acts_from = self._monotonic() + self._term_s - proved_ago_s
        self._acts_from = acts_from if self._acts_from == float("-inf") else min(self._acts_from, acts_from)

    @property
    def lacks_proof(self) -> bool:
        """Whether somebody waits for a proof."""
        return not self._is_proved() and bool(self._pending())

    @property
    def lacks_time(self) -> bool:
        """Whether somebody waits, with a proof, for that of the former owner to run out."""
        return self._is_proved() and not self.valid() and any(holds == self.valid for _, holds in self._pending())

    def renew(self, asked_at: float) -> None:
        """Renew the lease by a commit that succeeded: it is good from `asked_at` of the monotonic clock."""
        self._proved_at = asked_at

    def admit(self) -> None:
        """Let those go on whose wait is over. Called at the end of each turn."""
        for waiter, holds in self._pending():
            if holds():
                waiter.set_result(None)
        self._waiters = self._pending()

    def _is_proved(self) -> bool:
        if self.suspended or self._proved_at is None:
            return False
        return self._monotonic() - self._proved_at < self._term_s

    def _pending(self) -> list[tuple[asyncio.Future[None], Callable[[], bool]]]:
        return [(waiter, holds) for waiter, holds in self._waiters if not waiter.done()]

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((waiter, holds))
            self._wake()
            await waiter
