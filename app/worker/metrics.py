"""Prometheus metrics: base units, no order ids in labels, counted once for each checkpoint.

Names follow the Prometheus practices: prefix `waybill_`, unit as suffix, `_total` for counters. Faust's own sensor is
not used: it costs more per record than a lane does (docs/adr/0008).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.domain.order import AMOUNT_SCALE
from app.inventory.ledger_values import WarehouseTotals

_CHECKPOINT_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_CALL_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SOLVE_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_GAPS: Final = (0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_RECORDS: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


class Metrics:
    """The metrics of one role, in collectors that all roles of the process share."""

    def __init__(self, role: str, shared: "Collectors") -> None:
        self.role = role
        self._records, self._dead, self._calls = shared.records, shared.dead_letters, shared.calls
        self._checkpoint_seconds = shared.checkpoint_seconds.labels(role)
        self._checkpoint_records = shared.checkpoint_records.labels(role)
        self._forwarded = shared.forwarded.labels(role)
        self._keys, self._restore, self._jobs = shared.keys, shared.restore_seconds, shared.jobs
        self._call_seconds = shared.call_seconds
        self._lag, self._withheld, self._ages = shared.lag, shared.withheld, shared.ages
        self._outcomes: dict[str, Counter] = {}
        self._sourcing, self._shown = shared.sourcing, dict[int, set[tuple[Gauge, tuple[str, ...]]]]()

    # ---- what the lanes report (LaneObserver) ----

    def opened(self, partition: int, keys: int, seconds: float) -> None:
        self._keys.labels(self.role, partition).set(keys)
        self._restore.labels(self.role, partition).set(seconds)
        self._ages.opened(self.role, partition)

    def closed(self, partition: int) -> None:
        self._ages.closed(self.role, partition)
        for gauge in (self._keys, self._restore):
            gauge.remove(self.role, str(partition))
        for gauge, labels in self._shown.pop(partition, ()):
            gauge.remove(*labels)

    def checkpoint(self, partition: int, records: int, seconds: float, outcomes: Mapping[str, int]) -> None:
        self._checkpoint_seconds.observe(seconds)
        self._checkpoint_records.observe(records)
        self._ages.committed(self.role, partition)
        for outcome, count in outcomes.items():
            self._outcome(outcome).inc(count)

    def _outcome(self, outcome: str) -> Counter:
        child = self._outcomes.get(outcome)
        if child is None:
            child = self._outcomes[outcome] = self._records.labels(self.role, outcome)
        return child

    def dead_letter(self, code: str) -> None:
        self._dead.labels(self.role, code).inc()

    def forwarded(self, records: int) -> None:
        self._forwarded.inc(records)

    def in_flight(self, partition: int, running: int, waiting: int) -> None:
        self._jobs.labels(self.role, partition, "running").set(running)
        self._jobs.labels(self.role, partition, "waiting").set(waiting)

    def backlog(self, partition: int, records: Mapping[str, int], since: float | None) -> None:
        for topic, count in records.items():
            self._show(partition, self._lag, count, self.role, topic, str(partition))
        self._ages.waits(self.role, partition, since)

    def withheld(self, partition: int, seconds: Mapping[str, float]) -> None:
        for topic, age in seconds.items():
            self._show(partition, self._withheld, age, self.role, topic, str(partition))

    # ---- what the agents that call providers report ----

    def called(self, provider: str, action: str, outcome: str, code: str, seconds: float) -> None:
        """Count one attempt at an effect, from the first request to the answer."""
        self._calls.labels(provider, action, outcome, code).inc()
        self._call_seconds.labels(provider, action).observe(seconds)

    # ---- what sourcing reports ----

    def sourced(self, outcome: str) -> None:
        """Count one answer to an order: sourced, partial, none, released, exception."""
        self._sourcing.orders.labels(outcome).inc()

    def solved(self, seconds: float, status: str, gap: float) -> None:
        """Count one plan; `gap` is a share of its cost."""
        self._sourcing.seconds.labels(status).observe(seconds)
        self._sourcing.gap.observe(gap)

    def waiting(self, partition: int, pool: str, lines: int) -> None:
        """Show how many order lines of a pool wait for stock."""
        self._show(partition, self._sourcing.waiting, lines, pool)

    def stocked(self, partition: int, total: WarehouseTotals) -> None:
        """Show the totals of one warehouse over all its items."""
        for name in ("on_hand", "reserved", "available", "short"):
            self._show(partition, self._sourcing.stock, getattr(total, name) / AMOUNT_SCALE, total.warehouse, name)

    def _show(self, partition: int, gauge: Gauge, value: float, *labels: str) -> None:
        """Set a figure that is removed when its lane is closed."""
        gauge.labels(*labels).set(value)
        self._shown.setdefault(partition, set()).add((gauge, labels))


class _Ages(Collector):
    """Seconds for which records have waited for each open lane without a commit, computed when scraped."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: dict[tuple[str, int], float | None] = {}
        """Times of the monotonic clock; None for a lane that no record waits for."""

    def opened(self, role: str, partition: int) -> None:
        self._since[role, partition] = None

    def committed(self, role: str, partition: int) -> None:
        if self._since.get((role, partition)) is not None:
            self._since[role, partition] = self._monotonic()

    def waits(self, role: str, partition: int, since: float | None) -> None:
        self._since[role, partition] = since

    def closed(self, role: str, partition: int) -> None:
        self._since.pop((role, partition), None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "waybill_commit_age_seconds",
            "Seconds for which records have waited for a lane that committed nothing, 0 when none wait",
            labels=["role", "partition"],
        )
        now = self._monotonic()
        for (role, partition), since in self._since.items():
            family.add_metric([role, str(partition)], 0.0 if since is None else now - since)
        yield family


