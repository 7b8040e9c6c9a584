"""The world that all simulators share: journal of effects, injected faults, quotas, and the schedule.

All of it is in memory and in one process, and gone when that process ends. Nothing here knows HTTP or a vendor.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count, islice
from random import Random
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from app.errors import ProviderError

JOURNAL_EFFECTS_MAX: Final = 200_000
"""Effects that the journal remembers; older ones are dropped, and counted."""
FAULT_SECONDS_MAX: Final = 3600
FAULTS_MAX: Final = 100
SCHEDULE_BURST_MAX: Final = 200
"""Due events that run before other tasks get their turn."""

Clock = Callable[[], int]
"""Milliseconds since the epoch, UTC."""
Delays = Mapping[str, int | None]
"""Milliseconds before each stage; None: it comes by the control plane alone."""
CallFault = Literal["down", "slow", "429", "500", "drop-response"]
RowFault = Literal["duplicate-rows", "reorder-rows"]
WebhookFault = Literal["duplicate-webhooks", "reorder-webhooks"]
CALL_FAULTS: Final[frozenset[str]] = frozenset({"down", "slow", "429", "500", "drop-response"})


def wall_clock() -> int:
    return time.time_ns() // 1_000_000


class RefusalError(ProviderError):
    """A request that is answered with an error. `detail`: the vendor's inner message, or the control plane's fix."""

    def __init__(self, status: int, message: str, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.status, self.message, self.detail, self.headers = status, message, detail, dict(headers or {})
        super().__init__(f"{status}: {message}" + (f"; {detail}" if detail else ""))


class JournalEffect(Struct, frozen=True):
    """A change of a provider's state. `order` is our order id of it, `detail` what changed, `at` in ms."""

    seq: int
    provider: str
    kind: str
    order: str
    detail: Mapping[str, object]
    at: int


class Journal:
    """Effects in order, each once, and a count of the calls: what really happened at the providers."""

    def __init__(self, clock: Clock, limit: int = JOURNAL_EFFECTS_MAX) -> None:
        self._clock = clock
        self._effects: deque[JournalEffect] = deque(maxlen=limit)
        self.last = 0
        self.calls: Counter[tuple[str, str]] = Counter()

    def effect(self, provider: str, kind: str, order: str, detail: Mapping[str, object]) -> None:
        self.last += 1
        self._effects.append(
            JournalEffect(seq=self.last, provider=provider, kind=kind, order=order, detail=detail, at=self._clock())
        )

    def call(self, provider: str, label: str) -> None:
        """Count one call. Labels come from a closed list of routes, so that the counter is bounded."""
        self.calls[provider, label] += 1

    @property
    def dropped(self) -> int:
        return self.last - len(self._effects)

    def effects(self, provider: str = "", after: int = 0, limit: int = JOURNAL_EFFECTS_MAX) -> list[JournalEffect]:
        """Return the first `limit` effects with a greater `seq` than `after`, of one provider or of all."""
        recent = islice(self._effects, max(0, after - self.dropped), None)
        return list(islice((effect for effect in recent if provider in ("", effect.provider)), limit))


class FaultRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`share` of the calls fail for `seconds`, chosen by a generator with this `seed`."""

    provider: str
    kind: CallFault | RowFault | WebhookFault
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seconds: Annotated[float, Meta(gt=0, le=FAULT_SECONDS_MAX)] = 10.0
    seed: int = 0
    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] = 2000
    """How long a slow call waits, or a row or webhook that is sent out of order, or a second time."""
    retry_after_s: Annotated[int, Meta(ge=0, le=3600)] = 1
    """What a 429 tells the caller."""


@dataclass(slots=True)
class ActiveFault:
    request: FaultRequest
    until: int
    dice: Random

    @property
    def kind(self) -> str:
        return self.request.kind


class Faults:
    """Faults on purpose. The same seed and the same sequence of calls give the same faults."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._active: list[ActiveFault] = []

    def add(self, request: FaultRequest) -> None:
        """Start a fault. Raises RefusalError when too many are active."""
        self._forget_expired()
        if len(self._active) >= FAULTS_MAX:
            raise RefusalError(409, f"{FAULTS_MAX} faults are active already", "DELETE /_sim/faults, or wait")
        self._active.append(ActiveFault(request, self._clock() + int(request.seconds * 1000), Random(request.seed)))

    def clear(self) -> None:
        self._active.clear()

    def pick(self, provider: str, kinds: frozenset[str] = CALL_FAULTS) -> ActiveFault | None:
        """Return the fault that this call (or row) meets, None when it meets none."""
        if not self._active:
            return None
        self._forget_expired()
        fitting = (fault for fault in self._active if fault.request.provider == provider and fault.kind in kinds)
        return next((fault for fault in fitting if fault.dice.random() < fault.request.share), None)

    def active(self) -> list[FaultRequest]:
        self._forget_expired()
        return [fault.request for fault in self._active]

    def _forget_expired(self) -> None:
        now = self._clock()
        self._active = [fault for fault in self._active if fault.until > now]


