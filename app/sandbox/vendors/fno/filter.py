"""OData's $filter as F+O supports it: comparisons, and/or/not, parentheses, wildcards in `eq '*x*'`, enum literals.

`has`, `in` and functions are refused, as F+O does. Texts compare as in its database (see collation).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any, Final, NamedTuple

from app.sandbox.vendors.fno.collation import collated
from app.sandbox.vendors.fno.entities import SYMBOLS, EntityType, ms_of
from app.sandbox.vendors.odata_filter import Filter, FilterParser, place, unquoted
from app.sandbox.vendors.simulation import RefusalError

FILTER_CHARACTERS_MAX: Final = 4000
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<date>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<enum>Microsoft\.Dynamics\.DataEntities\.\w+'[^']*')
      | (?P<text>'(?:[^']|'')*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>[()])
    )""",
    re.VERBOSE,
)
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"gt": gt, "ge": ge, "lt": lt, "le": le}


class FilterLiteral(NamedTuple):
    kind: str
    value: Any
    enum: str = ""


def parse(text: str, entity: EntityType) -> Filter:
    """Raises RefusalError with 400 that says what F+O does not understand."""
    return _Parser(entity).parse(text)


def _invalid(detail: str) -> RefusalError:
    return RefusalError(400, "The query specified in the URI is not valid.", detail)


class _Parser(FilterParser):
    pattern = _TOKEN
    characters_max = FILTER_CHARACTERS_MAX

    def __init__(self, entity: EntityType) -> None:
        self._entity = entity

    def operand(self, name: str) -> Filter:
        if name not in self._entity.fields:
            raise _invalid(f"Could not find a property named '{name[:100]}' on type '{self._entity.name}'.")
        operator = self.next_word("an operator")
        if operator not in ("eq", "ne", *_ORDER):
            raise _invalid(f"The operator '{operator[:100]}' is not supported.")
        return _comparison(name, self._entity.fields[name].kind, operator, self._literal())

    def syntax_error(self, where: str, expected: str = "") -> RefusalError:
        expectation = f": {expected} was expected" if expected else ""
        return _invalid(f"Syntax error at {where}{expectation}.")

    def limit_exceeded(self, problem: str) -> RefusalError:
        return _invalid(f"The filter {problem}.")

    def _literal(self) -> FilterLiteral:
        token = self.next()
        match token.kind:
            case "text":
                return FilterLiteral("text", unquoted(token.text))
            case "number":
                return FilterLiteral("amount", Decimal(token.text))
            case "date":
                return FilterLiteral("date", _moment(token.text))
            case "enum":
                name, symbol = token.text.removeprefix("Microsoft.Dynamics.DataEntities.")[:-1].split("'", 1)
                return FilterLiteral("enum", symbol, name)
        raise self.syntax_error(place(token), "a literal")


def _moment(text: str) -> int:
    try:
        return ms_of(text)
    except (ValueError, OverflowError) as exc:
        raise _invalid(f"'{text}' is not a date.") from exc


def _comparison(field: str, kind: str, operator: str, literal: FilterLiteral) -> Filter:
    if kind in SYMBOLS:
        return _enum(field, kind, operator, literal)
    if literal.kind != kind:
        raise _incompatible(kind, literal)
    if kind == "text":
        return _text(field, operator, literal.value)
    convert = _date_of if kind == "date" else _same
    if operator in _ORDER:
        compare = _ORDER[operator]
        return Filter(lambda values: compare(convert(values[field]), literal.value))
    is_eq = operator == "eq"
    return Filter(lambda values: (convert(values[field]) == literal.value) is is_eq)


def _enum(field: str, kind: str, operator: str, literal: FilterLiteral) -> Filter:
    """Compare an enum: with literals of its own, by eq and ne alone."""
    if literal.enum != kind or literal.value not in SYMBOLS[kind] or operator in _ORDER:
        raise _incompatible(kind, literal)
    is_eq = operator == "eq"
    return Filter(lambda values: (values[field] == literal.value) is is_eq)


def _text(field: str, operator: str, text: str) -> Filter:
    if operator in _ORDER:
        compare, bound = _ORDER[operator], collated(text)
        return Filter(lambda values: compare(collated(values[field]), bound))
    is_eq = operator == "eq"
    if "*" in text:
        parts = [collated(part) for part in text.split("*")]
        return Filter(lambda values: _like(collated(values[field]), parts) is is_eq)
    collated_text = collated(text)
    equal = {field: frozenset({text})} if is_eq else {}
    return Filter(lambda values: (collated(values[field]) == collated_text) is is_eq, equal)


def _like(text: str, parts: list[str]) -> bool:
    """Return whether the text is the parts in their order, with anything between them."""
    first, *middle, last = parts
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or end < len(first):
        return False
    position = len(first)
    for part in middle:
        start = text.find(part, position, end)
        if start < 0:
            return False
        position = start + len(part)
    return True


def _same(value: Any) -> Any:
    return value


def _date_of(value: str) -> int:
    return int(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() * 1000)


def _incompatible(kind: str, literal: FilterLiteral) -> RefusalError:
    literal_kind = literal.enum or literal.kind
    problem = f"'{kind}' and '{literal_kind}' = {literal.value!s:.100}"
    return _invalid(f"A binary operator with incompatible types was detected: {problem}.")
