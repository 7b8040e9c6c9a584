"""Quantities as Flexe writes them: exact decimals as text, without trailing zeros. Pure."""

from app.domain.order import AMOUNT_SCALE
from app.events.json_fields import amount


def to_text(quantity: int) -> str:
    """Write ten-thousandths: `20_000` are "2", `5_000` are "0.5"."""
    whole, rest = divmod(abs(quantity), AMOUNT_SCALE)
    sign = "-" if quantity < 0 else ""
    return f"{sign}{whole}.{rest:04}".rstrip("0").rstrip(".")


def from_text(value: object) -> int:
    """Read ten-thousandths from a positive quantity. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError('a quantity is text, e.g. "2" or "0.5"')
    quantity = amount(value)
    if quantity <= 0:
        raise ValueError(f"a quantity is more than 0, not {value[:40]!r}")
    return quantity
