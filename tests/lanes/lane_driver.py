"""Drives a lane over a cluster in memory, one turn at a time, with a clock that only moves when told to."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.errors import LaneError
from app.events.ids import partition_of
from app.events.record import DEAD_LETTER, Output
from app.lanes.checkpoint import FoldLimits
from app.lanes.inbox import Batch
from app.lanes.jobs import JobLimits
from app.lanes.lane import Lane
from app.lanes.lane_limits import LaneLimits
from app.lanes.role import Unobserved
from tests.lanes.example_roles import LEDGER, OUT, Counting
from tests.lanes.memory_log import MemoryCluster, MemoryLog

TURNS_MAX = 500


class CrashError(Exception):
    """The process died here."""


class StillClock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


class Seen(Unobserved):
    """An observer that remembers."""

    def __init__(self) -> None:
        self.dead: list[str] = []
        self.passed_on = 0
        self.outcomes: dict[str, int] = {}
        self.checkpoints: list[int] = []

    def checkpoint(self, partition: int, records: int, seconds: float, outcomes: Any) -> None:
        self.checkpoints.append(records)
        for outcome, count in outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count

    def dead_letter(self, code: str) -> None:
        self.dead.append(code)

    def forwarded(self, records: int) -> None:
        self.passed_on += records


class World:
    """A cluster with two inputs and the lanes that a test opens on it."""

    def __init__(self, partitions: int = 1, inputs: tuple[str, ...] = ("in-a", "in-b")) -> None:
        self.clock, self.inputs, self.seen = StillClock(), inputs, Seen()
        self.cluster = MemoryCluster((*inputs, OUT, LEDGER, DEAD_LETTER), partitions, self.clock.now_ms)
        self.limits = LaneLimits(
            tick_s=0.001, fold=FoldLimits(record_bytes_max=4_096), jobs=JobLimits(running_max=8, per_provider_max=4)
        )

    installation = "waybill"
    prefix = ""

    def limit(self, **changes: Any) -> None:
        self.limits = replace(self.limits, **changes)

    def produce(self, key: bytes | None, *values: bytes, topic: str = "in-a", partition: int | None = None) -> None:
        place = partition_of(key or b"", self.cluster.partitions) if partition is None else partition
        for value in values:
            self.cluster.produce(topic, place, key, value)

    def produce_committed(self, key: bytes, value: bytes) -> None:
        """In a transaction of another writer, whose mark stands behind the record."""
        self.cluster.fence("other writer")
        self.cluster.begin("other writer")
        place = partition_of(key, self.cluster.partitions)
        self.cluster.write("other writer", Output("in-a", key, value), place)
        self.cluster.commit("other writer")

    async def open(
        self, role: Counting | None = None, partition: int = 0, committed: dict[str, int | None] | None = None
    ) -> "Driven":
        role = role or Counting(self.inputs)
        log = MemoryLog(self.cluster, f"{self.installation}-{role.name}-{partition}", LEDGER, partition)
        lane = Lane(
            role,
            log,
            partition,
            self.cluster.partitions,
            self.limits,
            clock=self.clock,
            observer=self.seen,
            prefix=self.prefix,
        )
        await lane.open(committed or {})
        return Driven(self, lane, log)

    def outputs(self) -> list[bytes]:
        """What a read_committed subscriber sees: the value of each output."""
        return [record.value or b"" for record in self.cluster.read_all(OUT)]

    def fail_at(self, step: str, occurrence: int = 1) -> None:
        """Let the process die when the step is reached for that time."""
        left = occurrence

        def hook(_: str, reached: str) -> None:
            nonlocal left
            if reached == step:
                left -= 1
                if left == 0:
                    raise CrashError(step)

        self.cluster.hook = hook


class Driven:
    """One lane and what was read for it."""

    def __init__(self, world: World, lane: Lane, log: MemoryLog) -> None:
        self.world, self.lane, self.log = world, lane, log
        self.read = dict(lane.next_offsets())
        self.acknowledged: dict[str, int] = {}

    def feed(self, count: int | None = None) -> bool:
        """Hand over what there is to read, as the transport would; whether there was anything."""
        fed = False
        for topic in self.lane.topics:
            records = self.world.cluster.read(topic, self.lane.partition, self.read[topic], count)
            if records:
                self.read[topic] = records[-1].offset + 1
                self.lane.offer(Batch(topic, records, self._done(topic, records[-1].offset + 1)))
                fed = True
        return fed

    async def settle(self, count: int | None = None) -> None:
        """Feed and take turns until nothing changes any more."""
        for _ in range(TURNS_MAX):
            fed = self.feed(count) if not self.lane.full else False
            commits = self.lane.commits
            more = await self.lane.turn()
            await asyncio.sleep(0)
            if not (fed or more or self.lane.commits != commits):
                return
        raise AssertionError("the lane never comes to rest")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Take turns until something holds."""
        for _ in range(TURNS_MAX):
            if condition():
                return
            self.feed()
            await self.lane.turn()
            await asyncio.sleep(0)
        raise AssertionError("it never came to hold")

    async def close(self) -> None:
        await self.lane.pause()
        await self.lane.close()

    def _done(self, topic: str, offset: int) -> Callable[[], None]:
        def done() -> None:
            self.acknowledged[topic] = offset

        return done


__all__ = ["CrashError", "Driven", "LaneError", "Seen", "StillClock", "World"]
