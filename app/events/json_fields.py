"""Types of single JSON fields at the intake: exact amounts, times and bounded text. No float is ever made."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from app.definitions.model_errors import Hint
from app.errors import RecordError
from app.events import headers
from app.events.avro_shapes import AMOUNT_PRECISION, AMOUNT_SCALE_PLACES
from app.events.intake_limits import LINES_MAX, NAME_CHARS_MAX, ORDER_ID, TEXT_CHARS_MAX, VALUES_MAX

_AMOUNT: Final = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,4}0*)?")
_AMOUNT_CHARS_MAX: Final = 40
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}(\.0{1,32})?")
_WHOLE_NUMBER_DIGITS_MAX: Final = 19
_WHOLE_DIGITS_MAX: Final = AMOUNT_PRECISION - AMOUNT_SCALE_PLACES
_WHOLE_MAX: Final = 10**_WHOLE_DIGITS_MAX
_RFC3339: Final = (
    r"^(197[1-9]|19[89][0-9]|[2-8][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""The form of a time that every reader takes. Others of ISO 8601 are taken too, and years from 1970 to 9999."""


def amount(value: Any) -> int:
    """Return the ten-thousandths of a JSON number or of text like "12.5000".

    Raises ValueError with the rule it breaks.
    """
    if isinstance(value, str):
        if len(value) > _AMOUNT_CHARS_MAX or not _AMOUNT.fullmatch(value):
            raise ValueError(
                f'{value[:40]!r} is not an amount; write up to 14 digits and up to 4 places, e.g. "12.5000"'
            )
        return _scaled(Decimal(value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError('an amount is a number or text, e.g. 12.5 or "12.5000"')
    return _scaled(Decimal(value))


def _scaled(value: Decimal) -> int:
    """Return ten-thousandths, by integers alone: decimal arithmetic would round to its context's precision."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or (any(digits) and value.adjusted() >= _WHOLE_DIGITS_MAX):
        raise ValueError(f"an amount has at most {_WHOLE_DIGITS_MAX} digits before the point")
    if not any(digits):
        return 0
    shift = exponent + AMOUNT_SCALE_PLACES
    whole, rest = (digits, ()) if shift >= 0 else (digits[:shift], digits[shift:])
    if any(rest):
        raise ValueError(f"an amount has at most {AMOUNT_SCALE_PLACES} places after the point")
    number: int = int("".join(map(str, whole)) or "0") * 10 ** max(shift, 0)
    return -number if sign else number


def time(value: Any) -> int:
    """Return ms since the epoch, of ms or an ISO 8601 text with a zone. Raises ValueError with the rule it breaks."""
    if isinstance(value, str):
        try:
            return headers.milliseconds(value, "")
        except RecordError as exc:
            raise ValueError(exc.detail.removeprefix(": ")) from exc
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= headers.TIME_MS_MAX:
        raise ValueError('a time is ms since 1970 or ISO 8601 text with a zone, e.g. "2026-01-31T12:00:00Z"')
    return value


def few_lines(value: Any) -> Any:
    """Return lines as they are. Raises ValueError for too many before one of them is read: each may have its errors."""
    if isinstance(value, list) and len(value) > LINES_MAX:
        raise ValueError(f"{len(value)} lines; at most {LINES_MAX}, split the order")
    return value


def whole(value: Any) -> int:
    """Return a whole number, also as text, also with places that are all zero. Raises ValueError that names the rule.

    It is judged before it is computed: 1e999999999 is whole, and its digits would fill the memory.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, Decimal):
        if not value:
            return 0
        if value.adjusted() < _WHOLE_NUMBER_DIGITS_MAX and value == value.to_integral_value():
            return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"a whole number has up to {_WHOLE_NUMBER_DIGITS_MAX} digits and no fraction, e.g. 12")
    return value


# What JSON Schema cannot say well stays in words: `multipleOf` fails for exact decimals in many a validator.
Amount = Annotated[
    int,
    BeforeValidator(amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_AMOUNT.pattern}$", "maxLength": _AMOUNT_CHARS_MAX},
                {"type": "number", "exclusiveMinimum": -_WHOLE_MAX, "exclusiveMaximum": _WHOLE_MAX},
            ],
            "description": "Exact decimal with up to 14 digits and four places, as text or as a number.",
        }
    ),
]
Time = Annotated[
    int,
    BeforeValidator(time),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time", "pattern": _RFC3339},
                {"type": "integer", "minimum": 0, "maximum": headers.TIME_MS_MAX},
            ],
            "description": "ISO 8601 with a time zone, or milliseconds since 1970.",
        }
    ),
]
Text = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX)]
Name = Annotated[str, StringConstraints(max_length=NAME_CHARS_MAX)]
Required = Annotated[str, StringConstraints(min_length=1, max_length=NAME_CHARS_MAX)]
OrderId = Annotated[
    str,
    StringConstraints(pattern=f"^{ORDER_ID.pattern}$"),
    Hint("write text of 1 to 128 characters without spaces or control characters"),
]
# The bounds stand before the validator: only so does pydantic write them into a JSON Schema.
Count = Annotated[
    int,
    Field(ge=0, lt=1 << 62),
    BeforeValidator(whole),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "exclusiveMaximum": 1 << 62},
                {"type": "string", "pattern": "^[0-9]{1,18}$"},
            ]
        }
    ),
]
Values = Annotated[dict[Name, Text], Field(max_length=VALUES_MAX)]
