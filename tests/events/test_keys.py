"""Whose order a dual-write record is about, by the keys that people and connectors write."""

import pytest

from app.errors import RecordError
from app.events import codec
from app.events.record import Record
from tests.events.connector import KEY, ORDER_ID, ROW, envelope, text

CODEC = codec.load()
TOPIC = "dualwrite.fno.salesorders"
KEYS = [
    ORDER_ID.encode(),
    text(ORDER_ID),
    text({"schema": {"type": "string", "optional": False}, "payload": ORDER_ID}),
    text(KEY),
    text({"schema": {"type": "struct", "fields": []}, "payload": KEY}),
    b'{"data_area_id": "USMF  ", "sales_order_number": "000001 ", "more": null}',
    b"Struct{dataareaid=usmf,salesordernumber=000001}",
]


@pytest.mark.parametrize("key", KEYS)
def test_every_form_of_a_key_names_the_order(key: bytes) -> None:
    assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, None, ())) == ORDER_ID
    assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, text(envelope()), ())) == ORDER_ID
    assert CODEC.decode_change(Record(TOPIC, 0, 0, 5, key, text(envelope()), ())) is not None


def test_an_order_of_ours_goes_by_its_own_id_whatever_its_row_is_called() -> None:
    value = text(envelope(after=ROW | {"SalesOrderOriginCode": "IOM", "CustomersOrderReference": "web-7"}))
    assert CODEC.order_id(Record(TOPIC, 0, 0, 5, text(KEY), value, ())) == "web-7"


@pytest.mark.parametrize(
    "key",
    [
        b"{",
        b'"a b"',
        b"{}",
        b'{"id": "a"}',
        b'{"dataAreaId": "usmf"}',
        b"Struct{a}",
        b"Struct{",
        b'"\xff"',
        b"\0\0",
        b'"',
    ],
)
def test_a_tombstone_of_somebody_elses_key_is_about_no_order(key: bytes) -> None:
    assert CODEC.order_id(Record(TOPIC, 0, 0, 5, key, None, ())) == ""


def test_a_key_that_is_another_order_is_refused_and_the_fix_is_possible_on_a_compacted_topic() -> None:
    with pytest.raises(RecordError) as caught:
        CODEC.decode_change(Record(TOPIC, 0, 0, 5, b"fno-usmf-7", text(envelope()), ()))
    assert caught.value.detail.endswith("send the id as key, or the row's key columns as JSON")


def test_elsewhere_a_key_is_an_order_id_whatever_it_looks_like() -> None:
    assert CODEC.order_id(Record("order-command", 0, 0, 5, b'{"x"}', None, ())) == '{"x"}'
    assert not CODEC.is_wrapped("order-command", b'{"x"}')
