"""One lane: partition n of every input of a role, the state of its keys, and the one transactional writer for both.

Opening fences the previous owner, restores the ledger and skips what is folded. Then each turn folds what waits and
commits outputs, changed states and position in one transaction; only then is any of it visible, here or outside.
The lane knows no Kafka: its log is a port.

A lane does not recover from a failure. Whether a commit that got no answer took place, only the ledger says, so memory
cannot be trusted any more; and a fenced lane has a successor already. Whatever goes wrong ends the lane and its
process, and the next owner opens from the last transaction: the way that a crash takes, and the only one there is.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from app.errors import LaneError, LedgerError
from app.events.record import DEAD_LETTER
from app.lanes.backlog import Backlog
from app.lanes.checkpoint import Checkpoint, Folder
from app.lanes.filling import Filler
from app.lanes.inbox import Batch, Inbox
from app.lanes.jobs import Jobs
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock, LaneLimits
from app.lanes.lane_log import LedgerEntry, Log
from app.lanes.lane_state import Cold, LaneState, View
from app.lanes.lease import LaneLease
from app.lanes.ledger_keys import OWNER_KEY, POSITION_KEY, is_lanes_own
from app.lanes.open_transactions import OpenTransactions, Withheld
from app.lanes.opening import check_inputs, check_partitions
from app.lanes.ownership import first_owner
from app.lanes.poller import Poller
from app.lanes.position import Position
from app.lanes.role import Folded, LaneObserver, Role, Unobserved
from app.lanes.settled_values import SettledValues

_journal = logging.getLogger(__name__)


class LaneStatus(NamedTuple):
    """State of a lane, for people and for the watchdog. `commits` counts its transactions since it was opened."""

    partition: int
    opened: bool
    keys: int
    settled: int
    running: int
    waiting: int
    commits: int
    position: Mapping[str, int]
    degraded: tuple[str, ...]
    """A sentence for each input that an open transaction of somebody holds back."""


class Lane:
    """A lane, driven by one task: `open`, then `run` until cancelled.

    `offer`, `pause`, `resume`, `close` and `value` are called from outside, on the same event loop.
    """

    def __init__(
        self,
        role: Role,
        log: Log,
        partition: int,
        partitions: int,
        limits: LaneLimits,
        *,
        clock: Clock = SYSTEM_CLOCK,
        observer: LaneObserver | None = None,
        prefix: str = "",
    ) -> None:
        self.role, self.partition, self.opened, self.commits = role, partition, False, 0
        self._log, self._partitions, self._limits, self._prefix = log, partitions, limits, prefix
        self._clock, self._observer = clock, observer or Unobserved()
        self._wake, self._turning = asyncio.Event(), asyncio.Lock()
        self._lease = LaneLease(limits.lease_s, self._clock.monotonic, self._wake.set)
        self._jobs = Jobs(self._lease, limits.jobs, self._wake.set)
        self._state = LaneState(role.settled_at, int(limits.settled_after_s * 1000))
        self.topics = tuple(topic for topic in role.inputs if topic != role.ledger)
        self._position = Position(self.topics, partitions, role.ledger_format)
        self._ledger_end = 0
        self._former_position: int | None = None
        """The offset of a former owner's last position, until its age is known."""
        self._backlog = Backlog(self.topics, self._position, log)
        self._transactions = OpenTransactions(self.topics, log, self._clock.monotonic)
        place = f"{self.name}: {role.ledger}/{partition}"
        self._settled = SettledValues(self._state, log, role.ledger, place, now_ms=self._clock.now_ms)
        self._inbox = Inbox()
        self._folder: Folder
        self._filler: Filler
        self._must_prove = False
        """After a rebalance: the lane is said to be ours, and commits at once to learn whether that is true."""
        poll = self._poll if partition == 0 else None
        self._poller = Poller(
            self.name, poll, limits.poll_interval_s, monotonic=self._clock.monotonic, wake=self._wake.set
        )

    @property
    def name(self) -> str:
        return f"{self.role.name}-{self.partition}"

    @property
    def full(self) -> bool:
        """Whether fetching for this lane should pause."""
        return len(self._inbox.waiting) >= self._limits.waiting_batches_max

    @property
    def suspended(self) -> bool:
        """Whether a rebalance is under way: nobody knows whose lane it is."""
        return self._lease.suspended

    def next_offsets(self) -> Mapping[str, int]:
        """Return where reading goes on in each input: what lies below is folded, or waits for a job here."""
        return {topic: progress.next for topic, progress in self._position.items()}

    async def value(self, key: bytes) -> bytes | None:
        """Return the committed ledger value of the key, settled or not; None when the ledger has none.

        It is the answer that reading the ledger to its end would give. Two things could make memory older than the
        ledger. A process that slept may have a successor that went on writing: the lease rules that out. And a commit
        is visible at the broker a moment before it is taken over here: the turn that does so is waited for.

        Does not return while a rebalance is under way. Raises LaneError when the lane is closed meanwhile.
        """
        await self._lease.prove()
        async with self._turning:
            offset, value = self._state.settled.get(key), self._state.live.get(key)
        if offset is None:
            return value
        settled = await self._settled.fetch(key, offset)
        return self._state.live.get(key) if settled is None else settled  # None: it became live, and was written again

    def status(self) -> LaneStatus:
        """Return how the lane is now."""
        return LaneStatus(
            partition=self.partition,
            opened=self.opened,
            keys=len(self._state.live),
            settled=len(self._state.settled),
            running=self._jobs.running,
            waiting=self._jobs.waiting,
            commits=self.commits,
            position={topic: progress.low for topic, progress in self._position.items()},
            degraded=tuple(each.sentence(self.partition) for each in self._transactions.latest if each.is_long),
        )

    async def backlog(self) -> Mapping[str, int]:
        """Return how many records of each input wait. Raises LaneError when the broker does not answer."""
        return await self._backlog.count()

    @property
    def oldest_at(self) -> Mapping[str, int]:
        """The timestamp (ms) of the first record that waits in an input, as the last `backlog` found it."""
        return self._backlog.oldest_at

    async def withheld(self) -> Sequence[Withheld]:
        """Return what open transactions hold back of the inputs. Raises LaneError when the broker does not answer."""
        return await self._transactions.look()

    def offer(self, batch: Batch) -> None:
        """Hand over records. It never waits: the consumer looks at `full` before it fetches."""
        self._inbox.waiting.append((batch, 0))
        self._wake.set()

    async def open(self, committed: Mapping[str, int | None]) -> None:
        """Fence, restore, check the inputs. `committed` are the group's offsets, a hint that may show a lost ledger.

        The fence comes first: while the previous owner can still commit, what is read of the ledger is not all of it.
        The ledger may name an owner with another transactional id, who is fenced then.

        Raises LaneError when the log cannot be used, LedgerError when the ledger and the inputs contradict each other.
        """
        began = self._clock.monotonic()
        await self._log.fence()
        if (owner := await self._restore()) != self._log.owner:
            await self._take_over(owner)
        if self._former_position is not None:
            self._lease.follow()
        bounds = await check_inputs(self.role, self.partition, self._position, self._log, committed)
        dead_letters = await self._log.partitions(DEAD_LETTER)
        lane = (self.partition, self._partitions)
        self._folder = Folder(
            role=self.role, lane=lane, limits=self._limits.fold, dead_letters=dead_letters, now_ms=self._clock.now_ms
        )
        self._filler = Filler(
            self._folder,
            self._inbox,
            self._jobs,
            self._position,
            settled=self._settled,
            # What was there when the lane opened may have been in the hands of a previous owner's jobs.
            repeated_below={topic: bound.end for topic, bound in bounds.items()},
            limits=self._limits,
            clock=self._clock,
        )
        self.role.restored(self._state.live.items())
        seconds = self._clock.monotonic() - began
        self._observer.opened(self.partition, len(self._state.live), seconds)
        live, settled = len(self._state.live), len(self._state.settled)
        sentence = "%s: %d live and %d settled keys in %.2f s, reading on at %s"
        _journal.info(sentence, self.name, live, settled, seconds, self.next_offsets())
        self.opened = True

    async def _restore(self) -> str:
        """Load state and position. Return the owner that the ledger names; an empty one is the lane's own."""
        own: dict[bytes, bytes | None] = {}

        def take(entries: Sequence[LedgerEntry], end: int) -> None:
            self._ledger_end = max((self._ledger_end, *(entry.offset + 1 for entry in entries[-1:])))
            for entry in entries:
                if entry.key == POSITION_KEY:
                    self._former_position = entry.offset
            self._observer.restoring(self.partition, self._ledger_end, end)
            own.update((entry.key, entry.value) for entry in entries if is_lanes_own(entry.key))
            self._state.load([entry for entry in entries if not is_lanes_own(entry.key)], self._clock.now_ms())

        self._state.clear()
        await self._log.restore(take)
        self._state.finish_load(self._clock.now_ms())
        if (position := own.get(POSITION_KEY)) is not None:
            self._position.load(position)
            check_partitions(self.role, self.partition, self._position.partitions, self._partitions)
            self._position.partitions = self._partitions
        if (owner := own.get(OWNER_KEY)) is not None:
            return owner.decode()
        return first_owner(self.role.name, self.partition, self._prefix) if own else self._log.owner

    async def _take_over(self, owner: str) -> None:
        """Take the ledger over from another owner (app/lanes/ownership.py says why in this order).

        Raises LaneError when that one takes it back meanwhile.
        """
        _journal.warning(
            "%s: its ledger is that of %s, which is fenced: %s has it now", self.name, owner, self._log.owner
        )
        await self._log.begin()
        await self._log.send([], [(OWNER_KEY, self._log.owner.encode())])
        await self._log.commit()
        await self._log.fence_other(owner)
        if (other := await self._restore()) != self._log.owner:
            raise LaneError(
                f"{self._log.owner} was fenced: {other} took the ledger over; stop one of the two installations"
            )

    async def run(self) -> None:
        """Take turns until cancelled: when something woke the lane, and each `tick_s` for the role's timers.

        Any exception but cancellation means that the process must end.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._limits.tick_s)
            self._wake.clear()
            async with self._turning:
                if not self.suspended and await self.turn():
                    self._wake.set()

    def suspend(self) -> None:
        """Begin a pause: from now on no turn begins and no request leaves."""
        self._lease.suspended = True

    async def pause(self) -> None:
        """Stop folding; return when the running checkpoint is committed. What waits is dropped, to be read again."""
        self.suspend()
        async with self._turning:
            self._inbox.clear()

    def resume(self) -> None:
        """Go on after a pause, the lane being still ours.

        It may not be: a process which slept through two rebalances is given back a lane that another one had meanwhile,
        and its memory is old. So the next turn commits even when it has folded nothing: if another process had the
        lane, this one is fenced, the commit fails, and the process ends before its old memory has done any harm.
        """
        self._lease.expire()
        self._must_prove = True
        self._wake.set()

    async def close(self) -> None:
        """Let go of the lane after `pause`: jobs are cancelled, the log is closed."""
        await self._jobs.cancel()
        await self._poller.cancel()
        await self._log.close()
        self._observer.closed(self.partition)

    async def turn(self) -> bool:
        """Fold what waits and commit it. Return whether more waits already. One at a time, never after `pause`.

        A turn that folded nothing commits all the same when somebody needs the proof that the lane is still ours.
        """
        began = self._clock.monotonic()
        checkpoint = Checkpoint(self._state)
        checkpoint.outputs += self.role.due(self._clock.now_ms())
        await self._filler.fold_results(checkpoint)
        await self._filler.fold_waiting(checkpoint, began + self._limits.checkpoint_fold_s_max)
        self._add(self._poller.take_answer(), checkpoint)
        self._add(await self._settled.load_for(partial(self._conclude, checkpoint)), checkpoint)
        if checkpoint.records or checkpoint.outputs or self._must_prove or self._needs_commit():
            await self._commit(checkpoint, began)
        self._lease.admit()
        self._jobs.launch()
        self._observer.in_flight(self.partition, self._jobs.running, self._jobs.waiting)
        self._state.sweep(self._clock.now_ms())
        return bool(self._inbox.waiting) and not self._jobs.full

    def _needs_commit(self) -> bool:
        """Return whether somebody waits for a proof, or for that of a former owner whose age a commit shows."""
        return self._lease.lacks_proof or (self._lease.lacks_time and self._former_position is not None)

    def _conclude(self, checkpoint: Checkpoint) -> Folded | None:
        return self.role.conclude(checkpoint.view, self._clock.now_ms())

    def _add(self, folded: Folded | None, checkpoint: Checkpoint) -> None:
        if folded is not None:
            checkpoint.add(folded, self._folder.measure(folded))

    async def _poll(self) -> Folded | None:
        while True:
            try:
                return await self.role.poll(View(self._state, {}))
            except Cold as cold:
                await self._settled.load(cold.key)

    async def _commit(self, checkpoint: Checkpoint, began: float) -> None:
        """Write the checkpoint in one transaction; only then let state, role and consumer know of it.

        The position is a record of the ledger, in the same transaction as all that its records did: both are there or
        neither, and an owner that was fenced cannot move it. The group's own offsets could be sent to the transaction
        instead, but aiokafka sends them without the group's generation, and it costs two round trips (ADR 0004).
        """
        changes = list(checkpoint.changes.items())
        for sentence in self._folder.finish(checkpoint):
            _journal.warning("%s: %s", self.name, sentence)
        # Before the position is stamped, by which a successor knows how old the proof is. How long an answer is on its
        # way must not prolong the lease either.
        asked_at = self._clock.monotonic()
        await self._log.begin()
        offsets = await self._log.send(checkpoint.outputs, [*changes, (POSITION_KEY, self._position.encode())])
        if min(offsets) < self._ledger_end:
            raise LedgerError(
                f"{self.name}: {self.role.ledger}/{self.partition} went back from offset {self._ledger_end} to"
                f" {min(offsets)}: it was deleted and created again, and holds no state any more; bring it back"
            )
        self._ledger_end = max(offsets) + 1
        await self._log.commit()
        self._lease.renew(asked_at)
        self._must_prove = False
        self.commits += 1
        self._state.publish(changes, offsets[:-1], checkpoint.final)
        for key, value in changes:
            self.role.changed(key, value)
        self._inbox.acknowledge(self._position)
        if self._former_position is not None and self._lease.lacks_time:
            await self._look_at_former(self._former_position, offsets[-1])
        self._report(checkpoint, self._clock.monotonic() - began)

    async def _look_at_former(self, former: int, own: int) -> None:
        """Look how long ago the former owner wrote its position: by the broker's stamps, which have one clock."""
        self._former_position = None
        before = await self._log.fetch(self.role.ledger, former)
        now = await self._log.fetch(self.role.ledger, own)
        if before is not None and now is not None:
            self._lease.follow((now.timestamp - before.timestamp) / 1000)

    def _report(self, checkpoint: Checkpoint, seconds: float) -> None:
        observer = self._observer
        observer.checkpoint(self.partition, checkpoint.records, seconds, checkpoint.outcomes)
        for code in checkpoint.dead:
            observer.dead_letter(code)
        if checkpoint.forwarded:
            observer.forwarded(checkpoint.forwarded)
