"""Sentences for people: templates with `{field}` places; amounts and outside text made fit to be read in one line."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from app.domain.order import AMOUNT_SCALE, Line, Order
from app.policies.policy_fields import READABLE, Field, FieldKind, Scope

SHOWN_MAX: Final = 60
"""Characters shown of one value from outside."""
SENTENCE_MAX: Final = 300
PROBLEM: Final = "problem"
"""The place for what a named check of the rule found."""
_PLACE: Final = re.compile(r"\{([^{}]*)\}")

Read = Callable[[Order, Line | None], str]


def number(amount: int) -> str:
    """Return an amount with no more places than it has: -10_000 is `-1`."""
    whole, part = divmod(abs(amount), AMOUNT_SCALE)
    digits = f"{whole}.{part:04}".rstrip("0").rstrip(".")
    return f"-{digits}" if amount < 0 else digits


def money(amount: int) -> str:
    """Return an amount with two places, more only where it has them."""
    whole, _, part = number(amount).partition(".")
    return f"{whole}.{part:0<2}"


def clean(value: str) -> str:
    """Return text from outside, shortened, in one line, with nothing that a terminal would obey."""
    text = "".join(letter if letter.isprintable() else "?" for letter in value[:SHOWN_MAX])
    return text + "…" if len(value) > SHOWN_MAX else text


def line_name(line: Line) -> str:
    """Return how a sentence calls a line."""
    return f"line {clean(line.line_id)} (SKU {clean(line.sku)})"


def places(text: str) -> tuple[str, ...]:
    """Return the names between braces in a template."""
    return tuple(_PLACE.findall(text))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A template, ready to be filled: plain text and readers of fields in turn."""

    parts: tuple[str | Read, ...]
    has_problem: bool

    def say(self, order: Order, line: Line | None, problem: str = "") -> str:
        """Return the sentence about one order or line. Never raises: a field without data is shown as `none`."""
        text = "".join(part if isinstance(part, str) else part(order, line) for part in self.parts)
        return text.replace(_MARK, problem) if self.has_problem else text


_MARK: Final = "\x00"


def sentence(text: str, scope: Scope) -> Sentence:
    """Prepare a template whose places are known to be readable in `scope`; anything else raises KeyError."""
    pieces = _PLACE.split(text.replace(_MARK, ""))
    parts: list[str | Read] = []
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            parts.append(piece)
        else:
            parts.append(_MARK if piece == PROBLEM else _reader(READABLE[scope][piece]))
    return Sentence(tuple(parts), PROBLEM in pieces[1::2])


def _reader(field: Field) -> Read:
    take, show = attrgetter(field.path), _SHOW[field.kind]
    if field.owner is Scope.ORDER:
        return lambda order, _: show(take(order))
    return lambda _, line: show(take(line))


def _text(value: str | None) -> str:
    return clean(value) if value else "none"


def _time(value: int | None) -> str:
    return "none" if value is None else str(value)


_SHOW: Final[dict[FieldKind, Callable[..., str]]] = {
    FieldKind.TEXT: _text,
    FieldKind.MONEY: money,
    FieldKind.QUANTITY: number,
    FieldKind.TIME: _time,
}
