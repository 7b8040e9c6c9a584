"""The lanes of one process and role, through assignments and rebalances: opened, paused, resumed, closed.

The transport calls it. The first thing that goes wrong with any lane ends the process.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.errors import LaneError, TopicError, WaybillError
from app.lanes.inbox import Batch
from app.lanes.lane import Lane, LaneStatus

CLOSE_LIMIT_S = 5.0
"""Seconds that a lane has for ending its jobs and its producer when it is closed."""
LOST_MAX = 10
"""Times in a row that records may get lost on their way to a lane: more is no accident."""
_journal = logging.getLogger(__name__)


class Reading(Protocol):
    """What the host needs of the consumer."""

    async def committed(self, topics: tuple[str, ...], partition: int) -> Mapping[str, int | None]:
        """Return the group's committed offset of the partition in each topic, None where there is none."""

    async def read_on(self) -> None:
        """Let the lanes that are open begin to read, at the `offsets` of the host."""


@dataclass(eq=False, slots=True)
class _Feed:
    """A lane and what is known of the records on their way to it."""

    lane: Lane
    reads: bool = False
    """Whether records are handed to the lane. Not before it is open, and not from a rebalance until reading goes on."""
    expected: dict[str, int] = field(default_factory=dict)
    """The offset up to which records were handed over, for each input; empty from a rebalance on."""
    lost: int = 0
    """Times in a row that records got lost on the way here."""
    reading_again: asyncio.Task[None] | None = None
    task: asyncio.Task[None] | None = None


