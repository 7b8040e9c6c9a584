"""Prometheus metrics: what lanes and agents report, counted once for each checkpoint.

app/worker/metric_catalog.py says what there is, app/worker/scraped_figures.py has what is computed when it is scraped.
Faust's own sensor is not used: it costs more per record than a lane does (docs/adr/0008).
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from app.agents.order_figures import OrderFigures
from app.agents.timers import Timers
from app.domain.lifecycle import TERMINAL
from app.domain.order import AMOUNT_SCALE
from app.domain.outcomes import Outcome, SourcingOutcome
from app.events.dead_letter_codes import CODES
from app.inventory.checked_plans import EXCEPTION
from app.inventory.ledger_values import WarehouseTotals
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock
from app.providers.port import Code
from app.worker import metric_catalog as catalog
from app.worker.metric_catalog import Metric
from app.worker.scraped_figures import Ages, Durations, FollowedLanes, FollowedLinks, FollowedOrders
from app.worker.webhook_intake import OUTCOMES

CAUSES: Final = (
    "malformed", "no_room", "incomplete", "too_large", "compressed", "chunked",
    "foreign_host", "no_token_set", "bad_token",
)  # fmt: skip
"""Causes for which the web server refuses requests and connections (http_server.py, http_access.py)."""
_USUAL_ANSWERS: Final = (
    (Outcome.OK, Code.OK),
    (Outcome.RETRY, Code.UNAVAILABLE),
    (Outcome.RETRY, Code.TIMEOUT),
    (Outcome.RETRY, Code.RATE_LIMITED),
    (Outcome.RETRY, Code.CIRCUIT_OPEN),
    (Outcome.UNKNOWN, Code.UNAVAILABLE),
    (Outcome.UNKNOWN, Code.TIMEOUT),
    (Outcome.DECLINED, Code.INVALID),
    (Outcome.DECLINED, Code.UNAUTHORIZED),
)
_FINAL_STATES: Final = sorted({status.state.value for status in TERMINAL})


class Metrics:
    """The metrics of one role, in collectors that all roles of the process share."""

    def __init__(self, role: str, shared: "Collectors") -> None:
        self.role = role
        self._shared = shared
        self._checkpoint_seconds = shared.checkpoint_seconds.labels(role)
        self._checkpoint_records = shared.checkpoint_records.labels(role)
        self._forwarded = shared.forwarded.labels(role)
        self._ages, self._record_ages = shared.ages, shared.record_ages
        self._order_seconds, self._step_seconds = shared.order_seconds, shared.step_seconds
        self._outcomes: dict[str, Counter] = {}
        self._created: dict[str, Counter] = {}
        self._gauges: dict[int, set[tuple[Gauge, tuple[str, ...]]]] = {}
        """By partition, the samples that go with its lane."""
        self._aged: dict[int, set[tuple[Ages, Metric, tuple[str, ...]]]] = {}
        for code in CODES:
            shared.dead_letters.labels(role, code)

    # ---- what the lanes report (LaneObserver) ----

    def restoring(self, partition: int, offset: int, end: int) -> None:
        self._show(partition, self._shared.restore_ratio, offset / end if end else 1.0, self.role, str(partition))

    def opened(self, partition: int, keys: int, seconds: float) -> None:
        self.restoring(partition, 1, 1)
        self._show(partition, self._shared.restore_seconds, seconds, self.role, str(partition))
        self._show_age(partition, self._ages, catalog.COMMIT_AGE_SECONDS, None, self.role, str(partition))

    def closed(self, partition: int) -> None:
        for gauge, labels in self._gauges.pop(partition, ()):
            gauge.remove(*labels)
        for ages, metric, labels in self._aged.pop(partition, ()):
            ages.remove(metric, labels)
        self._shared.orders.remove(self.role, partition)

    def checkpoint(self, partition: int, records: int, seconds: float, outcomes: Mapping[str, int]) -> None:
        self._checkpoint_seconds.observe(seconds)
        self._checkpoint_records.observe(records)
        self._ages.renew(catalog.COMMIT_AGE_SECONDS, (self.role, str(partition)))
        for outcome, count in outcomes.items():
            self._outcome(outcome).inc(count)

    def _outcome(self, outcome: str) -> Counter:
        child = self._outcomes.get(outcome)
        if child is None:
            child = self._outcomes[outcome] = self._shared.records.labels(self.role, outcome)
        return child

    def dead_letter(self, code: str) -> None:
        self._shared.dead_letters.labels(self.role, code).inc()

    def forwarded(self, records: int) -> None:
        self._forwarded.inc(records)

    def in_flight(self, partition: int, running: int, waiting: int) -> None:
        for status, count in (("running", running), ("waiting", waiting)):
            self._show(partition, self._shared.jobs, count, self.role, str(partition), status)

    def backlog(
        self, partition: int, records: Mapping[str, int], since: float | None, oldest_at: Mapping[str, int]
    ) -> None:
        for topic, count in records.items():
            place = self.role, topic, str(partition)
            self._show(partition, self._shared.lag, count, *place)
            at_ms = oldest_at.get(topic)
            at = None if at_ms is None else at_ms / 1000
            self._show_age(partition, self._record_ages, catalog.OLDEST_RECORD_SECONDS, at, *place)
        self._show_age(partition, self._ages, catalog.COMMIT_AGE_SECONDS, since, self.role, str(partition))

    def withheld(self, partition: int, seconds: Mapping[str, float]) -> None:
        for topic, age in seconds.items():
            self._show(partition, self._shared.withheld, age, self.role, topic, str(partition))

    # ---- what orders report (OrderObserver) ----

    def follow(self, partition: int, figures: OrderFigures, timers: Timers) -> None:
        self._shared.orders.follow(self.role, partition, figures, timers)
        for flow in figures.flows:
            self._created[flow] = self._shared.orders_created.labels(flow)
            for state in _FINAL_STATES:
                self._order_seconds.expect((flow, state))

    def order_created(self, flow: str) -> None:
        self._created[flow].inc()

    def order_ended(self, flow: str, state: str, seconds: float) -> None:
        self._order_seconds.observe((flow, state), seconds)

    def step_done(self, flow: str, step: str, seconds: float) -> None:
        self._step_seconds.observe((flow, step), seconds)

    # ---- what the agents that call providers report ----

    def called(self, provider: str, action: str, outcome: str, code: str, seconds: float) -> None:
        """Count one attempt at an effect, from the first request to the answer."""
        self._shared.calls.labels(provider, action, outcome, code).inc()
        self._shared.call_seconds.labels(provider, action).observe(seconds)

    def pulled(self, partition: int, source: str, at: float) -> None:
        """Note that all that a source had was pulled at that time of the monotonic clock."""
        self._show_age(partition, self._ages, catalog.PULL_AGE_SECONDS, at, source)

    # ---- what sourcing reports ----

    def expect_answers(self) -> None:
        """Show every outcome of sourcing from now on."""
        for outcome in (*SourcingOutcome, EXCEPTION):
            self._shared.sourced.labels(outcome)

    def sourced(self, outcome: str) -> None:
        """Count one answer to an order: sourced, partial, none, released, exception."""
        self._shared.sourced.labels(outcome).inc()

    def solved(self, seconds: float, status: str, gap: float) -> None:
        """Count one plan; `gap` is a share of its cost."""
        self._shared.solve_seconds.labels(status).observe(seconds)
        self._shared.solve_gap.observe(gap)

    def waiting(self, partition: int, pool: str, lines: int, since_ms: int | None) -> None:
        """Show how many order lines of a pool wait for stock, and since when the first one does."""
        self._show(partition, self._shared.waiting, lines, pool)
        since = None if since_ms is None else since_ms / 1000
        self._show_age(partition, self._record_ages, catalog.OLDEST_BACKORDER_SECONDS, since, pool)

    def stocked(self, partition: int, total: WarehouseTotals) -> None:
        """Show the totals of one warehouse over all its items."""
        for name in ("on_hand", "reserved", "available", "short"):
            self._show(partition, self._shared.stock, getattr(total, name) / AMOUNT_SCALE, total.warehouse, name)

    def _show(self, partition: int, gauge: Gauge, value: float, *labels: str) -> None:
        """Set a figure that is removed when its lane is closed."""
        gauge.labels(*labels).set(value)
        self._gauges.setdefault(partition, set()).add((gauge, labels))

    def _show_age(self, partition: int, ages: Ages, metric: Metric, since: float | None, *labels: str) -> None:
        """Show an age that is removed when its lane is closed."""
        ages.begin(metric, labels, since)
        self._aged.setdefault(partition, set()).add((ages, metric, labels))


class Collectors:
    """All collectors, registered once in a registry. `clock` is the one that the lanes look at as well."""

    def __init__(self, registry: CollectorRegistry, clock: Clock = SYSTEM_CLOCK) -> None:
        def counter(metric: Metric) -> Counter:
            return metric.make_counter(registry)

        def gauge(metric: Metric) -> Gauge:
            return metric.make_gauge(registry)

        def histogram(metric: Metric) -> Histogram:
            return metric.make_histogram(registry)

        self.records = counter(catalog.RECORDS)
        self.dead_letters = counter(catalog.DEAD_LETTERS)
        self.forwarded = counter(catalog.FORWARDED_RECORDS)
        self.checkpoint_seconds = histogram(catalog.CHECKPOINT_SECONDS)
        self.checkpoint_records = histogram(catalog.CHECKPOINT_RECORDS)
        self.restore_seconds, self.restore_ratio = gauge(catalog.RESTORE_SECONDS), gauge(catalog.RESTORE_RATIO)
        self.jobs, self.lag, self.withheld = (
            gauge(catalog.JOBS),
            gauge(catalog.LAG_RECORDS),
            gauge(catalog.WITHHELD_SECONDS),
        )
        self.orders_created = counter(catalog.ORDERS_CREATED)
        self.order_seconds, self.step_seconds = Durations(catalog.ORDER_SECONDS), Durations(catalog.STEP_SECONDS)
        self.calls, self.call_seconds = counter(catalog.EFFECT_ATTEMPTS), histogram(catalog.EFFECT_SECONDS)
        self.webhooks = counter(catalog.WEBHOOKS)
        self.http_refusals = counter(catalog.HTTP_REFUSED)
        self.sourced = counter(catalog.SOURCED_ORDERS)
        self.solve_seconds, self.solve_gap = histogram(catalog.SOLVE_SECONDS), histogram(catalog.SOLVE_GAP_RATIO)
        self.waiting, self.stock = gauge(catalog.BACKORDER_LINES), gauge(catalog.STOCK_PIECES)
        self.ages = Ages(clock.monotonic, catalog.COMMIT_AGE_SECONDS, catalog.PULL_AGE_SECONDS)
        self.record_ages = Ages(
            lambda: clock.now_ms() / 1000, catalog.OLDEST_RECORD_SECONDS, catalog.OLDEST_BACKORDER_SECONDS
        )
        self.orders, self.lanes, self.links = FollowedOrders(clock), FollowedLanes(), FollowedLinks()
        for durations in (self.order_seconds, self.step_seconds):
            registry.register(durations)
        for collector in (self.ages, self.record_ages, self.orders, self.lanes, self.links):
            registry.register(collector)
        for cause in CAUSES:
            self.http_refusals.labels(cause)
        gauge(catalog.BUILD_INFO).labels(version("waybill")).set(1)
        ProcessCollector(registry=registry)

    def expect_webhooks(self, providers: Iterable[str]) -> None:
        """Show every outcome of webhooks of these providers from now on: a series that begins at 1 has no increase."""
        for provider in providers:
            for outcome in OUTCOMES:
                self.webhooks.labels(provider, outcome)

    def expect_calls(self, actions: Iterable[tuple[str, str]]) -> None:
        """Show the usual answers to these actions (provider, action) from now on."""
        for provider, action in actions:
            for outcome, code in _USUAL_ANSWERS:
                self.calls.labels(provider, action, outcome, code)

    def refused(self, cause: str) -> None:
        """Count a request or a connection that the web server refused."""
        self.http_refusals.labels(cause).inc()

    def webhook(self, provider: str, outcome: str) -> None:
        """Count a webhook."""
        self.webhooks.labels(provider, outcome).inc()
