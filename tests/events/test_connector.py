"""What Debezium's PostgreSQL connector writes: every mode of decimals and times, every operation, every shape."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.errors import RecordError
from app.events import codec
from app.events.catalog import ChangeEvent
from app.events.record import Record
from app.events.sales_order_change import ChangeSource, SalesOrderChange, SalesOrderRow, SalesOrderRowLine
from tests.events.connector import (
    DECIMAL,
    DEFAULT_ROW,
    DEFAULTS,
    KEY,
    LINES,
    LSN,
    MADE_AT,
    ORDER_ID,
    ROW,
    SHIPS_AT,
    SOURCE,
    TS_MS,
    decimal_text,
    envelope,
    text,
    with_schema,
)

CODEC = codec.load()
TOPIC = "dualwrite.fno.salesorders"
LINE = SalesOrderRowLine(1, "D0001", 20_000, 1_299_900, 2_599_800, "012345", "", "", "1", "13", "Backorder")
EXPECTED = SalesOrderRow(
    "usmf", "000001", "USD", "Confirmed", (LINE,),
    CustomersOrderReference="PO-1", SalesOrderOriginCode="PHONE", InvoiceCustomerAccountNumber="US-001",
    Email="j@example.com", RequestedShippingDate=SHIPS_AT, OrderTotalAmount=2_599_800, OrderCreationDateTime=MADE_AT,
)  # fmt: skip


def maybe(document: Any, key: Any = KEY, headers: Any = ()) -> ChangeEvent | None:
    return CODEC.decode_change(Record(TOPIC, 0, 0, 5, text(key), text(document), tuple(headers)))


def decoded(document: Any, key: Any = KEY) -> SalesOrderChange:
    event = maybe(document, key)
    assert event is not None
    return event.body


def refusal(document: Any) -> str:
    with pytest.raises(RecordError) as caught:
        maybe(document)
    assert caught.value.code == "invalid"
    assert caught.value.detail.encode()
    return caught.value.detail


def test_a_change_of_postgresql_is_a_change_of_fno() -> None:
    event = maybe(envelope(before=ROW | {"SalesOrderProcessingStatus": "Active"}))
    assert event is not None
    assert event.order_id == ORDER_ID
    assert event.body == SalesOrderChange(
        "u",
        TS_MS,
        replace(EXPECTED, SalesOrderProcessingStatus="Active"),
        EXPECTED,
        ChangeSource("fno", LSN, 0, "false", "salesorders", "fno", "postgresql", 1_795_552_074_292),
    )


def test_debeziums_defaults_with_their_schema() -> None:
    document = with_schema(envelope(after=DEFAULT_ROW))
    assert decoded(document, {"schema": {"type": "struct"}, "payload": KEY}).row == EXPECTED


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("259.98", {}),
        (259.98, {"type": "double"}),
        (decimal_text(25_998), DECIMAL | {"parameters": {"scale": "2"}}),
        (decimal_text(25_998), DECIMAL | {"parameters": {"scale": "2", "connect.decimal.precision": "32"}}),
        (
            {"scale": 2, "value": decimal_text(25_998)},
            {"type": "struct", "name": "io.debezium.data.VariableScaleDecimal"},
        ),
        ({"scale": 2, "value": decimal_text(25_998)}, {}),
        (259.98, DECIMAL),  # JsonConverter with decimal.format=NUMERIC
        (decimal_text(3), DECIMAL | {"parameters": {"scale": "-2"}}),
        (decimal_text(-25_998), DECIMAL | {"parameters": {"scale": "2"}}),
    ],
)
def test_every_mode_of_decimals_is_exact(value: Any, kind: dict[str, Any]) -> None:
    row = decoded(with_schema(envelope(after=ROW | {"OrderTotalAmount": value}), {"OrderTotalAmount": kind})).row
    negative, hundreds = value == decimal_text(-25_998), value == decimal_text(3)
    assert row.OrderTotalAmount == (-2_599_800 if negative else 3_000_000 if hundreds else 2_599_800)


NOON, MIDNIGHT = SHIPS_AT, SHIPS_AT - 12 * 3_600_000


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        (NOON // 86_400_000, "io.debezium.time.Date", MIDNIGHT),
        (NOON // 86_400_000, "org.apache.kafka.connect.data.Date", MIDNIGHT),
        (NOON, "org.apache.kafka.connect.data.Timestamp", NOON),
        (NOON, "io.debezium.time.Timestamp", NOON),
        (NOON * 1000 + 999, "io.debezium.time.MicroTimestamp", NOON),
        (NOON * 1_000_000, "io.debezium.time.NanoTimestamp", NOON),
        ("2026-11-30T12:00:00Z", "io.debezium.time.IsoTimestamp", NOON),
        ("2026-11-30Z", "io.debezium.time.IsoDate", MIDNIGHT),
        ("2026-11-30T12:00:00.000000Z", "io.debezium.time.ZonedTimestamp", NOON),
        ("2026-11-30T14:00:00+02:00", "", NOON),
        ("2026-11-30", "", MIDNIGHT),
        (1, "io.debezium.time.MicroTimestamp", 0),
        # Without a schema the unit is in the size.
        (NOON // 86_400_000, "", MIDNIGHT),
        (NOON, "", NOON),
        (NOON * 1000, "", NOON),
        (NOON * 1_000_000, "", NOON),
        # F+O's "no date", in each form.
        (-25_567, "io.debezium.time.Date", None),
        (-2_208_988_800_000, "org.apache.kafka.connect.data.Timestamp", None),
        (-2_208_988_800_000_000, "io.debezium.time.MicroTimestamp", None),
        (-2_208_988_800_000_000_000, "io.debezium.time.NanoTimestamp", None),
        (-25_567, "", None),
        (-2_208_988_800_000_000, "", None),
        ("1900-01-01T00:00:00.000000Z", "io.debezium.time.ZonedTimestamp", None),
        ("1899-12-31T23:00:00Z", "io.debezium.time.ZonedTimestamp", None),
        ("1900-01-01Z", "io.debezium.time.IsoDate", None),
        (None, "io.debezium.time.MicroTimestamp", None),
    ],
)
def test_every_mode_of_times(value: Any, name: str, expected: int | None) -> None:
    row = ROW | {"RequestedShippingDate": value, "OrderCreationDateTime": value}
    kinds = {time: {"type": "int64", "name": name} for time in ("RequestedShippingDate", "OrderCreationDateTime")}
    found = decoded(with_schema(envelope(after=row), kinds)).row
    assert (found.RequestedShippingDate, found.OrderCreationDateTime) == (expected, expected or 0)


def test_null_is_what_is_not_there() -> None:
    nulls = dict.fromkeys(("Email", "RequestedShippingDate", "OrderTotalAmount", "isReadyToSync", "CurrencyCode"))
    row = decoded(envelope(after=ROW | nulls)).row
    assert (row.Email, row.RequestedShippingDate, row.OrderTotalAmount) == ("", None, 0)
    assert (row.isReadyToSync, row.CurrencyCode) == (True, "")


@pytest.mark.parametrize("lines", [None, "", "[]"])
def test_an_order_without_lines_has_none(lines: str | None) -> None:
    assert decoded(envelope(after=ROW | {"Lines": lines})).row.Lines == ()


def test_lines_may_have_numbers_as_text_and_nulls_and_fields_that_no_line_has() -> None:
    line = json.loads(LINES)[0]
    line |= {
        "SalesPrice": "129.9900",
        "LineNumber": "1.0000000000000000",
        "LineDescription": None,
        "Colour": {"a": [1]},
    }
    assert decoded(envelope(after=ROW | {"Lines": json.dumps([line])})).row == EXPECTED
    assert decoded(envelope(after=ROW | {"Lines": [line]})).row == EXPECTED


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


@pytest.mark.parametrize("spell", [str.lower, str.upper, snake])
def test_columns_may_be_spelled_as_the_database_folds_them(spell: Any) -> None:
    lines = json.dumps([{spell(name): value for name, value in json.loads(LINES)[0].items()}])
    row = {spell(name): value for name, value in (ROW | {"Lines": lines}).items()}
    key = {spell(name): value for name, value in KEY.items()}
    assert decoded(envelope(after=row), key).row == EXPECTED


def test_two_spellings_of_one_column_are_refused() -> None:
    assert "after.Email: two columns have this name" in refusal(envelope(after=ROW | {"e_mail": "x"}))
    lines = '[{"SalesPrice": 1, "sales_price": 2}]'
    assert "after.Lines[0].SalesPrice: two columns" in refusal(envelope(after=ROW | {"Lines": lines}))


def test_columns_that_no_order_has_are_passed_over() -> None:
    assert decoded(envelope(after=ROW | {"RecVersion": 5, "Tags": ["a"], "__x": None})).row == EXPECTED


def test_texts_lose_the_blanks_of_char_n_and_numbers_are_texts_where_the_order_has_texts() -> None:
    row = decoded(envelope(after=ROW | {"dataAreaId": "usmf  ", "DeliveryAddressZipCode": 78108})).row
    assert (row.dataAreaId, row.DeliveryAddressZipCode) == ("usmf", "78108")
    number = with_schema(
        envelope(after=ROW | {"SalesOrderNumber": decimal_text(77)}),
        {"SalesOrderNumber": DECIMAL | {"parameters": {"scale": "0"}}},
    )
    assert decoded(number).row.SalesOrderNumber == "77"


# ---- operations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_operations_that_show_a_row(op: str) -> None:
    assert (decoded(envelope(op)).op, decoded(envelope(op)).row) == (op, EXPECTED)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        *((each, each) for each in ("true", "first", "first_in_data_collection", "last", "incremental", "false")),
        (True, "true"),
        (False, "false"),
        (None, "false"),
    ],
)
def test_a_row_of_a_snapshot(snapshot: Any, expected: str) -> None:
    source = decoded(envelope("r", snapshot=snapshot, sequence=f'[null,"{LSN}"]')).source
    assert (source.snapshot, source.version) == (expected, LSN)


def test_a_deletion_shows_the_last_row() -> None:
    change = decoded(envelope("d", before=ROW))
    assert (change.op, change.before, change.after) == ("d", EXPECTED, None)


KEY_ALONE = dict.fromkeys(ROW) | KEY
"""Of a table without REPLICA IDENTITY FULL; columns that may not be null have "" or 0, which is no JSON either."""


@pytest.mark.parametrize(
    "row",
    [
        KEY_ALONE,
        KEY_ALONE
        | dict.fromkeys(("CurrencyCode", "SalesOrderProcessingStatus", "Lines"), "")
        | {"OrderTotalAmount": 0},
    ],
)
def test_a_deletion_may_show_the_key_alone(row: dict[str, Any]) -> None:
    change = decoded(envelope("d", before=row))
    assert (change.row.SalesOrderNumber, change.row.SalesOrderProcessingStatus, change.row.Lines) == ("000001", "", ())


@pytest.mark.parametrize("before", [None, KEY_ALONE, {"dataAreaId": "usmf"}, ROW | {"Lines": "[{}]"}, "text"])
def test_a_row_before_that_is_not_whole_is_none(before: Any) -> None:
    assert decoded(envelope("u", before=before)).before is None


def test_a_truncated_table_cancels_nothing_and_says_so() -> None:
    assert "'salesorders' was emptied" in refusal(envelope("t"))


@pytest.mark.parametrize(
    "notice",
    [
        {"ts_ms": 1_795_568_505_039},
        {"ts_ms": 1, "ts_us": 2, "ts_ns": 3},
        {"schema": {"type": "struct"}, "payload": {"ts_ms": 1}},
        {"op": "m", "ts_ms": 1, "source": SOURCE, "message": {"prefix": "x", "content": "aGVsbG8="}},
        {"status": "BEGIN", "id": "571", "event_count": None, "ts_ms": 1},
    ],
)
def test_what_is_about_no_order_is_passed_over(notice: Any) -> None:
    key = text({"serverName": "fno"})
    assert maybe(notice, {"serverName": "fno"}) is None
    assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, text(notice), ())) == ""
    assert CODEC.order_id(Record(TOPIC, 0, 0, 5, None, text(notice), ())) == ""


@pytest.mark.parametrize(
    "new", ['{"dataAreaId":"USMF","SalesOrderNumber":"000001"}', "Struct{dataAreaId=USMF,SalesOrderNumber=000001}"]
)
def test_a_changed_key_that_names_the_same_order_deletes_nothing(new: str) -> None:
    headers = [("__debezium.newkey", new.encode())]
    assert maybe(envelope("d", before=ROW), KEY, headers) is None


def test_an_order_of_ours_gets_another_number_and_is_not_deleted() -> None:
    ours = ROW | {"SalesOrderOriginCode": "IOM", "CustomersOrderReference": "web-7"}
    headers = [("__debezium.newkey", text(KEY | {"SalesOrderNumber": "000002"}))]
    assert maybe(envelope("d", before=ours), KEY, headers) is None
    event = maybe(envelope("d", before=ours))
    assert event is not None
    assert (event.order_id, event.body.op) == ("web-7", "d")


def test_an_order_of_fno_under_another_number_is_another_order() -> None:
    headers = [("__debezium.newkey", text(KEY | {"SalesOrderNumber": "000002"}))]
    event = maybe(envelope("d", before=ROW), KEY, headers)
    assert event is not None
    assert (event.order_id, event.body.op) == (ORDER_ID, "d")


# ---- origin and version -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, LSN),
        ({"sequence": '[null,"5"]', "lsn": 9}, 5),
        ({"sequence": '["99","100"]'}, 100),
        ({"sequence": None}, LSN),
        ({"sequence": "nonsense"}, LSN),
    ],
)
def test_the_version_is_the_place_in_the_log(source: dict[str, Any], expected: int) -> None:
    assert decoded(envelope(**source)).source.version == expected


def test_versions_are_numbers() -> None:
    older, newer = (decoded(envelope(sequence=f'["1","{lsn}"]')).source.version for lsn in ("99", "100"))
    assert older < newer


@pytest.mark.parametrize("origin", [None, "iom", "fno", "pg_origin_7"])
def test_a_replication_origin_is_not_ours(origin: str | None) -> None:
    assert decoded(envelope(origin=origin)).source.origin == "fno"


def test_columns_of_ours_say_who_changed_the_order_and_what_is_newer() -> None:
    row = ROW | {"waybill_origin": "iom", "waybill_version": 7, "waybill_origin_version": "3"}
    source = decoded(envelope(after=row)).source
    assert (source.origin, source.version, source.origin_version) == ("iom", 7, 3)
    assert "waybill_origin: `FO` is not a known value; did you mean `fno`?" in refusal(
        envelope(after=ROW | {"waybill_origin": "FO"})
    )


def test_a_connector_without_an_order_of_changes_needs_a_column() -> None:
    other: dict[str, Any] = {"connector": "mysql", "sequence": None, "lsn": None}
    assert "connector 'mysql'); let the row have a column waybill_version" in refusal(envelope(**other))
    assert decoded(envelope(after=ROW | {"waybill_version": 7}, **other)).source.version == 7
    assert decoded(envelope("r", **other)).source.version == 0


# ---- shapes -----------------------------------------------------------------------------------------------------

ADDED = {
    "__deleted": "false", "__op": "u", "__source_ts_ms": 1_795_552_074_292, "__table": "salesorders",
    "__source_sequence": SOURCE["sequence"], "__source_snapshot": None,
}  # fmt: skip


def test_a_flat_row() -> None:
    change = decoded(ROW | ADDED)
    assert (change.op, change.before, change.after) == ("u", None, EXPECTED)
    assert (change.source.version, change.source.table, change.ts_ms) == (LSN, "salesorders", 1_795_552_074_292)
    assert decoded(ROW | {"__lsn": 7}).source.version == 7


def test_a_flat_row_with_its_schema() -> None:
    schema = {"type": "struct", "fields": with_schema(envelope())["schema"]["fields"][1]["fields"]}
    assert decoded({"schema": schema, "payload": DEFAULT_ROW | ADDED}).row == EXPECTED


def test_a_flat_deletion() -> None:
    change = decoded(ROW | ADDED | {"__deleted": "true", "__op": "d"})
    assert (change.op, change.row, change.after) == ("d", EXPECTED, None)
    assert decoded(KEY_ALONE | {"__deleted": "true", "__lsn": 7}).op == "d"


def test_a_flat_row_without_an_order_of_changes_names_the_setting() -> None:
    assert "transforms.unwrap.add.fields=op,source.sequence" in refusal(ROW)


def test_an_outbox_carries_the_envelope_of_who_knows_waybill() -> None:
    own = {"op": "c", "ts_ms": 1, "before": None, "after": ROW | {"Lines": json.loads(LINES)}}
    own["source"] = {"waybill_origin": "fno", "waybill_version": 3}
    for document in (own, json.dumps(own), {"schema": {"type": "string"}, "payload": json.dumps(own)}):
        change = decoded(document, ORDER_ID)
        assert (change.row, change.source.version, change.source.origin) == (EXPECTED, 3, "fno")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            {name: value for name, value in ROW.items() if name != "Lines"},
            "a row of 'salesorders' shows an order without the rest: header and lines have to change in one record",
        ),
        (KEY | {"ItemNumber": "D0001", "SalesPrice": "1"}, "shows an order's line without the rest"),
        ({"id": "a", "aggregatetype": "x", "aggregateid": "y", "payload": "{}"}, "outbox.EventRouter"),
    ],
)
def test_half_an_order_is_refused_and_the_fix_is_named(row: dict[str, Any], problem: str) -> None:
    found = refusal(envelope(after=row))
    assert problem in found
    assert "docs/debezium.md" in found


# ---- what is wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"OrderTotalAmount": "D3764A=="},
            "after.OrderTotalAmount: 'D3764A==' is no number; if it is a decimal in bytes",
        ),
        ({"OrderTotalAmount": "12.34567"}, "after.OrderTotalAmount: '12.34567' is not an amount"),
        ({"OrderTotalAmount": {"scale": 2, "value": "%%"}}, "'%%' is not base64"),
        ({"OrderTotalAmount": {"scale": 2, "value": "A" * 65}}, "a decimal of 65 characters in base64; at most 64"),
        ({"OrderTotalAmount": {"scale": 9999, "value": "AQ=="}}, "a scale of at most 1000"),
        ({"OrderTotalAmount": {"scale": 999, "value": "AQ=="}}, "at most 4 places"),
        ({"OrderTotalAmount": {"scale": -999, "value": "AQ=="}}, "at most 14 digits"),
        ({"OrderTotalAmount": {"scale": "x" * 9, "value": [1]}}, "a decimal in bytes has at most 32"),
        ({"RequestedShippingDate": -1}, "a time is ms since 1970"),
        ({"RequestedShippingDate": True}, "a time is ms since 1970"),
        ({"RequestedShippingDate": "+294247-01-10T04:00:25.2Z"}, "is no time"),
        ({"RequestedShippingDate": "2026-11-30T12:00:00"}, "has no time zone"),
        ({"Lines": "[{]"}, "after.Lines: not JSON"),
        ({"Lines": "[" * 100_000}, "after.Lines: JSON is nested too deeply"),
        ({"Lines": "{}"}, "after.Lines: input should be a valid tuple"),
        ({"Lines": "[1]"}, "after.Lines[0]: input should be"),
        ({"Lines": json.dumps(json.loads(LINES) * 1001)}, "after.Lines: 1001 lines; at most 1000, split the order"),
        ({"Lines": LINES.replace("129.99", "null")}, "after.Lines[0].SalesPrice: required, and missing"),
        ({"Lines": LINES.replace(": 1,", ": 1e999999999,")}, "after.Lines[0].LineNumber: a whole number"),
        ({"Lines": "__debezium_unavailable_value"}, "after.Lines: the change leaves it out"),
        ({"dataAreaId": None}, "an order of F+O needs dataAreaId"),
        ({"Email": "e" * 2000}, "after.Email: string should have at most 1024 characters"),
        ({"waybill_version": 1 << 62}, "waybill_version: input should be less than"),
    ],
)
def test_what_cannot_be_used_is_named(changes: dict[str, Any], problem: str) -> None:
    assert problem in refusal(envelope(after=ROW | changes))


def test_postgresqls_infinity_is_no_time() -> None:
    infinity = with_schema(envelope(after=DEFAULT_ROW | {"RequestedShippingDate": 9_223_372_036_825_200_000}))
    assert "after.RequestedShippingDate: a time is ms since 1970" in refusal(infinity)


def test_a_decimal_of_a_megabyte_is_refused_at_once() -> None:
    huge = with_schema(envelope(after=ROW | {"OrderTotalAmount": "A" * 900_000}), DEFAULTS)
    assert "a decimal of 900000 characters" in refusal(huge)


@pytest.mark.parametrize(
    "document",
    [
        envelope("x"),
        envelope("u", after="text"),
        envelope("d"),
        {**envelope(), "op": None},
        {**envelope(), "source": {"connector": "\ud800", "table": "\ud800"}},
        {**envelope(), "source": {"connector": ["a"] * 1000}},
        {"schema": 5, "payload": envelope(after={})},
        {"schema": {"fields": [5, {"field": "after", "fields": [{"field": "Email", "name": 7}]}]}, "payload": ROW},
        {"schema": {"fields": {"field": "after"}}, "payload": {**ROW, "source": 5}},
    ],
)
def test_odd_documents_are_refused(document: Any) -> None:
    assert refusal(document)


DEEP = "deep"


@pytest.mark.parametrize(
    "document",
    [
        {**envelope(), "op": DEEP},
        {**envelope("d"), "op": DEEP, "after": 5},
        {**envelope(), "source": {"connector": DEEP, "table": DEEP}},
        {**envelope(), "source": {"connector": "x", "table": DEEP, "sequence": DEEP}},
        envelope(after=ROW | {"OrderTotalAmount": {"scale": DEEP, "value": DEEP}}),
        envelope(after=ROW | {"OrderTotalAmount": DEEP, "Lines": DEEP}),
        envelope(after=ROW | {"Email": DEEP, "waybill_version": DEEP}),
        with_schema(envelope(), {"Email": {"parameters": {"scale": DEEP}, "name": DEEP}}) | {"more": 1},
    ],
)
def test_what_is_nested_as_deeply_as_json_may_be_is_refused_too(document: Any) -> None:
    """Wherever the stack ends: reading may just succeed, and printing what was read may not."""
    for depth in range(900, 1000, 4):
        deep = b"[" * depth + b"]" * depth
        key = text({"dataAreaId": DEEP, "SalesOrderNumber": DEEP}).replace(b'"deep"', deep)
        with pytest.raises(RecordError):
            CODEC.order_id(Record(TOPIC, 0, 0, 5, key, text(document).replace(b'"deep"', deep), ()))
        assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, None, ())) == ""


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data(), schema=st.booleans())
def test_anything_in_any_place_is_a_change_or_a_record_error(data: st.DataObject, schema: bool) -> None:
    document: Any = json.loads(json.dumps(envelope(after=DEFAULT_ROW | {"Lines": json.loads(LINES)})))
    document = with_schema(document) if schema else document
    for _ in range(data.draw(st.integers(1, 3))):
        place = document
        while isinstance(place, dict | list) and place:
            name = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[name], dict | list) or data.draw(st.booleans()):
                place[name] = data.draw(ANYTHING)
                break
            place = place[name]
    problem: RecordError | None = None
    try:
        maybe(document)
    except RecordError as exc:
        problem = exc
    assert problem is None or (problem.code in ("invalid", "malformed") and problem.detail.encode())
