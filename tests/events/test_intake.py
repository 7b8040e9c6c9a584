"""JSON as producers write it: what is filled in, what is exact, and what every refusal says."""

import contextlib
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RecordError
from app.events import codec
from app.events.ids import derive
from app.events.json_fields import amount
from app.events.model import (
    Event,
    LineQuantity,
    OrderCommand,
    OrderCreated,
    ProviderEvent,
    ProviderResult,
    StockChange,
)
from app.events.record import Record

CODEC = codec.load()
AT = 1_769_851_800_000


def decode(topic: str, document: Any, headers: Any = ()) -> Event:
    value = document if isinstance(document, bytes) else json.dumps(document).encode()
    return CODEC.decode(Record(topic, 1, 2, AT, None, value, tuple(headers)))


def created(document: Any) -> OrderCreated:
    body = decode("order-created", document).body
    assert isinstance(body, OrderCreated)
    return body


def refusal(topic: str, document: Any, headers: Any = ()) -> str:
    with pytest.raises(RecordError) as caught:
        decode(topic, document, headers)
    assert caught.value.code in ("invalid", "malformed")
    return caught.value.detail


def test_an_order_id_is_enough() -> None:
    body = created({"order_id": "web-1"})
    order = body.order
    assert (order.order_id, order.origin, order.channel, order.source_ref) == ("web-1", "external", "external", "web-1")
    assert (order.placed_at, order.lines, order.total, order.state, body.flow) == (AT, (), 0, "New", "")


def test_what_is_absent_is_computed() -> None:
    lines = [{"sku": "A", "quantity": 2, "unit_price": "12.5"}, {"sku": "B", "unit_price": 0.3333, "quantity": "0.5"}]
    document = {"order_id": "x", "origin": "shop", "lines": lines, "shipping": 1, "tax": "0.5", "discount": "0.25"}
    order = created({**document, "ship_to": {"city": "Seattle"}}).order
    assert [(line.line_id, line.name, line.quantity, line.total) for line in order.lines] == [
        ("1", "A", 20_000, 250_000),
        ("2", "B", 5_000, 1_666),  # 0.16665 to the ten-thousandth, half to even
    ]
    assert (order.subtotal, order.total, order.channel) == (251_666, 251_666 + 12_500, "shop")
    assert order.bill_to == order.ship_to
    assert order.ship_to.city == "Seattle"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"lines": [{}, {"quantity": "99999999999999", "unit_price": "2"}]},
            "lines[1].total: quantity times unit price",
        ),
        ({"lines": [{"quantity": "-1", "unit_price": "99999999999999"}] * 2}, "subtotal: the sum of the lines' totals"),
        ({"subtotal": "99999999999999", "tax": "99999999999999"}, "total: the sum of its parts"),
    ],
)
def test_a_computed_amount_that_no_record_can_hold_is_refused(fields: dict[str, Any], problem: str) -> None:
    detail = refusal("order-created", {"order_id": "x-1", **fields})
    assert detail == f"{problem} has more than 14 digits before the point; split the order"


def test_what_is_given_stays_even_if_it_makes_no_sense() -> None:
    """Policies refuse it, by name."""
    lines = [{"line_id": "7", "quantity": "-1", "unit_price": 5, "total": 99, "warehouse": "24"}]
    order = created({"order_id": "x", "lines": lines, "subtotal": 1, "total": "2.0000", "currency": "???"}).order
    assert (order.lines[0].quantity, order.lines[0].total, order.lines[0].warehouse) == (-10_000, 990_000, "24")
    assert (order.subtotal, order.total, order.currency) == (10_000, 20_000, "???")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"12.5000"', 125_000),
        ("12.5", 125_000),
        ("1e3", 10_000_000),
        ("-0.0001", -1),
        ('"0.00000"', 0),
        ("0e999999", 0),
        ("99999999999999.9999", 10**18 - 1),
        ("12345678901234.5678", 123_456_789_012_345_678),  # a float would end in ...680
        ("0.10000000000000000000", 1_000),
    ],
)
def test_amounts_are_exact(text: str, expected: int) -> None:
    assert created(f'{{"order_id": "x", "tax": {text}}}'.encode()).order.tax == expected


