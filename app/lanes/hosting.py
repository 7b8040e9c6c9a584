"""The lanes of one process and role: opened when their partitions are assigned, closed when they are not any more.

It is what the transport asks and tells. The first thing that goes wrong with any lane ends the process.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
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
    """What the host asks of the consumer."""

    async def committed(self, topics: tuple[str, ...], partition: int) -> Mapping[str, int | None]:
        """The group's committed offsets."""

    async def read_on(self) -> None:
        """Let the lanes that are open begin to read."""


@dataclass(eq=False, slots=True)
class _Hosted:
    lane: Lane
    reads: bool = False
    expected: dict[str, int] = field(default_factory=dict)
    """The offset up to which records were handed over, for each input; empty from a rebalance on."""
    lost: int = 0
    """Times in a row that records got lost on the way here."""
    reading_again: asyncio.Task[None] | None = None
    task: asyncio.Task[None] | None = None


class LaneHost:
    """`make_lane` makes the lane of a partition, `fail` ends the process; it may return only in tests.

    `assigned` is whether the group has said which partitions are ours, be it none; not so during a rebalance. `joined`
    is whether it has said so once, and all is not let go yet.
    """

    def __init__(
        self,
        name: str,
        inputs: tuple[str, ...],
        make_lane: Callable[[int], Lane],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.name, self._inputs, self._make_lane, self._fail = name, inputs, make_lane, fail
        self._hosted: dict[int, _Hosted] = {}
        self.assigned = self.joined = False
        self.reading: Reading

    @property
    def lanes(self) -> list[Lane]:
        return [hosted.lane for hosted in self._hosted.values()]

    def status(self) -> list[LaneStatus]:
        """How each lane is, by partition."""
        return sorted(lane.status() for lane in self.lanes)

    async def value(self, partition: int, key: bytes) -> bytes | None:
        """Return the committed ledger value of a key of that partition, None when there is none.

        Raises LaneError when its lane is not open here, or a rebalance may just take it away.
        """
        hosted = self._hosted.get(partition)
        if hosted is None or not hosted.lane.opened or hosted.lane.suspended:
            raise LaneError(f"{self.name}-{partition} is not open in this process: ask another worker, or later")
        return await hosted.lane.value(key)

    def fail(self, problem: BaseException) -> None:
        """End the process: what a lane cannot go on after, its successor starts without."""
        unforeseen = None if isinstance(problem, WaybillError) else problem
        _journal.critical("%s ends: %s", self.name, problem, exc_info=unforeseen)
        self._fail(problem)

    def held(self, topic: str, partition: int) -> bool:
        hosted = self._hosted.get(partition)
        return hosted is None or not hosted.reads or hosted.lane.full or topic not in hosted.lane.topics

    def offsets(self) -> Mapping[tuple[str, int], int]:
        return {
            (topic, hosted.lane.partition): offset
            for hosted in self._hosted.values()
            if hosted.lane.opened and not hosted.reads and not hosted.lane.suspended
            for topic, offset in {**hosted.lane.next_offsets(), **hosted.expected}.items()
        }

    def release(self, offsets: Mapping[tuple[str, int], int]) -> None:
        for (topic, partition), offset in offsets.items():
            hosted = self._hosted.get(partition)
            if hosted is not None:
                hosted.expected[topic] = offset
                hosted.reads = not hosted.lane.suspended

    def offer(self, partition: int, start: int, batch: Batch) -> None:
        """Hand records to their lane. What got lost on the way here is read again."""
        hosted = self._hosted.get(partition)
        if hosted is None or not hosted.reads:
            return
        expected = hosted.expected[batch.topic]
        if start > expected:
            self._read_again(hosted, f"{self.name}-{partition}: {batch.topic} from offset {expected} to {start}")
            return
        hosted.lost = 0
        hosted.expected[batch.topic] = max(expected, batch.records[-1].offset + 1)
        hosted.lane.offer(batch)

    async def revoke(self) -> None:
        """A rebalance begins: running checkpoints end, nothing new begins, no request leaves."""
        self.assigned = False
        for hosted in self._hosted.values():
            hosted.reads, hosted.expected = False, {}
            # At once: a lane that opens meanwhile lets all that are not suspended read on, and what they would be
            # handed now is dropped by the pause.
            hosted.lane.suspend()
        await asyncio.gather(*(lane.pause() for lane in self.lanes))

    async def assign(self, partitions: set[tuple[str, int]]) -> None:
        """A rebalance ended. A lane that stayed goes on: had another process had it meanwhile, it would be fenced."""
        mine = {partition for topic, partition in partitions if topic in self._inputs}
        if missing := {(topic, n) for topic in self._inputs for n in mine} - partitions:
            problem = f"{self.name} was not given {sorted(missing)}"
            self.fail(TopicError(f"{problem}: all its inputs need the same number of partitions"))
        await asyncio.gather(*(self._close(n) for n in set(self._hosted) - mine))
        self.assigned = self.joined = True
        for hosted in self._hosted.values():
            hosted.lane.resume()
        for partition in sorted(mine - set(self._hosted)):
            hosted = self._hosted[partition] = _Hosted(self._make_lane(partition))
            hosted.task = asyncio.create_task(self._serve(hosted), name=f"lane {self.name}-{partition}")

    async def close(self) -> None:
        """Let all lanes go, after their running checkpoints."""
        self.joined = False
        await self.revoke()
        await asyncio.gather(*(self._close(partition) for partition in set(self._hosted)))

    def _read_again(self, hosted: _Hosted, gap: str) -> None:
        """Faust drops records around rebalances: what it did not hand over must not be passed over."""
        hosted.reads, hosted.lost = False, hosted.lost + 1
        what = f"{gap} got lost between the consumer and the lane"
        if hosted.lost > LOST_MAX:
            self.fail(LaneError(f"{what}, {hosted.lost} times in a row"))
            return
        _journal.warning("%s: it is read again", what)
        hosted.reading_again = asyncio.create_task(self._read_on(), name=f"read again {self.name}")

    async def _read_on(self) -> None:
        try:
            await self.reading.read_on()
        except Exception as exc:
            self.fail(exc)

    async def _serve(self, hosted: _Hosted) -> None:
        lane = hosted.lane
        try:
            await lane.open(await self.reading.committed(self._inputs, lane.partition))
            if not lane.suspended:
                await self.reading.read_on()
            await lane.run()
        except Exception as exc:
            self.fail(exc)

    async def _close(self, partition: int) -> None:
        hosted = self._hosted.pop(partition)
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                if hosted.task is not None:
                    hosted.task.cancel()
                    await asyncio.gather(hosted.task, return_exceptions=True)
                await hosted.lane.close()
        except TimeoutError:
            self.fail(LaneError(f"{self.name}-{partition} did not close within {CLOSE_LIMIT_S:g} s"))