class Sourcing(NamedTuple):
    """Collectors of the role `source`."""

    orders: Counter
    seconds: Histogram
    gap: Histogram
    waiting: Gauge
    stock: Gauge


class Collectors:
    """All collectors, registered once in a registry. `monotonic` is the clock that the lanes look at as well."""

    def __init__(self, registry: CollectorRegistry, monotonic: Callable[[], float] = time.monotonic) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=buckets)

        self.records = counter("waybill_records_total", "Records folded, by what became of them", "role", "outcome")
        self.dead_letters = counter("waybill_dead_letters_total", "Records set aside, by code", "role", "code")
        self.forwarded = counter("waybill_forwarded_records_total", "Records passed on to their order's lane", "role")
        self.calls = counter(
            "waybill_effect_attempts_total", "Attempts at effects", "provider", "action", "outcome", "code"
        )
        self.webhooks = counter("waybill_webhooks_total", "Webhooks, by what became of them", "provider", "outcome")
        self.http_refusals = counter(
            "waybill_http_refused_total", "Requests and connections refused, by cause", "cause"
        )
        self.checkpoint_seconds = histogram(
            "waybill_checkpoint_seconds", "From the fold of a batch to its commit", _CHECKPOINT_SECONDS, "role"
        )
        self.checkpoint_records = histogram("waybill_checkpoint_records", "Records in a checkpoint", _RECORDS, "role")
        self.call_seconds = histogram(
            "waybill_effect_seconds", "One attempt at an effect", _CALL_SECONDS, "provider", "action"
        )
        self.keys = gauge("waybill_lane_keys", "Keys in memory when the lane opened", "role", "partition")
        self.restore_seconds = gauge(
            "waybill_restore_seconds", "Seconds the lane took to fence and restore", "role", "partition"
        )
        self.jobs = gauge(
            "waybill_jobs", "Provider calls of a lane, running and waiting", "role", "partition", "status"
        )
        self.lag = gauge(
            "waybill_lag_records", "Records of an input that wait for their lane", "role", "topic", "partition"
        )
        self.withheld = gauge(
            "waybill_withheld_seconds",
            "Seconds for which an open transaction has held back records of an input, 0 when none does",
            "role",
            "topic",
            "partition",
        )
        self.sourcing = Sourcing(
            orders=counter(
                "waybill_sourced_orders_total", "Answers to orders that want sources, by outcome", "outcome"
            ),
            seconds=histogram("waybill_solve_seconds", "One plan for a batch of orders", _SOLVE_SECONDS, "status"),
            gap=histogram("waybill_solve_gap_ratio", "Cost that a plan may be away from the best one", _GAPS),
            waiting=gauge("waybill_backorder_lines", "Order lines that wait for stock", "pool"),
            stock=gauge("waybill_stock_pieces", "Pieces of all items at a warehouse", "warehouse", "kind"),
        )
        self.ages = _Ages(monotonic)
        registry.register(self.ages)
        build = gauge("waybill_build_info", "Version, always 1", "version")
        build.labels(version("waybill")).set(1)

    def refused(self, cause: str) -> None:
        """Count a request or a connection that the web server refused."""
        self.http_refusals.labels(cause).inc()
