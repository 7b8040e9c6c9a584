"""A circuit breaker per provider: an ill one is not called, and whoever asks is told at once when to come back."""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

WINDOW_S: Final = 30.0
WINDOW_CALLS_MAX: Final = 200
CALLS_MIN: Final = 10
FAILED_SHARE: Final = 0.5
OPEN_S: Final = 5.0
PROBE_WAIT_MS: Final = 1000
"""What those are told who come while one call tries whether the provider is well again."""


class Admission(NamedTuple):
    """`wait_ms` above 0: do not call. `probe`: the one call that decides whether the circuit closes."""

    wait_ms: int
    probe: bool = False


class Breaker:
    """Closed, open, half-open. Opens when half of the last calls failed; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[tuple[float, bool]] = deque(maxlen=WINDOW_CALLS_MAX)
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._probing or self._clock() >= self._opened_at + OPEN_S else "open"

    def admit(self) -> Admission:
        """Whether a call may go out now. Whoever is admitted must `settle`, whatever happens."""
        if self._opened_at is None:
            return Admission(0)
        left_s = self._opened_at + OPEN_S - self._clock()
        if left_s > 0:
            return Admission(max(1, round(left_s * 1000)))
        if self._probing:
            return Admission(PROBE_WAIT_MS)
        self._probing = True
        return Admission(0, probe=True)

    def settle(self, admission: Admission, healthy: bool | None) -> None:
        """How an admitted call ended; None: it says nothing about the provider's health (it was dropped)."""
        if admission.probe:
            self._settle_probe(healthy)
        elif self._opened_at is None and healthy is not None:
            self._calls.append((self._clock(), healthy))
            if not healthy and self._ill():
                self._opened_at = self._clock()

    def _settle_probe(self, healthy: bool | None) -> None:
        self._probing = False
        if healthy is None:
            return
        self._calls.clear()
        self._opened_at = None if healthy else self._clock()

    def _ill(self) -> bool:
        since = self._clock() - WINDOW_S
        while self._calls and self._calls[0][0] < since:
            self._calls.popleft()
        failed = sum(not healthy for _, healthy in self._calls)
        return len(self._calls) >= CALLS_MIN and failed >= FAILED_SHARE * len(self._calls)
