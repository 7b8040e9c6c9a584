"""Conditions as Python expressions. Only names of our own tables become code; values from YAML are constants."""

import re
from collections.abc import Iterator
from typing import Final

from app.policies.conditions import HAS_DATA, NO_DATA, Check, Comparison, Condition, Group
from app.policies.policy_fields import Field, FieldKind

_SYMBOLS: Final = {"equals": "==", "not equals": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "in": "in"}


class Constants:
    """The namespace of a compiled policy: everything that is not an operator or a field."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def name(self, value: object) -> str:
        """Return a new name for a value."""
        name = f"constant_{len(self.values)}"
        self.values[name] = value
        return name


def fields_of(condition: Condition | None) -> Iterator[Field]:
    """Yield the fields that a condition reads."""
    if isinstance(condition, Group):
        for member in condition.members:
            yield from fields_of(member)
    elif isinstance(condition, Comparison):
        yield condition.field
        if isinstance(condition.value, Field):
            yield condition.value


def expression(condition: Condition, constants: Constants) -> str:
    """Return the condition over the variables of its fields, in parentheses where it has several parts."""
    if isinstance(condition, Group):
        parts = [expression(member, constants) for member in condition.members]
        if condition.kind == "not":
            return f"(not {parts[0]})"
        return "(" + (" and " if condition.kind == "all" else " or ").join(parts) + ")"
    if isinstance(condition, Check):
        return f"(not {constants.name(condition.run)}(order))"
    return _comparison(condition, constants)


def has_data(field: Field) -> str:
    """Return the test whether a field has data; text of blanks alone is none."""
    if field.kind is FieldKind.TIME:
        return f"({field.variable} is not None)"
    return f"({_text(field)}.strip() != '')"


def _comparison(condition: Comparison, constants: Constants) -> str:
    field, value = condition.field, condition.value
    if condition.operator == HAS_DATA:
        return has_data(field)
    if condition.operator == NO_DATA:
        return f"(not {has_data(field)})"
    if condition.operator == "matches":
        return _matches(field, str(value), constants)
    symbol = _SYMBOLS[condition.operator]
    if isinstance(value, Field):
        return _between_fields(field, symbol, value)
    return f"({field.variable} {symbol} {constants.name(value)})"


def _between_fields(left: Field, symbol: str, right: Field) -> str:
    """Return the comparison of two fields: without data they are equal, a missing time is neither before nor after."""
    if left.kind is FieldKind.TEXT:
        return f"({_text(left)} {symbol} {_text(right)})"
    guards = "".join(f"{side.variable} is not None and " for side in (left, right) if side.nullable)
    if symbol in ("==", "!="):
        guards = ""
    return f"({guards}{left.variable} {symbol} {right.variable})"


def _matches(field: Field, pattern: str, constants: Constants) -> str:
    """Return the test for a pattern; a lone `*` at the end, the usual case, is a plain prefix."""
    prefix, last = pattern[:-1], pattern[-1]
    if last == "*" and "*" not in prefix and "?" not in prefix:
        return f"{_text(field)}.startswith({constants.name(prefix)})"
    return f"({constants.name(wildcard(pattern).fullmatch)}({_text(field)}) is not None)"


def wildcard(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern: `*` is any text, `?` any one character, all else itself, case and all.

    Each piece after a `*` is found once, at its first place (an atomic group): text from outside cannot make it slow.
    """
    first, *rest = (re.escape(piece).replace(r"\?", ".") for piece in pattern.split("*"))
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)


def _text(field: Field) -> str:
    return f"({field.variable} or '')" if field.nullable else field.variable
