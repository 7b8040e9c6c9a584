"""CloudEvents and trace headers, out and in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RecordError
from app.events import headers
from app.events.ids import derive
from app.events.model import Event, OrderCommand

BODY = OrderCommand("x-1", "reprocess")


def event(event_id: str = "ab" * 16, trace: str = "", cause_id: str = "") -> Event:
    return Event("order command", event_id, "x-1", 1_700_000_000_123, "waybill/orchestrate", cause_id, BODY, trace)


def test_an_event_becomes_cloud_events_headers() -> None:
    assert dict(headers.write(event(cause_id="cause"))) == {
        "ce_id": b"ab" * 16,
        "ce_type": b"order command",
        "ce_source": b"waybill/orchestrate",
        "ce_subject": b"x-1",
        "ce_time": b"2023-11-14T22:13:20.123Z",
        "ce_specversion": b"1.0",
        "ce_causationid": b"cause",
        "traceparent": f"00-{derive('x-1', 'trace')}-{'ab' * 8}-01".encode(),
        "content-type": b"avro/binary",
    }


def test_an_event_without_cause_has_no_causation() -> None:
    assert "ce_causationid" not in dict(headers.write(event()))


def test_the_trace_of_the_cause_goes_on() -> None:
    trace = f"00-{'c' * 32}-{'d' * 16}-00"
    assert headers.traceparent(event(trace=trace)) == f"00-{'c' * 32}-{'ab' * 8}-01"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_event_id_makes_a_valid_span(event_id: str) -> None:
    made = headers.traceparent(event(event_id))
    assert headers.trace({"traceparent": made}) == made


@pytest.mark.parametrize("value", ["", "00-abc", f"00-{'0' * 32}-{'a' * 16}-01", f"00-{'A' * 32}-{'a' * 16}-01"])
def test_what_is_no_traceparent_starts_a_new_trace(value: str) -> None:
    assert headers.trace({"traceparent": value}) == ""


@given(st.integers(0, headers.TIME_MS_MAX))
def test_times_come_back(at: int) -> None:
    text = headers.rfc3339(at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert headers.milliseconds(text, "ce_time") == at


@pytest.mark.parametrize("at", [-1, headers.TIME_MS_MAX + 1])
def test_times_that_rfc3339_cannot_name_are_refused(at: int) -> None:
    with pytest.raises(ValueError, match="not a time"):
        headers.rfc3339(at)
    with pytest.raises(RecordError, match="is no time"):
        headers.at({}, at)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("soon", "is no time"), ("2026-01-31T12:00:00", "no time zone"), ("1969-12-31T23:59:59Z", "before 1970")],
)
def test_a_bad_ce_time_says_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(RecordError, match=f"ce_time: .*{problem}") as caught:
        headers.at({"ce_time": text}, 0)
    assert caught.value.code == "invalid"


def test_an_offset_counts() -> None:
    assert headers.at({"ce_time": "1970-01-01T02:00:00+02:00"}, 5) == 0
    assert headers.at({}, 5) == 5


def test_ids_come_from_the_record_or_from_its_place() -> None:
    assert headers.event_id({"ce_id": "mine"}, "order-created", 3, 17) == "mine"
    assert headers.event_id({}, "order-created", 3, 17) == derive("order-created", "3/17")
    with pytest.raises(RecordError, match="ce_id has 300 characters"):
        headers.event_id({"ce_id": "x" * 300}, "order-created", 3, 17)


def test_null_headers_are_absent_and_the_last_of_two_counts() -> None:
    assert headers.read([("a", b"1"), ("a", b"2"), ("b", None)]) == {"a": "2"}
    with pytest.raises(RecordError, match="not UTF-8"):
        headers.read([("a", b"\xff")])


def test_what_a_connector_adds_in_avro_is_left_out() -> None:
    assert headers.read([("__debezium.newkey", b"\0\0\0\0\x05\xff"), ("ce_id", b"a")]) == {"ce_id": "a"}


@pytest.mark.parametrize("mark", ["", "x", "order-command/1/", "provider-event/1/42", "order-command/1/42/7", "/1/42"])
def test_a_mark_that_no_lane_of_the_topic_writes_is_not_believed(mark: str) -> None:
    own_place = derive("order-command", "3/9")
    assert headers.event_id({headers.FORWARDED: mark}, "order-command", 3, 9) == own_place
    assert headers.event_id({headers.FORWARDED: "order-command/1/42"}, "order-command", 3, 9) != own_place