class SlidingQuota:
    """At most `limit` calls in any `window_ms`, as F+O counts them."""

    def __init__(self, limit: int, window_ms: int, clock: Clock) -> None:
        self.limit, self.window_ms, self._clock = limit, window_ms, clock
        self._calls: deque[int] = deque()

    def take(self) -> int:
        """0 when the call may pass, else the milliseconds until one may."""
        now = self._clock()
        while self._calls and self._calls[0] <= now - self.window_ms:
            self._calls.popleft()
        if len(self._calls) >= self.limit:
            return self._calls[0] + self.window_ms - now if self._calls else self.window_ms
        self._calls.append(now)
        return 0


class FixedQuota:
    """At most `limit` calls from the start of a window to its end, as BigCommerce counts them."""

    def __init__(self, limit: int, window_ms: int, clock: Clock) -> None:
        self.limit, self.window_ms, self._clock = limit, window_ms, clock
        self._ends, self._used = 0, 0

    def take(self) -> int:
        """0 when the call may pass, else the milliseconds until the window ends."""
        now = self._clock()
        if now >= self._ends:
            self._ends, self._used = now + self.window_ms, 0
        if self._used >= self.limit:
            return self.reset_ms
        self._used += 1
        return 0

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self._used)

    @property
    def reset_ms(self) -> int:
        return max(1, self._ends - self._clock())


class Schedule:
    """Everything that is due later, in one heap and run by one task: a thousand orders cost no thousand tasks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = asyncio.Event()

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        heappush(self._heap, (self._clock() + delay_ms, next(self._numbers), action))
        self._changed.set()

    def __len__(self) -> int:
        return len(self._heap)

    def run_due(self, limit: int = SCHEDULE_BURST_MAX) -> int:
        """Run what is due, earliest first, at most `limit` of it, and return how many ran."""
        now, ran = self._clock(), 0
        while ran < limit and self._heap and self._heap[0][0] <= now:
            heappop(self._heap)[2]()
            ran += 1
        return ran

    async def run(self) -> None:
        """Run everything in its time, until canceled."""
        while True:
            self._changed.clear()
            wait_ms = 0 if self.run_due() == SCHEDULE_BURST_MAX else self._wait_ms()
            try:
                async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _wait_ms(self) -> int | None:
        return max(0, self._heap[0][0] - self._clock()) if self._heap else None


def changed_delays(vendor: str, delays: Delays, changes: Delays) -> Delays:
    """Return the delays of a vendor's stages with some of them changed. Raises RefusalError for an unknown stage."""
    for stage in changes:
        if stage not in delays:
            raise RefusalError(400, f"{vendor} has no stage {stage[:50]!r}", f"name some of: {', '.join(delays)}")
    return {**delays, **changes}


@dataclass(slots=True)
class World:
    """What the simulators of one process share."""

    clock: Clock = wall_clock
    journal: Journal = field(init=False)
    faults: Faults = field(init=False)
    schedule: Schedule = field(init=False)

    def __post_init__(self) -> None:
        self.journal, self.faults, self.schedule = Journal(self.clock), Faults(self.clock), Schedule(self.clock)
