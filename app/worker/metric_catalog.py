"""The catalog of metrics: name, type, labels, meaning and role of each. docs/metrics.md is made of it.

Names follow the Prometheus practices: prefix `waybill_`, base unit as suffix, `_total` for counters. Labels are closed
or short lists: roles, topics, partitions, providers, flows, states, codes. None is the id of an order.
"""

from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily

Group = Literal["Orders", "Providers", "Sourcing", "Lanes and Kafka", "Web", "Process"]
_UNITS: Final = {"seconds": "seconds", "ratio": "ratio", "bytes": "bytes"}
_ORDER_BOUNDS: Final = (1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800, 2_592_000)
"""From a second to 30 days."""


class Metric(NamedTuple):
    """One metric. `roles`: who shows it. `buckets`: upper bounds, of a histogram alone."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...]
    group: Group
    roles: str
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """The unit, as the name has it; what has none is counted."""
        words = self.name.removesuffix("_total").rsplit("_", 1)
        return _UNITS.get(words[-1], "count")

    def make_counter(self, registry: CollectorRegistry) -> Counter:
        return Counter(self.name, self.meaning, self.labels, registry=registry)

    def make_gauge(self, registry: CollectorRegistry) -> Gauge:
        return Gauge(self.name, self.meaning, self.labels, registry=registry)

    def make_histogram(self, registry: CollectorRegistry) -> Histogram:
        return Histogram(self.name, self.meaning, self.labels, registry=registry, buckets=self.buckets)

    def make_family(self) -> GaugeMetricFamily:
        """Return an empty family, for a gauge that is computed when it is scraped."""
        return GaugeMetricFamily(self.name, self.meaning, labels=self.labels)


class _Section(NamedTuple):
    """Metrics of one group, shown by the same roles."""

    group: Group
    roles: str = "all"

    def counter(self, name: str, meaning: str, *labels: str) -> Metric:
        return Metric(name, "counter", meaning, labels, group=self.group, roles=self.roles)

    def gauge(self, name: str, meaning: str, *labels: str) -> Metric:
        return Metric(name, "gauge", meaning, labels, group=self.group, roles=self.roles)

    def histogram(self, name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
        return Metric(name, "histogram", meaning, labels, group=self.group, roles=self.roles, buckets=buckets)


# ---- orders ----

_ORDERS: Final = _Section("Orders", "orchestrate")

ORDERS = _ORDERS.gauge(
    "waybill_orders", "Orders under way. One that is final counts until nothing of it is open", "flow", "state"
)
OLDEST_ORDER_SECONDS = _ORDERS.gauge(
    "waybill_oldest_order_seconds",
    "Seconds for which the order that came first has stood in the state, 0 where none does",
    "flow",
    "state",
)
ORDERS_STUCK = _ORDERS.gauge(
    "waybill_orders_stuck",
    "Orders under way that need a look. `wait`: a step has waited for more than half of the time that its flow allows."
    " `failed`: a step was given up, and not run again since",
    "flow",
    "cause",
)
ORDERS_CREATED = _ORDERS.counter("waybill_orders_created_total", "Orders created", "flow")
ORDER_SECONDS = _ORDERS.histogram(
    "waybill_order_seconds",
    "From the creation of an order to the state in which it is final",
    "flow",
    "state",
    buckets=_ORDER_BOUNDS,
)
STEP_SECONDS = _ORDERS.histogram(
    "waybill_step_seconds",
    "From the request of a step, or the begin of its wait, until it was done",
    "flow",
    "step",
    buckets=(0.1, 0.5, *_ORDER_BOUNDS),
)
TIMERS = _ORDERS.gauge(
    "waybill_timers",
    "Timers of orders. `waiting`: not due yet. `overdue`: due, and its order has not taken it yet",
    "status",
)
TIMER_OVERDUE_SECONDS = _ORDERS.gauge(
    "waybill_timer_overdue_seconds",
    "Seconds since the first timer was due that its order has not taken yet, 0 where there is none",
)

# ---- providers ----

_EFFECTS: Final = _Section("Providers", "orchestrate")
_ATTEMPTS: Final = _Section("Providers", "perform, apply")
_CALLS: Final = _Section("Providers", "perform, apply, pull")
_PULLS: Final = _Section("Providers", "pull")
_HOOKS: Final = _Section("Providers")

EFFECTS_PENDING = _EFFECTS.gauge(
    "waybill_effects_pending", "Actions that were requested and have not been answered for good", "provider"
)
EFFECTS_TO_RETRY = _EFFECTS.gauge(
    "waybill_effects_to_retry", "Actions that failed and wait until they are requested again", "provider"
)
EFFECT_ATTEMPTS = _ATTEMPTS.counter(
    "waybill_effect_attempts_total", "Attempts at actions, by their answer", "provider", "action", "outcome", "code"
)
EFFECT_SECONDS = _ATTEMPTS.histogram(
    "waybill_effect_seconds",
    "One attempt at an action",
    "provider",
    "action",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
CIRCUIT_STATE = _CALLS.gauge(
    "waybill_circuit_state",
    "1 for the state in which the circuit breaker of a provider is: closed, open (it fails and is not called) or"
    " half-open",
    "provider",
    "state",
)
CALL_PAUSE_SECONDS = _CALLS.gauge(
    "waybill_call_pause_seconds", "Seconds for which the provider asked for no calls, from now on", "provider"
)
CALLS_LEFT = _CALLS.gauge(
    "waybill_calls_left",
    "Calls that the provider's quota has left, as it said last; shown for those that say it",
    "provider",
)
PULL_AGE_SECONDS = _PULLS.gauge("waybill_pull_age_seconds", "Seconds since all that a source has was pulled", "source")
WEBHOOKS = _HOOKS.counter("waybill_webhooks_total", "Webhooks, by what became of them", "provider", "outcome")

# ---- sourcing ----

_SOURCING: Final = _Section("Sourcing", "source")

SOURCED_ORDERS = _SOURCING.counter("waybill_sourced_orders_total", "Answers to orders that want sources", "outcome")
SOLVE_SECONDS = _SOURCING.histogram(
    "waybill_solve_seconds",
    "One plan for a batch of orders",
    "status",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SOLVE_GAP_RATIO = _SOURCING.histogram(
    "waybill_solve_gap_ratio",
    "Cost that a plan may be away from the best one",
    buckets=(0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
BACKORDER_LINES = _SOURCING.gauge("waybill_backorder_lines", "Order lines that wait for stock", "pool")
OLDEST_BACKORDER_SECONDS = _SOURCING.gauge(
    "waybill_oldest_backorder_seconds",
    "Seconds for which the order line that came first has waited for stock, 0 where none does",
    "pool",
)
STOCK_PIECES = _SOURCING.gauge("waybill_stock_pieces", "Pieces of all items at a warehouse", "warehouse", "kind")

# ---- lanes and Kafka ----

_LANES: Final = _Section("Lanes and Kafka")

RECORDS = _LANES.counter("waybill_records_total", "Records folded, by what became of them", "role", "outcome")
DEAD_LETTERS = _LANES.counter("waybill_dead_letters_total", "Records set aside, by code", "role", "code")
FORWARDED_RECORDS = _LANES.counter("waybill_forwarded_records_total", "Records passed on to their order's lane", "role")
CHECKPOINT_SECONDS = _LANES.histogram(
    "waybill_checkpoint_seconds",
    "From the fold of a batch to its commit",
    "role",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
CHECKPOINT_RECORDS = _LANES.histogram(
    "waybill_checkpoint_records",
    "Records in a checkpoint",
    "role",
    buckets=(1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000),
)
COMMIT_AGE_SECONDS = _LANES.gauge(
    "waybill_commit_age_seconds",
    "Seconds for which records have waited for a lane that committed nothing, 0 when none wait",
    "role",
    "partition",
)
LAG_RECORDS = _LANES.gauge(
    "waybill_lag_records", "Records of an input that wait for their lane", "role", "topic", "partition"
)
OLDEST_RECORD_SECONDS = _LANES.gauge(
    "waybill_oldest_record_seconds",
    "Seconds since the first record of an input was written that waits for its lane, 0 when none waits",
    "role",
    "topic",
    "partition",
)
WITHHELD_SECONDS = _LANES.gauge(
    "waybill_withheld_seconds",
    "Seconds for which an open transaction has held back records of an input, 0 when none does",
    "role",
    "topic",
    "partition",
)
LANES = _LANES.gauge(
    "waybill_lanes",
    "Lanes of this process: `opening`, `open`, `paused` by a rebalance, or `held_back` by somebody's open transaction",
    "role",
    "status",
)
LANE_KEYS = _LANES.gauge("waybill_lane_keys", "Keys of a lane in memory", "role", "partition")
LANE_SETTLED_KEYS = _LANES.gauge(
    "waybill_lane_settled_keys",
    "Keys of a lane that are final, of which only the place in the ledger is in memory",
    "role",
    "partition",
)
RESTORE_SECONDS = _LANES.gauge(
    "waybill_restore_seconds", "Seconds the lane took to fence and restore", "role", "partition"
)
RESTORE_RATIO = _LANES.gauge(
    "waybill_restore_ratio", "Share of its ledger that a lane has read, 1 once it is open", "role", "partition"
)
JOBS = _LANES.gauge("waybill_jobs", "Provider calls of a lane, running and waiting", "role", "partition", "status")

# ---- web and process ----

_WEB: Final = _Section("Web")
_PROCESS: Final = _Section("Process")

HTTP_REFUSED = _WEB.counter("waybill_http_refused_total", "Requests and connections refused, by cause", "cause")
BUILD_INFO = _PROCESS.gauge("waybill_build_info", "Version, always 1", "version")

CATALOG: Final = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
PROCESS: Final = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
)
"""What prometheus_client shows of a process, on Linux."""
