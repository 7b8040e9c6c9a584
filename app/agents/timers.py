"""Timers of the orders of one lane, beside the state and rebuilt from the ledger: the earliest is always at hand."""

from collections.abc import Collection, Iterator, Sequence

from app.agents.earliest import Earliest
from app.domain.order import Timer


class Timers:
    """Each timer is given out once; it comes back only if a restore finds it still in the state, or at another time.

    `waiting` and `overdue` count the timers that were not given out, and those that were and are still in the state.
    """

    def __init__(self) -> None:
        self.waiting = self.overdue = 0
        self._waiting: dict[bytes, tuple[Timer, ...]] = {}
        self._fired: dict[bytes, frozenset[Timer]] = {}
        self._due_at, self._fired_at = Earliest(), Earliest()

    def keep(self, key: bytes, timers: Sequence[Timer]) -> None:
        """Replace the timers of `key`."""
        if key in self._fired:
            fired = self._fired[key].intersection(timers)
            self._fire(key, fired)
            timers = [timer for timer in timers if timer not in fired]
        self._wait(key, timers)

    def due(self, now_ms: int) -> Iterator[tuple[bytes, Timer]]:
        """Yield the timers that are due at `now_ms`, each once, with the keys of their orders."""
        for key in self._due_at.take_until(now_ms):
            timers = self._waiting[key]
            ready = [timer for timer in timers if timer.due_at <= now_ms]
            self._fire(key, self._fired.get(key, frozenset()).union(ready))
            self._wait(key, [timer for timer in timers if timer.due_at > now_ms])
            yield from ((key, timer) for timer in ready)

    def overdue_since(self, now_ms: int) -> int | None:
        """Return when the first timer was due that is still in the state, None where none is due at `now_ms`."""
        times = [at for each in (self._fired_at, self._due_at) if (at := each.first_until(now_ms)) is not None]
        return min(times, default=None)

    def __len__(self) -> int:
        """Return how many timers were not given out yet."""
        return self.waiting

    def _wait(self, key: bytes, timers: Sequence[Timer]) -> None:
        before = self._waiting.get(key)
        if before is not None:
            self.waiting -= len(before)
        if timers:
            self.waiting += len(timers)
            self._waiting[key] = tuple(timers)
            self._due_at.put(key, timers[0].due_at if len(timers) == 1 else min(timer.due_at for timer in timers))
        elif before is not None:
            del self._waiting[key]
            self._due_at.remove(key)

    def _fire(self, key: bytes, timers: Collection[Timer]) -> None:
        self.overdue += len(timers) - len(self._fired.pop(key, ()))
        if timers:
            self._fired[key] = frozenset(timers)
            self._fired_at.put(key, min(timer.due_at for timer in timers))
        else:
            self._fired_at.remove(key)
