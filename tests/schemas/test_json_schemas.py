"""The published JSON Schemas: what the code says, what the examples are, and what the intake takes of it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app import resources
from app.errors import RecordError
from app.events import codec, json_intake, json_schemas
from app.events.catalog import ERP_ROWS
from app.events.record import Record
from app.kafka import topics
from tests.schemas.instances import documents

CODEC = codec.load()
FILES = resources.json_schema_files()
SCHEMAS: dict[str, Any] = {
    topic: json.loads(FILES[json_schemas.schema_file(topic)])
    for topic in (*json_intake.MODELS, ERP_ROWS, json_schemas.HINTS)
}
VALIDATORS = {topic: Draft202012Validator(schema) for topic, schema in SCHEMAS.items()}
ROWS = ERP_ROWS
TOPICS = sorted((*json_intake.MODELS, ROWS))


def example(topic: str) -> Any:
    return json.loads(FILES[json_schemas.example_file(topic)])


SUM_TOO_LARGE = "digits before the point; split the order"
"""How the intake refuses an amount that it computes: a schema bounds each number, and cannot add them."""


def is_taken(topic: str, document: Any) -> bool:
    """Whether the intake takes a document as the record that it is, but for sums, of which a schema says nothing."""
    value = json.dumps(document).encode()
    try:
        if topic.startswith("dualwrite."):
            CODEC.decode_change(Record(topic, 0, 0, 0, None, value, ()))
        else:
            CODEC.decode(Record(topic, 0, 0, 0, None, value, ()))
    except RecordError as refusal:
        return SUM_TOO_LARGE in str(refusal)
    return True


def test_the_files_are_what_the_code_says() -> None:
    assert list(json_schemas.problems(FILES, CODEC)) == []


def test_every_topic_that_producers_write_has_a_schema() -> None:
    names = {topic.name for topic in topics.load() if "any" in topic.writers}
    assert set(SCHEMAS) == names
    assert {f"{topic}.schema.json" for topic in names} | {f"examples/{topic}.json" for topic in names} == set(FILES)


@pytest.mark.parametrize("topic", sorted(SCHEMAS))
def test_each_schema_is_one_of_draft_2020_12(topic: str) -> None:
    assert SCHEMAS[topic]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMAS[topic]["title"] == topic
    Draft202012Validator.check_schema(SCHEMAS[topic])


@pytest.mark.parametrize("topic", sorted(SCHEMAS))
def test_each_example_is_valid_and_taken(topic: str) -> None:
    VALIDATORS[topic].validate(example(topic))
    assert topic == json_schemas.HINTS or is_taken(topic, example(topic))


def test_a_wrapped_envelope_and_what_debezium_adds_are_valid() -> None:
    envelope = {**example(ROWS), "ts_us": 1, "ts_ns": 1, "transaction": None}
    for document in (envelope, {"schema": {"type": "struct"}, "payload": envelope}):
        VALIDATORS[ROWS].validate(document)
        assert is_taken(ROWS, document)


@pytest.mark.parametrize(
    ("topic", "change"),
    [
        ("order-created", {"order_id": ""}),
        ("order-created", {"order_id": "a b"}),
        ("order-created", {"tax": "1,50"}),
        ("order-created", {"tax": True}),
        ("order-created", {"tax": 1e14}),
        ("order-created", {"tax": "1" * 41}),
        ("order-created", {"placed_at": "2026-01-31"}),
        ("order-created", {"placed_at": "1969-01-31T00:00:00Z"}),
        ("order-created", {"lines": [{}] * 1001}),
        ("order-created", {"colour": "red"}),
        ("order-command", {"values": {"a": 1}}),
        ("order-command", {"values": {"a" * 129: ""}}),
        ("order-command", {"values": {str(number): "" for number in range(201)}}),
        ("provider-event", {"lines": [{"line_id": "1"}]}),
        ("provider-result", {"outcome": "done"}),
        ("provider-result", {"attempt": 0}),
        ("provider-result", {"code": "No Ink"}),
        ("stock-change", {"kind": "remove"}),
        ("stock-change", {"quantity": -1}),
        ("stock-change", {"quantity": "-1"}),
        ("stock-change", {"version": -1}),
        (ROWS, {"op": "x"}),
        (ROWS, {"after": None}),
        (ROWS, {"source": {"origin": "fno"}}),
    ],
)
def test_what_is_wrong_is_wrong_to_both(topic: str, change: dict[str, Any]) -> None:
    document = {**example(topic), **change}
    assert not VALIDATORS[topic].is_valid(document)
    assert not is_taken(topic, document)


@pytest.mark.parametrize(
    "amounts",
    [
        {"subtotal": -99_999_999_999_999, "shipping": "-1"},
        {"lines": [{"sku": "A", "quantity": 99_999_999_999_999, "unit_price": 2}]},
    ],
    ids=["sum", "product"],
)
def test_a_sum_that_no_record_holds_is_for_the_intake_to_refuse(amounts: dict[str, Any]) -> None:
    document = {"order_id": "0", **amounts}
    VALIDATORS["order-created"].validate(document)
    value = json.dumps(document).encode()
    with pytest.raises(RecordError, match=SUM_TOO_LARGE):
        CODEC.decode(Record("order-created", 0, 0, 0, None, value, ()))


def test_stock_that_goes_out_is_negative() -> None:
    document = {**example("stock-change"), "kind": "add", "quantity": "-3"}
    VALIDATORS["stock-change"].validate(document)
    assert is_taken("stock-change", document)


def sayable(document: Any) -> Any:
    """The document with what only words say of it: what makes up the order id of a row (docs/adr/0009)."""
    if isinstance(document, list):
        return [sayable(item) for item in document]
    if not isinstance(document, dict):
        return document
    fields = {name: sayable(value) for name, value in document.items()}
    if "dataAreaId" in fields:
        fields |= {"dataAreaId": "usmf", "SalesOrderNumber": "SO-7", "SalesOrderOriginCode": "PHONE"}
    return fields


WRITTEN = {topic: documents(VALIDATORS[topic]).map(sayable) for topic in TOPICS}


@pytest.mark.parametrize("topic", TOPICS)
@given(data=st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_what_a_schema_accepts_the_intake_takes(topic: str, data: st.DataObject) -> None:
    assert is_taken(topic, data.draw(WRITTEN[topic]))


JUNK: st.SearchStrategy[Any] = st.sampled_from([None, "", "x", "a b", -1, 0.5, 10**16, [], {}, [{}], {"x": 1}, ["x"]])


SAID = {"dataAreaId", "SalesOrderNumber"}
"""Fields of which more is said in words than in the schema."""


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something lies in a document."""
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [at, *(place for name, value in inside for place in places(value, (*at, name)))]


