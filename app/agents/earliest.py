"""Keys with a time each, of which the earliest is at hand."""

import heapq
from collections.abc import Iterator
from typing import Final

_STALE_MAX: Final = 1_000
"""Entries that no longer count are tolerated up to the number of keys and this many more."""


class Earliest:
    """Keys with a time each. A change costs the logarithm of their number; what it makes void is dropped later."""

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._times)

    def put(self, key: bytes, at: int) -> None:
        """Add the key, or give it another time."""
        if self._times.get(key) == at:
            return
        self._times[key] = at
        heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._times) + _STALE_MAX:
            self._heap = [(time, key) for key, time in self._times.items()]
            heapq.heapify(self._heap)

    def remove(self, key: bytes) -> None:
        """Remove the key, if it is there."""
        self._times.pop(key, None)

    def first(self) -> int | None:
        """Return the earliest time, None without a key."""
        heap, times = self._heap, self._times
        while heap and times.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def first_until(self, at: int) -> int | None:
        """Return the earliest time if it is not after `at`, else None. Looks at no entry that is."""
        return self.first() if self._heap and self._heap[0][0] <= at else None

    def take_until(self, at: int) -> Iterator[bytes]:
        """Remove and yield the keys whose time has come at `at`, the earliest first."""
        while self._heap and self._heap[0][0] <= at:
            time, key = heapq.heappop(self._heap)
            if self._times.get(key) == time:
                del self._times[key]
                yield key
