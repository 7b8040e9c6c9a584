"""Records in the shapes that Debezium 3.6 writes of PostgreSQL: one table of orders, the lines as jsonb."""

import base64
import json
from typing import Any

LINES = (
    '[{"ItemNumber": "D0001", "LineAmount": 259.98, "LineNumber": 1, "SalesPrice": 129.99, "ShippingSiteId": "1", '
    '"InventoryLotId": "012345", "ShippingWarehouseId": "13", "OrderedSalesQuantity": 2, '
    '"SalesOrderLineStatus": "Backorder"}]'
)
ROW: dict[str, Any] = {
    "dataAreaId": "usmf", "SalesOrderNumber": "000001", "CurrencyCode": "USD",
    "SalesOrderProcessingStatus": "Confirmed", "CustomersOrderReference": "PO-1", "SalesOrderOriginCode": "PHONE",
    "InvoiceCustomerAccountNumber": "US-001", "Email": "j@example.com", "isReadyToSync": True,
    "RequestedShippingDate": 1_796_040_000_000,
    "OrderTotalAmount": "259.980000", "OrderTotalTaxAmount": "0.000000",
    "OrderCreationDateTime": "2026-11-24T20:00:00.000000Z", "Lines": LINES,
}  # fmt: skip
"""As with decimal.handling.mode=string and time.precision.mode=connect."""
SHIPS_AT, MADE_AT = 1_796_040_000_000, 1_795_550_400_000
KEY = {"dataAreaId": "usmf", "SalesOrderNumber": "000001"}
ORDER_ID = "fno-usmf-000001"
SOURCE: dict[str, Any] = {
    "version": "3.6.3.Final", "connector": "postgresql", "name": "fno", "ts_ms": 1_795_552_074_292, "snapshot": "false",
    "db": "axdb", "sequence": '["26885344","26885568"]', "ts_us": 1_795_552_074_292_916,
    "ts_ns": 1_795_552_074_292_916_000, "schema": "public", "table": "salesorders", "txId": 771, "lsn": 26_885_568,
    "xmin": None, "origin": None, "origin_lsn": None,
}  # fmt: skip
LSN = 26_885_568
TS_MS = 1_795_552_074_642


def envelope(op: str = "u", *, before: Any = None, after: Any = None, **source: Any) -> dict[str, Any]:
    """An envelope around ROW, or around what is given."""
    if op not in "dtm" and after is None:
        after = ROW
    return {
        "before": before, "after": after, "source": SOURCE | source, "transaction": None, "op": op, "ts_ms": TS_MS,
        "ts_us": TS_MS * 1000, "ts_ns": TS_MS * 1_000_000,
    }  # fmt: skip


def decimal_bytes(unscaled: int) -> bytes:
    """Two's complement, as short as Java writes it."""
    return unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)


def decimal_text(unscaled: int) -> str:
    return base64.b64encode(decimal_bytes(unscaled)).decode()


DECIMAL = {"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "6"}}
DEFAULTS = {
    "RequestedShippingDate": {"type": "int64", "name": "io.debezium.time.MicroTimestamp"},
    "OrderTotalAmount": DECIMAL,
    "OrderTotalTaxAmount": DECIMAL,
    "OrderCreationDateTime": {"type": "string", "name": "io.debezium.time.ZonedTimestamp"},
    "Lines": {"type": "string", "name": "io.debezium.data.Json"},
    "isReadyToSync": {"type": "boolean"},
}
"""How the types of ROW's columns are named with Debezium's defaults."""
DEFAULT_ROW = ROW | {
    "RequestedShippingDate": SHIPS_AT * 1000,
    "OrderTotalAmount": decimal_text(259_980_000),
    "OrderTotalTaxAmount": decimal_text(0),
}
"""ROW with Debezium's defaults."""


def struct(types: dict[str, Any], row: dict[str, Any] = ROW, name: str = "after") -> dict[str, Any]:
    """The schema of a row, as JsonConverter writes it."""
    fields = [{"type": "string", "optional": True, "version": 1, **types.get(each, {}), "field": each} for each in row]
    return {"type": "struct", "fields": fields, "optional": True, "name": "fno.public.salesorders.Value", "field": name}


def with_schema(document: dict[str, Any], types: dict[str, Any] = DEFAULTS) -> dict[str, Any]:
    """The envelope within the schema that JsonConverter puts around it (schemas.enable=true)."""
    rows = [struct(types, document["after"] or document["before"], name) for name in ("before", "after")]
    fields = [*rows, {"type": "struct", "fields": [], "field": "source"}, {"type": "string", "field": "op"}]
    schema = {"type": "struct", "fields": fields, "optional": False, "name": "fno.public.salesorders.Envelope"}
    return {"schema": schema, "payload": document}


def text(document: Any) -> bytes:
    return json.dumps(document).encode()
