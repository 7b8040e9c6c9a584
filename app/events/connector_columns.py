"""What a connector means by a column's value: Kafka Connect and Debezium name the type in the schema beside it.

Decimals come as bytes with the scale in the schema, times as a count since 1970 whose unit is in the type's name.
Without a schema (`schemas.enable=false`) a decimal's bytes cannot be read, and a time's unit shows in its size alone.
"""

import base64
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

DECIMAL: Final = "org.apache.kafka.connect.data.Decimal"
_BYTES_MAX: Final = 32
"""PostgreSQL's numeric has up to 131,072 digits; an amount has 18."""
_SCALE_MAX: Final = 1000
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})Z?")
_NO_DATES: Final = ("1899-12-31", "1900-01-01")
_NO_DATE_MS: Final = range(-2_209_075_200_000, -2_208_902_400_000)
"""F+O writes 1900-01-01 where there is no date; in UTC its first midnight may be the day before."""
_DAY: Final = (86_400_000, 1)
_MILLISECOND: Final = (1, 1)
_MICROSECOND: Final = (1, 1_000)
_NANOSECOND: Final = (1, 1_000_000)
_UNITS: Final[Mapping[str, tuple[int, int]]] = {
    "org.apache.kafka.connect.data.Date": _DAY,
    "org.apache.kafka.connect.data.Timestamp": _MILLISECOND,
    "io.debezium.time.Date": _DAY,
    "io.debezium.time.Timestamp": _MILLISECOND,
    "io.debezium.time.MicroTimestamp": _MICROSECOND,
    "io.debezium.time.NanoTimestamp": _NANOSECOND,
}
"""Milliseconds in a unit, as a fraction."""
_LOGICAL_TYPES: Final[Mapping[str, str]] = {
    "decimal": DECIMAL,
    "date": "io.debezium.time.Date",
    "timestamp-millis": "io.debezium.time.Timestamp",
    "timestamp-micros": "io.debezium.time.MicroTimestamp",
}
"""The same types as Avro names them."""


class Column(NamedTuple):
    """The type's name, empty for one that needs none, and a decimal's places after the point."""

    type: str = ""
    scale: int = 0


Columns = Mapping[str, Column]
PLAIN: Final = Column()


def of_connect(schema: Any) -> dict[str, Column]:
    """Return the columns of a struct that JsonConverter describes; empty for what describes none."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return {
        field["field"]: _column(field)
        for field in (fields if isinstance(fields, list) else ())
        if isinstance(field, dict) and isinstance(field.get("field"), str)
    }


def of_avro(schema: Any, types: Mapping[str, Any]) -> dict[str, Column]:
    """Return the columns of the row in a parsed Avro schema: of the record, or of `after` where it is an envelope."""
    fields = _fields_of(schema, types)
    if "op" in fields and "after" in fields:
        fields = _fields_of(fields["after"], types)
    return {name: _avro_column(_definition(kind, types)) for name, kind in fields.items()}


def _fields_of(schema: Any, types: Mapping[str, Any]) -> dict[str, Any]:
    record = _definition(schema, types)
    return {field["name"]: field["type"] for field in record.get("fields", ())}


def _definition(schema: Any, types: Mapping[str, Any]) -> Any:
    """Return what a type is: its definition where it goes by a name, and what it is where it is not null."""
    if isinstance(schema, list):
        schema = next((branch for branch in schema if branch != "null"), "null")
    return types.get(schema, {}) if isinstance(schema, str) else schema


def _avro_column(kind: Any) -> Column:
    name = kind.get("connect.name") or _LOGICAL_TYPES.get(kind.get("logicalType", ""), "")
    return Column(name if isinstance(name, str) else "", _scale(kind.get("scale", 0)))


def part(schema: Any, name: str) -> Any:
    """Return the description of one field of a struct; None where there is none."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    candidates = (field for field in (fields if isinstance(fields, list) else ()) if isinstance(field, dict))
    return next((field for field in candidates if field.get("field") == name), None)


def _column(field: Mapping[str, Any]) -> Column:
    name, parameters = field.get("name"), field.get("parameters")
    scale = parameters.get("scale") if isinstance(parameters, dict) else None
    return Column(name if isinstance(name, str) else "", _scale(scale))


def _scale(value: Any) -> int:
    text = str(value) if isinstance(value, str | int) else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,4}", text) else 0


def plain(value: Any, column: Column) -> Any:
    """Return a value as JSON would have it: decimals exact, the rest as it is.

    Raises ValueError for what is no number.
    """
    if isinstance(value, dict) and value.keys() == {"scale", "value"}:
        return _decimal(value["value"], _scale(value["scale"]))
    if column.type == DECIMAL and isinstance(value, str | bytes):
        return _decimal(value, column.scale)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number")
        return Decimal(repr(value))
    return value


def amount(value: Any, column: Column) -> Any:
    """Return a number. Raises ValueError for a decimal's bytes that came without their scale."""
    number = plain(value, column)
    if isinstance(number, str) and not _NUMBER.fullmatch(number):
        raise ValueError(
            f"{number[:40]!r} is no number; if it is a decimal in bytes, its scale is missing: set the connector's "
            "decimal.handling.mode=string, or the converter's schemas.enable=true"
        )
    return number


def moment(value: Any, column: Column) -> Any:
    """Return a time in ms since 1970, None for no date; what is neither number nor date is left as it is.

    Raises ValueError for a text that is no time with a zone.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        milliseconds_of, divisor = _UNITS.get(column.type) or _unit(abs(value))
        at = value * milliseconds_of // divisor
        return None if at in _NO_DATE_MS else at
    if not isinstance(value, str):
        return value
    if value.startswith(_NO_DATES):
        return None
    date = _DATE.fullmatch(value)
    return f"{date[1]}T00:00:00Z" if date else value


def _unit(size: int) -> tuple[int, int]:
    """Return the unit of a time without a type: from 1973 to 4707 no two of them share a size."""
    if size < 10**6:
        return _DAY
    if size < 10**14:
        return _MILLISECOND
    return _MICROSECOND if size < 10**17 else _NANOSECOND


def _decimal(value: Any, scale: int) -> Decimal:
    """Return the number in two's complement bytes, in base64 where they came as text."""
    if isinstance(value, str):
        if len(value) > 2 * _BYTES_MAX:
            raise ValueError(f"a decimal of {len(value)} characters in base64; at most {2 * _BYTES_MAX}")
        try:
            value = base64.b64decode(value, validate=True)
        except ValueError as exc:
            raise ValueError(f"{value[:40]!r} is not base64, as a decimal in bytes is") from exc
    if not isinstance(value, bytes) or len(value) > _BYTES_MAX or abs(scale) > _SCALE_MAX:
        raise ValueError(f"a decimal in bytes has at most {_BYTES_MAX}, and a scale of at most {_SCALE_MAX}")
    sign, digits, _ = Decimal(int.from_bytes(value, "big", signed=True)).as_tuple()
    return Decimal((sign, digits, -scale))
