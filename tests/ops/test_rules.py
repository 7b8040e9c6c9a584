"""Recording and alerting rules: they name what workers show, promtool accepts them, and each alert has its runbook."""

import subprocess
from pathlib import Path

import pytest
import yaml

from app.resources import ROOT
from tests.ops.programs import find_program
from tests.ops.promql import problems
from tests.ops.rules import RULE_TESTS, RULES, alerts, recorded, rules


@pytest.fixture(scope="module")
def promtool() -> Path:
    program = find_program("promtool")
    if program is None:
        pytest.skip("there is no promtool: install Debian's package prometheus, or put promtool on the PATH")
    return program


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules(promtool: Path) -> None:
    assert "SUCCESS" in run(promtool, "check", "rules", RULES)


def test_every_alert_fires_when_it_should_and_only_then(promtool: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", RULE_TESTS)


def test_every_alert_is_tried_both_ways() -> None:
    tried = {
        (each["alertname"], bool(each["exp_alerts"]))
        for case in yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
        for each in case["alert_rule_test"]
    }
    assert tried == {(name, fires) for name in alerts() for fires in (True, False)}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_name_in_a_rule_is_one_that_workers_show(rule: dict[str, str]) -> None:
    assert problems(rule["expr"], recorded()) == []


def test_the_name_of_a_recorded_series_lists_its_labels() -> None:
    for name, labels in recorded().items():
        assert set(name.partition(":")[0].split("_")) == labels, name


def test_a_name_that_nobody_shows_is_noticed() -> None:
    assert problems('sum by (flow) (waybill_orders{flow="f", reason="r"})', {}) == [
        "waybill_orders has no label reason"
    ]
    assert problems("sum by (pool) (rate(waybill_order_seconds_bucket[5m]))", {}) == ["nothing has the label pool"]
    assert problems("waybill_order_seconds > 5 and waybill_ordres == 1", {}) == [
        "there is no metric waybill_order_seconds",
        "there is no metric waybill_ordres",
    ]


@pytest.mark.parametrize("name", alerts())
def test_every_alert_has_a_runbook_that_says_when_it_fires(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    page = (ROOT / f"docs/runbooks/{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n\nSeverity `{alert['labels']['severity']}`")
    assert f"    {' '.join(alert['expr'].split())}\n" in page
    assert f"for {alert['for']}" in page if "for" in alert else "\nholds.\n" in page
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## What it means",
        "## What to look at",
        "## What to do",
    ]
    assert f"({name}.md)" in (ROOT / "docs/runbooks/README.md").read_text(encoding="utf-8")


def test_no_runbook_is_of_an_alert_that_is_gone() -> None:
    assert {path.stem for path in (ROOT / "docs/runbooks").glob("Waybill*.md")} == set(alerts())
