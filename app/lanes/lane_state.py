"""The state of a lane: live values of its ledger partition in memory, of settled keys the ledger offset alone.

A settled order hardly ever matters again, but a duplicate or a late command may come at any time: by the offset a lane
recognises its key and can read the value back. That is the work of `settled_values`; here it only turns out that a
value is needed (`Cold`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush

from app.lanes.lane_log import Change, LedgerEntry

_RESTORED_BETWEEN_SWEEPS = 50_000
"""Entries restored until settled ones are let go, so that a long history does not pass through memory at once."""


class Cold(BaseException):
    """A settled key was looked up in the state: its value must be read back first.

    Not an Exception, so that no handler of a role takes it for a fault of the record.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        super().__init__(key)


class LaneState:
    """The values of one lane. `settled_at` is the role's: when a value became final, 0 while it is live.

    A settled value leaves memory `settled_after_ms` later, so that what comes right after it needs no read.
    """

    def __init__(self, settled_at: Callable[[bytes], int], settled_after_ms: int) -> None:
        self.live: dict[bytes, bytes] = {}
        self.settled: dict[bytes, int] = {}
        self._settled_at, self._after_ms = settled_at, settled_after_ms
        self._leaving: list[tuple[int, bytes, int]] = []
        self._offsets: dict[bytes, int] = {}
        """Ledger offsets of live values that are final and wait to leave."""
        self._fresh: dict[bytes, int] = {}

    def clear(self) -> None:
        """Forget all, before the ledger is loaded from its beginning."""
        for part in (self.live, self.settled, self._leaving, self._offsets, self._fresh):
            part.clear()

    def load(self, entries: Sequence[LedgerEntry], now_ms: int) -> None:
        """Load entries of the ledger, in its order; `finish_load` comes after the last.

        Whether a value has settled is asked once for each key, not for each entry: only its last value counts.
        """
        for key, value, offset in entries:
            self.settled.pop(key, None)
            if value is None:
                self.live.pop(key, None)
                self._fresh.pop(key, None)
            else:
                self.live[key] = value
                self._fresh[key] = offset
        if len(self._fresh) > _RESTORED_BETWEEN_SWEEPS:
            self.finish_load(now_ms)

    def finish_load(self, now_ms: int) -> None:
        """Let go of what had settled among the entries that were loaded."""
        for key, offset in self._fresh.items():
            self._consider(key, self.live[key], offset)
        self._fresh = {}
        self.sweep(now_ms)

    def publish(self, changes: Sequence[Change], offsets: Sequence[int], final: set[bytes]) -> None:
        """Make committed changes visible. `final` are keys that may have settled with them."""
        for (key, value), offset in zip(changes, offsets, strict=True):
            if self._offsets:
                self._offsets.pop(key, None)
            if self.settled:
                self.settled.pop(key, None)
            if value is None:
                self.live.pop(key, None)
            else:
                self.live[key] = value
                if key in final:
                    self._consider(key, value, offset)

    def warm(self, key: bytes, value: bytes, now_ms: int) -> None:
        """Put a settled value that was read back into memory; it may leave again after the same time."""
        offset = self.settled.pop(key)
        self.live[key] = value
        self._leave(now_ms + self._after_ms, key, offset)

    def sweep(self, now_ms: int) -> int:
        """Drop from memory what settled long enough ago. Return the number of keys that left."""
        count = 0
        while self._leaving and self._leaving[0][0] <= now_ms:
            _, key, offset = heappop(self._leaving)
            # A later change of the key made this entry void.
            if self._offsets.get(key) == offset:
                del self._offsets[key], self.live[key]
                self.settled[key] = offset
                count += 1
        return count

    def _consider(self, key: bytes, value: bytes, offset: int) -> None:
        if at := self._settled_at(value):
            self._leave(at + self._after_ms, key, offset)

    def _leave(self, at_ms: int, key: bytes, offset: int) -> None:
        self._offsets[key] = offset
        heappush(self._leaving, (at_ms, key, offset))


class View(Mapping[bytes, bytes]):
    """The state as one checkpoint sees it: its own changes, then what was committed. Raises Cold for settled keys."""

    __slots__ = ("_changes", "_live", "_settled")

    def __init__(self, state: LaneState, changes: Mapping[bytes, bytes | None]) -> None:
        self._live, self._settled, self._changes = state.live, state.settled, changes

    def __getitem__(self, key: bytes) -> bytes:
        if key in self._changes:
            value = self._changes[key]
        else:
            value = self._live.get(key)
            if value is None and key in self._settled:
                raise Cold(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        if key in self._changes:
            return self._changes[key] is not None  # type: ignore[index]
        return key in self._live or key in self._settled

    def __iter__(self) -> Iterator[bytes]:
        yield from (key for key, value in self._changes.items() if value is not None)
        for keys in (self._live, self._settled):
            yield from (key for key in keys if key not in self._changes)

    def __len__(self) -> int:
        return sum(1 for _ in self)
