"""The rules of ops/prometheus, as the tests look at them."""

from collections.abc import Mapping
from typing import Any

import yaml

from app.resources import ROOT
from tests.ops.promql import groupings

FOLDER = ROOT / "ops/prometheus"
RULES, RULE_TESTS = FOLDER / "waybill-rules.yml", FOLDER / "waybill-rules.test.yml"


def rules() -> list[dict[str, Any]]:
    """Return every rule, recording and alerting."""
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alert by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> Mapping[str, frozenset[str]]:
    """Return the series of recording rules, with their labels: those of the outermost aggregation."""
    return {rule["record"]: frozenset(groupings(rule["expr"])[0]) - {"le"} for rule in rules() if "record" in rule}
