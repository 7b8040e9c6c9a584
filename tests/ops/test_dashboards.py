"""Dashboards: each panel asks for what workers show, in the way that Grafana can be given anywhere."""

import json
import re
from typing import Any

import pytest

from app.resources import ROOT
from app.worker.metric_catalog import CATALOG
from tests.ops.promql import problems, selections

DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "ops/grafana").glob("*.json"))
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RATE = re.compile(r"\brate\([^)]*?\[([^\]]*)\]")


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something: no rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


@pytest.fixture(params=DASHBOARDS)
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    dashboard: dict[str, Any] = DASHBOARDS[request.param]
    assert dashboard["uid"] == request.param
    return dashboard


def test_it_can_be_provisioned_anywhere(board: dict[str, Any]) -> None:
    assert (board["id"], board["schemaVersion"]) == (None, 39)
    source, job, *_ = board["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert (job["name"], job["datasource"]) == ("job", SOURCE)
    assert "__inputs" not in board
    for panel in panels(board):
        assert panel["datasource"] == SOURCE, panel["title"]
        assert all(target["datasource"] == SOURCE for target in panel["targets"]), panel["title"]


def test_every_panel_has_a_unit_and_says_what_it_shows(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in {"s", "short", "ops", "percentunit", "bytes"}, panel["title"]


def test_no_panel_lies_on_another(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_name_is_one_that_workers_show(board: dict[str, Any]) -> None:
    assert {expr: problems(expr, {}) for expr in expressions(board) if problems(expr, {})} == {}


def test_rates_follow_the_interval_of_scrapes(board: dict[str, Any]) -> None:
    for expression in expressions(board):
        assert set(RATE.findall(expression)) <= {"$__rate_interval"}, expression
        assert 'job="$job"' in expression


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {each.metric for board in DASHBOARDS.values() for text in expressions(board) for each in selections(text)}
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} | shown
    assert {metric.name for metric in CATALOG} - stems == set()
