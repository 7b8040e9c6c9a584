"""Fields of an order that an operator or the ERP may change after its creation, and how their text is read. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from app.domain.order import Address, Order
from app.errors import RecordError

TEXT_MAX: Final = 500
"""Characters of one value."""
NUMBER_MAX: Final = 1 << 63
"""Numbers inside are 64-bit on the wire and in the ledger."""
ADDRESS_FIELDS: Final = frozenset(Address.__struct_fields__)
LINE_FIELDS: Final = ("site", "warehouse")
ORDER_FIELDS: Final = frozenset({"company", "invoice_customer", "customer", "site", "warehouse", "requested_ship_date"})

_mapped = attrgetter("company", "invoice_customer", "site", "warehouse", "requested_ship_date", "ship_to")


def mapped_fields_differ(before: Order, after: Order) -> bool:
    """Return whether a field differs that dual-write maps to F+O and that can be changed here."""
    if before is after:
        return False
    if _mapped(before) != _mapped(after) or len(before.lines) != len(after.lines):
        return True
    for old, new in zip(before.lines, after.lines, strict=True):
        if old.site != new.site or old.warehouse != new.warehouse:
            return True
    return False


def change_fields(order: Order, values: Mapping[str, str]) -> tuple[Order, tuple[str, ...]]:
    """Set `values`. Return the order, and the names of the fields that differ from before.

    Names are those of Order, `ship_to.<field>` and `lines.<line id>.<site|warehouse>`. Raises RecordError:
    "unknown-field", "unknown-line", "invalid", or "read-only" when a company would change (it is read-only once set, at
    F+O as well).
    """
    names = []
    for name, text in values.items():
        if len(text) > TEXT_MAX:
            raise RecordError("invalid", f"{name}: at most {TEXT_MAX} characters, got {len(text)}")
        after = _set(order, name, text)
        if after != order:
            names.append(name)
        order = after
    return order, tuple(names)


def check_bounds(order: Order) -> None:
    """Raise RecordError("invalid") when the order holds a number that no record or ledger can carry."""
    numbers = {"requested_ship_date": order.requested_ship_date or 0}
    numbers |= {name: getattr(order, name) for name in ("subtotal", "shipping", "tax", "discount", "total")}
    for line in order.lines:
        numbers |= {f"lines.{line.line_id}.{name}": getattr(line, name) for name in ("quantity", "unit_price", "total")}
    for name, number in numbers.items():
        if abs(number) >= NUMBER_MAX:
            raise RecordError("invalid", f"{name}: {number} is too large for a record")


def _set(order: Order, name: str, text: str) -> Order:
    head, _, rest = name.partition(".")
    if head == "ship_to" and rest in ADDRESS_FIELDS:
        return replace(order, ship_to=replace(order.ship_to, **{rest: text}))
    if head == "lines":
        return _set_line(order, name, text)
    if name not in ORDER_FIELDS:
        allowed = ", ".join(sorted(ORDER_FIELDS))
        raise RecordError(
            "unknown-field",
            f"{name!r} cannot be changed; use one of {allowed}, ship_to.<field> or lines.<line id>.<site|warehouse>",
        )
    read = _READERS.get(name, _text_or_none)
    value = read(order, text)
    return replace(order, **{name: value})


def _set_line(order: Order, name: str, text: str) -> Order:
    line_id, _, field = name.removeprefix("lines.").rpartition(".")
    if field not in LINE_FIELDS:
        raise RecordError("unknown-field", f"{name!r} cannot be changed; of a line only site and warehouse can")
    if all(line.line_id != line_id for line in order.lines):
        raise RecordError("unknown-line", f"{name!r}: the order has no line {line_id!r}")
    value = text.strip() or None
    lines = tuple(replace(line, **{field: value}) if line.line_id == line_id else line for line in order.lines)
    return replace(order, lines=lines)


def _company(order: Order, text: str) -> str | None:
    company = text.strip() or None
    if order.company is not None and company != order.company:
        raise RecordError("read-only", f"company is read-only once set: it is {order.company!r}, {text!r} is refused")
    return company


def _text(_: Order, text: str) -> str:
    return text


def _text_or_none(_: Order, text: str) -> str | None:
    return text.strip() or None


def _time(_: Order, text: str) -> int | None:
    """Read milliseconds since the epoch, or ISO 8601; a date without a zone is UTC."""
    text = text.strip()
    if not text:
        return None
    if text.isdecimal():
        return _bounded(int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise RecordError("invalid", f"requested_ship_date: {text!r} is not ISO 8601, such as 2026-03-31") from exc
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _bounded(int(aware.timestamp() * 1000))


def _bounded(milliseconds: int) -> int:
    if not 0 <= milliseconds < 1 << 47:
        raise RecordError("invalid", f"requested_ship_date: {milliseconds} is not in milliseconds since 1970")
    return milliseconds


_READERS: Final[Mapping[str, Callable[[Order, str], object]]] = {
    "company": _company,
    "customer": _text,
    "requested_ship_date": _time,
}
