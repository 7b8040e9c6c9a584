"""Limits of a lane, each with its unit, and the clock by which it keeps them."""

import time
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.lanes.checkpoint import FoldLimits
from app.lanes.jobs import JobLimits


class Clock(Protocol):
    """The two clocks of a process: for what is written down, and for how long something takes."""

    def now_ms(self) -> int:
        """Return the time of day, in milliseconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back and that pass while the process is paused, or its machine suspended."""


LEASE_S_MAX: Final = 4.0
"""Seconds that a lease is good for at most, and that a lane waits at most which is taken over from an owner at work."""
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""`time.monotonic` stands still while Linux is suspended, and a lease would be good for as long."""


class SystemClock:
    """The clocks of the machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(_STEADY)


SYSTEM_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Bounds of one lane. Checkpoint: records, bytes and seconds of folding, whichever comes first."""

    checkpoint_records_max: int = 8_000
    checkpoint_bytes_max: int = 16 << 20
    checkpoint_fold_s_max: float = 0.25
    waiting_batches_max: int = 8
    """Batches that wait until the lane's partitions are no longer fetched; a batch is one fetch of one partition."""
    tick_s: float = 0.05
    """Seconds between two looks at timers when no record comes."""
    poll_interval_s: float = 1.0
    lease_s: float = LEASE_S_MAX
    """Seconds that a commit proves ownership: less than the session time-out by two heartbeats or more."""
    settled_after_s: float = 60.0
    fold: FoldLimits = field(default_factory=FoldLimits)
    jobs: JobLimits = field(default_factory=JobLimits)
