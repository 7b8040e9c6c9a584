"""OData's $filter: tokens, and the grammar of `or`, `and`, `not` and parentheses that all versions share.

Which tokens, comparisons and functions there are, and how errors are worded, is each vendor's own.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from app.sandbox.vendors.simulation import RefusalError

DEPTH_MAX: Final = 50


class Token(NamedTuple):
    """`kind` is the name of the group of the vendor's pattern that matched."""

    kind: str
    text: str


OPEN: Final = Token("mark", "(")
END: Final = Token("end", "")


@dataclass(frozen=True, slots=True)
class Filter:
    """`equal`: the values that a field of every match has; `least`: the lowest value of one. They are for an index."""

    matches: Callable[[dict[str, Any]], bool]
    equal: Mapping[str, frozenset[str]] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)

    def only_value(self, name: str) -> str | None:
        """Return the one value that the field has in every match, None when there is no such value."""
        values = self.equal.get(name, frozenset())
        return next(iter(values)) if len(values) == 1 else None


EVERYTHING: Final = Filter(lambda _: True)


class FilterParser(ABC):
    """Recursive descent: either (or), both (and), term (not, parentheses, what begins with a property or function)."""

    pattern: re.Pattern[str]
    """Matches one token, in a group with the name of its kind. `word` and `mark` are those of the grammar."""
    characters_max: int

    def parse(self, text: str) -> Filter:
        """Parse a filter. Raises RefusalError in the vendor's words for what it does not understand."""
        if len(text) > self.characters_max:
            raise self.limit_exceeded(f"has {len(text)} characters, at most {self.characters_max} are taken")
        self._tokens, self._position = self._split(text.rstrip()), 0
        result = self._either(0)
        if self.peek() != END:
            raise self.syntax_error(place(self.peek()))
        return result

    @abstractmethod
    def operand(self, name: str) -> Filter:
        """Read the comparison of this property, or the function of this name. Raises RefusalError."""

    @abstractmethod
    def syntax_error(self, where: str, expected: str = "") -> RefusalError:
        """Return the refusal of a syntax error. `expected` names the only thing that could stand there."""

    @abstractmethod
    def limit_exceeded(self, problem: str) -> RefusalError:
        """Return the refusal of a filter that is too long or too deep."""

    def peek(self) -> Token:
        return self._tokens[self._position] if self._position < len(self._tokens) else END

    def next(self) -> Token:
        token = self.peek()
        self._position += 1
        return token

    def next_word(self, expected: str) -> str:
        """Take a word. Raises RefusalError that names what was expected."""
        token = self.next()
        if token.kind != "word":
            raise self.syntax_error(place(token), expected)
        return token.text

    def take(self, token: Token) -> bool:
        """Take the token if it is the next one, and return whether it is."""
        is_next = self.peek() == token
        self._position += is_next
        return is_next

    def expect(self, text: str, kind: str = "mark") -> None:
        """Take this token. Raises RefusalError when another one is there."""
        if not self.take(Token(kind, text)):
            raise self.syntax_error(place(self.peek()), f"'{text}'")

    def _split(self, text: str) -> list[Token]:
        tokens, position = [], 0
        while position < len(text):
            match = self.pattern.match(text, position)
            if match is None:
                raise self.syntax_error(f"position {position} in '{text[:200]}'")
            kind = match.lastgroup or ""
            tokens.append(Token(kind, match[kind]))
            position = match.end()
        return tokens

    def _either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self.take(Token("word", "or")):
            parts.append(self._both(depth))
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        shared = set.intersection(*(set(part.equal) for part in parts))
        equal = {name: frozenset[str]().union(*(part.equal[name] for part in parts)) for name in shared}
        return Filter(lambda values: any(test(values) for test in tests), equal)

    def _both(self, depth: int) -> Filter:
        parts = [self._term(depth)]
        while self.take(Token("word", "and")):
            parts.append(self._term(depth))
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        equal = {name: values for part in parts for name, values in part.equal.items()}
        least = {name: value for part in parts for name, value in part.least.items()}
        return Filter(lambda values: all(test(values) for test in tests), equal, least)

    def _term(self, depth: int) -> Filter:
        if depth > DEPTH_MAX:
            raise self.limit_exceeded(f"is nested more than {DEPTH_MAX} deep")
        if self.take(Token("word", "not")):
            test = self._term(depth + 1).matches
            return Filter(lambda values: not test(values))
        if self.take(OPEN):
            inner = self._either(depth + 1)
            self.expect(")")
            return inner
        return self.operand(self.next_word("a property"))


def place(token: Token) -> str:
    """Return how an error message quotes a token."""
    return f"'{token.text[:100]}'"


def unquoted(text: str) -> str:
    """Return the text of a literal in quotes."""
    return text[1:-1].replace("''", "'")
