"""OData's $filter as F+O supports it: comparisons, and/or/not, parentheses, wildcards in `eq '*x*'`, enum literals.

`has`, `in` and functions are refused, as F+O does. Texts compare as in its database (see collation).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any, Final, NamedTuple

from app.sandbox.vendors.fno.collation import collated
from app.sandbox.vendors.fno.entities import SYMBOLS, EntityType, Values, ms_of
from app.sandbox.vendors.simulation import RefusalError

FILTER_CHARACTERS_MAX: Final = 4000
DEPTH_MAX: Final = 50

Predicate = Callable[[Values], bool]
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


class Token(NamedTuple):
    kind: str
    text: str


class Literal(NamedTuple):
    kind: str
    value: Any
    enum: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """`equal` are texts that every match has, by field: enough to look a record up in an index."""

    matches: Predicate
    equal: Mapping[str, str]


def parse(text: str, entity: EntityType) -> Filter:
    """Raises RefusalError with 400 that says what F+O does not understand."""
    if len(text) > FILTER_CHARACTERS_MAX:
        raise _invalid(f"The filter has {len(text)} characters, at most {FILTER_CHARACTERS_MAX} are taken.")
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
            raise _invalid(f"Syntax error at position {position} in '{text[:200]}'.")
        kind = match.lastgroup or ""
        tokens.append(Token(kind, match[kind]))
        position = match.end()
    return tokens


def _invalid(detail: str) -> RefusalError:
    return RefusalError(400, "The query specified in the URI is not valid.", detail)


class _Parser:
    """Recursive descent: either (or), both (and), term (not, parentheses, comparison)."""

    def __init__(self, tokens: list[Token], entity: EntityType) -> None:
        self._tokens, self._entity, self._at = tokens, entity, 0

    def either(self, depth: int) -> Filter:
        parts = [self.both(depth)]
        while self._take_word("or"):
            parts.append(self.both(depth))
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        return Filter(lambda values: any(test(values) for test in tests), {})

    def both(self, depth: int) -> Filter:
        parts = [self.term(depth)]
        while self._take_word("and"):
            parts.append(self.term(depth))
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        equal = {field: text for part in parts for field, text in part.equal.items()}
        return Filter(lambda values: all(test(values) for test in tests), equal)

    def term(self, depth: int) -> Filter:
        if depth > DEPTH_MAX:
            raise _invalid(f"The filter is nested more than {DEPTH_MAX} deep.")
        if self._take_word("not"):
            test = self.term(depth + 1).matches
            return Filter(lambda values: not test(values), {})
        if self._peek() == Token("mark", "("):
            self._at += 1
            inner = self.either(depth + 1)
            self._expect(Token("mark", ")"))
            return inner
        return self._comparison()

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise _invalid(f"Syntax error at '{self._peek().text[:100]}'.")

    def _comparison(self) -> Filter:
        field = self._next("word", "a property")
        if field not in self._entity.fields:
            raise _invalid(f"Could not find a property named '{field[:100]}' on type '{self._entity.name}'.")
        operator = self._next("word", "an operator")
        if operator not in ("eq", "ne", *_ORDER):
            raise _invalid(f"The operator '{operator[:100]}' is not supported.")
        return _compared(field, self._entity.fields[field].kind, operator, self._literal())

    def _literal(self) -> Literal:
        token = self._peek()
        self._at += 1
        match token.kind:
            case "text":
                return Literal("text", token.text[1:-1].replace("''", "'"))
            case "number":
                return Literal("amount", Decimal(token.text))
            case "date":
                return Literal("date", _moment(token.text))
            case "enum":
                name, symbol = token.text.removeprefix("Microsoft.Dynamics.DataEntities.")[:-1].split("'", 1)
                return Literal("enum", symbol, name)
        raise _invalid(f"Syntax error at '{token.text[:100]}': a literal was expected.")

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else Token("end", "")

    def _next(self, kind: str, what: str) -> str:
        token = self._peek()
        if token.kind != kind:
            raise _invalid(f"Syntax error at '{token.text[:100]}': {what} was expected.")
        self._at += 1
        return token.text

    def _take_word(self, word: str) -> bool:
        taken = self._peek() == Token("word", word)
        self._at += taken
        return taken

    def _expect(self, token: Token) -> None:
        if self._peek() != token:
            raise _invalid(f"Syntax error at '{self._peek().text[:100]}': '{token.text}' was expected.")
        self._at += 1


def _moment(text: str) -> int:
    try:
        return ms_of(text)
    except (ValueError, OverflowError) as exc:
        raise _invalid(f"'{text}' is not a date.") from exc


def _compared(field: str, kind: str, operator: str, literal: Literal) -> Filter:
    if kind in SYMBOLS:
        return _enum(field, kind, operator, literal)
    if literal.kind != kind:
        raise _incompatible(kind, literal)
    if kind == "text":
        return _text(field, operator, literal.value)
    read = _date_of if kind == "date" else _same
    if operator in _ORDER:
        compare = _ORDER[operator]
        return Filter(lambda values: compare(read(values[field]), literal.value), {})
    wanted = operator == "eq"
    return Filter(lambda values: (read(values[field]) == literal.value) is wanted, {})


def _enum(field: str, kind: str, operator: str, literal: Literal) -> Filter:
    """Enums take their own literals only, and only eq and ne."""
    if literal.enum != kind or literal.value not in SYMBOLS[kind] or operator in _ORDER:
        raise _incompatible(kind, literal)
    wanted = operator == "eq"
    return Filter(lambda values: (values[field] == literal.value) is wanted, {})


def _text(field: str, operator: str, text: str) -> Filter:
    if operator in _ORDER:
        compare, bound = _ORDER[operator], collated(text)
        return Filter(lambda values: compare(collated(values[field]), bound), {})
    wanted = operator == "eq"
    if "*" in text:
        parts = [collated(part) for part in text.split("*")]
        return Filter(lambda values: _like(collated(values[field]), parts) is wanted, {})
    sought = collated(text)
    return Filter(lambda values: (collated(values[field]) == sought) is wanted, {field: text} if wanted else {})


def _like(text: str, parts: list[str]) -> bool:
    """Whether the text is the parts in their order, with anything between them."""
    first, *middle, last = parts
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or end < len(first):
        return False
    position = len(first)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def _same(value: Any) -> Any:
    return value


def _date_of(value: str) -> int:
    return int(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() * 1000)


def _incompatible(kind: str, literal: Literal) -> RefusalError:
    given = literal.enum or literal.kind
    problem = f"'{kind}' and '{given}' = {literal.value!s:.100}"
    return _invalid(f"A binary operator with incompatible types was detected: {problem}.")
