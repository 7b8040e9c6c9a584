"""What a scrape shows after lanes and agents reported: names, labels and base units, and nothing of a single order."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from app.agents.order_figures import FollowedOrder, OrderFigures, UnobservedOrders
from app.agents.timers import Timers
from app.events.dead_letter_codes import CODES
from app.events.record import DEAD_LETTER, Output
from app.inventory.ledger_values import WarehouseTotals
from app.lanes.lane import Lane
from app.lanes.role import Folded
from app.providers.breaker import CALLS_MIN
from app.providers.http import Link, Timeouts
from app.providers.http_messages import Reply
from app.redaction import Redaction
from app.worker import http_access, http_server
from app.worker import metric_catalog as catalog
from app.worker.metric_catalog import CATALOG, PROCESS
from app.worker.metrics import CAUSES, Collectors, Metrics
from app.worker.scraped_figures import Durations
from app.worker.webhook_intake import OUTCOMES
from tests.lanes.example_roles import OUT, Counting
from tests.lanes.lane_driver import World

START_MS = 1_760_000_000_000


class Hosted(NamedTuple):
    """A host of lanes, as scrapes look at it."""

    lanes: Sequence[Lane]


class Shown:
    """The collectors of one process, with two roles that report to them; `now` is their clock."""

    def __init__(self) -> None:
        self.registry, self.now = CollectorRegistry(), 100.0
        self.shared = Collectors(self.registry, self)
        self.orchestrate, self.perform = Metrics("orchestrate", self.shared), Metrics("perform", self.shared)

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return START_MS + int(self.now * 1000)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_a_checkpoint_counts_its_records_by_outcome(shown: Shown) -> None:
    shown.orchestrate.checkpoint(1, 5, 0.004, {"applied": 3, "duplicate": 2})
    shown.orchestrate.checkpoint(2, 1, 0.2, {"applied": 1})
    shown.perform.checkpoint(1, 1, 0.2, {"ok": 1})
    assert shown.value("waybill_records_total", role="orchestrate", outcome="applied") == 4
    assert shown.value("waybill_records_total", role="orchestrate", outcome="duplicate") == 2
    assert shown.value("waybill_records_total", role="perform", outcome="ok") == 1
    assert shown.value("waybill_checkpoint_seconds_count", role="orchestrate") == 2
    assert shown.value("waybill_checkpoint_seconds_sum", role="orchestrate") == pytest.approx(0.204)
    assert shown.value("waybill_checkpoint_records_sum", role="orchestrate") == 6


def test_dead_letters_are_counted_by_code(shown: Shown) -> None:
    for code in ("malformed", "invalid", "malformed"):
        shown.orchestrate.dead_letter(code)
    assert shown.value("waybill_dead_letters_total", role="orchestrate", code="malformed") == 2
    assert shown.value("waybill_dead_letters_total", role="orchestrate", code="invalid") == 1


@pytest.mark.parametrize("code", ["unmappable", "unknown-order", "sync-declined"])
async def test_a_dead_letter_that_a_role_writes_itself_is_counted(shown: Shown, code: str) -> None:
    world, role = World(), Counting()
    world.seen = shown.perform  # type: ignore[assignment]
    driven = await world.open(role)
    role.polled.append(Folded((Output(DEAD_LETTER, b"k", b"refused"), Output(OUT, b"k", b"taken")), dead=[code]))
    await driven.until(lambda: world.outputs() == [b"taken"])
    assert shown.value("waybill_dead_letters_total", role="perform", code=code) == 1


def test_durations_are_shown_as_a_histogram_of_the_library_shows_them() -> None:
    metric, registry, library = catalog.STEP_SECONDS, CollectorRegistry(), CollectorRegistry()
    ours, theirs = Durations(metric), metric.make_histogram(library)
    registry.register(ours)
    ours.expect(("flow", "pack"))
    theirs.labels("flow", "pack")
    for seconds in (0.0, 0.05, *metric.buckets, 2.5, 9e9):
        ours.observe(("flow", "await picking"), seconds)
        theirs.labels("flow", "await picking").observe(seconds)
    ours.expect(("flow", "await picking"))
    lines = [line for line in generate_latest(library).decode().splitlines() if "_created" not in line]
    assert generate_latest(registry).decode().splitlines() == lines


def test_calls_are_counted_and_timed(shown: Shown) -> None:
    shown.perform.called("bigcommerce", "Update order status", "retry", "rate_limited", 0.3)
    shown.perform.called("bigcommerce", "Update order status", "ok", "ok", 0.1)
    labels = {"provider": "bigcommerce", "action": "Update order status"}
    attempts = "waybill_effect_attempts_total"
    assert shown.value(attempts, **labels, outcome="retry", code="rate_limited") == 1
    assert shown.value(attempts, **labels, outcome="ok", code="ok") == 1
    assert shown.value("waybill_effect_seconds_count", **labels) == 2
    assert shown.value("waybill_effect_seconds_sum", **labels) == pytest.approx(0.4)


def test_what_an_open_transaction_holds_back_is_shown_while_the_lane_is_here(shown: Shown) -> None:
    shown.orchestrate.opened(3, 1, 0.1)
    labels = {"role": "orchestrate", "topic": "order-created", "partition": "3"}
    for seconds in (20.0, 0.0):
        shown.orchestrate.withheld(3, {"order-created": seconds})
        assert shown.value("waybill_withheld_seconds", **labels) == seconds
    shown.orchestrate.closed(3)
    assert shown.value("waybill_withheld_seconds", **labels) is None


def test_a_lane_that_opens_and_closes(shown: Shown) -> None:
    shown.orchestrate.restoring(3, 300, 1200)
    assert shown.value("waybill_restore_ratio", role="orchestrate", partition="3") == 0.25
    shown.orchestrate.opened(3, 1200, 0.8)
    labels = {"role": "orchestrate", "partition": "3"}
    assert shown.value("waybill_restore_ratio", **labels) == 1
    assert shown.value("waybill_restore_seconds", **labels) == pytest.approx(0.8)
    assert shown.value("waybill_commit_age_seconds", **labels) is not None
    shown.orchestrate.closed(3)
    assert shown.value("waybill_restore_ratio", **labels) is None
    assert shown.value("waybill_commit_age_seconds", **labels) is None


def test_lag_goes_with_its_lane(shown: Shown) -> None:
    labels = {"role": "orchestrate", "partition": "0"}
    shown.orchestrate.opened(0, 0, 0.1)
    shown.orchestrate.backlog(0, {"order-created": 60, "order-command": 0}, 0.0, {"order-created": START_MS + 95_000})
    assert shown.value("waybill_lag_records", **labels, topic="order-created") == 60
    assert shown.value("waybill_lag_records", **labels, topic="order-command") == 0
    assert shown.value("waybill_oldest_record_seconds", **labels, topic="order-created") == 5
    assert shown.value("waybill_oldest_record_seconds", **labels, topic="order-command") == 0
    shown.now += 7
    assert shown.value("waybill_oldest_record_seconds", **labels, topic="order-created") == 12
    shown.orchestrate.closed(0)
    assert shown.value("waybill_lag_records", **labels, topic="order-created") is None


def test_the_age_of_a_commit_grows_while_records_wait_and_nothing_is_committed(shown: Shown) -> None:
    age = {"role": "orchestrate", "partition": "0"}
    shown.orchestrate.opened(0, 0, 0.1)
    shown.now = 130.0
    assert shown.value("waybill_commit_age_seconds", **age) == 0, "an idle lane has no age"
    shown.orchestrate.backlog(0, {"order-created": 4, "order-command": 0}, 120.0, {})
    assert shown.value("waybill_commit_age_seconds", **age) == 10
    shown.now = 150.0
    shown.orchestrate.backlog(0, {"order-created": 0, "order-command": 4}, 120.0, {})
    assert shown.value("waybill_commit_age_seconds", **age) == 30, "an input that is caught up excuses no other"
    shown.orchestrate.checkpoint(0, 1, 0.1, {"applied": 1})
    shown.now = 151.0
    assert shown.value("waybill_commit_age_seconds", **age) == 1
    shown.orchestrate.backlog(0, {"order-created": 0, "order-command": 0}, None, {})
    shown.orchestrate.checkpoint(0, 0, 0.1, {})
    shown.now = 190.0
    assert shown.value("waybill_commit_age_seconds", **age) == 0


def test_jobs_and_forwarded_records(shown: Shown) -> None:
    shown.perform.in_flight(0, 7, 30)
    shown.orchestrate.forwarded(4)
    assert shown.value("waybill_jobs", role="perform", partition="0", status="running") == 7
    assert shown.value("waybill_jobs", role="perform", partition="0", status="waiting") == 30
    assert shown.value("waybill_forwarded_records_total", role="orchestrate") == 4


def test_what_sourcing_reports_goes_with_its_lane(shown: Shown) -> None:
    source = shown.perform
    for on_hand in (9, 7):
        source.stocked(2, WarehouseTotals("EU-HAM", on_hand=on_hand * 10_000, reserved=25_000))
    source.waiting(2, "main", 3, START_MS + 40_000)
    source.sourced("partial")
    source.solved(0.3, "gap", 0.004)
    pieces = "waybill_stock_pieces"
    assert shown.value(pieces, warehouse="EU-HAM", kind="on_hand") == 7
    assert shown.value(pieces, warehouse="EU-HAM", kind="reserved") == 2.5
    assert shown.value("waybill_backorder_lines", pool="main") == 3
    assert shown.value("waybill_oldest_backorder_seconds", pool="main") == 60
    assert shown.value("waybill_sourced_orders_total", outcome="partial") == 1
    assert shown.value("waybill_solve_seconds_sum", status="gap") == pytest.approx(0.3)
    assert shown.value("waybill_solve_gap_ratio_bucket", le="0.005") == 1
    source.opened(2, 0, 0.1)
    source.closed(2)
    assert shown.value(pieces, warehouse="EU-HAM", kind="on_hand") is None
    assert shown.value("waybill_backorder_lines", pool="main") is None


def test_a_lane_that_never_opened_may_be_closed(shown: Shown) -> None:
    shown.orchestrate.closed(9)
    assert shown.value("waybill_commit_age_seconds", role="orchestrate", partition="9") is None


def test_orders_of_all_lanes_are_added_up_and_the_oldest_of_them_is_shown(shown: Shown) -> None:
    for partition, age_s in enumerate((60, 5, 20)):
        since = shown.now_ms() - 1000 * age_s
        order = FollowedOrder(
            flow="f",
            version=1,
            state="Validated",
            created_at=since,
            at=since,
            since=since,
            done=(),
            effects=(),
            timers=(),
            settled_at=0,
            has_failed=False,
        )
        figures = OrderFigures(["f"], lambda *_: 0, UnobservedOrders())
        figures.keep(b"web-1", order)
        shown.orchestrate.follow(partition, figures, Timers())
    assert shown.value("waybill_orders", flow="f", state="Validated") == 3
    assert shown.value("waybill_oldest_order_seconds", flow="f", state="Validated") == 60


def test_every_metric_of_the_catalog_is_there_and_no_other(shown: Shown) -> None:
    text = generate_latest(shown.registry).decode()
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    ours = {metric.name for metric in CATALOG}
    created = {f"{name.removesuffix('_total')}_created" for name in ours}
    assert families - created == ours | set(PROCESS)
    assert 'waybill_build_info{version="' in text


def test_no_metric_has_a_label_that_grows_with_the_orders() -> None:
    labels = {label for metric in CATALOG for label in metric.labels}
    assert labels == {
        "action", "cause", "code", "flow", "kind", "outcome", "partition", "pool", "provider", "role", "source",
        "state", "status", "step", "topic", "version", "warehouse",
    }  # fmt: skip
    assert len({metric.name for metric in CATALOG}) == len(CATALOG)
    assert all(metric.name.startswith("waybill_") for metric in CATALOG)


def test_the_first_of_anything_is_an_increase(shown: Shown) -> None:
    """A series that begins at 1 has no increase: what may happen has one from the beginning."""
    for code in CODES:
        assert shown.value("waybill_dead_letters_total", role="orchestrate", code=code) == 0
    for outcome in OUTCOMES:
        assert shown.value("waybill_webhooks_total", provider="flexe", outcome=outcome) is None
    shown.shared.expect_webhooks(["flexe"])
    for outcome in OUTCOMES:
        assert shown.value("waybill_webhooks_total", provider="flexe", outcome=outcome) == 0
    for cause in CAUSES:
        assert shown.value("waybill_http_refused_total", cause=cause) == 0


def test_every_cause_of_a_refusal_is_expected() -> None:
    files = (http_server.__file__, http_access.__file__)
    text = "".join(Path(file or "").read_text(encoding="utf-8") for file in files)
    counted = set(re.findall(r'_count\("(\w+)"\)|_refuse\(request, \d+, "(\w+)"', text))
    causes = {name for names in counted for name in names if name} | set(http_server._CAUSES.values())
    assert causes == set(CAUSES)


async def test_the_keys_of_a_lane_follow_its_state(shown: Shown) -> None:
    world = World()
    driven = await world.open()
    shown.shared.lanes.follow("count", Hosted([driven.lane]))
    keys = {"role": "count", "partition": "0"}
    assert shown.value("waybill_lane_keys", **keys) == 0
    world.produce(b"k", b"one")
    await driven.settle()
    assert shown.value("waybill_lane_keys", **keys) == 1
    assert shown.value("waybill_lanes", role="count", status="open") == 1
    driven.lane.suspend()
    assert shown.value("waybill_lanes", role="count", status="open") == 0
    assert shown.value("waybill_lanes", role="count", status="paused") == 1


def test_circuit_pause_and_quota_are_those_of_the_link(shown: Shown) -> None:
    link = Link(
        "fno", "http://127.0.0.1:1", httpx.AsyncClient(), redaction=Redaction(), timeouts=Timeouts(),
        message_of=lambda _: "", throttle_ms=1, clock=shown.monotonic,
    )  # fmt: skip
    for _ in range(CALLS_MIN):
        link.breaker.settle(link.breaker.admit(), is_healthy=False)
    link.pause_for(1_500)
    shown.shared.links.follow([link])
    assert shown.value("waybill_circuit_state", provider="fno", state="open") == 1
    assert shown.value("waybill_circuit_state", provider="fno", state="closed") == 0
    assert shown.value("waybill_call_pause_seconds", provider="fno") == 1.5
    assert shown.value("waybill_calls_left", provider="fno") is None
    link._keep_pace(Reply(200, {"x-rate-limit-requests-left": "17"}, b""))
    assert shown.value("waybill_calls_left", provider="fno") == 17


def test_a_source_ages_from_when_all_of_it_was_pulled(shown: Shown) -> None:
    shown.perform.pulled(0, "bigcommerce/abc", 90.0)
    assert shown.value("waybill_pull_age_seconds", source="bigcommerce/abc") == 10
    shown.perform.closed(0)
    assert shown.value("waybill_pull_age_seconds", source="bigcommerce/abc") is None