@given(st.decimals(min_value=-(10**14) + 1, max_value=10**14 - 1, places=4))
def test_every_amount_with_four_places_is_exact(value: Decimal) -> None:
    assert amount(value) == amount(f"{value:f}") == int(value.scaleb(4))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"abc"', "'abc' is not an amount"),
        ('"1,50"', "'1,50' is not an amount"),
        ('"١٢"', "is not an amount"),
        ("true", "an amount is a number or text"),
        ("null", "an amount is a number or text"),
        ("[]", "an amount is a number or text"),
        ("0.00001", "at most 4 places"),
        ("1e-400", "at most 4 places"),
        ("1e14", "at most 14 digits before the point"),
        ("1e400", "at most 14 digits before the point"),
        ("1" + "0" * 4000, "at most 14 digits before the point"),
        ('"' + "1" * 50 + '"', "is not an amount"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_path(text: str, problem: str) -> None:
    document = f'{{"order_id": "x", "lines": [{{}}, {{"unit_price": {text}}}]}}'.encode()
    found = refusal("order-created", document)
    assert found.startswith("order-created: lines[1].unit_price: ")
    assert problem in found


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"{", "not JSON: Expecting"),
        (b'{"order_id": "x", "tax": NaN}', "NaN is not a JSON value"),
        (b'{"order_id": "x", "tax": 1e99999999999999999999}', "is too large"),
        (b'{"order_id": "x", "tax": ' + b"1" * 5000 + b"}", "not JSON: Exceeds the limit"),
        (b'{"order_id": "x", "tax": 1.' + b"1" * 999 + b"}", "a number of 1001 characters; at most 1000"),
        (b'{"order_id": "x", "order_id": "y"}', "field 'order_id' is given twice"),
        (b'{"order_id": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"order_id": ' + b"[" * 64 + b"]" * 64 + b"}", "nested too deeply; at most 64 levels"),
        (b'{"lines": [' + b"1," * 400_000 + b"1]}", "JSON of 400002 values; at most 100000 in one record"),
        (b'{"order_id": "\xff"}', "not JSON"),
        (b"[]", "starts with 0x5b"),
    ],
)
def test_what_is_no_json_object_is_malformed(value: bytes, problem: str) -> None:
    assert problem in refusal("order-created", value)


WHOLE = "a whole number has up to 19 digits and no fraction"


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("1e999999999", WHOLE),
        ("1e-999999999", WHOLE),
        ("-1e999999999", WHOLE),
        ("1.5", WHOLE),
        ("true", WHOLE),
        ('"1.50"', WHOLE),
        ("1" * 4000, "input should be less than"),
        ("1." + "1" * 990, WHOLE),
        ("-1", "input should be greater than or equal to 0"),
    ],
)
def test_a_whole_number_is_judged_before_its_digits_are_written_out(number: str, problem: str) -> None:
    document = f'{{"sku": "A", "warehouse": "W", "kind": "set", "quantity": 1, "version": {number}}}'.encode()
    assert f"stock-change: version: {problem}" in refusal("stock-change", document)


@pytest.mark.parametrize(("number", "expected"), [("12", 12), ("12.000", 12), ('"12"', 12), ("0e999999999", 0)])
def test_a_whole_number_may_be_written_with_places_or_as_text(number: str, expected: int) -> None:
    document = f'{{"sku": "A", "warehouse": "W", "kind": "set", "quantity": 1, "version": {number}}}'.encode()
    body = decode("stock-change", document).body
    assert isinstance(body, StockChange)
    assert body.version == expected


def test_of_very_many_problems_only_those_that_are_shown_are_put_into_words() -> None:
    """Each unknown name is compared with all known ones: 90,000 of them took minutes."""
    names = ",".join(f'"{number:x}":1' for number in range(90_000))
    began = time.process_time()
    detail = refusal("dualwrite.fno.salesorders", f'{{"op": "u", "after": {{{names}}}}}'.encode())
    assert time.process_time() - began < 5
    assert detail.endswith("SalesOrderProcessingStatus: required, and missing; and 90002 more")


def test_the_repeated_name_among_very_many_is_found_in_one_pass() -> None:
    names = ",".join(f'"{number:x}":1' for number in range(90_000))
    assert "field '15f8f' is given twice" in refusal("order-created", f'{{{names},"15f8f":2}}'.encode())


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "order_id: required, and missing"),
        ({"order_id": ""}, "order_id: an empty text cannot be used; write text of 1 to 128 characters without spaces"),
        ({"order_id": "a b"}, "order_id: `a b` cannot be used; write text of 1 to 128 characters without spaces"),
        ({"order_id": 5}, "order_id: `5` cannot be used; write text of 1 to 128 characters"),
        ({"order_id": "x", "colour": 1}, "colour: unknown field; remove it or correct its name"),
        ({"order_id": "x", "lines": [{"qty": 1}]}, "lines[0].qty: unknown field"),
        ({"order_id": "x", "lines": [{}] * 1001}, "lines: 1001 lines; at most 1000, split the order"),
        ({"order_id": "x", "customer": "c" * 1025}, "customer: string should have at most 1024 characters"),
        ({"order_id": "x", "placed_at": "2026-01-31"}, "placed_at: '2026-01-31' has no time zone; add Z"),
        ({"order_id": "x", "placed_at": -1}, "placed_at: a time is ms since 1970 or ISO 8601"),
        ({"order_id": "x", "placed_at": True}, "placed_at: a time is ms since 1970 or ISO 8601"),
        ({"order_id": "x", "flow": "\ud800"}, "flow: input should be a valid string"),
        ({"order_id": "x", "\ud800": 1}, "the record: input should be a valid string"),
    ],
)
def test_every_refusal_names_the_field_and_the_fix(document: Any, problem: str) -> None:
    assert problem in refusal("order-created", document)


