"""Records with their types, and values as they are in SAP's JSON.

Inside, values are text, exact decimals, ms for times, true or false.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

from app.domain.external_keys import units
from app.sandbox.vendors.sap.refusals import SapError

DAY_MS: Final = 86_400_000

Values = dict[str, Any]
Kind = Literal["text", "number", "flag", "date", "instant", "time", "amount", "quantity", "rate", "whole"]
"""`number`: of a document or item, where leading zeros mean nothing."""
Access = Literal["write", "insert", "read"]
"""`read` is sap:creatable=false: what a POST says of it is ignored."""
_PLACES: Final[Mapping[Kind, int]] = {"amount": 2, "quantity": 3, "rate": 9, "whole": 0}
"""Places after the point that SAP shows."""
DIGITS: Final[Mapping[Kind, tuple[int, int]]] = {
    "amount": (16, 3),
    "quantity": (15, 3),
    "rate": (24, 9),
    "whole": (5, 0),
}
"""Digits in all, and places after the point, that SAP's metadata has for decimals."""
_EMPTY: Final[Mapping[Kind, Any]] = {"text": "", "number": "", "flag": False, "date": None, "instant": None, "time": 0}
_LITERAL_DATE: Final = re.compile(r"/Date\((-?[0-9]{1,14})(?:[+-][0-9]{4})?\)/")


class EntityField(NamedTuple):
    kind: Kind
    access: Access
    length: int = 0
    """The most UTF-16 code units of a text (0: no limit), or the digits of a decimal (0: those of its kind)."""

    @property
    def digits(self) -> tuple[int, int]:
        """Of a decimal: digits in all, and places after the point."""
        digits, places = DIGITS[self.kind]
        return self.length or digits, places


@dataclass(frozen=True)
class EntityType:
    """`lists` are navigations to many, `single` the one to the parent. `etag` is the field behind the ETag, if any."""

    service: str
    name: str
    key: tuple[str, ...]
    fields: Mapping[str, EntityField]
    lists: Mapping[str, "EntityType"] = field(default_factory=dict)
    single: str = ""
    etag: str = ""

    @property
    def navigations(self) -> tuple[str, ...]:
        return (*self.lists, *((self.single,) if self.single else ()))


@dataclass(frozen=True)
class ComplexType:
    """What a function answers with: a record without a key."""

    name: str
    fields: Mapping[str, EntityField]


@dataclass(frozen=True)
class Function:
    """A function import of the service that `of` belongs to. It takes the key of one entity, and answers in a list."""

    name: str
    method: str
    of: EntityType
    returns: ComplexType


class Entity:
    """One record with those below it; `parent` is the one above."""

    __slots__ = ("kind", "lists", "parent", "values")

    def __init__(self, kind: EntityType, values: Values, parent: "Entity | None" = None) -> None:
        self.kind, self.parent = kind, parent
        self.values: Values = {name: _empty(about.kind) for name, about in kind.fields.items()} | values
        self.lists: dict[str, list[Entity]] = {name: [] for name in kind.lists}

    def add(self, navigation: str, values: Values) -> "Entity":
        """Add a record below this one, with its key."""
        kind = self.kind.lists[navigation]
        own = {name: self.values[name] for name in self.kind.key if name in kind.fields}
        below = Entity(kind, values | own, self)
        self.lists[navigation].append(below)
        return below

    def of_kind(self, kind: EntityType) -> "Iterator[Entity]":
        """Return this record, or those of that kind below it."""
        if self.kind is kind:
            yield self
            return
        for rows in self.lists.values():
            for below in rows:
                yield from below.of_kind(kind)

    @property
    def etag(self) -> str:
        if not self.kind.etag:
            return ""
        moment = datetime.fromtimestamp(self.values[self.kind.etag] / 1000, UTC)
        text = f"{moment:%Y-%m-%dT%H:%M:%S}.{self.values[self.kind.etag] % 1000:03}0000Z"
        return f"W/\"datetimeoffset'{quote(text, safe='')}'\""

    def address(self) -> str:
        """Return `A_SalesOrderItem(SalesOrder='1',SalesOrderItem='10')`; a key of one field goes without its name."""
        values = {name: quote(str(self.values[name]).replace("'", "''"), safe="") for name in self.kind.key}
        if len(values) == 1:
            return f"{self.kind.name}('{next(iter(values.values()))}')"
        fields = ",".join(f"{name}='{value}'" for name, value in values.items())
        return f"{self.kind.name}({fields})"


def _empty(kind: Kind) -> Any:
    return Decimal(0) if kind in _PLACES else _EMPTY[kind]


def is_decimal(kind: Kind) -> bool:
    return kind in _PLACES


def render_value(kind: Kind, value: Any) -> Any:
    """Return a value as SAP writes it in JSON."""
    if kind in _PLACES:
        return f"{value:.{_PLACES[kind]}f}"
    match kind:
        case "date":
            return None if value is None else f"/Date({value})/"
        case "instant":
            return None if value is None else f"/Date({value}+0000)/"
        case "time":
            seconds = value // 1000
            return f"PT{seconds // 3600:02}H{seconds // 60 % 60:02}M{seconds % 60:02}S"
    return value


def parse_fields(kind: EntityType, body: Mapping[str, Any], *accesses: Access) -> Values:
    """Return the fields of a body that may be given now; SAP's own are ignored. Raises SapError with 400."""
    return dict(_parse_fields(kind, body, accesses))


def _parse_fields(kind: EntityType, body: Mapping[str, Any], accesses: tuple[Access, ...]) -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if name in kind.navigations or name.startswith("__"):
            continue
        if name not in kind.fields:
            raise SapError(
                400, "/IWBEP/CM_MGW_RT/021", f"Property '{name[:100]}' is invalid for type '{kind.name}Type'"
            )
        if kind.fields[name].access in accesses:
            yield name, _parse_value(name, kind.fields[name], value)


def _parse_value(name: str, about: EntityField, value: object) -> Any:
    try:
        result = _value(about, value)
    except (ValueError, InvalidOperation) as exc:
        raise _invalid(name, value) from exc
    if about.length and about.kind not in _PLACES and units(str(result)) > about.length:
        raise _invalid(name, value)
    return result


def _value(about: EntityField, value: object) -> Any:
    """Convert a JSON value. Raises ValueError or InvalidOperation for one that is not of the field's type."""
    if value is None:
        return _empty(about.kind)
    if about.kind == "flag" and isinstance(value, bool):
        return value
    if isinstance(value, str):
        if about.kind in _PLACES:
            return _decimal(value, *about.digits)
        if about.kind in ("date", "instant"):
            return moment(value)
        if about.kind == "number":
            return value.lstrip("0")
        if about.kind == "text":
            # Texts are of fixed length inside: blanks at the end fill them up, and are none.
            return value.rstrip(" ")
    raise ValueError


def _decimal(text: str, digits: int, places: int) -> Decimal:
    """Parse a decimal, which comes as text: a JSON number would have been a float on its way."""
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -places or (number and number.adjusted() >= digits - places):
        raise ValueError
    return number


def moment(text: str) -> int:
    """Parse `/Date(...)/` or ISO 8601 to ms, in UTC where it names no zone. Raises ValueError."""
    match = _LITERAL_DATE.fullmatch(text)
    if match is not None:
        return int(match[1])
    time = datetime.fromisoformat(text)
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _invalid(name: str, value: object) -> SapError:
    return SapError(400, "/IWCOR/CX_OD_BAD_REQUEST", f"Property '{name}' has invalid value '{str(value)[:100]}'")
