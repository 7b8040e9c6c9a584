"""JSON text to values: numbers stay exact, no field is given twice, and what is no JSON is refused with a sentence."""

import json
from decimal import Decimal
from typing import Any, Final

from app.errors import RecordError

_SHOWN_CHARS_MAX: Final = 160


def parse(text: bytes | str) -> Any:
    """Return JSON with exact numbers. Raises RecordError("malformed") for what is not JSON, or names a field twice."""
    try:
        return json.loads(text, parse_float=_number, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError as exc:
        raise RecordError("malformed", "JSON is nested too deeply") from exc
    except ValueError as exc:
        raise RecordError("malformed", f"not JSON: {excerpt(str(exc))}") from exc


def excerpt(text: str) -> str:
    """Return text from outside as it may stand in a message: bounded, and without half characters."""
    return text[:_SHOWN_CHARS_MAX].encode(errors="backslashreplace").decode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError(f"field {_repeated(pairs)!r} is given twice")
    return values


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    """Return a name that comes again; in one pass, however many there are."""
    last = {name: position for position, (name, _) in enumerate(pairs)}
    return next(name for position, (name, _) in enumerate(pairs) if last[name] != position)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as exc:
        raise ValueError(f"the number {excerpt(text)} is too large") from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
