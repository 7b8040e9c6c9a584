"""The row in a connector's record: columns to F+O's fields, values by their types, lines from JSON."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from app.errors import RecordError
from app.events import connector_columns
from app.events.connector_columns import PLAIN, Column, Columns
from app.events.dualwrite_rows import RowIn, RowLineIn
from app.events.json_text import parse
from app.events.record_keys import fold_name

MANUAL: Final = "docs/debezium.md"
_UNAVAILABLE: Final = "__debezium_unavailable_value"
_NEEDED: Final = ("dataAreaId", "SalesOrderNumber", "CurrencyCode", "SalesOrderProcessingStatus")
_OURS: Final = ("waybill_version", "waybill_origin", "waybill_origin_version")
_ROW: Final = {fold_name(name): name for name in (*RowIn.model_fields, *_OURS)}
_LINE: Final = {fold_name(name): name for name in RowLineIn.model_fields}
Read = Callable[[Any, Column], Any]


def is_row(value: Mapping[str, Any]) -> bool:
    return any(fold_name(name) in _ROW or fold_name(name) in _LINE for name in value)


def row_of(columns: Mapping[str, Any], types: Columns, path: str, table: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of `RowIn`, and the columns that speak to Waybill. A text that is null is empty.

    A row of which only the key is known has empty texts and no lines. Raises RecordError("invalid") with the path.
    """
    values = _fields(columns, types, _ROW, path)
    if "Lines" not in values:
        raise RecordError("invalid", _without_lines(columns, table))
    row: dict[str, Any] = {name: "" for name in _NEEDED if name in values}
    row |= {name: value for name, value in values.items() if value is not None}
    row["Lines"] = _lines(values["Lines"], f"{path}.Lines")
    return row, {name: row.pop(name) for name in _OURS if name in row}


def _fields(columns: Mapping[str, Any], types: Columns, names: Mapping[str, str], path: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column, value in columns.items():
        name = names.get(fold_name(column))
        if name is None:
            continue
        if name in values:
            raise RecordError("invalid", f"{path}.{name}: two columns have this name; rename one")
        try:
            values[name] = _READ.get(name, _text)(_available(value), types.get(column, PLAIN))
        except ValueError as exc:
            raise RecordError("invalid", f"{path}.{name}: {exc}") from exc
    return values


def _available(value: Any) -> Any:
    if value == _UNAVAILABLE:
        raise ValueError(
            "the change leaves it out, because PostgreSQL keeps it apart (TOAST) and it is as it was; "
            f"ALTER TABLE ... REPLICA IDENTITY FULL brings it ({MANUAL})"
        )
    return value


def _text(value: Any, column: Column) -> Any:
    """Return a text without the blanks that fill up a char(n), or a whole number that the order has as text."""
    value = connector_columns.plain(value, column)
    if isinstance(value, str):
        return value.rstrip(" ")
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _lines(value: Any, path: str) -> Any:
    """Return the lines in JSON; none where there is no text, which is what an aggregate over no rows gives."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            value = parse(value)
        except RecordError as exc:
            raise RecordError("invalid", f"{path}: {exc.detail}") from exc
    if not isinstance(value, list):
        return value
    return [
        _fields(line, {}, _LINE, f"{path}[{at}]") if isinstance(line, dict) else line for at, line in enumerate(value)
    ]


def _without_lines(columns: Mapping[str, Any], table: str) -> str:
    names = {fold_name(name) for name in columns}
    if {"aggregateid", "payload"} <= names:
        fix = f"add the transform io.debezium.transforms.outbox.EventRouter ({MANUAL})"
        return f"a row of the outbox {table!r} itself; {fix}"
    half = "an order's line" if "itemnumber" in names else "an order"
    return (
        f"a row of {table!r} shows {half} without the rest: header and lines have to change in one record; "
        f"let the connector read a table that has the lines as JSON in a column Lines ({MANUAL} has the SQL)"
    )


_READ: Final[Mapping[str, Read]] = {
    "RequestedShippingDate": connector_columns.moment,
    "OrderCreationDateTime": connector_columns.moment,
    **dict.fromkeys(
        ("OrderTotalAmount", "OrderTotalTaxAmount", "OrderTotalChargesAmount", "TotalDiscountAmount"),
        connector_columns.amount,
    ),
    **dict.fromkeys(("OrderedSalesQuantity", "SalesPrice", "LineAmount"), connector_columns.amount),
    **dict.fromkeys(
        ("Lines", "LineNumber", "isReadyToSync", "waybill_version", "waybill_origin_version"), connector_columns.plain
    ),
}
