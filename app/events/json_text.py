"""JSON text to values: numbers stay exact, no field is given twice, and what is no JSON is refused with a sentence."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from app.errors import RecordError

NESTING_MAX: Final = 64
"""Arrays and objects within each other; no document of a producer or a vendor comes near it."""
VALUES_MAX: Final = 100_000
"""Values in one record: 1000 lines with all their fields, before and after a change, are 22,000."""
NUMBER_CHARS_MAX: Final = 1000
"""Characters of a number with a point or an exponent: a double, printed to its last digit, has fewer than 800."""
_SHOWN_CHARS_MAX: Final = 160


def parse(text: bytes | str) -> Any:
    """Return JSON with exact numbers.

    Raises RecordError("malformed") for what is not JSON, names a field twice, or is too deep or too large.
    """
    try:
        value = json.loads(text, parse_float=number, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError as exc:
        raise _too_deep() from exc
    except ValueError as exc:
        raise RecordError("malformed", f"not JSON: {excerpt(str(exc))}") from exc
    sizes = _level_sizes(value)
    if len(sizes) > NESTING_MAX:
        raise _too_deep()
    if sum(sizes) > VALUES_MAX:
        raise RecordError("malformed", f"JSON of {sum(sizes)} values; at most {VALUES_MAX} in one record")
    return value


def is_too_deep(value: Any) -> bool:
    """Return whether a value from JSON has more than NESTING_MAX arrays and objects within each other.

    Python's own limit is what is left of its stack: what it lets a parser read may be too deep for the next function.
    """
    return len(_level_sizes(value)) > NESTING_MAX


def _level_sizes(value: Any) -> list[int]:
    """Return how many values stand on each level, down to the first level that is too deep."""
    sizes: list[int] = []
    level = [value] if isinstance(value, dict | list) else []
    while level and len(sizes) <= NESTING_MAX:
        sizes.append(sum(map(len, level)))
        level = [inner for outer in level for inner in _values(outer) if isinstance(inner, dict | list)]
    return sizes


def _values(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer


def excerpt(text: str) -> str:
    """Return text from outside as it may stand in a message: bounded, and without half characters."""
    return text[:_SHOWN_CHARS_MAX].encode(errors="backslashreplace").decode()


def _too_deep() -> RecordError:
    return RecordError("malformed", f"JSON is nested too deeply; at most {NESTING_MAX} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError(f"field {_repeated(pairs)!r} is given twice")
    return values


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    """Return a name that comes again; in one pass, however many there are."""
    last = {name: position for position, (name, _) in enumerate(pairs)}
    return next(name for position, (name, _) in enumerate(pairs) if last[name] != position)


def number(text: str) -> Decimal:
    """Return a number with a point or an exponent exactly. Raises ValueError for more digits than anyone needs.

    What may be done with a Decimal later, such as to make it an integer, costs the square of its digits.
    """
    if len(text) > NUMBER_CHARS_MAX:
        raise ValueError(f"a number of {len(text)} characters; at most {NUMBER_CHARS_MAX}")
    try:
        return Decimal(text)
    except ArithmeticError as exc:
        raise ValueError(f"the number {excerpt(text)} is too large") from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
