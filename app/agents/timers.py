"""Timers of the orders of one lane: a heap beside the state, rebuilt from the ledger."""

import heapq
from collections.abc import Iterator, Sequence

from app.domain.order import Timer

_STALE_MAX = 1_000
"""Entries that no longer count are tolerated up to the number of live ones and this many more."""


class Timers:
    """Each timer is given out once; it comes back only if a restore finds it still in the state, or at another time."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, tuple[Timer, ...]] = {}
        self._fired_timers: dict[bytes, frozenset[Timer]] = {}
        self._heap: list[tuple[int, bytes]] = []

    def keep(self, key: bytes, timers: Sequence[Timer]) -> None:
        """Replace the timers of `key`."""
        fired_timers = self._fired_timers.get(key)
        if fired_timers:
            fired_timers = self._fired_timers[key] = fired_timers.intersection(timers)
            timers = [timer for timer in timers if timer not in fired_timers]
        if not fired_timers:
            self._fired_timers.pop(key, None)
        self._wait(key, timers)

    def _wait(self, key: bytes, timers: Sequence[Timer]) -> None:
        if not timers:
            self._waiting.pop(key, None)
            return
        self._waiting[key] = tuple(timers)
        self._push(key, timers)

    def due(self, now_ms: int) -> Iterator[tuple[bytes, Timer]]:
        """Yield the timers that are due at `now_ms`, each once, with the keys of their orders."""
        while self._heap and self._heap[0][0] <= now_ms:
            _, key = heapq.heappop(self._heap)
            timers = self._waiting.get(key, ())
            ready = [timer for timer in timers if timer.due_at <= now_ms]
            if not ready:
                continue
            self._fired_timers[key] = self._fired_timers.get(key, frozenset()).union(ready)
            later = [timer for timer in timers if timer.due_at > now_ms]
            self._wait(key, later)
            yield from ((key, timer) for timer in ready)

    def __len__(self) -> int:
        return sum(len(timers) for timers in self._waiting.values())

    def _push(self, key: bytes, timers: Sequence[Timer]) -> None:
        heapq.heappush(self._heap, (min(timer.due_at for timer in timers), key))
        if len(self._heap) > 2 * len(self._waiting) + _STALE_MAX:
            self._heap = [(min(t.due_at for t in waiting), k) for k, waiting in self._waiting.items()]
            heapq.heapify(self._heap)
