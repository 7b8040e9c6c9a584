"""OData V2's $filter as SAP Gateway takes it: comparisons, and/or/not, parentheses, substringof and startswith.

Texts compare exactly but for blanks at the end, which ABAP does not tell from none; numbers of documents without
their leading zeros.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from app.sandbox.vendors.sap.entities import EntityType, Kind, Values, is_decimal, moment
from app.sandbox.vendors.sap.refusals import SapError

CHARACTERS_MAX: Final = 8000
DEPTH_MAX: Final = 50

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


class Token(NamedTuple):
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Filter:
    """`equal`: the values that a field of every match has; `least`: the lowest value of one. They are for an index."""

    matches: Callable[[Values], bool]
    equal: Mapping[str, frozenset[str]] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)


EVERYTHING: Final = Filter(lambda _: True)


def parse(text: str, entity: EntityType) -> Filter:
    """Raises SapError with 400 that says what SAP does not understand."""
    if len(text) > CHARACTERS_MAX:
        raise _invalid(f"the filter has {len(text)} characters, at most {CHARACTERS_MAX} are taken")
    parser = _Parser(_tokens(text), entity)
    found = parser.either(0)
    parser.expect_end()
    return found


def _tokens(text: str) -> list[Token]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _invalid(f"syntax error at position {position}")
        kind = match.lastgroup or ""
        tokens.append(Token(kind, match[kind]))
        position = match.end()
    return tokens


def _invalid(detail: str) -> SapError:
    return SapError(400, "/IWCOR/CX_DS_EXPR_SYNTAX_ERROR", f"Invalid query option $filter: {detail[:300]}")


class _Parser:
    """Recursive descent: either (or), both (and), term (not, parentheses, function, comparison)."""

    def __init__(self, tokens: list[Token], entity: EntityType) -> None:
        self._tokens, self._entity, self._at = tokens, entity, 0

    def either(self, depth: int) -> Filter:
        parts = [self.both(depth)]
        while self._take(Token("word", "or")):
            parts.append(self.both(depth))
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        shared = set.intersection(*(set(part.equal) for part in parts))
        equal = {name: frozenset[str]().union(*(part.equal[name] for part in parts)) for name in shared}
        return Filter(lambda values: any(test(values) for test in tests), equal)

    def both(self, depth: int) -> Filter:
        parts = [self.term(depth)]
        while self._take(Token("word", "and")):
            parts.append(self.term(depth))
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        equal = {name: values for part in parts for name, values in part.equal.items()}
        least = {name: value for part in parts for name, value in part.least.items()}
        return Filter(lambda values: all(test(values) for test in tests), equal, least)

    def term(self, depth: int) -> Filter:
        if depth > DEPTH_MAX:
            raise _invalid(f"it is nested more than {DEPTH_MAX} deep")
        if self._take(Token("word", "not")):
            test = self.term(depth + 1).matches
            return Filter(lambda values: not test(values))
        if self._take(Token("mark", "(")):
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        name = self._next("word", "a property")
        return self._function(name) if name in _FUNCTIONS else self._comparison(name)

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise _invalid(f"syntax error at '{self._peek().text}'")

    def _function(self, name: str) -> Filter:
        """substringof('part',Field) and startswith(Field,'part'), with or without `eq true` behind it."""
        self._expect("(")
        first, second = self._argument(), None
        self._expect(",")
        second = self._argument()
        self._expect(")")
        part, property_name = (first, second) if name == "substringof" else (second, first)
        if part.kind != "text" or self._kind(property_name.text) not in ("text", "number"):
            raise _invalid(f"{name} takes a property and a text")
        wanted, test = _unquoted(part.text), _FUNCTIONS[name]
        if self._take(Token("word", "eq")):
            self._expect("true", "word")
        return Filter(lambda values: test(values[property_name.text], wanted))

    def _argument(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _comparison(self, name: str) -> Filter:
        kind = self._kind(name)
        sign = self._next("word", "an operator")
        if sign not in _OPERATORS:
            raise _invalid(f"the operator '{sign}' is not supported")
        wanted, compare = _literal(kind, self._argument()), _OPERATORS[sign]
        equal = {name: frozenset({wanted})} if sign == "eq" and kind in ("text", "number") else {}
        least = {name: wanted} if sign in ("ge", "gt") and kind == "instant" else {}
        return Filter(lambda values: values[name] is not None and compare(values[name], wanted), equal, least)

    def _kind(self, name: str) -> Kind:
        if name not in self._entity.fields:
            raise SapError(
                400, "/IWBEP/CM_MGW_RT/020", f"Property {name[:100]} not found in type {self._entity.name}Type"
            )
        return self._entity.fields[name].kind

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else Token("end", "")

    def _next(self, kind: str, what: str) -> str:
        token = self._argument()
        if token.kind != kind:
            raise _invalid(f"{what} was expected at '{token.text}'")
        return token.text

    def _take(self, token: Token) -> bool:
        taken = self._peek() == token
        self._at += taken
        return taken

    def _expect(self, text: str, kind: str = "mark") -> None:
        if not self._take(Token(kind, text)):
            raise _invalid(f"'{text}' was expected at '{self._peek().text}'")


def _literal(kind: Kind, token: Token) -> Any:
    """The value of a literal. Raises SapError where it is of another type than the property."""
    match token.kind:
        case "text" if kind == "text":
            return _unquoted(token.text).rstrip(" ")
        case "text" if kind == "number":
            return _unquoted(token.text).lstrip("0")
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


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")
