"""Dual-write rows as those write them who know Waybill: Debezium's envelope with fields of ours."""

import json
from typing import Any

import pytest

from app.errors import RecordError
from app.events import codec
from app.events.catalog import CHANGED_AT_FNO, ChangeEvent
from app.events.record import Record
from app.events.sales_order_change import ChangeSource, SalesOrderRowLine

CODEC = codec.load()
TOPIC = "dualwrite.fno.salesorders"
LINE = {
    "LineNumber": 1,
    "ItemNumber": "D0001",
    "OrderedSalesQuantity": "2.0000",
    "SalesPrice": 129.99,
    "LineAmount": 259.98,
    "InventoryLotId": "012345",
}
ROW = {
    "dataAreaId": "usmf",
    "SalesOrderNumber": "000697",
    "CurrencyCode": "USD",
    "SalesOrderProcessingStatus": "Confirmed",
    "Lines": [LINE],
    "RequestedShippingDate": "1900-01-01T12:00:00Z",
    "OrderCreationDateTime": None,
    "OrderTotalAmount": "259.9800",
}
SOURCE = {
    "version": "3.0.0.Final",
    "connector": "sqlserver",
    "name": "fno",
    "ts_ms": 1000,
    "snapshot": False,
    "db": "AxDB",
    "schema": "dbo",
    "change_lsn": "0000",
    "table": "salesorders",
    "origin": "fno",
    "sequence": "7",
}
ENVELOPE = {
    "before": None,
    "after": ROW,
    "source": SOURCE,
    "op": "u",
    "ts_ms": 1001,
    "ts_us": 1_001_000,
    "transaction": None,
}


def decode(document: Any) -> ChangeEvent:
    value = json.dumps(document).encode()
    change = CODEC.decode_change(Record(TOPIC, 0, 0, 5, b"fno-usmf-000697", value, ()))
    assert change is not None
    return change


@pytest.mark.parametrize("document", [ENVELOPE, {"schema": {"type": "struct"}, "payload": ENVELOPE}])
def test_an_envelope_becomes_a_change(document: Any) -> None:
    event = decode(document)
    body = event.body
    assert (event.name, event.order_id, body.op, body.ts_ms) == (CHANGED_AT_FNO, "fno-usmf-000697", "u", 1001)
    assert body.source == ChangeSource("fno", 7, 0, "false", "salesorders", "fno", "sqlserver", 1000)
    assert body.before is None
    assert body.row.RequestedShippingDate is None
    assert (body.row.OrderCreationDateTime, body.row.OrderTotalAmount) == (0, 2_599_800)
    assert body.row.Lines == (SalesOrderRowLine(1, "D0001", 20_000, 1_299_900, 2_599_800, "012345"),)


def test_a_deleted_order_has_its_last_row_before() -> None:
    event = decode({**ENVELOPE, "op": "d", "before": ROW, "after": None})
    assert (event.order_id, event.body.after) == ("fno-usmf-000697", None)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({**ENVELOPE, "op": "x"}, "op: `x` is not a known value; use one of: c, d, r, u"),
        ({**ENVELOPE, "after": {**ROW, "Colour": 1}}, "after.Colour: unknown field"),
        (
            {**ENVELOPE, "after": {**ROW, "Lines": [{**LINE, "SalesPrice": "AQ=="}]}},
            "after.Lines[0].SalesPrice: 'AQ=='",
        ),
        ({**ENVELOPE, "source": {"origin": "fno"}}, "source.waybill_version: required, and missing"),
        ({**ENVELOPE, "after": None}, "neither `before` nor `after`"),
        (
            {**ENVELOPE, "after": {**ROW, "SalesOrderNumber": "7"}},
            "key 'fno-usmf-000697' is not the order id 'fno-usmf-7'",
        ),
        (
            {**ENVELOPE, "after": {**ROW, "SalesOrderNumber": "7 8"}},
            "order id 'fno-usmf-7 8': write 1 to 128 characters",
        ),
        ({"schema": {}, "payload": None}, "the record: input should be a valid dictionary"),
    ],
)
def test_a_wrong_envelope_is_refused_with_its_path(document: Any, problem: str) -> None:
    with pytest.raises(RecordError) as caught:
        decode(document)
    assert caught.value.code == "invalid"
    assert problem in caught.value.detail
