"""Ends a process that stands still although records wait: a known ill of Faust, and of brokers that went away.

It looks at the ends of the inputs itself, on a connection of the lane's own, so that a consumer that sleeps is noticed.
A process that has no lanes because its group never told it which is noticed as well.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.agents.role import LaneObserver
from app.errors import LaneError
from app.runtime.lane import Lane

ASSIGN_LIMIT_S: Final = 120.0
"""Twice as long as a rebalance waits for its slowest member."""


class Hosting(Protocol):
    """What is watched: the lanes of a process, and whether its group has said which are its own."""

    @property
    def lanes(self) -> Sequence[Lane]: ...

    @property
    def assigned(self) -> bool: ...


@dataclass(slots=True)
class _Seen:
    commits: int
    since: float


@dataclass(slots=True)
class Watchdog:
    """`commit_age_max_s`: seconds that a lane may be behind without a commit."""

    commit_age_max_s: float
    monotonic: Callable[[], float]
    observer: LaneObserver
    fail: Callable[[BaseException], None]
    _seen: dict[Lane, _Seen] = field(default_factory=dict)
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
        self._seen = {lane: self._seen[lane] for lane in lanes if lane in self._seen}
        try:
            for lane in lanes:
                await self._look(lane)
        except LaneError as exc:
            self.fail(exc)

    async def _look(self, lane: Lane) -> None:
        behind = await lane.behind()
        for topic, (position, end) in behind.items():
            self.observer.lag(topic, lane.partition, position, end)
        now = self.monotonic()
        seen = self._seen.setdefault(lane, _Seen(lane.commits, now))
        waits = lane.busy or any(position < end for position, end in behind.values())
        if not waits or seen.commits != lane.commits:
            self._seen[lane] = _Seen(lane.commits, now)
        elif now - seen.since > self.commit_age_max_s:
            # Only now: it reads, and a lane that has seen all looks behind for as long as it has nothing to do.
            if not await lane.misses(behind):
                self._seen[lane] = _Seen(lane.commits, now)
                return
            age = f"{lane.name} has committed nothing for {now - seen.since:.0f} s although records wait for it"
            self.fail(LaneError(f"{age}: the consumer or a job stands still"))
