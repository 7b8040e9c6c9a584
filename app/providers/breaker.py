"""Circuit breaker of a provider: while it fails, it is not called, and callers learn at once when to come back."""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

WINDOW_S: Final = 30.0
WINDOW_CALLS_MAX: Final = 200
CALLS_MIN: Final = 10
"""With fewer calls in the window the circuit stays closed."""
FAILED_SHARE: Final = 0.5
OPEN_S: Final = 5.0
"""Seconds from opening until a probe call may go out."""
PROBE_WAIT_MS: Final = 1000
"""Milliseconds a caller waits while a probe call is under way."""


class Admission(NamedTuple):
    """The answer to a caller. `wait_ms` above 0: do not call. `probe`: the one call that may close the circuit."""

    wait_ms: int
    probe: bool = False


class Breaker:
    """Closed, open or half-open. Opens when half of the last calls failed. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[tuple[float, bool]] = deque(maxlen=WINDOW_CALLS_MAX)
        self._opened_at: float | None = None
        self._is_probing = False

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._is_probing or self._clock() >= self._opened_at + OPEN_S else "open"

    def admit(self) -> Admission:
        """Say whether a call may go out now. Whoever is admitted must `settle`, whatever happens."""
        if self._opened_at is None:
            return Admission(0)
        left_s = self._opened_at + OPEN_S - self._clock()
        if left_s > 0:
            return Admission(max(1, round(left_s * 1000)))
        if self._is_probing:
            return Admission(PROBE_WAIT_MS)
        self._is_probing = True
        return Admission(0, probe=True)

    def settle(self, admission: Admission, is_healthy: bool | None) -> None:
        """Note how an admitted call ended; None: it says nothing about the provider's health (it was dropped)."""
        if admission.probe:
            self._settle_probe(is_healthy)
        elif self._opened_at is None and is_healthy is not None:
            self._calls.append((self._clock(), is_healthy))
            if not is_healthy and self._is_failing():
                self._opened_at = self._clock()

    def _settle_probe(self, is_healthy: bool | None) -> None:
        self._is_probing = False
        if is_healthy is None:
            return
        self._calls.clear()
        self._opened_at = None if is_healthy else self._clock()

    def _is_failing(self) -> bool:
        since = self._clock() - WINDOW_S
        while self._calls and self._calls[0][0] < since:
            self._calls.popleft()
        failed = sum(not is_healthy for _, is_healthy in self._calls)
        return len(self._calls) >= CALLS_MIN and failed >= FAILED_SHARE * len(self._calls)
