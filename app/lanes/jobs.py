"""The jobs of one lane: in sequence for a key, side by side otherwise, bounded in all and for each provider.

Results are only gathered here; the lane folds them in its next turn. A cancelled job leaves no trace: its record stays
unfinished in the position, and the next owner folds it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from app.events.record import Record
from app.lanes.lease import Lease
from app.lanes.role import Folded, Job


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Limits of jobs: `running_max` and `per_provider_max` of those that run, the other two of records that wait."""

    running_max: int = 64
    per_provider_max: int = 32
    waiting_max: int = 1_000
    waiting_bytes_max: int = 32 << 20


class Pending(NamedTuple):
    """A taken record that is not finished: as read, and with its owner's key."""

    original: Record
    record: Record


class EndedJob(NamedTuple):
    """A job that ran to its end."""

    pending: Pending
    key: bytes
    outcome: Folded | Exception


class Jobs:
    """The jobs of a lane. `wake` is called whenever a result is there to be folded."""

    def __init__(self, lease: Lease, limits: JobLimits, wake: Callable[[], None]) -> None:
        self._lease, self._limits, self._wake = lease, limits, wake
        self.keys: dict[bytes, deque[Pending]] = {}
        """Keys with a job, and the records that wait for their turn with it."""
        self._ready: dict[str, deque[tuple[Pending, Job]]] = {}
        """Jobs that wait for a free place at their provider."""
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._at_provider: dict[str, int] = {}
        self._ended: deque[EndedJob] = deque()
        self._waiting = self._waiting_bytes = 0

    @property
    def running(self) -> int:
        """The number of jobs that run."""
        return len(self._tasks)

    @property
    def waiting(self) -> int:
        """The number of records that wait for a place or for their key."""
        return self._waiting

    @property
    def full(self) -> bool:
        """Whether the lane must stop taking records."""
        if not self.keys:
            return False
        limits = self._limits
        unfinished = len(self._tasks) + len(self._ended)
        return (
            unfinished >= limits.running_max
            or self._waiting >= limits.waiting_max
            or self._waiting_bytes >= limits.waiting_bytes_max
        )

    def queue(self, key: bytes, pending: Pending) -> None:
        """Queue a record behind the key's earlier ones."""
        self.keys[key].append(pending)
        self._count(pending, 1)

    def add(self, pending: Pending, job: Job) -> None:
        """Add a job whose key is not busy; it runs after the next `launch`."""
        self.keys.setdefault(job.key, deque())
        self._ready.setdefault(job.provider, deque()).append((pending, job))
        self._count(pending, 1)

    def launch(self) -> None:
        """Start jobs while there is room, the providers in turn, so that a busy one does not starve the others."""
        providers = deque(self._ready)
        while providers and len(self._tasks) < self._limits.running_max:
            provider = providers.popleft()
            if self._at_provider.get(provider, 0) < self._limits.per_provider_max:
                self._start(provider)
                if provider in self._ready:
                    providers.append(provider)

    def next_ended(self) -> EndedJob | None:
        """Return the next job that has ended, None when there is none."""
        return self._ended.popleft() if self._ended else None

    def next_waiting(self, key: bytes) -> Pending | None:
        """Return the next record that waits for the key, after a job of it has ended; None frees the key."""
        queue = self.keys[key]
        if not queue:
            del self.keys[key]
            return None
        pending = queue.popleft()
        self._count(pending, -1)
        return pending

    async def cancel(self) -> None:
        """Drop everything, and return when nothing runs any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.keys.clear()
        self._ready.clear()
        self._ended.clear()
        self._waiting = self._waiting_bytes = 0

    def _start(self, provider: str) -> None:
        queue = self._ready[provider]
        pending, job = queue.popleft()
        if not queue:
            del self._ready[provider]
        self._count(pending, -1)
        self._at_provider[provider] = self._at_provider.get(provider, 0) + 1
        task = asyncio.create_task(self._run(pending, job), name=f"{provider} {pending.record.offset}")
        self._tasks[task] = provider
        task.add_done_callback(self._done)

    async def _run(self, pending: Pending, job: Job) -> None:
        outcome: Folded | Exception
        await self._lease.confirm()
        try:
            outcome = await job.run(self._lease)
        except Exception as exc:
            outcome = exc
        self._ended.append(EndedJob(pending, job.key, outcome))

    def _done(self, task: asyncio.Task[None]) -> None:
        provider = self._tasks.pop(task)
        self._at_provider[provider] -= 1
        if not task.cancelled():
            self._wake()

    def _count(self, pending: Pending, sign: int) -> None:
        self._waiting += sign
        self._waiting_bytes += sign * len(pending.record.value or b"")
