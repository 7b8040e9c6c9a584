"""Records to events and back, for every record type; and what happens to records that are none."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from app.domain.order import Address, Line, Order
from app.errors import NewerVersionError, RecordError, SchemaError
from app.events import avro_schemas
from app.events import codec as codec_module
from app.events.avro_shapes import shape_of
from app.events.catalog import CHANGED_AT_FNO, CHANGED_AT_IOM, RECORDS, ChangeEvent, RecordSpec
from app.events.codec import Codec
from app.events.ids import derive
from app.events.intake_limits import ORDER_ID, identity
from app.events.model import (
    Event,
    LineQuantity,
    LineStatus,
    OrderCommand,
    OrderCreated,
    OrderProgressed,
    ProviderEvent,
    StockChange,
)
from app.events.record import Record
from app.events.sales_order_change import ChangeSource, SalesOrderChange, SalesOrderRow, SalesOrderRowLine
from tests.events.bodies import PUBLISHED, SPECS, bodies

CODEC = codec_module.load()
EVENTS = [spec for spec in SPECS if not spec.topic.startswith("dualwrite.")]
PLACE: Any = {"partition": 3, "offset": 17, "timestamp": 1_700_000_000_123}


def record(
    topic: str, value: bytes | None, headers: Iterable[tuple[str, bytes]] = (), *, key: bytes | None = None
) -> Record:
    return Record(topic=topic, key=key, value=value, headers=tuple(headers), **PLACE)


COMMAND = Event(
    "order command", "ab" * 16, "x-1", 1_700_000_000_123, "waybill/orchestrate", "", OrderCommand("x-1", "reprocess")
)
ROW = SalesOrderRow("usmf", "SO-1", "USD", "Active", ())
SOURCE = ChangeSource("fno", 1)
CODES = {"malformed", "unknown-schema", "invalid", "too-large", "empty"}


def an_order(lines: int) -> Order:
    many = tuple(Line(str(number), "A", "A", 1, 1, 1) for number in range(lines))
    return Order("x", "o", "x", "c", 0, "USD", 0, 0, 0, 0, 0, Address(), Address(), many)


def refused(topic: str, value: bytes | None, headers: Any = (), key: bytes | None = None) -> RecordError:
    with pytest.raises(RecordError) as caught:
        CODEC.decode(record(topic, value, headers, key=key))
    return caught.value


@given(data=st.data(), spec=st.sampled_from(EVENTS))
def test_events_come_back(data: st.DataObject, spec: RecordSpec) -> None:
    body = data.draw(acceptable(spec))
    event = Event(spec.name, "ab" * 16, identity(body), 1_700_000_000_123, "waybill/test", "cause", body)
    value, headers = CODEC.encode(event)
    found = CODEC.decode(record(spec.topic, value, headers, key=event.order_id.encode()))
    assert found.trace == dict(headers)["traceparent"].decode()
    assert Event(*[getattr(found, name) for name in Event.__struct_fields__[:-1]]) == event


@given(data=st.data(), name=st.sampled_from([CHANGED_AT_FNO, CHANGED_AT_IOM]))
def test_changes_come_back(data: st.DataObject, name: str) -> None:
    body = data.draw(acceptable(RECORDS[name]))
    assert isinstance(body, SalesOrderChange)
    event = ChangeEvent(name, "ab" * 16, identity(body), 1_700_000_000_123, "waybill/test", "", body)
    value, headers = CODEC.encode(event)
    found = CODEC.decode_change(record(RECORDS[name].topic, value, headers))
    assert found is not None
    assert (found.body, found.order_id, found.name) == (body, event.order_id, name)


def acceptable(spec: RecordSpec) -> st.SearchStrategy[Any]:
    """Bodies whose order id may be a key."""
    ids = st.from_regex(ORDER_ID, fullmatch=True)
    return st.builds(identified, bodies(spec), ids, st.sampled_from("cudr"), st.booleans())


def identified(body: Any, order_id: str, op: str, deleted: bool) -> Struct:
    if isinstance(body, SalesOrderChange):
        row = replace(body.after or body.before or ROW, SalesOrderOriginCode="IOM", CustomersOrderReference=order_id)
        return replace(body, op=op, before=row, after=None if deleted else row)
    if isinstance(body, StockChange):
        return replace(body, pool=order_id, sku="A", warehouse="W", kind="add", version=abs(body.version) % (1 << 62))
    known = {"order": replace(body.order, order_id=order_id)} if hasattr(body, "order") else {"order_id": order_id}
    changed: Struct = replace(body, **known)
    return changed


@given(value=st.binary(max_size=400), spec=st.sampled_from(SPECS), key=st.none() | st.binary(max_size=20))
def test_any_bytes_are_an_event_or_a_record_error(value: bytes, spec: RecordSpec, key: bytes | None) -> None:
    check_total(spec, value, key)


@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_a_damaged_record_is_an_event_or_a_record_error(data: st.DataObject, spec: RecordSpec) -> None:
    plain = CODEC._plans[spec.topic]
    value = bytearray(plain.prefix + plain.write(data.draw(bodies(spec))))
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    check_total(spec, bytes(value[: data.draw(st.integers(0, len(value)))]), None)


def check_total(spec: RecordSpec, value: bytes, key: bytes | None) -> None:
    for decode in (CODEC.decode, CODEC.decode_change):
        error = failure(decode, spec.topic, key, value)
        assert error is None or (error.code in CODES and error.detail.encode())


def failure(decode: Callable[..., object], topic: str, key: bytes | None, value: bytes) -> RecordError | None:
    try:
        decode(record(topic, value, key=key))
    except RecordError as exc:
        return exc
    return None


@pytest.mark.parametrize(
    ("value", "code", "detail"),
    [
        (b"", "malformed", "it has 0 bytes"),
        (b"hello", "malformed", "starts with 0x68"),
        (b"\0\0", "malformed", "2 bytes; Confluent framing alone has 5"),
        (b"\0\0\0\0\x01", "malformed", "ends in the middle of a field"),
        (b"\0\0\0\x27\x0f\x02", "unknown-schema", "schema id 9999 is none of order-created-value's: [1]"),
        (None, "empty", "only dual-write topics have tombstones"),
        (b"\0" * 1_048_577, "too-large", "at most 1048576 (WAYBILL_RECORD_BYTES_MAX)"),
    ],
)
def test_what_is_no_record_says_why(value: bytes | None, code: str, detail: str) -> None:
    error = refused("order-created", value)
    assert error.code == code
    assert detail in error.detail


UNKNOWN = b"\0\0\0\x27\x0f\x02"
OURS = (("ce_source", b"waybill/orchestrate"),)


def test_what_a_newer_version_of_waybill_wrote_ends_the_process_and_is_no_dead_letter() -> None:
    error = refused("fulfillment-requested", UNKNOWN, OURS)
    assert isinstance(error, NewerVersionError)
    place = "fulfillment-requested/3/17 was written by a newer version of Waybill"
    assert error.detail == f"{place} (schema id 9999 of fulfillment-requested-value): upgrade this process"


@pytest.mark.parametrize(("topic", "headers"), [("fulfillment-requested", ()), ("provider-result", OURS)])
def test_nobody_else_ends_a_process_with_an_unknown_schema(topic: str, headers: Any) -> None:
    """Not by a record without our mark, and not on a topic where others may write that mark themselves."""
    error = refused(topic, UNKNOWN, headers)
    assert error.code == "unknown-schema"
    assert not isinstance(error, NewerVersionError)


def test_left_over_bytes_are_noticed() -> None:
    value, headers = CODEC.encode(COMMAND)
    error = refused("order-command", value + b"\0", headers)
    assert error.detail.endswith(f"its fields take {len(value)} bytes, it has {len(value) + 1}")


def test_only_intake_topics_take_json() -> None:
    assert "takes Avro in Confluent framing only" in refused("order-picked", b'{"order_id": "x"}').detail


def test_the_key_must_be_the_order() -> None:
    value, headers = CODEC.encode(COMMAND)
    assert CODEC.decode(record("order-command", value, headers)).order_id == "x-1"
    assert CODEC.decode(record("order-command", value, headers, key=b"")).order_id == "x-1"
    assert "key 'x-2' is not the order id 'x-1'" in refused("order-command", value, headers, b"x-2").detail
    assert refused("order-command", value, headers, b"\xff").code == "malformed"


def test_a_name_of_ours_belongs_on_its_topic_and_foreign_types_are_welcome() -> None:
    value, headers = CODEC.encode(COMMAND)
    assert (
        "belongs on topic order-picked"
        in refused("order-command", value, [*headers, ("ce_type", b"order picked")]).detail
    )
    foreign = [*headers, ("ce_type", b"com.example.command")]
    assert CODEC.decode(record("order-command", value, foreign)).name == "order command"


def test_a_record_without_headers_gets_id_and_time_from_its_place() -> None:
    value, _ = CODEC.encode(COMMAND)
    event = CODEC.decode(record("order-command", value))
    assert (event.event_id, event.at, event.source, event.trace) == (
        derive("order-command", "3/17"),
        1_700_000_000_123,
        "",
        "",
    )


def test_the_owner_is_the_key_or_in_the_value() -> None:
    value, _ = CODEC.encode(COMMAND)
    assert CODEC.order_id(record("order-command", None, key=b"x-7")) == "x-7"
    assert CODEC.order_id(record("order-command", value)) == "x-1"
    assert CODEC.order_id(record("order-command", b'{"order_id": "x-2", "command": "reprocess"}')) == "x-2"
    for key, code in ((None, "empty"), (b"a b", "invalid"), (b"\xff", "malformed")):
        with pytest.raises(RecordError) as caught:
            CODEC.order_id(record("order-command", None, key=key))
        assert caught.value.code == code


def test_a_tombstone_is_no_change() -> None:
    assert CODEC.decode_change(record("dualwrite.fno.salesorders", None, key=b"fno-usmf-1")) is None


def test_a_change_without_a_row_is_refused() -> None:
    body = SalesOrderChange("u", 0, None, None, ChangeSource("fno", 1))
    value, headers = CODEC.encode(ChangeEvent(CHANGED_AT_FNO, "a", "x", 0, "", "", body))
    with pytest.raises(RecordError, match=r"neither `before` nor `after`"):
        CODEC.decode_change(record("dualwrite.fno.salesorders", value, headers))


def in_avro(topic: str, body: Any) -> bytes:
    plan = CODEC._plans[topic]
    return plan.prefix + plan.write(body)


@pytest.mark.parametrize(
    ("topic", "body", "problem"),
    [
        ("order-command", OrderCommand("has spaces", "reprocess"), "write 1 to 128 characters without spaces"),
        ("order-command", OrderCommand("", "reprocess"), "write 1 to 128 characters without spaces"),
        ("provider-event", ProviderEvent("x", "p", "e", lines=(LineQuantity("1", 1),) * 1001), "lines: 1001 lines"),
        ("order-created", OrderCreated(an_order(1001)), "order.lines: 1001 lines; at most 1000, split the order"),
        (
            "dualwrite.fno.salesorders",
            SalesOrderChange("x", 0, None, ROW, ChangeSource("fno", 1)),  # type: ignore[arg-type]
            "op: 'x' is none of c, u, d, r",
        ),
        (
            "dualwrite.fno.salesorders",
            SalesOrderChange("u", 0, None, replace(ROW, Lines=(SalesOrderRowLine(1, "", 1, 1, 1),) * 1001), SOURCE),
            "after.Lines: 1001 lines",
        ),
    ],
)
def test_avro_from_producers_keeps_the_limits_of_json(topic: str, body: Any, problem: str) -> None:
    error = failure(CODEC.decode_change, topic, None, in_avro(topic, body))
    assert error is not None
    assert (error.code, problem in error.detail) == ("invalid", True)


def test_as_many_lines_as_allowed_come_through() -> None:
    assert failure(CODEC.decode, "order-created", None, in_avro("order-created", OrderCreated(an_order(1000)))) is None


def test_what_cannot_be_written_is_invalid() -> None:
    body = OrderProgressed("x-1", "fno", "\ud800", "s", "r", (LineStatus("1", "s", "r"),))
    with pytest.raises(RecordError, match=r"order picked e1: .*surrogates"):
        CODEC.encode(Event("order picked", "e1", "x-1", 0, "", "", body))
    with pytest.raises(RecordError, match="is not a time"):
        CODEC.encode(Event("order command", "e1", "x-1", -1, "", "", OrderCommand("x-1", "c")))


def test_a_foreign_topic_is_a_mistake_of_ours() -> None:
    with pytest.raises(SchemaError, match=r"app/events/catalog\.py"):
        CODEC.decode(record("elsewhere", b"\0"))


def test_a_registrys_ids_stand_in_records() -> None:
    there = Codec(PUBLISHED.with_ids({number: number + 5000 for number in PUBLISHED.by_id}))
    value, headers = there.encode(COMMAND)
    assert value[:5] == b"\0" + (5000 + PUBLISHED.latest("order-command-value").id).to_bytes(4, "big")
    assert there.decode(record("order-command", value, headers)).body == COMMAND.body
    with pytest.raises(RecordError, match="unknown-schema"):
        there.decode(record("order-command", CODEC.encode(COMMAND)[0], headers))


def test_records_of_an_older_version_are_read_as_the_newest() -> None:
    """A version 0 of order-command: without subject, actor and values, which have defaults."""
    newest = PUBLISHED.latest("order-command-value")
    shorter = json.loads(newest.text)
    shorter["fields"] = shorter["fields"][:2]
    text = json.dumps(shorter)
    older = avro_schemas.Schema(newest.subject, 1, 900, text, "old", shape_of(shorter, "old"))
    both = avro_schemas.Schemas(
        {**PUBLISHED.by_subject, newest.subject: (older, newest)}, {**PUBLISHED.by_id, older.id: older}
    )
    codec = Codec(both)
    value = b"\0" + (900).to_bytes(4, "big") + b"\x06x-1\x14reprocess!"
    assert codec.decode(record("order-command", value)).body == OrderCommand("x-1", "reprocess!")
    for damaged in (value[:-1], value + b"\0", value[:6], value[:5]):
        with pytest.raises(RecordError, match="schema id 900"):
            codec.decode(record("order-command", damaged))


def test_a_version_that_is_not_written_yet_is_read() -> None:
    """A version 2 of order-command with one field more, in a process of before it is written."""
    now = PUBLISHED.latest("order-command-value")
    longer = json.loads(now.text)
    longer["fields"].append({"name": "priority", "type": "string", "default": "", "doc": "how soon"})
    text = json.dumps(longer)
    next_one = avro_schemas.Schema(now.subject, 2, 900, text, "next", shape_of(longer, "next"), written=False)
    versions = {**PUBLISHED.by_subject, now.subject: (now, next_one)}
    codec = Codec(avro_schemas.Schemas(versions, {**PUBLISHED.by_id, next_one.id: next_one}))
    value, headers = codec.encode(COMMAND)
    assert value == CODEC.encode(COMMAND)[0]
    ahead = b"\0" + (900).to_bytes(4, "big") + value[5:] + b"\x08high"
    assert codec.decode(record("order-command", ahead, headers)).body == COMMAND.body


@given(rest=st.binary(max_size=80))
def test_any_bytes_of_an_older_version_are_an_event_or_a_record_error(rest: bytes) -> None:
    error = failure(OLDER.decode, "order-created", None, OLD_PREFIX + rest)
    assert error is None or error.code in CODES


def _with_older() -> Codec:
    newest = PUBLISHED.latest("order-created-value")
    older = avro_schemas.Schema(newest.subject, 1, 900, newest.text, "old", newest.shape)
    return Codec(avro_schemas.Schemas({**PUBLISHED.by_subject, newest.subject: (older, newest)}, PUBLISHED.by_id))


OLDER = _with_older()
OLD_PREFIX = b"\0" + (900).to_bytes(4, "big")


def test_a_record_that_was_passed_on_is_the_event_of_its_first_place() -> None:
    value, _ = CODEC.encode(COMMAND)
    marked = [("waybill-forwarded", b"order-command/1/42")]
    assert CODEC.decode(record("order-command", value, marked)).event_id == derive("order-command", "1/42")