def replace(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    if isinstance(document, dict):
        return {**document, at[0]: replace(document[at[0]], at[1:], value)}
    return [*document[: at[0]], replace(document[at[0]], at[1:], value), *document[at[0] + 1 :]]


@pytest.mark.parametrize("topic", TOPICS)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_what_the_intake_takes_the_schema_accepts(topic: str, data: st.DataObject) -> None:
    """Of the example with something else in one place: both accept it, or both refuse it."""
    document = example(topic)
    at = data.draw(st.sampled_from([place for place in places(document) if place and place[-1] not in SAID]))
    changed = replace(document, at, data.draw(JUNK))
    assert VALIDATORS[topic].is_valid(changed) == is_taken(topic, changed)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("order-command.schema.json", None, "order-command.schema.json: is not what the code says; run"),
        ("order-command.schema.json", "{}", "order-command.schema.json: is not what the code says; run"),
        ("other.schema.json", "{}", "other.schema.json: there is no such topic"),
        ("examples/order-command.json", None, "order-command.json: write one example as one line"),
        ("examples/order-command.json", "{\n}\n", "order-command.json: write one example as one line"),
        ("examples/order-command.json", "{}\n", "order-command.json: order-command: order_id: required"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(name: str, text: str | None, problem: str) -> None:
    files = {**FILES, name: text} if text is not None else {key: FILES[key] for key in FILES if key != name}
    [only] = json_schemas.problems(files, CODEC)
    assert problem in only