def test_many_problems_are_counted_and_bounded() -> None:
    found = refusal("order-created", {"order_id": "x", **{f"f{number}" + "x" * 1000: 1 for number in range(9)}})
    assert found.endswith("; and 4 more")
    assert len(found) < 1200


@pytest.mark.parametrize("placed_at", ["2026-01-31T09:30:00Z", "2026-01-31T11:30:00+02:00", AT])
def test_times_are_text_or_ms(placed_at: Any) -> None:
    assert created({"order_id": "x", "placed_at": placed_at}).order.placed_at == AT


def test_commands_and_provider_events_are_json_too() -> None:
    command = decode("order-command", {"order_id": "x", "command": "change", "values": {"company": "usmf"}})
    assert command.body == OrderCommand("x", "change", values={"company": "usmf"})
    event = decode("provider-event", {"order_id": "x", "provider": "flexe", "event": "order shipped",
                                      "lines": [{"line_id": "1", "quantity": 2}]})  # fmt: skip
    assert event.body == ProviderEvent("x", "flexe", "order shipped", "", AT, (LineQuantity("1", 20_000),), {})
    assert "quantity: required" in refusal(
        "provider-event", {"order_id": "x", "provider": "p", "event": "e", "lines": [{}]}
    )
    assert "values.a: input should be a valid string" in refusal(
        "order-command", {"order_id": "x", "command": "change", "values": {"a": 1}}
    )


def test_a_structured_cloud_event_is_taken_apart() -> None:
    document = {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "/shop",
        "type": "com.example.order",
        "subject": "x",
        "time": "2026-01-31T09:30:00Z",
        "datacontenttype": "application/json",
        "data": {"order_id": "x"},
    }
    event = decode("order-created", document, [("content-type", b"application/cloudevents+json; charset=UTF-8")])
    assert (event.event_id, event.source, event.at, event.order_id) == ("evt-1", "/shop", AT, "x")


def test_a_structured_cloud_event_needs_data() -> None:
    headers = [("content-type", b"application/cloudevents+json")]
    assert "without `data`" in refusal("order-created", {"id": "evt-1"}, headers)


def test_without_headers_the_id_comes_from_the_place() -> None:
    assert decode("order-created", {"order_id": "x"}).event_id == derive("order-created", "1/2")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["order_id", "lines", "tax", "ship_to", "after", "source", "op", "payload", "data"])
                | st.text(max_size=5),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["order-created", "order-command", "provider-event", "dualwrite.fno.salesorders"]),
)
def test_any_json_is_an_event_or_a_record_error(document: Any, topic: str) -> None:
    value = json.dumps(document).encode()
    for headers in ([], [("content-type", b"application/cloudevents+json")]):
        with contextlib.suppress(RecordError):
            CODEC.decode(Record(topic, 0, 0, 0, None, value, tuple(headers)))


ANSWER = {"order_id": "web-1", "effect_id": "e1", "provider": "pigeon", "action": "Send", "attempt": 1, "outcome": "ok"}


def test_an_answer_repeats_the_request_and_adds_its_outcome() -> None:
    event = decode("provider-result", ANSWER)
    assert (event.name, event.body) == (
        "provider result",
        ProviderResult("web-1", "e1", "pigeon", "Send", 1, "ok", "ok"),
    )
    told = {"outcome": "retry", "code": "unavailable", "detail": "no ink", "retry_after_ms": 5000, "reference": "P-1"}
    assert decode("provider-result", ANSWER | told | {"values": {"bird": "7"}}).body == ProviderResult(
        "web-1", "e1", "pigeon", "Send", 1, "retry", "unavailable", "no ink", "P-1", 5000, {"bird": "7"}
    )


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"outcome": "done"}, "outcome: "),
        ({"attempt": 0}, "attempt: "),
        ({"code": "No Ink"}, "code: "),
        ({"retry_after_ms": -1}, "retry_after_ms: "),
        ({"effect_id": ""}, "effect_id: "),
        ({"colour": "red"}, "colour: unknown field"),
    ],
)
def test_an_answer_that_says_nothing_known_is_refused(change: dict[str, Any], detail: str) -> None:
    assert detail in refusal("provider-result", ANSWER | change)


def test_a_document_that_is_reported_twice_is_one_event_and_two_documents_are_two() -> None:
    said = {"order_id": "web-1", "provider": "pigeon", "event": "order shipped", "reference": "S-1"}
    lines = [{"line_id": "1", "quantity": 1}]

    def event_id(document: dict[str, Any], offset: int, headers: Any = ()) -> str:
        value = json.dumps(document).encode()
        return CODEC.decode(Record("provider-event", 1, offset, offset, None, value, tuple(headers))).event_id

    assert event_id(said, 1) == event_id(said, 2)
    assert event_id(said | {"lines": lines}, 1) != event_id(said, 1)
    assert event_id(said | {"reference": "S-2"}, 1) != event_id(said, 1)
    assert event_id(said | {"reference": ""}, 1) != event_id(said | {"reference": ""}, 2)
    assert event_id(said, 1, [("ce_id", b"own")]) == "own"
