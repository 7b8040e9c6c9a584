"""An outage on purpose: the fault of a provider during a round, and whether it slowed orders that do not call it.

The orders of a round with a fault appear over the time that the fault lasts, and so do those of the first round, which
has none: both have the same load and can be compared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from app.errors import SettingError
from app.sandbox.demo.evidence import Case, seconds
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.vendors.simulation import FAULT_SECONDS_MAX, CallFault

SECONDS: Final = 60.0
KINDS: Final = get_args(CallFault)
PROVIDERS: Final = tuple(sorted({name for scenario in SCENARIOS.values() for name in scenario.calls}))
SLOW_MS: Final = 5_000
HALF: Final[Mapping[str, float]] = {"500": 0.5, "429": 0.5, "drop-response": 0.5}
"""Kinds that meet half of the calls; the others meet all."""
SLOWED_S: Final = 1.0
SLOWED_SHARE: Final = 1.5
"""Orders count as slowed when their p99 is half as long again and a second longer: less is noise on a busy machine."""


@dataclass(frozen=True)
class Fault:
    """A provider meets one kind of trouble for some seconds."""

    provider: str
    kind: str
    seconds: float = SECONDS

    def __str__(self) -> str:
        meets = "half of the calls" if self.kind in HALF else "every call"
        return f"{self.provider}: {self.kind} for {self.seconds:g} s, {meets}"

    def request(self) -> dict[str, Any]:
        """Return the body of the request to the simulators' control plane."""
        share = HALF.get(self.kind, 1.0)
        body = {"provider": self.provider, "kind": self.kind, "seconds": self.seconds, "share": share}
        return {**body, "delay_ms": SLOW_MS} if self.kind == "slow" else body


def parse(text: str) -> Fault:
    """Read PROVIDER:KIND[:SECONDS]. Raises SettingError that names the choices."""
    provider, _, rest = text.partition(":")
    kind, _, length = rest.partition(":")
    if provider not in PROVIDERS or kind not in KINDS:
        raise SettingError(f"--fault {text}: PROVIDER:KIND of {', '.join(PROVIDERS)} and {', '.join(KINDS)}")
    try:
        fault = Fault(provider, kind, float(length or SECONDS))
    except ValueError as problem:
        raise SettingError(f"--fault {text}: {length!r} is no number of seconds") from problem
    if not 0 < fault.seconds <= FAULT_SECONDS_MAX:
        raise SettingError(f"--fault {text}: it lasts more than 0 and at most {FAULT_SECONDS_MAX} seconds")
    return fault


@dataclass(frozen=True)
class Times:
    """Percentiles of the seconds from an order's arrival to its last status."""

    p50_s: float
    p99_s: float

    def as_json(self) -> dict[str, float]:
        """Return the percentiles by their names in the report."""
        return {"p50": self.p50_s, "p99": self.p99_s}


@dataclass(frozen=True)
class Slowness:
    """One scenario in a round with a fault. `calls`: it calls the ill provider, so that its orders have to wait."""

    scenario: int
    calls: bool
    orders: int
    ended: int
    before: Times
    during: Times

    @property
    def slowed(self) -> bool:
        """Whether orders that do not call the ill provider took longer all the same."""
        without, now = self.before.p99_s, self.during.p99_s
        return not self.calls and now > max(without * SLOWED_SHARE, without + SLOWED_S)


@dataclass(frozen=True)
class Outage:
    fault: Fault
    scenarios: tuple[Slowness, ...]


def outages(cases: Iterable[Case], faults: Iterable[Fault]) -> tuple[Outage, ...]:
    """Return each fault with the slowness of every scenario. `faults` are those of the rounds from 1 on."""
    all_cases = list(cases)
    return tuple(Outage(fault, tuple(_slowness(all_cases, fault, at))) for at, fault in enumerate(faults, start=1))


def _slowness(cases: list[Case], fault: Fault, at: int) -> Iterable[Slowness]:
    for number, scenario in SCENARIOS.items():
        own = [case for case in cases if case.order.scenario == number]
        now = [case for case in own if case.order.round == at]
        if now:
            before = times(case for case in own if case.order.round == 0)
            ended = sum(case.ended() for case in now)
            yield Slowness(
                scenario=number,
                calls=fault.provider in scenario.calls,
                orders=len(now),
                ended=ended,
                before=before,
                during=times(now),
            )


def times(cases: Iterable[Case]) -> Times:
    """Return the percentiles over the orders that went on: a refused order takes no time."""
    latencies = sorted(latency for case in cases if not case.refused and (latency := seconds(case)) is not None)
    return Times(_percentile(latencies, 0.5), _percentile(latencies, 0.99))


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def as_json(outage: Outage) -> dict[str, Any]:
    """Return plain values, times in seconds."""
    return {
        "provider": outage.fault.provider,
        "kind": outage.fault.kind,
        "seconds": outage.fault.seconds,
        "scenarios": [_slowness_json(slowness) for slowness in outage.scenarios],
    }


def _slowness_json(slowness: Slowness) -> dict[str, Any]:
    return {
        "scenario": slowness.scenario,
        "calls_it": slowness.calls,
        "orders": slowness.orders,
        "ended": slowness.ended,
        "latency_s": slowness.during.as_json(),
        "without_s": slowness.before.as_json(),
        "slowed": slowness.slowed,
    }
