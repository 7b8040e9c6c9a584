"""Ends a process that stands still although records wait: a known ill of Faust, and of brokers that went away.

It looks at the ends of the inputs itself, on a connection of the lane's own, so that a consumer that sleeps is noticed.
A process that has no lanes because its group never told it which is noticed as well.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.errors import LaneError
from app.lanes.lane import Lane
from app.lanes.role import LaneObserver

ASSIGN_LIMIT_S: Final = 120.0
"""Twice as long as a rebalance waits for its slowest member."""


class Hosting(Protocol):
    """What is watched: the lanes of a process, and whether its group has said which are its own."""

    @property
    def lanes(self) -> Sequence[Lane]: ...

    @property
    def assigned(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Wait:
    """Records wait `since` that time, and the lane had committed so often then."""

    since: float
    commits: int


@dataclass(slots=True)
class Watchdog:
    """`commit_age_max_s`: seconds for which records may wait for a lane that commits nothing."""

    commit_age_max_s: float
    monotonic: Callable[[], float]
    observer: LaneObserver
    fail: Callable[[BaseException], None]
    _waits: dict[Lane, _Wait] = field(default_factory=dict)
    _unassigned_since: float | None = None

    async def watch(self, hosting: Hosting, every_s: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            self.look_at_group(hosting.assigned)
            await self.look([lane for lane in hosting.lanes if lane.opened and not lane.suspended])

    def look_at_group(self, assigned: bool) -> None:
        """Once: whether the group said in time which lanes are ours."""
        now = self.monotonic()
        if assigned:
            self._unassigned_since = None
        elif self._unassigned_since is None:
            self._unassigned_since = now
        elif now - self._unassigned_since > ASSIGN_LIMIT_S:
            waited = f"the consumer group has given out no partitions for {now - self._unassigned_since:.0f} s"
            self.fail(LaneError(f"{waited}: the consumer stands still, or another member of the group does"))

    async def look(self, lanes: list[Lane]) -> None:
        """Look at each lane once. A broker that does not answer fails in the lane's log, after the limit there."""
        self._waits = {lane: wait for lane, wait in self._waits.items() if lane in lanes}
        try:
            for lane in lanes:
                await self._look(lane)
        except LaneError as exc:
            self.fail(exc)

    async def _look(self, lane: Lane) -> None:
        try:
            backlog = await lane.backlog()
        except LaneError:
            if lane.suspended:  # a rebalance took the lane away while it was looked at
                return
            raise
        if lane.suspended:
            return
        now = self.monotonic()
        wait = self._wait_of(lane, now) if any(backlog.values()) else None
        self.observer.backlog(lane.partition, backlog, None if wait is None else wait.since)
        if wait is None:
            self._waits.pop(lane, None)
            return
        self._waits[lane] = wait
        if (age := now - wait.since) > self.commit_age_max_s:
            problem = f"{lane.name} has committed nothing for {age:.0f} s although records wait for it"
            self.fail(LaneError(f"{problem}: the consumer or a job stands still"))

    def _wait_of(self, lane: Lane, now: float) -> _Wait:
        """The wait goes on, or begins anew when it is the first look at it or when the lane has committed meanwhile."""
        wait = self._waits.get(lane)
        return wait if wait is not None and wait.commits == lane.commits else _Wait(now, lane.commits)
