"""Targets about records: JSON, Avro, CloudEvents, Debezium, others' schemas, and what roles make of them."""

import json
from typing import Any

from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.errors import RecordError
from app.events import codec
from app.events.catalog import BY_TOPIC
from app.events.headers import STRUCTURED
from app.events.model import Event
from app.events.record import Record
from app.events.schema_lookup import Lookup
from app.events.schema_registry import answer
from app.events.writer_schemas import WriterSchemas
from app.lanes.role import Role
from app.resources import json_schema_files
from tests.dualwrite.rows import ORDERS
from tests.events import connector
from tests.events.test_writers import AVRO_KEY, ENVELOPE, KEY_SCHEMA, RECORD, learned
from tests.flows.journey import published
from tests.fuzz.target import Target, check_sentence, chosen, parts_of

CODEC = codec.load(writers=learned())
AT = 1_760_000_000_000
ROWS = "dualwrite.fno.salesorders"
TOPICS = sorted(BY_TOPIC)
INTAKE = sorted(topic for topic, spec in BY_TOPIC.items() if spec.intake)
EXAMPLES = {topic: json.loads(json_schema_files()[f"examples/{topic}.json"]) for topic in INTAKE}
SPLIT = b"\n--\n"
"""Stands between the parts of an input of several."""


def read(record: Record) -> None:
    """Read a record in every way in which a role does."""
    for ask in (CODEC.order_id, CODEC.decode, CODEC.decode_change, CODEC.foreign_ids):
        try:
            found = ask(record)
        except RecordError as problem:
            check_sentence(problem.detail)
        else:
            _write(found)


def _write(found: object) -> None:
    """Write an event again: what was read must be an event that can be written, or be refused."""
    if isinstance(found, Event):
        try:
            CODEC.encode(found)
        except RecordError as problem:
            check_sentence(problem.detail)


def run_json(data: bytes) -> None:
    choice, value = parts_of(data)
    read(Record(INTAKE[choice % len(INTAKE)], 0, 7, AT, None, value, ()))


def run_avro(data: bytes) -> None:
    choice, body = parts_of(data)
    ids = sorted(CODEC.schemas.by_id)
    number = ids[choice % len(ids)]
    topic = next(topic for topic in TOPICS if CODEC._plans[topic].knows(number))
    read(Record(topic, 0, 7, AT, None, b"\0" + number.to_bytes(4, "big") + body, ()))


def run_headers(data: bytes) -> None:
    """Lines `name: value`, of which `key` and `content-type` may be some; the rest is the value."""
    head, _, value = data.partition(SPLIT)
    pairs = [line.partition(b":") for line in head.split(b"\n")]
    headers = tuple((name.decode(errors="replace"), text.strip()) for name, _, text in pairs)
    key = dict(headers).get("key")
    for topic in ("provider-event", ROWS):
        read(Record(topic, 0, 7, AT, key, value, headers))
        read(Record(topic, 0, 7, AT, key, None, headers))


def run_debezium(data: bytes) -> None:
    key, _, value = data.partition(SPLIT)
    read(Record(ROWS, 0, 7, AT, key or None, value, ()))


def run_connectors_avro(data: bytes) -> None:
    """A schema of somebody, and a record that says it was written with it."""
    schema, _, body = data.partition(SPLIT)
    writers = WriterSchemas()
    writers.learn(1, schema.decode(errors="replace"))
    try:
        writers.read(b"\0\0\0\0\1" + body)
    except RecordError as problem:
        check_sentence(problem.detail)
    if data[:1] == b"\0":
        read(Record(ROWS, 0, 7, AT, None, data, ()))


def run_registry(data: bytes) -> None:
    path, _, body = data.partition(SPLIT)
    for status, found in (answer(CODEC.schemas, path.decode("latin-1")), LOOKUP.answer(path.decode("latin-1"), body)):
        assert status in (200, 400, 404, 405, 422), status
        json.dumps(found).encode()


