"""One record of each topic as a subscriber sees it: real ones, written and read with the codec.

Most are about the order of `schemas/examples/order-created.json`, on its way through the flows; what they do not write
comes from recorded demos.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from typing import Any, Final

import fastavro
from msgspec.structs import replace

from app import resources
from app.domain.order import Order
from app.events import avro_schemas, codec
from app.events.avro_shapes import Array, Nullable, RecordShape, Scalar, Shape
from app.events.catalog import BY_TOPIC, RECORDS, ChangeEvent
from app.events.json_schemas import example_file
from app.events.model import Event, OrderCreated
from app.events.record import Record, unsent
from app.events.writer_schemas import FRAME
from tests.flows.journey import START_MS, Journey
from tests.sandbox.demo.recorded import recorded

CODEC: Final = codec.load()
PRODUCER: Final = "webshop"
BY_FNO: Final = "bigcommerce-fno-fno"
BY_FLEXE: Final = "bigcommerce-flexe-fno"
_RECORDED: Final = {
    "scenario-1-completed": ("channel-update-requested", "dualwrite.iom.salesorders"),
    "scenario-6-completed": ("sourcing-requested", "sourcing-result", "sourcing-command"),
}
"""Recorded orders, and the topics of which their last record is taken."""


@dataclass(frozen=True)
class TopicExample:
    """A record: its headers as text, and its value as JSON, with amounts as text and times in milliseconds."""

    key: str
    headers: Mapping[str, str]
    value: Any


def json_example(topic: str) -> Any:
    """Return the published example of what producers write as JSON."""
    return json.loads(_example_text(topic))


@cache
def examples() -> Mapping[str, TopicExample]:
    """Return an example of each topic that has a schema, by topic."""
    events = {RECORDS[event.name].topic: event for event in _events()}
    return {topic: _example(events[topic]) for topic in BY_TOPIC}


def _events() -> Iterator[Event | ChangeEvent]:
    """Yield at least one event for each topic; the last one counts."""
    for name, topics in _RECORDED.items():
        for seen in recorded(name).records:
            if seen.topic in topics:
                attributes = {"ce_id": seen.event_id, "ce_source": seen.source, "ce_causationid": seen.cause}
                yield _decoded(seen.topic, _avro(seen.topic, seen.body), attributes, seen.at_ms)
    for topic, spec in BY_TOPIC.items():
        if spec.intake:
            yield _decoded(topic, _example_text(topic).encode(), {"ce_source": PRODUCER}, START_MS)
    order = _order()
    for journey in (_refused(order), _held(order), _invoiced_elsewhere(order), _completed(order)):
        yield from (event for taken in journey.steps for event in taken.events)


def _refused(order: Order) -> Journey:
    journey = Journey(replace(order, currency="XXX"), BY_FNO)
    journey.created()
    return journey


def _held(order: Order) -> Journey:
    journey = Journey(order, BY_FNO)
    journey.created()
    journey.answered("send", outcome="declined", code="invalid", detail="item D0003 is not known")
    return journey


def _completed(order: Order) -> Journey:
    journey = Journey(order, BY_FNO)
    journey.created()
    journey.answered("send", reference="SO-1007")
    for event in ("order confirmed", "order picked", "order shipped", "order invoiced"):
        journey.reported(event)
    return journey


def _invoiced_elsewhere(order: Order) -> Journey:
    journey = Journey(order, BY_FLEXE)
    journey.created()
    journey.answered("send", reference="FLX-7001")
    journey.reported("order shipped", by="flexe")
    return journey


def _order() -> Order:
    body = CODEC.decode(unsent("order-created", _example_text("order-created").encode(), at=START_MS)).body
    assert isinstance(body, OrderCreated)
    return body.order


def _example_text(topic: str) -> str:
    return (resources.SCHEMAS / example_file(topic)).read_text(encoding="utf-8")


def _decoded(topic: str, value: bytes, attributes: Mapping[str, str], at: int) -> Event | ChangeEvent:
    headers = tuple((name, text.encode()) for name, text in attributes.items() if text)
    record = Record(topic, 0, 0, at, None, value, headers)
    if not topic.startswith("dualwrite."):
        return CODEC.decode(record)
    change = CODEC.decode_change(record)
    assert change is not None, f"a record of {topic} about no order"
    return change


def _example(event: Event | ChangeEvent) -> TopicExample:
    """Write an event, read it again, and return what a general Avro library finds in it."""
    topic = RECORDS[event.name].topic
    value, headers = CODEC.encode(event)
    attributes = {name: text.decode() for name, text in headers}
    assert _decoded(topic, value, attributes, event.at).body == event.body
    schema = CODEC.schemas.latest(avro_schemas.subject_of(topic))
    body = fastavro.schemaless_reader(BytesIO(value[FRAME:]), json.loads(schema.text), None)
    return TopicExample(event.order_id, attributes, _plain(body))


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return str(value)
        case datetime():
            return round(value.timestamp() * 1000)
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
    return value


def _avro(topic: str, body: Any) -> bytes:
    """Return a recorded body as the newest version of its schema writes it."""
    schema, target = CODEC.schemas.latest(avro_schemas.subject_of(topic)), BytesIO()
    fastavro.schemaless_writer(target, json.loads(schema.text), _datum(schema.shape, body))
    return codec.MAGIC.to_bytes(1, "big") + schema.id.to_bytes(4, "big") + target.getvalue()


def _datum(shape: Shape, value: Any) -> Any:
    """Return a recorded value, in which amounts and times are text, as a general Avro library takes it."""
    match shape:
        case Scalar(kind="amount"):
            return Decimal(value)
        case Scalar(kind="time"):
            return datetime.fromisoformat(value).astimezone(UTC)
        case Nullable():
            return None if value is None else _datum(shape.of, value)
        case Array():
            return [_datum(shape.of, each) for each in value]
        case RecordShape():
            fields = [field for field in shape.fields if field.name in value]
            return {field.name: _datum(field.shape, value[field.name]) for field in fields}
    return value
