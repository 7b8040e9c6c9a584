"""Figures that are put together when they are scraped: from what lanes, orders and providers' links have at hand.

Each costs as many steps as it has samples, however many orders there are: a scrape runs in the loop of the lanes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, Protocol

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from app.agents.order_figures import OrderFigures, StuckCause
from app.agents.timers import Timers
from app.domain.lifecycle import State
from app.lanes.lane import Lane, LaneStatus
from app.lanes.lane_limits import Clock
from app.worker import metric_catalog as catalog
from app.worker.metric_catalog import Metric

CIRCUIT_STATES: Final = ("closed", "open", "half-open")
LANE_STATUSES: Final = ("opening", "open", "paused", "held_back")
Labels = tuple[str, ...]


class Ages(Collector):
    """Seconds since something began, by metric and labels. 0 where it is not under way."""

    def __init__(self, now: Callable[[], float], *metrics: Metric) -> None:
        """`now`: the clock by which the times are given, in seconds."""
        self._now = now
        self._since: dict[Metric, dict[Labels, float | None]] = {metric: {} for metric in metrics}

    def begin(self, metric: Metric, labels: Labels, since: float | None) -> None:
        """Show an age that began at `since`; None: it is not under way, and 0."""
        self._since[metric][labels] = since

    def renew(self, metric: Metric, labels: Labels) -> None:
        """Let an age that is under way begin anew."""
        if self._since[metric].get(labels) is not None:
            self._since[metric][labels] = self._now()

    def remove(self, metric: Metric, labels: Labels) -> None:
        """Show the age no more."""
        self._since[metric].pop(labels, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = self._now()
        for metric, times in self._since.items():
            family = metric.make_family()
            for labels, since in times.items():
                family.add_metric(labels, 0.0 if since is None else max(0.0, now - since))
            yield family


class Durations(Collector):
    """A histogram of seconds for what happens with nearly each record, observed in the loop of the lanes alone.

    An observation by prometheus_client's own takes two locks, and a step for each bucket below it.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric, self._bounds = metric, [*metric.buckets, float("inf")]
        self._counts: dict[Labels, list[int]] = {}
        """By labels: how many observations fell into each bucket, and into none below it."""
        self._sums: dict[Labels, float] = {}

    def expect(self, labels: Labels) -> None:
        """Show these labels from now on."""
        if labels not in self._counts:
            self._counts[labels], self._sums[labels] = [0] * len(self._bounds), 0.0

    def observe(self, labels: Labels, seconds: float) -> None:
        """Count one duration. A bucket's bound belongs to it."""
        if labels not in self._counts:
            self.expect(labels)
        self._counts[labels][bisect_left(self._bounds, seconds)] += 1
        self._sums[labels] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        bounds = list(map(floatToGoString, self._bounds))
        family = HistogramMetricFamily(self._metric.name, self._metric.meaning, labels=self._metric.labels)
        for labels, counts in self._counts.items():
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), self._sums[labels])
        yield family


