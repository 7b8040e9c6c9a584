"""What the demo reports: the shape that others rely on, what makes it false, and a table for eighty columns."""

import json
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from app.sandbox.demo.demo_report import Report, as_json, as_table, judge, outage_tables
from app.sandbox.demo.evidence import Case, ObservedRecord
from app.sandbox.demo.outage import parse
from app.sandbox.demo.scenarios import SCENARIOS
from tests.sandbox.demo.recorded import DEFINITIONS, complete, drop, missing, recorded


def everything() -> list[Case]:
    return complete(1) + complete(4)


def report(cases: list[Case], definitions: Mapping[str, bool] = DEFINITIONS) -> Report:
    return judge("127.0.0.1:9092", cases, definitions)


def outside(case: Case) -> Case:
    """As an order of --orders: how it ends is not known beforehand."""
    case.order = replace(case.order, expected=None)
    return case


def letter(case: Case) -> ObservedRecord:
    body = {"code": "unmappable", "detail": "price: not a number", "topic": "", "role": "pull"}
    return replace(case.records[0], topic="dead-letter", event_id="dead-letter/0/1", body=body)


def test_the_json_has_the_shape_of_the_contract() -> None:
    shown = json.loads(json.dumps(as_json(report(everything()))))
    assert set(shown) == {"broker", "requirements", "scenarios", "outage", "orders"}
    assert shown["broker"] == "127.0.0.1:9092"
    assert list(shown["requirements"]) == [f"S{n}" for n in (*range(1, 22), *range(41, 49))]
    assert set(shown["requirements"].values()) == {True}
    first, second = shown["scenarios"]
    assert {name: first[name] for name in ("scenario", "flow", "orders", "completed", "refused")} == {
        "scenario": 1, "flow": "bigcommerce-fno-fno", "orders": 2, "completed": 1, "refused": 1,
    }  # fmt: skip
    assert list(first["requirements"]) == [f"S{n}" for n in range(9, 22)]
    assert list(second["requirements"]) == [f"S{n}" for n in range(41, 49)]
    assert 0 < first["latency_s"]["p50"] <= first["latency_s"]["p99"] < 60


def test_the_json_names_each_order_and_its_records() -> None:
    case = recorded("scenario-1-completed")
    (order,) = as_json(report([case]))["orders"]
    assert {name: order[name] for name in ("order_id", "source_ref", "scenario", "state", "reason")} == {
        "order_id": case.order.order_id, "source_ref": case.order.source_ref, "scenario": 1,
        "state": "Completed", "reason": "Fulfilled",
    }  # fmt: skip
    assert {tuple(event) for event in order["events"]} == {("topic", "partition", "offset", "id", "type")}
    topics = [event["topic"] for event in order["events"]]
    assert {"order-created", "order-validated", "order-picked", "order-shipped", "order-invoiced"} <= set(topics)
    assert topics.count("order-status") == len(case.statuses())


def test_an_order_that_was_never_seen_is_reported_as_nowhere() -> None:
    case = recorded("scenario-1-completed")
    case.records = []
    (order,) = as_json(report([case]))["orders"]
    assert (order["state"], order["reason"], order["events"]) == (None, None, [])


def test_all_true_is_the_truth() -> None:
    assert report(everything()).truth


def test_a_number_that_is_missing_is_not_the_truth() -> None:
    cases = everything()
    drop("order-shipped")(cases[0])
    assert not report(cases).truth
    assert not report(everything(), {"S1": True, "S2": False}).truth


def test_an_order_that_ended_otherwise_is_not_the_truth() -> None:
    cases = everything()
    cases[1].order = replace(cases[1].order, expected=("Completed", "Fulfilled"))
    found = report(cases)
    assert not found.truth
    assert found.scenarios[0].wrong == (cases[1],)


def test_a_record_seen_twice_is_not_the_truth() -> None:
    cases = everything()
    copy = replace(cases[2].on("dualwrite.fno.salesorders")[0], offset=10_000)
    cases[2].records.append(copy)
    found = report(cases)
    assert found.doubled == (copy,)
    assert all(found.requirements.values())
    assert not found.truth


def test_only_scenarios_that_ran_are_reported() -> None:
    assert set(report(complete(4)).requirements) == {"S1", "S2", "S3", "S8", *(f"S{n}" for n in range(41, 49))}


def test_orders_from_outside_may_complete_or_be_refused() -> None:
    found = report([outside(case) for case in complete(1)])
    assert found.truth
    assert (found.scenarios[0].completed, found.scenarios[0].refused) == (1, 1)


def test_an_order_from_outside_that_lies_in_dead_letter_has_ended() -> None:
    unread = outside(recorded("scenario-1-refused"))
    unread.records = [letter(unread)]
    found = report([*complete(1), unread])
    assert unread.ended()
    assert found.truth
    assert found.scenarios[0].refused == 2
    shown = as_json(found)["orders"][-1]
    assert (shown["state"], shown["reason"], shown["events"]) == (None, "dead-letter: unmappable", [])


def test_an_order_of_the_demo_in_dead_letter_has_not() -> None:
    case = recorded("scenario-1-refused")
    case.records = [letter(case)]
    assert not case.ended()
    assert "S10" in missing([*complete(1), case])


def shown(table: Table, width: int = 80) -> str:
    console = Console(width=width, file=StringIO(), soft_wrap=True)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("later_ms", [0, 20_000, 3_000_000])
def test_the_table_fits_eighty_columns_with_a_line_for_each_scenario(later_ms: int) -> None:
    found = report([case for scenario in SCENARIOS for case in late(complete(scenario), later_ms)])
    text = shown(as_table(found))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text, "a word is cut"
    rows = [line.split() for line in text.splitlines() if line.strip()]
    assert [row[:2] for row in rows[3:-1]] == [[str(n), scenario.flow] for n, scenario in SCENARIOS.items()]
    spans = [f"{names[0]}-{names[-1]}" for names in (list(scenario.checks) for scenario in SCENARIOS.values())]
    assert [row[-1] for row in rows[3:]] == [*spans, "S1-S8"]


def late(cases: list[Case], ms: int) -> list[Case]:
    for case in cases:
        case.records = [
            replace(record, at_ms=record.at_ms + ms * (record.topic == "order-status")) for record in case.records
        ]
    return cases


def test_the_table_of_outages_fits_as_well() -> None:
    again = late(complete(4), 900_000)
    for case in again:
        case.order = replace(case.order, round=1)
    found = judge("", [*complete(4), *again], DEFINITIONS, [parse("bigcommerce:drop-response:3600")])
    (table,) = outage_tables(found)
    text = shown(table)
    assert max(map(len, text.splitlines())) <= 80
    assert "bigcommerce: drop-response for 3600 s, half of the calls" in text
    assert "slowed" in text


def test_the_table_names_what_is_missing() -> None:
    cases: list[Any] = everything()
    for topic in ("order-validated", "order-picked", "order-shipped", "order-invoiced"):
        drop(topic)(cases[0])
    text = shown(as_table(report(cases)))
    assert max(map(len, text.splitlines())) <= 80
    assert all(number in text for number in ("S11", "S15", "S17", "S20", "S9-S21"))


@pytest.mark.parametrize("scenario", [1, 4])
def test_latency_is_from_arrival_to_the_last_status_of_orders_that_went_on(scenario: int) -> None:
    good, refused = complete(scenario)
    arrived = min(record.at_ms for record in good.on("order-created"))
    last = max(record.at_ms for record in good.on("order-status"))
    (found,) = report([good, refused]).scenarios
    assert found.times.p50_s == found.times.p99_s == (last - arrived) / 1000
