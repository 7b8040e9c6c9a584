"""OData V2's $filter as SAP Gateway takes it: comparisons, and/or/not, parentheses, substringof and startswith.

Texts compare exactly but for blanks at the end, which ABAP does not tell from none; numbers of documents without
their leading zeros.
"""

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from app.sandbox.vendors.odata_filter import Filter, FilterParser, Token, unquoted
from app.sandbox.vendors.sap.entities import EntityType, Kind, is_decimal, moment
from app.sandbox.vendors.sap.refusals import SapError

CHARACTERS_MAX: Final = 8000

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<instant>datetimeoffset'[^']*')
      | (?P<date>datetime'[^']*')
      | (?P<decimal>-?\d+(?:\.\d+)?[mMdDlL]?)
      | (?P<text>'(?:[^']|'')*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_FUNCTIONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "substringof": lambda value, part: part in value,
    "startswith": lambda value, part: value.startswith(part),
}


def parse(text: str, entity: EntityType) -> Filter:
    """Raises SapError with 400 that says what SAP does not understand."""
    return _Parser(entity).parse(text)


def _invalid(detail: str) -> SapError:
    return SapError(400, "/IWCOR/CX_DS_EXPR_SYNTAX_ERROR", f"Invalid query option $filter: {detail[:300]}")


class _Parser(FilterParser):
    pattern = _TOKEN
    characters_max = CHARACTERS_MAX

    def __init__(self, entity: EntityType) -> None:
        self._entity = entity

    def operand(self, name: str) -> Filter:
        return self._function(name) if name in _FUNCTIONS else self._comparison(name)

    def syntax_error(self, where: str, expected: str = "") -> SapError:
        return _invalid(f"{expected} was expected at {where}" if expected else f"syntax error at {where}")

    def limit_exceeded(self, problem: str) -> SapError:
        return _invalid(f"the filter {problem}")

    def _function(self, name: str) -> Filter:
        """Read substringof('part',Field) or startswith(Field,'part'), with or without `eq true` behind it."""
        self.expect("(")
        first = self.next()
        self.expect(",")
        second = self.next()
        self.expect(")")
        part, property_name = (first, second) if name == "substringof" else (second, first)
        if part.kind != "text" or self._kind(property_name.text) not in ("text", "number"):
            raise _invalid(f"{name} takes a property and a text")
        text, test = unquoted(part.text), _FUNCTIONS[name]
        if self.take(Token("word", "eq")):
            self.expect("true", "word")
        return Filter(lambda values: test(values[property_name.text], text))

    def _comparison(self, name: str) -> Filter:
        kind = self._kind(name)
        sign = self.next_word("an operator")
        if sign not in _OPERATORS:
            raise _invalid(f"the operator '{sign}' is not supported")
        literal, compare = _literal(kind, self.next()), _OPERATORS[sign]
        equal = {name: frozenset({literal})} if sign == "eq" and kind in ("text", "number") else {}
        least = {name: literal} if sign in ("ge", "gt") and kind == "instant" else {}
        return Filter(lambda values: values[name] is not None and compare(values[name], literal), equal, least)

    def _kind(self, name: str) -> Kind:
        if name not in self._entity.fields:
            raise SapError(
                400, "/IWBEP/CM_MGW_RT/020", f"Property {name[:100]} not found in type {self._entity.name}Type"
            )
        return self._entity.fields[name].kind


def _literal(kind: Kind, token: Token) -> Any:
    """Return the value of a literal. Raises SapError where it is of another type than the property."""
    match token.kind:
        case "text" if kind == "text":
            return unquoted(token.text).rstrip(" ")
        case "text" if kind == "number":
            return unquoted(token.text).lstrip("0")
        case "word" if kind == "flag" and token.text in ("true", "false"):
            return token.text == "true"
        case "decimal" if is_decimal(kind):
            return Decimal(token.text.rstrip("mMdDlL"))
        case "instant" | "date" if token.kind == kind:
            return _moment(token.text.partition("'")[2][:-1])
    raise _invalid(f"'{token.text}' is no value of that property's type")


def _moment(text: str) -> int:
    try:
        return moment(text)
    except ValueError as exc:
        raise _invalid(f"'{text}' is no time") from exc
