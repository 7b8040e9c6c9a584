"""Shipping days of a source: its cut-off in its own time zone, its processing time, and the days it is late."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from app.optimizer.sourcing_network import NetworkSource

LATE_DAYS_MAX: Final = 30
"""Later than this costs no more, so that the cost of a line is bounded."""


def is_closed(source: NetworkSource, at_ms: int) -> bool:
    """Return whether the source's day is over, so that it ships on the next day what it gets now."""
    return bool(source.cutoff) and _local(at_ms, source).time() >= time.fromisoformat(source.cutoff)


@lru_cache(maxsize=1024)
def ships_on(source: NetworkSource, at_ms: int) -> int:
    """Return the ordinal day, in the source's zone, on which it ships what it gets now.

    After the cut-off, work starts at midnight.
    """
    start = _local(at_ms, source)
    if is_closed(source, at_ms):
        start = datetime.combine(start.date() + timedelta(days=1), time(), start.tzinfo)
    ready = start.astimezone(UTC) + timedelta(hours=source.processing_h)
    return ready.astimezone(start.tzinfo).toordinal()


def days_late(source: NetworkSource, at_ms: int, wanted_at: int) -> int:
    """Count the days after the requested ship date, a day of the calendar (its date in UTC); 0 without one."""
    if not wanted_at:
        return 0
    requested_day = datetime.fromtimestamp(wanted_at / 1000, UTC).toordinal()
    return min(max(0, ships_on(source, at_ms) - requested_day), LATE_DAYS_MAX)


def local_day(source: NetworkSource, at_ms: int) -> int:
    """Return the ordinal day at the source."""
    return _local(at_ms, source).toordinal()


def _local(at_ms: int, source: NetworkSource) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(source.time_zone))
