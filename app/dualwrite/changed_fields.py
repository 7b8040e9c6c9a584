"""Changes of an order's fields as text by path, and back: what an "order changed" of F+O carries in `values`.

A path is `ship_to.city` or `lines.<line id>.quantity`. Amounts are exact decimals, times milliseconds since the
epoch, None is empty text. A line that is gone has the path `lines.<line id>.removed`; a new line brings all its
fields.
"""

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import replace

from app.domain.order import AMOUNT_SCALE, Address, Line, Order
from app.errors import RecordError

REMOVED: Final = "removed"
_AMOUNTS: Final = frozenset({"quantity", "unit_price", "total", "subtotal", "shipping", "tax", "discount"})
_TIMES: Final = frozenset({"requested_ship_date", "placed_at"})
_NULLABLE: Final = frozenset({"company", "invoice_customer", "site", "warehouse", "requested_ship_date"})
_FIXED: Final = frozenset(
    {"order_id", "origin", "ship_to", "bill_to", "lines", "ready_to_sync", "company", "state", "reason", "line_id"}
)
"""Fields that no change of F+O sets: identity, parts that have paths of their own, what only the flow decides."""
_PLACES: Final = len(str(AMOUNT_SCALE)) - 1
_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,4})?")


def changed(before: Order, after: Order, header: Sequence[str], line: Sequence[str]) -> dict[str, str]:
    """Return the fields among `header` and, per line, `line` that differ, with their new value as text."""
    if before == after:
        return {}
    values = _differing("", before, after, header)
    old = {each.line_id: each for each in before.lines}
    for each in after.lines:
        prefix = f"lines.{each.line_id}."
        values |= _differing(prefix, old.pop(each.line_id, None), each, line)
    return values | {f"lines.{line_id}.{REMOVED}": "true" for line_id in old}


def assign(order: Order, values: Mapping[str, str]) -> Order:
    """Return the order with `values` taken over, the inverse of `changed`.

    Raises RecordError("invalid") for a path that an order does not have or a text that is no value of it.
    """
    header: dict[str, Any] = {}
    ship_to: dict[str, Any] = {}
    lines: dict[str, dict[str, Any]] = {}
    for path, text in values.items():
        part, _, name = path.rpartition(".")
        if part == "ship_to":
            ship_to[name] = _value(path, name, text, Address)
        elif part.startswith("lines."):
            lines.setdefault(part.removeprefix("lines."), {})[name] = _value(path, name, text, Line)
        else:
            header[path] = _value(path, path, text, Order)
    if ship_to:
        header["ship_to"] = replace(order.ship_to, **ship_to)
    if lines:
        header["lines"] = _lines(order.lines, lines)
    return replace(order, **header)


def amount_text(amount: int) -> str:
    """Return an amount as the shortest exact decimal: 125_000 is 12.5."""
    whole, rest = divmod(abs(amount), AMOUNT_SCALE)
    digits = f"{whole}.{rest:0{_PLACES}}".rstrip("0").rstrip(".")
    return f"-{digits}" if amount < 0 else digits


def amount(text: str) -> int:
    """Return the amount that a decimal text means.

    Raises ValueError for anything else, more than four places included.
    """
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a decimal with at most {_PLACES} places")
    whole, _, places = text.removeprefix("-").partition(".")
    units = int(whole) * AMOUNT_SCALE + int(places.ljust(_PLACES, "0"))
    return -units if text.startswith("-") else units


def _differing(prefix: str, before: object | None, after: object, names: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    if before == after:
        return values
    for name in names:
        read = attrgetter(name)
        value = read(after)
        if before is None or read(before) != value:
            values[prefix + name] = _text(name, value)
    return values


def _text(name: str, value: str | int | None) -> str:
    if value is None:
        return ""
    return amount_text(value) if name in _AMOUNTS and isinstance(value, int) else str(value)


def _value(path: str, name: str, text: str, owner: type[Order | Address | Line]) -> str | int | None:
    if name == REMOVED and owner is Line:
        return text
    if name not in owner.__struct_fields__ or name in _FIXED:
        raise RecordError("invalid", f"values: {path!r} is no field of an order that F+O may change")
    if not text and name in _NULLABLE:
        return None
    try:
        return amount(text) if name in _AMOUNTS else int(text) if name in _TIMES else text
    except ValueError as exc:
        raise RecordError("invalid", f"values.{path}: {exc}") from exc


def _lines(lines: Sequence[Line], values: Mapping[str, Mapping[str, Any]]) -> tuple[Line, ...]:
    by_id = {line.line_id: line for line in lines}
    for line_id, new in values.items():
        if REMOVED in new:
            by_id.pop(line_id, None)
        else:
            by_id[line_id] = _line(line_id, by_id.get(line_id), new)
    return tuple(by_id.values())


def _line(line_id: str, line: Line | None, new: Mapping[str, Any]) -> Line:
    if line is not None:
        return replace(line, **new)
    try:
        return Line(line_id=line_id, **new)
    except TypeError as exc:
        raise RecordError("invalid", f"values: line {line_id!r} is new, but lacks a field: {exc}") from exc
