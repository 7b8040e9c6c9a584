"""Sourcing on a real broker: what its commands show, and what is left of it when its owner is killed time and again."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.kafka import topic_admin, topics
from app.kafka.cluster_access import ClusterAccess
from tests.commands.console import Console
from tests.kafka import stocktaking
from tests.kafka.black_box import Found
from tests.kafka.source_storm import KILLS_MIN, storm
from tests.kafka.test_commands import EXAMPLE, PARTITIONS, Worker, eventually, waybill, worker

__all__ = ["waybill", "worker"]
ORDERS, STORM_S = 300, 30.0
FLOW = "bigcommerce-dom-fno-fno"

# ---- the promise ----


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_no_item_is_oversold_and_no_reservation_lost_when_the_owner_is_killed(tmp_path: Path) -> None:
    verdict = storm(ORDERS, STORM_S, seed=7, folder=tmp_path)
    assert not verdict.problems, "\n".join([str(verdict), *verdict.problems[:20]])
    assert verdict.kills >= KILLS_MIN, "the storm did nothing"
    assert verdict.sourced > ORDERS
    assert verdict.waiting > 0


# ---- the judge ----

ASKED = {
    "effect_id": "f1",
    "order": {"order_id": "o1", "lines": [{"line_id": "1", "sku": "A", "quantity": Decimal(2)}]},
}
ISSUED = {"warehouse": "EU-HAM", "lines": [{"line_id": "1", "quantity": Decimal(2)}]}
SOURCED = {"order_id": "o1", "effect_id": "f1", "outcome": "sourced", "waits": False, "unsourced": []}
CONFIRMED = {"order_id": "o1", "command": "confirm", "lines": [{"line_id": "1", "warehouse": "EU-HAM"}]}
RECEIVED = {"sku": "A", "warehouse": "EU-HAM", "kind": "add", "quantity": Decimal(2)}
HELD = [
    ("stock-change", RECEIVED),
    ("sourcing-requested", ASKED),
    ("sourcing-result", {**SOURCED, "fulfillment_orders": [ISSUED]}),
]
WAITS = {**SOURCED, "outcome": "none", "waits": True, "unsourced": [{"line_id": "1"}], "fulfillment_orders": []}


def seen(*records: tuple[str, Any]) -> list[Found]:
    return [Found(topic, 0, n, 0, "o1", {"ce_id": f"e{n}"}, body) for n, (topic, body) in enumerate(records)]


def test_a_course_without_fault_is_none() -> None:
    assert stocktaking.problems(seen(*HELD)) == []
    row = {"sku": "A", "warehouse": "EU-HAM", "on_hand": "0.0000", "reserved": "0"}
    assert stocktaking.problems(seen(*HELD, ("sourcing-command", CONFIRMED)), [row]) == []


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        (HELD[1:], "is oversold: 2 are promised, 0 are there"),
        (HELD[:2], "o1: 0 answers to its request"),
        ([*HELD, HELD[2]], "o1: 2 answers to its request"),
        ([*HELD[:2], ("sourcing-result", {**SOURCED, "fulfillment_orders": []})], "has no source and does not wait"),
        ([*HELD, ("sourcing-result", {**SOURCED, "outcome": "released", "fulfillment_orders": [ISSUED]})], "2 times"),
        ([*HELD[:2], ("sourcing-result", WAITS)], "waits for 2 of A while 2 are free"),
        ([*HELD, ("dead-letter", None)], "set aside"),
    ],
)
def test_each_fault_is_told(records: list[tuple[str, Any]], sentence: str) -> None:
    said = stocktaking.problems(seen(*records))
    assert any(sentence in problem for problem in said), said


def test_a_result_told_twice_under_one_id_and_a_stock_that_differs_are_told() -> None:
    twice = [*seen(*HELD), replace(seen(*HELD)[2], offset=9)]
    assert any(problem.startswith("doubled") for problem in stocktaking.problems(twice))
    row = {"sku": "A", "warehouse": "EU-HAM", "on_hand": "2", "reserved": "1"}
    assert stocktaking.problems(seen(*HELD), [row]) == ["('A', 'EU-HAM'): reserved is 2, Waybill says 1"]


# ---- the commands ----


@pytest.fixture(scope="module")
def sourcing(worker: Worker) -> Worker:
    asyncio.run(topic_admin.apply(ClusterAccess(worker.bootstrap_servers), topics.load(PARTITIONS)))
    worker.start("orchestrate", "source", environment=worker.set_up)
    return worker


@pytest.fixture
def shop(sourcing: Worker, waybill: Console) -> Console:
    assert sourcing.running
    return waybill


def submit(shop: Console, order_id: str, *lines: tuple[str, int]) -> None:
    made = [{"sku": sku, "quantity": str(pieces), "unit_price": "1"} for sku, pieces in lines]
    amounts = dict.fromkeys(("subtotal", "shipping", "tax", "discount", "total"), None)
    order = {**EXAMPLE, **amounts, "order_id": order_id, "source_ref": order_id, "flow": FLOW, "lines": made}
    order = {name: value for name, value in order.items() if value is not None}
    said = shop("orders", "submit", "-", stdin=json.dumps(order).encode())
    assert said.code == 0, said.err


def waiting(shop: Console) -> set[tuple[str, str]]:
    listed = shop("backorders", "list", "--json").json["waiting"]
    return {(row["order_id"], row["sku"]) for row in listed}


@pytest.mark.kafka
def test_stock_is_set_loaded_and_listed(shop: Console, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    file.write_text("sku,site,warehouse,on_hand\nLOAD-1,EU,EU-HAM,5\nLOAD-1,US,US-SEA,2.5\n", encoding="utf-8")
    assert shop("stock", "load", str(file)).code == 0
    assert shop("stock", "set", "LOAD-1", "US-SEA", "4", "--add").code == 0

    def listed() -> dict[str, str] | None:
        rows = shop("stock", "list", "--sku", "LOAD-1", "--json").json
        found = {row["warehouse"]: row["available"] for row in rows}
        return found if found.get("US-SEA") == "6.5000" else None

    assert eventually(listed) == {"EU-HAM": "5.0000", "US-SEA": "6.5000"}
    assert "LOAD-1" in shop("stock", "list", "--warehouse", "EU-HAM").out


@pytest.mark.kafka
def test_an_order_says_why_and_a_receipt_releases_what_waits(shop: Console, sourcing: Worker, tmp_path: Path) -> None:
    shop("stock", "set", "WHY-1", "EU-HAM", "5")
    submit(shop, "why-1", ("WHY-1", 2), ("WHY-2", 1))
    eventually(lambda: True if ("why-1", "WHY-2") in waiting(shop) else None)
    explained = shop("sourcing", "explain", "why-1", "--json").json
    first, second = explained["lines"]
    assert [(source["warehouse"], source["code"]) for source in first["sources"] if source["chosen"]] == [
        ("EU-HAM", "chosen")
    ]
    assert {source["code"] for source in second["sources"]} == {"no-stock"}
    assert "EU-HAM" in shop("sourcing", "explain", "why-1").out
    status, shown = sourcing.asked("/orders/why-1")
    assert status == 200
    assert json.loads(shown)["sourcing"] == explained["lines"]
    file = tmp_path / "receipts.csv"
    file.write_text("sku,site,warehouse,quantity\nWHY-2,US,US-SEA,1\n", encoding="utf-8")
    assert shop("stock", "load", str(file), "--receipts").code == 0
    eventually(lambda: True if ("why-1", "WHY-2") not in waiting(shop) else None)
    receipts = shop("backorders", "list", "--json").json["runs"]["main"]["receipts"]
    assert receipts[-1]["released"] == 1

    def both() -> Any:
        found = shop("orders", "show", "why-1", "--json").json["fulfillment_orders"]
        return found if len(found) == 2 else None

    orders = eventually(both)
    assert [order["warehouse"] for order in orders] == ["EU-HAM", "US-SEA"]
    assert shop("sourcing", "explain", "nobody").code == 1


@pytest.mark.kafka
def test_the_job_is_run_by_hand_and_says_what_came_of_it(shop: Console) -> None:
    submit(shop, "run-1", ("RUN-1", 1))
    eventually(lambda: True if ("run-1", "RUN-1") in waiting(shop) else None)
    said = shop("backorders", "run", "--actor", "ana", "--json")
    assert said.code == 0, said.err
    assert (said.json["why"], said.json["actor"], said.json["released"]) == ("command", "ana", 0)
    assert said.json["looked_at"] == said.json["waiting"] >= 1
    assert "RUN-1" in shop("backorders", "list", "--sku", "RUN-1").out


@pytest.mark.kafka
def test_preferences_are_changed_while_everything_runs(shop: Console) -> None:
    asked = shop("backorders", "preferences", "--set", "backorders=off", "--actor", "ana")
    assert asked.code == 0, asked.err

    def changed() -> Any:
        found = shop("backorders", "preferences", "--json").json
        return found if found["backorders"] == "off" else None

    (change,) = eventually(changed)["changes"]
    assert (change["actor"], change["before"]["backorders"]) == ("ana", "on")
    assert "off" in shop("backorders", "preferences").out
    submit(shop, "off-1", ("OFF-1", 1))

    def not_found() -> Any:
        found = shop("orders", "show", "off-1", "--json")
        return found.json if found.code == 0 and found.json["reason"] == "Inventory not found" else None

    assert eventually(not_found)["state"] == "On Hold"
    assert ("off-1", "OFF-1") not in waiting(shop)
