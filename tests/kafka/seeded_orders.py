"""Seeds orders of every scenario at the simulated shop and at the simulated F+O."""

import json
import urllib.request
from collections.abc import Set
from typing import Any

from app.sandbox.demo.scenario import OrderSeries
from app.sandbox.demo.scenarios import SCENARIOS as ALL

ANSWER_LIMIT_S = 60
SCENARIOS = {number: scenario for number, scenario in ALL.items() if not scenario.by_line}
"""Those whose orders go one way as a whole. Orders that are sourced line by line need stock, and are judged by
stocktaking (test_source.py, source_storm.py)."""
CHOSEN = tuple(text for number in SCENARIOS for text in ("--scenario", str(number)))
"""The same, as the demo is told."""


def seed_orders(simulators: str, each: int, stamp: str, used_ids: Set[int] = frozenset()) -> set[int]:
    """`each` orders of every scenario; the shop's ids that are taken now, to be given to the next call."""
    ids = set(used_ids)
    for scenario in SCENARIOS.values():
        wires = [order.wire for order in scenario.orders(OrderSeries("demo", "usmf", stamp, each, ids))]
        ids |= {wire["id"] for wire in wires if "id" in wire}
        post(f"{simulators}{scenario.seed}", wires)
    return ids


def post(url: str, body: Any) -> None:
    """POST to the control plane."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as answer:
        assert answer.status < 300
