"""How an order is shown: exact amounts, times with a zone, and everything that a person asks about."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events.model import Event, LineStatus, OrderCommand, OrderStatus
from app.queries.views import amount, order_view, status_view, time
from tests.flows.journey import Journey, an_order


def a_journey() -> Journey:
    journey = Journey(an_order(2))
    journey.created()
    return journey


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0000"), (1, "0.0001"), (125_000, "12.5000"), (-10_000, "-1.0000"), (10**16, f"{10**12}.0000")],
)
def test_amounts_are_exact(value: int, text: str) -> None:
    assert amount(value) == text


@given(st.integers(-(10**18), 10**18))
def test_an_amount_reads_back_as_it_was(value: int) -> None:
    whole, places = amount(value).split(".")
    assert int(whole + places) == value


def test_times_have_milliseconds_and_a_zone() -> None:
    assert time(1_760_000_000_123) == "2025-10-09T08:53:20.123Z"
    assert time(0) == "1970-01-01T00:00:00.000Z"
    assert time(None) is None


def test_an_order_shows_state_lines_lineage_and_timeline() -> None:
    shown = order_view(a_journey().state)
    assert (shown["order_id"], shown["state"], shown["reason"]) == ("bc-shop-1", "Validated", "Assigned")
    assert (shown["flow"], shown["flow_version"], shown["version"]) == ("bigcommerce-fno-fno", 1, 1)
    assert (shown["company"], shown["total"], shown["tax"]) == ("USMF", "50.0000", "0.0000")
    assert shown["placed_at"] == "2025-10-09T08:53:20.000Z"
    assert [(line["line_id"], line["quantity"], line["unit_price"]) for line in shown["lines"]] == [
        ("1", "2.0000", "12.5000"),
        ("2", "2.0000", "12.5000"),
    ]
    assert {"line_id", "sku", "site", "warehouse", "state", "reason"} <= set(shown["lines"][0])
    rules = {item["field"]: item["rule"] for item in shown["lineage"]}
    assert rules["company"].startswith("assign-company")
    assert "lines.2.warehouse" in rules
    assert [entry["event"] for entry in shown["timeline"]] == ["order created", "order validated", "order assigned"]
    assert all(entry["at"].endswith("Z") and entry["event_id"] for entry in shown["timeline"])


def test_an_order_shows_what_it_waits_for() -> None:
    journey = a_journey()
    (effect,) = order_view(journey.state)["waiting_for"]
    assert (effect["provider"], effect["action"], effect["attempt"]) == ("fno", "Send order to fulfillment", 1)
    assert effect["requested_at"].endswith("Z")
    journey.answered("send", reference="000123")
    shown = order_view(journey.state)
    assert shown["waiting_for"] == []
    assert shown["references"] == {"bigcommerce": "1", "fno": "000123"}
    assert shown["timers"][0]["subject"] == "await picking"
    assert shown["timers"][0]["due_at"].endswith("Z")


def test_every_view_is_json() -> None:
    journey = a_journey()
    assert json.loads(json.dumps(order_view(journey.state)))["order_id"] == "bc-shop-1"
    views = [status_view(event) for event in journey.steps[0].events if isinstance(event.body, OrderStatus)]
    assert [view["event"] for view in json.loads(json.dumps(views))] == [
        "order created", "order validated", "order assigned",
    ]  # fmt: skip


def test_a_status_shows_its_record() -> None:
    lines = (LineStatus("1", "Validated", "Validated"),)
    body = OrderStatus(
        "o", "1", "order validated", "validate", "Validated", "Validated", "New", "New", 1, "f", 1, lines
    )
    shown = status_view(Event("order status changed", "e", "o", 0, "test", "", body))
    assert shown["at"] == "1970-01-01T00:00:00.000Z"
    assert shown["event_id"] == "e"
    assert shown["lines"] == [{"line_id": "1", "state": "Validated", "reason": "Validated"}]


def test_only_a_status_is_shown_as_one() -> None:
    with pytest.raises(TypeError, match="order command is no order status"):
        status_view(Event("order command", "e", "o", 0, "test", "", OrderCommand("o", "change")))
