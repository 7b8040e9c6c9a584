"""The watchdog, which ends a process that stands still although records wait, and says when others hold records back.

Faust's consumers are known to fall asleep after rebalances, and so are clients whose broker went away. The watchdog
therefore asks for the ends of the inputs on the lanes' own connections, not through the consumer. A process without
lanes, whose group never said which are its own, is ended as well.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.errors import LaneError
from app.lanes.lane import Lane
from app.lanes.open_transactions import Withheld
from app.lanes.role import LaneObserver

_journal = logging.getLogger(__name__)
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
    """Records have waited since that time of the monotonic clock, when the lane had committed so often."""

    since: float
    commits: int


@dataclass(slots=True)
class Watchdog:
    """The watchdog. `commit_age_max_s`: seconds for which records may wait for a lane that commits nothing."""

    commit_age_max_s: float
    monotonic: Callable[[], float]
    observer: LaneObserver
    fail: Callable[[BaseException], None]
    _waits: dict[Lane, _Wait] = field(default_factory=dict)
    _announced: set[tuple[Lane, str]] = field(default_factory=set)
    _unassigned_since: float | None = None

    async def watch(self, hosting: Hosting, every_s: float) -> None:
        """Look at the group and at each open lane every `every_s` seconds, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            self.look_at_group(hosting.assigned)
            await self.look([lane for lane in hosting.lanes if lane.opened and not lane.suspended])

    def look_at_group(self, assigned: bool) -> None:
        """Check once that the group says in time which lanes are ours."""
        now = self.monotonic()
        if assigned:
            self._unassigned_since = None
        elif self._unassigned_since is None:
            self._unassigned_since = now
        elif now - self._unassigned_since > ASSIGN_LIMIT_S:
            problem = f"the consumer group has given out no partitions for {now - self._unassigned_since:.0f} s"
            self.fail(LaneError(f"{problem}: the consumer stands still, or another member of the group does"))

    async def look(self, lanes: list[Lane]) -> None:
        """Check each lane once. A broker that does not answer fails in the lane's log, after the limit there."""
        self._waits = {lane: wait for lane, wait in self._waits.items() if lane in lanes}
        self._announced = {(lane, topic) for lane, topic in self._announced if lane in lanes}
        try:
            for lane in lanes:
                await self._look(lane)
        except LaneError as exc:
            self.fail(exc)

    async def _look(self, lane: Lane) -> None:
        try:
            backlog, withheld = await lane.backlog(), await lane.withheld()
        except LaneError:
            if lane.suspended:  # a rebalance took the lane away while it was looked at
                return
            raise
        if lane.suspended:
            return
        self._report_open_transactions(lane, withheld)
        now = self.monotonic()
        wait = self._wait_of(lane, now) if any(backlog.values()) else None
        self.observer.backlog(lane.partition, backlog, None if wait is None else wait.since, lane.oldest_at)
        if wait is None:
            self._waits.pop(lane, None)
            return
        self._waits[lane] = wait
        if (age := now - wait.since) > self.commit_age_max_s:
            problem = f"{lane.name} has committed nothing for {age:.0f} s although records wait for it"
            self.fail(LaneError(f"{problem}: the consumer or a job stands still"))

    def _report_open_transactions(self, lane: Lane, withheld: Sequence[Withheld]) -> None:
        """Report what somebody's open transaction holds back, once when it is long. No process is ended for it."""
        ages = {each.topic: each.seconds for each in withheld}
        self.observer.withheld(lane.partition, {topic: ages.get(topic, 0.0) for topic in lane.topics})
        long = {(lane, each.topic): each for each in withheld if each.is_long}
        for place, each in long.items():
            if place not in self._announced:
                _journal.warning("%s: %s", lane.name, each.sentence(lane.partition))
        ended = {place for place in self._announced - long.keys() if place[0] is lane}
        for _, topic in ended:
            _journal.info("%s: %s/%d is held back no longer", lane.name, topic, lane.partition)
        self._announced = (self._announced - ended) | long.keys()

    def _wait_of(self, lane: Lane, now: float) -> _Wait:
        """Return the lane's wait: a new one at the first look, and when the lane has committed since the last one."""
        wait = self._waits.get(lane)
        return wait if wait is not None and wait.commits == lane.commits else _Wait(now, lane.commits)
