"""One lane: partition n of every input of a role, the state of its keys, and the one transactional writer for both.

Opening fences the previous owner, restores the ledger and skips what is folded. Then each turn folds what waits and
commits outputs, changed states and position in one transaction; only then is any of it visible, here or outside.
The lane knows no Kafka: its log is a port. It does not recover either: whatever goes wrong ends it, and the process.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.errors import LaneError
from app.events.record import DEAD_LETTER, Record
from app.lanes.checkpoint import Checkpoint, Folder
from app.lanes.inbox import Batch, Intake
from app.lanes.jobs import Jobs, Pending
from app.lanes.lane_limits import Clock, LaneLimits, SystemClock
from app.lanes.lane_log import Bounds, Entry, Log
from app.lanes.lane_state import Cold, LaneState, View
from app.lanes.lease import LaneLease
from app.lanes.opening import check_inputs
from app.lanes.poller import Poller
from app.lanes.position import POSITION_KEY, Position
from app.lanes.role import Folded, Job, LaneObserver, Role, Unobserved

_RECORDS_BETWEEN_LOOKS = 64
"""Records folded until the clock is looked at again."""
_journal = logging.getLogger(__name__)


class LaneStatus(NamedTuple):
    """How a lane is, for people and for the watchdog. `commits` counts its transactions since it was opened."""

    partition: int
    opened: bool
    keys: int
    settled: int
    running: int
    waiting: int
    commits: int
    position: Mapping[str, int]


class Lane:
    """Driven by one task: `open`, then `run` until cancelled. `offer`, `pause`, `resume`, `close` come from outside."""

    def __init__(
        self,
        role: Role,
        log: Log,
        partition: int,
        partitions: int,
        limits: LaneLimits,
        *,
        clock: Clock | None = None,
        observer: LaneObserver | None = None,
    ) -> None:
        self.role, self.partition, self.opened, self.commits = role, partition, False, 0
        self._log, self._partitions, self._limits = log, partitions, limits
        self._clock, self._observer = clock or SystemClock(), observer or Unobserved()
        self._wake, self._turning = asyncio.Event(), asyncio.Lock()
        self._lease = LaneLease(limits.lease_s, self._clock.monotonic, self._wake.set)
        self._jobs = Jobs(self._lease, limits.jobs, self._wake.set)
        self._state = LaneState(role.settled_at, int(limits.settled_after_s * 1000))
        self.topics = tuple(topic for topic in role.inputs if topic != role.ledger)
        self._position = Position(self.topics)
        self._empty_below = dict.fromkeys(self.topics, 0)
        """For each input an offset: nothing but markers of transactions lies between the position and it."""
        self._repeated_below: Mapping[str, int] = {}
        self._folder: Folder
        self._intake = Intake()
        self._unproved = False
        ask = self._ask if partition == 0 else None
        self._poller = Poller(self.name, ask, limits.poll_interval_s, self._clock.monotonic, self._wake.set)

    @property
    def name(self) -> str:
        return f"{self.role.name}-{self.partition}"

    @property
    def full(self) -> bool:
        """Whether fetching for this lane should pause."""
        return len(self._intake.waiting) >= self._limits.waiting_batches_max

    @property
    def suspended(self) -> bool:
        return self._lease.suspended

    def next_offsets(self) -> Mapping[str, int]:
        """Where reading goes on: what lies below is folded, or in the hands of a job."""
        return {topic: progress.next for topic, progress in self._position.items()}

    async def value(self, key: bytes) -> bytes | None:
        """Return the committed ledger value of the key, settled or not; None when the ledger has none.

        It is the answer that reading the ledger to its end would give. Two things could make memory older than the
        ledger. A process that slept may have a successor that went on writing: the lease rules that out. And a commit
        is visible at the broker a moment before it is taken over here: the turn that does so is waited for.

        Does not return while a rebalance is under way. Raises LaneError when the lane is closed meanwhile.
        """
        await self._lease.confirm()
        async with self._turning:
            offset, value = self._state.settled.get(key), self._state.live.get(key)
        if offset is None:
            return value
        entry = await self._log.fetch(self.role.ledger, offset)
        return entry.value if entry is not None and entry.key == key else self._state.live.get(key)

    def status(self) -> LaneStatus:
        state, jobs = self._state, self._jobs
        position = {topic: progress.low for topic, progress in self._position.items()}
        keys, settled = len(state.live), len(state.settled)
        counts = (keys, settled, jobs.running, jobs.waiting, self.commits)
        return LaneStatus(self.partition, self.opened, *counts, position)

    async def backlog(self) -> Mapping[str, int]:
        """Return for each input how many records wait: the offsets from the first unfinished record to the end.

        This is the one definition of "records wait" for watchdog, lag and commit age. The end alone does not do: a
        transaction ends with a marker that takes up an offset and is handed to nobody, so a lane that has seen all of
        an input which other roles write is one offset behind its end for as long as it has nothing to do. Where a
        look met markers alone, the next one begins behind them. The lane's own connection is asked, so that a consumer
        that sleeps is noticed. Raises LaneError when the broker does not answer.
        """
        bounds = await self._log.bounds(self.topics)
        return {topic: await self._records_waiting(topic, bounds[topic]) for topic in self.topics}

    async def _records_waiting(self, topic: str, bounds: Bounds) -> int:
        begin = max(self._position[topic].low, self._empty_below[topic], bounds.begin)
        if begin >= bounds.end:
            return 0
        first = await self._log.first_record(topic, Bounds(begin, bounds.end))
        if first is None:
            self._empty_below[topic] = bounds.end
            return 0
        return bounds.end - first

    def offer(self, batch: Batch) -> None:
        """Hand over records. Never waits: whoever fetches looks at `full`."""
        self._intake.waiting.append((batch, 0))
        self._wake.set()

    async def open(self, committed: Mapping[str, int | None]) -> None:
        """Fence, restore, check the inputs. `committed` are the group's offsets, a hint that may show a lost ledger.

        Raises LaneError when the log cannot be used, LedgerError when the ledger and the inputs contradict each other.
        """
        began = self._clock.monotonic()
        await self._log.fence()
        await self._restore()
        bounds = await check_inputs(self.role, self.partition, self._position, self._log, committed)
        self._repeated_below = {topic: bound.end for topic, bound in bounds.items()}
        dead_letters = await self._log.partitions(DEAD_LETTER)
        lane = (self.partition, self._partitions)
        self._folder = Folder(self.role, lane, self._limits.fold, dead_letters, self._clock.now_ms)
        self.role.restored(self._state.live.items())
        seconds = self._clock.monotonic() - began
        self._observer.opened(self.partition, len(self._state.live), seconds)
        live, settled = len(self._state.live), len(self._state.settled)
        opened = "%s: %d live and %d settled keys in %.2f s, reading on at %s"
        _journal.info(opened, self.name, live, settled, seconds, self.next_offsets())
        self.opened = True

    async def _restore(self) -> None:
        position: bytes | None = None

        def take(entries: Sequence[Entry]) -> None:
            nonlocal position
            position = next((entry.value for entry in reversed(entries) if entry.key == POSITION_KEY), position)
            self._state.load([entry for entry in entries if entry.key != POSITION_KEY], self._clock.now_ms())

        await self._log.restore(take)
        self._state.finish_load(self._clock.now_ms())
        if position is not None:
            self._position.load(position)

    async def run(self) -> None:
        """Take turns until cancelled. Any exception but cancellation means that the process must end."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._limits.tick_s)
            self._wake.clear()
            async with self._turning:
                if not self.suspended and await self.turn():
                    self._wake.set()

    def suspend(self) -> None:
        """From now on nothing is folded and no request leaves: a pause begins."""
        self._lease.suspended = True

    async def pause(self) -> None:
        """Stop folding: returns when the running checkpoint is committed. What waits is dropped, to be read again."""
        self.suspend()
        async with self._turning:
            self._intake.clear()

    def resume(self) -> None:
        """Go on after a pause, the lane being still ours; if it is not after all, the next turn is stopped.

        That happens to a process which slept through the time when another one had the lane.
        """
        self._lease.expire()
        self._unproved = True
        self._wake.set()

    async def close(self) -> None:
        """Let go of the lane after `pause`: jobs are cancelled, the log is closed."""
        await self._jobs.cancel()
        await self._poller.cancel()
        await self._log.close()
        self._observer.closed(self.partition)

    async def turn(self) -> bool:
        """Fold what waits and commit it; whether more of it waits already. One at a time, never after `pause`."""
        began = self._clock.monotonic()
        checkpoint = Checkpoint(self._state)
        checkpoint.outputs += self.role.due(self._clock.now_ms())
        await self._fold_ended(checkpoint)
        await self._fold_waiting(checkpoint, began + self._limits.checkpoint_fold_s_max)
        if (found := self._poller.found()) is not None:
            checkpoint.add(found, self._folder.measure(found))
        await self._conclude(checkpoint)
        if checkpoint.records or checkpoint.outputs or self._lease.wanted or self._unproved:
            await self._commit(checkpoint, began)
        self._jobs.launch()
        self._observer.in_flight(self.partition, self._jobs.running, self._jobs.waiting)
        self._state.sweep(self._clock.now_ms())
        return bool(self._intake.waiting) and not self._jobs.full

    async def _fold_waiting(self, checkpoint: Checkpoint, deadline: float) -> None:
        waiting = self._intake.waiting
        while waiting and not self._spent(checkpoint, deadline):
            batch, start = waiting.popleft()
            end = await self._fold_batch(batch, start, checkpoint, deadline)
            self._intake.stopped(batch, end)

    async def _fold_batch(self, batch: Batch, start: int, checkpoint: Checkpoint, deadline: float) -> int:
        """Fold from there to the end of the batch or of the checkpoint; where it stopped."""
        progress, records, jobs = self._position[batch.topic], batch.records, self._jobs
        for index in range(start, len(records)):
            if index % _RECORDS_BETWEEN_LOOKS == 0 and index > start and self._spent(checkpoint, deadline):
                return index
            if progress.take(records[index]):
                try:
                    self._meet(records[index], checkpoint)
                except Cold as cold:
                    await self._warm(cold.key)
                    await self._meet_again(records[index], checkpoint)
                if jobs.full or checkpoint.size >= self._limits.checkpoint_bytes_max:
                    return index + 1
        return len(records)

    async def _conclude(self, checkpoint: Checkpoint) -> None:
        while True:
            try:
                found = self.role.conclude(checkpoint.view, self._clock.now_ms())
            except Cold as cold:
                await self._warm(cold.key)
                continue
            if found is not None:
                checkpoint.add(found, self._folder.measure(found))
            return

    def _spent(self, checkpoint: Checkpoint, deadline: float) -> bool:
        return (
            self._jobs.full
            or checkpoint.records >= self._limits.checkpoint_records_max
            or checkpoint.size >= self._limits.checkpoint_bytes_max
            or self._clock.monotonic() >= deadline
        )

    async def _meet_again(self, original: Record, checkpoint: Checkpoint) -> None:
        """A record whose settled keys are being read back, one by one."""
        while True:
            try:
                return self._meet(original, checkpoint)
            except Cold as cold:
                await self._warm(cold.key)

    def _meet(self, original: Record, checkpoint: Checkpoint) -> None:
        """A record that this owner meets for the first time. Raises Cold before it has had any effect."""
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

    async def _fold_later(self, pending: Pending, checkpoint: Checkpoint) -> Job | None:
        while True:
            try:
                return self._fold(pending.record, pending.original, checkpoint)
            except Cold as cold:
                await self._warm(cold.key)

    async def _fold_ended(self, checkpoint: Checkpoint) -> None:
        """The results of jobs, and the records that waited for them."""
        while ended := self._jobs.ended():
            original = ended.pending.original
            if isinstance(ended.outcome, Exception):
                self._folder.bury(original, ended.outcome, checkpoint)
            else:
                self._folder.settle(ended.outcome, original, checkpoint)
            self._finish(ended.pending)
            await self._fold_queue(ended.key, checkpoint)

    async def _fold_queue(self, key: bytes, checkpoint: Checkpoint) -> None:
        """The records that waited for the key, up to the next that needs a job of it."""
        while pending := self._jobs.next_waiting(key):
            job = await self._fold_later(pending, checkpoint)
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

    async def _warm(self, key: bytes) -> None:
        """Read a settled value back into memory."""
        offset = self._state.settled[key]
        entry = await self._log.fetch(self.role.ledger, offset)
        if entry is None or entry.key != key or entry.value is None:
            raise LaneError(
                f"{self.name}: {self.role.ledger}/{self.partition} has no value of {key!r} at offset {offset} any more:"
                " was the topic changed by hand? A restart reads it anew"
            )
        self._state.warm(key, entry.value, self._clock.now_ms())

    async def _ask(self) -> Folded | None:
        while True:
            try:
                return await self.role.poll(View(self._state, {}))
            except Cold as cold:
                await self._warm(cold.key)

    async def _commit(self, checkpoint: Checkpoint, began: float) -> None:
        """One transaction, and only then what depends on it."""
        changes = list(checkpoint.changes.items())
        await self._log.begin()
        offsets = await self._log.send(checkpoint.outputs, [*changes, (POSITION_KEY, self._position.encode())])
        asked_at = self._clock.monotonic()
        await self._log.commit()
        self._lease.proved(asked_at)
        self._unproved = False
        self.commits += 1
        self._state.publish(changes, offsets[:-1], checkpoint.final)
        for key, value in changes:
            self.role.changed(key, value)
        self._intake.acknowledge(self._position)
        self._report(checkpoint, self._clock.monotonic() - began)

    def _report(self, checkpoint: Checkpoint, seconds: float) -> None:
        observer = self._observer
        observer.checkpoint(self.partition, checkpoint.records, seconds, checkpoint.outcomes)
        for code in checkpoint.dead:
            observer.dead_letter(code)
        if checkpoint.forwarded:
            observer.forwarded(checkpoint.forwarded)
