"""Filling of checkpoints: which records a turn folds, which wait for a job, and when the checkpoint is full."""

from collections.abc import Mapping
from functools import partial

from app.events.record import Record
from app.lanes.checkpoint import Checkpoint, Folder
from app.lanes.inbox import Batch, Inbox
from app.lanes.jobs import Jobs, Pending
from app.lanes.lane_limits import Clock, LaneLimits
from app.lanes.lane_state import Cold
from app.lanes.position import Position
from app.lanes.role import Job
from app.lanes.settled_values import SettledValues

_RECORDS_BETWEEN_LOOKS = 64
"""Records folded until the clock is looked at again."""


class Filler:
    """Fills the checkpoint of each turn of a lane, in this order: `fold_results`, `fold_waiting`.

    `repeated_below` has for each input an offset: a previous owner may have run the records below it.
    """

    def __init__(
        self,
        folder: Folder,
        inbox: Inbox,
        jobs: Jobs,
        position: Position,
        *,
        settled: SettledValues,
        repeated_below: Mapping[str, int],
        limits: LaneLimits,
        clock: Clock,
    ) -> None:
        self._folder, self._inbox, self._jobs, self._position = folder, inbox, jobs, position
        self._settled, self._repeated_below = settled, repeated_below
        self._limits, self._clock = limits, clock

    async def fold_results(self, checkpoint: Checkpoint) -> None:
        """Fold the results of jobs, and after each one the records that waited for its key."""
        while job := self._jobs.next_ended():
            original = job.pending.original
            if isinstance(job.outcome, Exception):
                self._folder.bury(original, job.outcome, checkpoint)
            else:
                self._folder.settle(job.outcome, original, checkpoint)
            self._finish(job.pending)
            await self._fold_queue(job.key, checkpoint)

    async def fold_waiting(self, checkpoint: Checkpoint, deadline: float) -> None:
        """Fold the records of the inbox until it is empty, the checkpoint is full or the deadline has come.

        `deadline` is a time of the monotonic clock. What is left of a batch comes first in the next turn.
        """
        waiting = self._inbox.waiting
        while waiting and not self._is_full(checkpoint, deadline):
            batch, start = waiting.popleft()
            end = await self._fold_batch(batch, start, checkpoint, deadline)
            self._inbox.put_back(batch, end)

    async def _fold_batch(self, batch: Batch, start: int, checkpoint: Checkpoint, deadline: float) -> int:
        """Fold from `start` to the end of the batch or of the checkpoint. Return the index where it stopped."""
        progress, records, jobs = self._position[batch.topic], batch.records, self._jobs
        for index in range(start, len(records)):
            if index % _RECORDS_BETWEEN_LOOKS == 0 and index > start and self._is_full(checkpoint, deadline):
                return index
            if progress.take(records[index]):
                try:
                    self._meet(records[index], checkpoint)
                except Cold:  # seldom: a record that needs no settled value is spared the detour
                    await self._settled.load_for(partial(self._meet, records[index], checkpoint))
                if jobs.full or checkpoint.size >= self._limits.checkpoint_bytes_max:
                    return index + 1
        return len(records)

    def _is_full(self, checkpoint: Checkpoint, deadline: float) -> bool:
        return (
            self._jobs.full
            or checkpoint.records >= self._limits.checkpoint_records_max
            or checkpoint.size >= self._limits.checkpoint_bytes_max
            or self._clock.monotonic() >= deadline
        )

    def _meet(self, original: Record, checkpoint: Checkpoint) -> None:
        """Fold a record that this owner meets for the first time. Raises Cold before it has had any effect.

        A record whose key has a job waits behind it, whatever it is about: the records of a key are folded in the order
        in which they were read.
        """
        record = self._folder.owner(original, checkpoint)
        if record is None:
            return
        keys = self._jobs.keys
        if keys and record.key in keys:
            self._position[record.topic].unfinished[record.offset] = None
            self._jobs.queue(record.key, Pending(original, record))
        elif job := self._fold(record, original, checkpoint):
            self._position[record.topic].unfinished[record.offset] = None
            self._enlist(Pending(original, record), job)

    def _fold(self, record: Record, original: Record, checkpoint: Checkpoint) -> Job | None:
        repeated = record.offset < self._repeated_below[record.topic]
        return self._folder.fold(record, original, checkpoint, repeated=repeated)

    async def _fold_queue(self, key: bytes, checkpoint: Checkpoint) -> None:
        """Fold the records that waited for the key, up to the next one that needs a job of it."""
        while pending := self._jobs.next_waiting(key):
            fold = partial(self._fold, pending.record, pending.original, checkpoint)
            job = await self._settled.load_for(fold)
            if job is None:
                self._finish(pending)
            elif job.key == key:
                self._jobs.add(pending, job)
                return
            else:
                self._enlist(pending, job)

    def _enlist(self, pending: Pending, job: Job) -> None:
        if job.key in self._jobs.keys:
            self._jobs.queue(job.key, pending)
        else:
            self._jobs.add(pending, job)

    def _finish(self, pending: Pending) -> None:
        del self._position[pending.record.topic].unfinished[pending.record.offset]
