"""What is asked of the solver: orders' lines that need a source."""

from msgspec import Struct

from app.errors import RecordError
from app.optimizer.gazetteer import Place


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
    """One order. `place` is where it goes; a higher `priority` outbids a lower one where stock is scarce; `wanted_at`
    is the requested ship date, 0 where there is none."""

    order_id: str
    place: Place
    lines: tuple[DemandLine, ...]
    priority: int = 0
    wanted_at: int = 0
