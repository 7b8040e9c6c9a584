"""The lane's lease: how a process that was paused for too long learns, before it does harm, that it has a successor.

A commit proves that nobody had fenced the lane when it was asked for. The proof is good for less than the session
time-out: only after that can another process have been given the lane. The monotonic clock goes on during a pause.
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
        self._waiters: list[asyncio.Future[None]] = []
        self.suspended = False
        """True during a rebalance, while nobody knows whose lane it is."""

    def valid(self) -> bool:
        if self.suspended or self._proved_at is None:
            return False
        return self._monotonic() - self._proved_at < self._term_s

    async def confirm(self) -> None:
        while not self.valid():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._wake()
            await waiter

    def expire(self) -> None:
        """Void the proof, after a rebalance: the lane is said to be ours, and has to prove it."""
        self.suspended, self._proved_at = False, None

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for a proof."""
        return any(not waiter.done() for waiter in self._waiters)

    def renew(self, asked_at: float) -> None:
        """Renew the lease by a commit that succeeded: it is good from `asked_at` of the monotonic clock."""
        self._proved_at = asked_at
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
