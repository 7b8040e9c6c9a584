"""Floods of dead letters: of one topic and code a lane keeps so many one by one, and gathers the rest.

A record of one byte costs its producer next to nothing and a dead letter some 450 bytes: 246 kB of empty records made
102 MB of letters. Within a window of time each cause has a budget. What exceeds it is named by its offsets, in one
letter for each checkpoint; the records themselves lie in their topic for as long as its retention keeps them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.events.record import Record


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """What one lane keeps one by one, of each topic and code, within `window_ms`."""

    letters_max: int = 1_000
    bytes_max: int = 64 << 20
    window_ms: int = 3_600_000


@dataclass(slots=True)
class Gathered:
    """The records of one topic and code that one checkpoint sets aside together. `detail` is that of the first."""

    first: Record
    code: str
    detail: str
    offsets: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Window:
    """The letters of one topic and code since a time of the lane's clock."""

    since_ms: int
    letters: int = 0
    size: int = 0
    is_announced: bool = False


class Floods:
    """The budgets of one lane. A window that the clock has left, forwards or back, is followed by a new one."""

    def __init__(self, limits: FloodLimits) -> None:
        self._limits = limits
        self._windows: dict[tuple[str, str], _Window] = {}

    def admit(self, topic: str, code: str, size: int, now_ms: int) -> bool:
        """Return whether a letter of that size is written by itself. If so, it is counted."""
        window = self._windows.get((topic, code))
        if window is None or not 0 <= now_ms - window.since_ms < self._limits.window_ms:
            window = self._windows[topic, code] = _Window(now_ms)
        if window.letters >= self._limits.letters_max or window.size + size > self._limits.bytes_max:
            return False
        window.letters += 1
        window.size += size
        return True

    def announcements(self, gathered: Iterable[Gathered]) -> Iterator[str]:
        """Yield a sentence for each cause that is gathered for the first time in its window."""
        for each in gathered:
            window = self._windows[each.first.topic, each.code]
            if not window.is_announced:
                window.is_announced = True
                yield (
                    f"{window.letters} records of {each.first.topic} were set aside as {each.code} within"
                    f" {self._limits.window_ms / 60_000:g} minutes: those that follow share dead letters, which name"
                    " their offsets; find out who writes them"
                )
