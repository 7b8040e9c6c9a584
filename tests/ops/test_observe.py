"""A real Prometheus, started by ops/observe.sh, scrapes roles with a provider in trouble: panels, rules and alerts."""

import json
import os
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, start_http_server

from app.agents.orchestrate import Orchestrate
from app.domain.outcomes import Outcome
from app.providers.breaker import CALLS_MIN
from app.providers.http import Link, Timeouts
from app.providers.port import Code
from app.redaction import Redaction
from app.resources import ROOT
from app.sandbox.local.ports import free_port
from app.worker.metrics import Collectors, Metrics
from tests.agents.stand_ins import CODEC
from tests.agents.test_orchestrate import Driven
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import published
from tests.kafka.processes import wait_for
from tests.ops.programs import find_program
from tests.ops.rules import alerts
from tests.ops.test_dashboards import DASHBOARDS, expressions

LIMIT_S = 120.0
VARIABLES = {
    "$job": "waybill",
    "$__rate_interval": "1m",
    "$flow": ".*",
    "$provider": ".*",
    "$pool": ".*",
    "$role": ".*",
}


class Prometheus:
    """The API of one that runs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **values: str) -> Any:
        url = f"{self._url}/{path}?{urllib.parse.urlencode(values)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        for name, text in VARIABLES.items():
            expression = expression.replace(name, text)
        result: list[Any] = self.get("query", query=expression)["result"]
        return result

    def scrapes(self) -> float:
        try:
            counted = self.query("max(count_over_time(up[5m]))")
        except OSError:
            return 0
        return float(counted[0]["value"][1]) if counted else 0


def show_trouble(registry: CollectorRegistry) -> Metrics:
    """Show a lane with an order whose step was given up, and a provider that fails."""
    shared = Collectors(registry)
    orchestrate, perform = Metrics("orchestrate", shared), Metrics("perform", shared)
    driven = Driven()
    driven.role = Orchestrate(CODEC, published(), ORDERS, {"main": 3}, observer=orchestrate)
    driven.created()
    driven.answered("declined", detail="no credit")
    orchestrate.opened(0, 1, 0.1)
    orchestrate.checkpoint(0, 2, 0.01, {"applied": 2})
    orchestrate.backlog(0, {"order-created": 0}, None, {})
    link = Link(
        "fno", "http://127.0.0.1:1", httpx.AsyncClient(), redaction=Redaction(), timeouts=Timeouts(),
        message_of=lambda _: "", throttle_ms=1, clock=lambda: 0.0,
    )  # fmt: skip
    for _ in range(CALLS_MIN):
        link.breaker.settle(link.breaker.admit(), is_healthy=False)
    shared.links.follow([link])
    shared.expect_calls([("fno", "Send order to fulfillment")])
    return perform


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    program = find_program("prometheus")
    if program is None:
        pytest.skip("there is no prometheus: install Debian's package, or put it on the PATH")
    registry, target, port = CollectorRegistry(), free_port(), free_port()
    perform = show_trouble(registry)
    server, _ = start_http_server(target, "127.0.0.1", registry)
    command = [str(ROOT / "ops/observe.sh"), f"http://127.0.0.1:{target}/metrics"]
    environment = {**os.environ, "PROMETHEUS": str(program), "PORT": str(port)}
    process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    running = Prometheus(port)

    def is_scraped() -> bool:
        assert process.poll() is None
        perform.called("fno", "Send order to fulfillment", Outcome.RETRY, Code.UNAVAILABLE, 0.2)
        return running.scrapes() >= 3

    try:
        wait_for("Prometheus has scraped three times", is_scraped, LIMIT_S)
        yield running
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        server.shutdown()
        server.server_close()


def test_the_rules_are_evaluated_and_the_right_alerts_are_raised(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
    raised = {name for name, alert in alerts().items() if prometheus.query(alert["expr"])}
    assert raised == {
        "WaybillOrdersStuck", "WaybillOrdersHeld", "WaybillProviderFailing", "WaybillCircuitOpen",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["waybill-orders", "waybill-providers"])
def test_panels_have_something_to_show(prometheus: Prometheus, name: str) -> None:
    empty = {text for text in expressions(DASHBOARDS[name]) if not prometheus.query(text)}
    # Not shown here: what has not happened (`> 0`), and what other roles and providers show.
    others = (
        "> 0", "waybill_calls_left", "waybill_pull_age", "waybill_webhooks", "waybill_jobs", "waybill_step_seconds",
    )  # fmt: skip
    assert [text for text in empty if not any(part in text for part in others)] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_can_be_evaluated(prometheus: Prometheus, name: str) -> None:
    for text in expressions(DASHBOARDS[name]):
        prometheus.query(text)