class LaneHost:
    """The lanes of a role, of which there are `partitions` in all processes together.

    `make_lane` makes that of a partition, `fail` ends the process; it may return only in tests.

    `assigned`: the group has said which partitions are ours, be it none, and no rebalance is under way. `joined`: it
    has said so once, and the host is not closed yet.
    """

    def __init__(
        self,
        name: str,
        inputs: tuple[str, ...],
        make_lane: Callable[[int], Lane],
        fail: Callable[[BaseException], None],
        *,
        partitions: int,
    ) -> None:
        self.name, self._inputs, self._make_lane, self._fail = name, inputs, make_lane, fail
        self._partitions = partitions
        self._feeds: dict[int, _Feed] = {}
        self.assigned = self.joined = False
        self.reading: Reading

    @property
    def lanes(self) -> list[Lane]:
        """All lanes, also those that are being opened."""
        return [feed.lane for feed in self._feeds.values()]

    def status(self) -> list[LaneStatus]:
        """Return the state of each lane, by partition."""
        return sorted(lane.status() for lane in self.lanes)

    async def value(self, partition: int, key: bytes) -> bytes | None:
        """Return the committed ledger value of a key of that partition, None when there is none.

        Raises LaneError when its lane is not open here, or a rebalance may just take it away.
        """
        feed = self._feeds.get(partition)
        if feed is None or not feed.lane.opened or feed.lane.suspended:
            raise LaneError(f"{self.name}-{partition} is not open in this process: ask another worker, or later")
        return await feed.lane.value(key)

    def fail(self, problem: BaseException) -> None:
        """End the process: what a lane cannot go on after, its successor starts without."""
        unforeseen = None if isinstance(problem, WaybillError) else problem
        _journal.critical("%s ends: %s", self.name, problem, exc_info=unforeseen)
        self._fail(problem)

    def may_fetch(self, topic: str, partition: int) -> bool:
        """Whether the partition may be fetched: its lane reads, and has not enough to do already.

        The role's own ledger never is: it stands among the inputs only to make the process a member of the group.
        """
        feed = self._feeds.get(partition)
        return feed is not None and feed.reads and not feed.lane.full and topic in feed.lane.topics

    def offsets(self) -> Mapping[tuple[str, int], int]:
        """Return where reading goes on, for the lanes that are open and do not read yet.

        After a rebalance that is the lane's position: what was waiting in its inbox was dropped by the pause. Where
        records got lost on the way, it is the first of these: what was handed over before is still in the inbox.
        """
        return {
            (topic, feed.lane.partition): offset
            for feed in self._feeds.values()
            if feed.lane.opened and not feed.reads and not feed.lane.suspended
            for topic, offset in {**feed.lane.next_offsets(), **feed.expected}.items()
        }

    def release(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Let lanes read from these offsets on, unless a rebalance began meanwhile."""
        for (topic, partition), offset in offsets.items():
            feed = self._feeds.get(partition)
            if feed is not None:
                feed.expected[topic] = offset
                feed.reads = not feed.lane.suspended

    def offer(self, partition: int, start: int, batch: Batch) -> None:
        """Hand records to their lane. Records that got lost on the way here are read again.

        `start` is the offset at which their fetch began. If it is not where the last batch ended, what lies between was
        fetched and never came: Faust drops batches when rebalances overlap. A lane would take the gap for offsets that
        compaction left out, commit a position behind them, and nobody would ever read them. A batch that begins earlier
        is harmless: the lane skips what it has folded.
        """
        feed = self._feeds.get(partition)
        if feed is None or not feed.reads:
            return
        expected = feed.expected[batch.topic]
        if start > expected:
            self._read_again(feed, f"{self.name}-{partition}: {batch.topic} from offset {expected} to {start}")
            return
        feed.lost = 0
        feed.expected[batch.topic] = max(expected, batch.records[-1].offset + 1)
        feed.lane.offer(batch)

    async def revoke(self) -> None:
        """Begin a rebalance: return when the running checkpoints have ended. No new one begins, no request leaves."""
        self.assigned = False
        for feed in self._feeds.values():
            feed.reads, feed.expected = False, {}
            # At once: a lane that opens meanwhile lets all that are not suspended read on, and what they would be
            # handed now is dropped by the pause.
            feed.lane.suspend()
        await asyncio.gather(*(lane.pause() for lane in self.lanes))

    async def assign(self, partitions: set[tuple[str, int]]) -> None:
        """End a rebalance: close the lanes that are not ours any more, open new ones, let the others go on.

        A lane that stayed keeps its memory instead of restoring it. That is safe although another process may have had
        it in between: then the lane is fenced, and its next commit, which comes at once, ends the process.

        New lanes open in tasks of their own. The group waits for the rebalance to end, and restoring may take longer
        than the time that a member is given.
        """
        if extra := sorted((topic, n) for topic, n in partitions if topic in self._inputs and n >= self._partitions):
            self.fail(self._raised(extra))
        mine = {partition for topic, partition in partitions if topic in self._inputs}
        if missing := {(topic, n) for topic in self._inputs for n in mine} - partitions:
            problem = f"{self.name} was not given {sorted(missing)}"
            self.fail(TopicError(f"{problem}: all its inputs need the same number of partitions"))
        await asyncio.gather(*(self._close(n) for n in set(self._feeds) - mine))
        self.assigned = self.joined = True
        for feed in self._feeds.values():
            feed.lane.resume()
        for partition in sorted(mine - set(self._feeds)):
            feed = self._feeds[partition] = _Feed(self._make_lane(partition))
            feed.task = asyncio.create_task(self._serve(feed), name=f"lane {self.name}-{partition}")

    async def close(self) -> None:
        """Close all lanes, after their running checkpoints."""
        self.joined = False
        await self.revoke()
        await asyncio.gather(*(self._close(partition) for partition in set(self._feeds)))

    def _raised(self, extra: Sequence[tuple[str, int]]) -> TopicError:
        """Return the error for partitions of which there is no lane: their orders' states lie in other partitions."""
        places = ", ".join(f"{topic}/{partition}" for topic, partition in extra)
        return TopicError(
            f"{self.name} was given {places}: somebody has raised the number of partitions, which was"
            f" {self._partitions}. What lies in the new ones is kept, and not read: make the topic anew with the former"
            " number, and write it there"
        )

    def _read_again(self, feed: _Feed, gap: str) -> None:
        """Stop handing records to the lane, and seek to the first one that is missing.

        It may happen again while the seek is under way. More than `LOST_MAX` times in a row is no rebalance any more.
        """
        feed.reads, feed.lost = False, feed.lost + 1
        what = f"{gap} got lost between the consumer and the lane"
        if feed.lost > LOST_MAX:
            self.fail(LaneError(f"{what}, {feed.lost} times in a row"))
            return
        _journal.warning("%s: it is read again", what)
        feed.reading_again = asyncio.create_task(self._read_on(), name=f"read again {self.name}")

    async def _read_on(self) -> None:
        try:
            await self.reading.read_on()
        except Exception as exc:
            self.fail(exc)

    async def _serve(self, feed: _Feed) -> None:
        """Open the lane, let it read, and run it until it is cancelled or fails."""
        lane = feed.lane
        try:
            await lane.open(await self.reading.committed(self._inputs, lane.partition))
            if not lane.suspended:
                await self.reading.read_on()
            await lane.run()
        except Exception as exc:
            self.fail(exc)

    async def _close(self, partition: int) -> None:
        feed = self._feeds.pop(partition)
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                if feed.task is not None:
                    feed.task.cancel()
                    await asyncio.gather(feed.task, return_exceptions=True)
                await feed.lane.close()
        except TimeoutError:
            self.fail(LaneError(f"{self.name}-{partition} did not close within {CLOSE_LIMIT_S:g} s"))