def run_roles(data: bytes) -> None:
    """An event that a role may read is folded, or refused."""
    choice, value = parts_of(data)
    role, topic = FOLDS[choice % len(FOLDS)]
    record = Record(topic, 0, 7, AT, None, value, ())
    try:
        key = role.owner_key(record)
        if key is not None:
            role.fold(record._replace(key=key), {}, repeated=False)
    except RecordError as problem:
        check_sentence(problem.detail)


LOOKUP = Lookup(CODEC.schemas)
ORCHESTRATE = Orchestrate(CODEC, published(), ORDERS)
MIRROR = Mirror(CODEC, ORDERS, enabled=True)
FOLDS: tuple[tuple[Role, str], ...] = (
    (ORCHESTRATE, "order-created"),
    (ORCHESTRATE, "order-command"),
    (ORCHESTRATE, "provider-event"),
    (MIRROR, ROWS),
)


def _text(document: Any) -> bytes:
    return json.dumps(document).encode()


def _avro_seeds() -> tuple[bytes, ...]:
    ids = sorted(CODEC.schemas.by_id)
    written = []
    for topic in INTAKE:
        record = Record(topic, 0, 7, AT, None, _text(EXAMPLES[topic]), ())
        event = CODEC.decode_change(record) if topic == ROWS else CODEC.decode(record)
        assert event is not None
        value, _headers = CODEC.encode(event)
        written.append(chosen(ids.index(int.from_bytes(value[1:5], "big")), value[5:]))
    return tuple(written)


_ENVELOPES = (
    connector.envelope(),
    connector.envelope(after=connector.DEFAULT_ROW),
    connector.with_schema(connector.envelope(after=connector.DEFAULT_ROW)),
    connector.ROW,
    EXAMPLES[ROWS],
)
_KEYS = (b"", _text(connector.KEY), AVRO_KEY, b"Struct{dataAreaId=usmf,SalesOrderNumber=1}")
_EVENT = _text(EXAMPLES["provider-event"])
_CLOUD = _text({"id": "e1", "type": "order shipped", "traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01",
                "time": "2026-01-31T12:00:00Z", "data": EXAMPLES["provider-event"]})  # fmt: skip

TARGETS = (
    Target("json", run_json, lambda: tuple(chosen(at, _text(EXAMPLES[topic])) for at, topic in enumerate(INTAKE))),
    Target("avro", run_avro, _avro_seeds),
    Target(
        "cloudevents",
        run_headers,
        lambda: (
            SPLIT.join((b"ce_id: 1\nce_type: order shipped\nce_time: 2026-01-31T12:00:00Z\nkey: o-1", _EVENT)),
            SPLIT.join((f"content-type: {STRUCTURED}+json\nwaybill-forwarded: order-created/3/7".encode(), _CLOUD)),
        ),
    ),
    Target(
        "debezium",
        run_debezium,
        lambda: (
            tuple(SPLIT.join((key, _text(document))) for key in _KEYS[:2] for document in _ENVELOPES)
            + tuple(SPLIT.join((key, b"")) for key in _KEYS)
        ),
    ),
    Target(
        "connectors-avro",
        run_connectors_avro,
        lambda: (SPLIT.join((_text(ENVELOPE), RECORD[5:])), SPLIT.join((_text(KEY_SCHEMA), AVRO_KEY[5:])), RECORD),
    ),
    Target(
        "registry",
        run_registry,
        lambda: (
            SPLIT.join((b"/subjects/order-created-value/versions/1", b"")),
            SPLIT.join((b"/subjects/order-created-value", _text({"schema": json.dumps(ENVELOPE)}))),
            SPLIT.join((b"/compatibility/subjects/order-created-value/versions", _text({"schema": '"string"'}))),
        ),
    ),
    Target(
        "roles",
        run_roles,
        lambda: (
            *(chosen(at, _text(EXAMPLES[topic])) for at, (_, topic) in enumerate(FOLDS)),
            chosen(3, _text(connector.envelope())),
        ),
    ),
)