class FollowedOrders(Collector):
    """Orders and timers of all lanes of this process, added up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[tuple[str, int], tuple[OrderFigures, Timers]] = {}

    def follow(self, role: str, partition: int, figures: OrderFigures, timers: Timers) -> None:
        """Show the figures of a lane."""
        self._lanes[role, partition] = figures, timers

    def remove(self, role: str, partition: int) -> None:
        """Show the figures of a lane no more, if it has any."""
        self._lanes.pop((role, partition), None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now_ms = self._clock.now_ms()
        lanes = [figures for figures, _ in self._lanes.values()]
        yield from self._by_state(lanes, now_ms)
        flows = dict.fromkeys(flow for lane in lanes for flow in lane.flows)
        stuck = Counter({(flow, cause.value): 0 for flow in flows for cause in StuckCause})
        pending, retries = Counter[str](), Counter[str]()
        for lane in lanes:
            stuck.update(lane.stuck())
            pending.update(lane.pending())
            retries.update(lane.retries())
        yield _family(catalog.ORDERS_STUCK, stuck.items())
        yield _family(catalog.EFFECTS_PENDING, (((provider,), count) for provider, count in pending.items()))
        yield _family(
            catalog.EFFECTS_TO_RETRY, (((provider,), retries[provider]) for provider in {**pending, **retries})
        )
        yield from self._timers(now_ms)

    def _by_state(self, lanes: Sequence[OrderFigures], now_ms: int) -> Iterator[GaugeMetricFamily]:
        places = [(flow, state.value) for lane in lanes for flow in lane.flows for state in State]
        counts, oldest = dict.fromkeys(places, 0), dict.fromkeys(places, now_ms)
        for lane in lanes:
            for flow, state, count, since in lane.orders():
                place = flow, state
                counts[place] = counts.get(place, 0) + count
                oldest[place] = min(oldest.get(place, now_ms), now_ms if since is None else since)
        yield _family(catalog.ORDERS, counts.items())
        yield _family(
            catalog.OLDEST_ORDER_SECONDS, ((place, (now_ms - since) / 1000) for place, since in oldest.items())
        )

    def _timers(self, now_ms: int) -> Iterator[GaugeMetricFamily]:
        timers = [each for _, each in self._lanes.values()]
        waiting, overdue = sum(each.waiting for each in timers), sum(each.overdue for each in timers)
        times = [at for each in timers if (at := each.overdue_since(now_ms)) is not None]
        late_ms = now_ms - min(times, default=now_ms)
        yield _family(catalog.TIMERS, [(("waiting",), waiting), (("overdue",), overdue)] if timers else [])
        yield _family(catalog.TIMER_OVERDUE_SECONDS, [((), late_ms / 1000)] if timers else [])


class FollowedHost(Protocol):
    """The part of a role's host that figures are made of."""

    @property
    def lanes(self) -> Sequence[Lane]: ...


class FollowedLanes(Collector):
    """Lanes of each role of this process: how they stand, and the keys that they have in memory."""

    def __init__(self) -> None:
        self._hosts: dict[str, FollowedHost] = {}

    def follow(self, role: str, host: FollowedHost) -> None:
        """Show the lanes of a role."""
        self._hosts[role] = host

    def collect(self) -> Iterator[GaugeMetricFamily]:
        lanes = catalog.LANES.make_family()
        keys, settled = catalog.LANE_KEYS.make_family(), catalog.LANE_SETTLED_KEYS.make_family()
        for role, host in self._hosts.items():
            counts = dict.fromkeys(LANE_STATUSES, 0)
            for lane in host.lanes:
                status = lane.status()
                counts[_lane_status(lane, status)] += 1
                keys.add_metric((role, str(status.partition)), status.keys)
                settled.add_metric((role, str(status.partition)), status.settled)
            for name, count in counts.items():
                lanes.add_metric((role, name), count)
        yield from (lanes, keys, settled)


def _lane_status(lane: Lane, status: LaneStatus) -> str:
    if lane.suspended:
        return "paused"
    if not status.opened:
        return "opening"
    return "held_back" if status.degraded else "open"


class FollowedLink(Protocol):
    """The part of a provider's link that figures are made of."""

    @property
    def provider(self) -> str: ...

    @property
    def calls_left(self) -> int | None: ...

    @property
    def circuit_state(self) -> str: ...

    def pause_ms(self) -> int: ...


class FollowedLinks(Collector):
    """The links of this process to providers: circuit breaker, pause and quota."""

    def __init__(self) -> None:
        self._links: list[FollowedLink] = []

    def follow(self, links: Sequence[FollowedLink]) -> None:
        """Show these links, and no others."""
        self._links = list(links)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        states, pauses = catalog.CIRCUIT_STATE.make_family(), catalog.CALL_PAUSE_SECONDS.make_family()
        quotas = catalog.CALLS_LEFT.make_family()
        for link in self._links:
            state = link.circuit_state
            for name in CIRCUIT_STATES:
                states.add_metric((link.provider, name), name == state)
            pauses.add_metric((link.provider,), link.pause_ms() / 1000)
            if link.calls_left is not None:
                quotas.add_metric((link.provider,), link.calls_left)
        yield from (states, pauses, quotas)


def _family(metric: Metric, samples: Iterable[tuple[Labels, float]]) -> GaugeMetricFamily:
    family = metric.make_family()
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
