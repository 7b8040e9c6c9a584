"""Demand: the order lines for which the solver looks for sources, and the stock that is available for them."""

from collections.abc import Mapping

from msgspec import Struct

from app.errors import RecordError
from app.optimizer.gazetteer import Place

AvailableStock = Mapping[tuple[str, str], int]
"""(SKU, warehouse) -> available quantity, in ten-thousandths."""


class DemandLine(Struct, frozen=True):
    """`quantity` in ten-thousandths, above zero."""

    line_id: str
    sku: str
    quantity: int

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise RecordError(
                "invalid", f"line {self.line_id!r}: quantity {self.quantity}; only more than 0 is sourced"
            )


class Demand(Struct, frozen=True):
    """One order. `place` is its destination, `wanted_at` the requested ship date (ms), 0 where there is none.

    A higher `priority` outbids a lower one where stock is scarce.
    """

    order_id: str
    place: Place
    lines: tuple[DemandLine, ...]
    priority: int = 0
    wanted_at: int = 0
