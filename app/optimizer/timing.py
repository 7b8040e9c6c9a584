"""When a source ships: its cut-off in its own time zone, its processing time, and how late that is."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from app.optimizer.network import Source

LATE_DAYS_MAX: Final = 30
"""Later than this is not worse: it keeps the cost of a line bounded."""


def is_closed(source: Source, at_ms: int) -> bool:
    """Whether the source's day is over: what it gets now waits for the next one."""
    return bool(source.cutoff) and _local(at_ms, source).time() >= time.fromisoformat(source.cutoff)


@lru_cache(maxsize=1024)
def ships_on(source: Source, at_ms: int) -> int:
    """The ordinal day, in the source's zone, on which it ships what it gets now. After the cut-off work starts at
    midnight."""
    start = _local(at_ms, source)
    if is_closed(source, at_ms):
        start = datetime.combine(start.date() + timedelta(days=1), time(), start.tzinfo)
    ready = start.astimezone(UTC) + timedelta(hours=source.processing_h)
    return ready.astimezone(start.tzinfo).toordinal()


def days_late(source: Source, at_ms: int, wanted_at: int) -> int:
    """Days after the requested ship date, which is a day of the calendar (its date in UTC); 0 without one."""
    if not wanted_at:
        return 0
    wanted = datetime.fromtimestamp(wanted_at / 1000, UTC).toordinal()
    return min(max(0, ships_on(source, at_ms) - wanted), LATE_DAYS_MAX)


def local_day(source: Source, at_ms: int) -> int:
    """The day (ordinal) that it is at the source."""
    return _local(at_ms, source).toordinal()


def _local(at_ms: int, source: Source) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(source.time_zone))
