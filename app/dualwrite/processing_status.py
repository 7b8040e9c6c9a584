"""What F+O's status fields say about an order: milestones, by lifecycle. Numbers of the statuses are never compared.

PartiallyInvoiced has a higher number than Invoiced, and F+O's document status is that of the latest document and never
goes back; so a table gives each status what it implies, and nothing is derived from its place in an enumeration.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from msgspec import Struct

from app.domain.event_names import EventName
from app.errors import RecordError
from app.events.sales_order_change import SalesOrderRow, line_id, made_by_us


class Milestone(IntEnum):
    """A milestone implies all lower ones."""

    NONE = 0
    CONFIRMED = 1
    PICKED = 2
    SHIPPED = 3
    INVOICED = 4

    @property
    def event(self) -> EventName:
        return EventName[f"ORDER_{self.name}"]


CANCELED: Final = "Canceled"
INVOICED: Final = "Invoiced"
PROCESSING: Final[Mapping[str, Milestone]] = {
    "Active": Milestone.NONE,
    "Confirmed": Milestone.CONFIRMED,
    "Picked": Milestone.PICKED,
    # Something has left, so something was picked; which lines have left is told line by line.
    "PartiallyDelivered": Milestone.PICKED,
    "Delivered": Milestone.SHIPPED,
    # The document status hides how far delivery is: only the lines show it.
    "PartiallyInvoiced": Milestone.CONFIRMED,
    # Dataverse's 192350008.
    "DeliveredAndPartiallyInvoiced": Milestone.SHIPPED,
    "Invoiced": Milestone.INVOICED,
    "Canceled": Milestone.NONE,
}
"""SalesOrderProcessingStatus, in the order of an order's life, to the milestone of the whole order that it implies."""
LINE: Final[Mapping[str, Milestone]] = {
    "None": Milestone.NONE,
    "Backorder": Milestone.NONE,
    "Delivered": Milestone.SHIPPED,
    "Invoiced": Milestone.INVOICED,
    "Canceled": Milestone.NONE,
}
"""SalesOrderLineStatus to the highest milestone of the line. F+O calls an open line Backorder."""
_SPELLINGS: Final = {"cancelled": "canceled", "openorder": "backorder", "": "none"}


class RowProgress(Struct, frozen=True):
    """How far one row says its order is: `lines` has the milestones of those that are further than the whole order."""

    whole: Milestone
    lines: Mapping[str, Milestone]
    canceled: bool


def processing_status(text: str) -> str:
    """Return F+O's spelling of a processing status given in any case. Raises RecordError("unknown-status")."""
    return _canonical("SalesOrderProcessingStatus", text, PROCESSING)


def line_status(text: str) -> str:
    """Return F+O's spelling of a line status; empty is None. Raises RecordError("unknown-status")."""
    return _canonical("SalesOrderLineStatus", text, LINE)


def progress_of(row: SalesOrderRow) -> RowProgress:
    """Read a row's status fields, on their own: no other row is needed. Raises RecordError("unknown-status")."""
    status = processing_status(row.SalesOrderProcessingStatus)
    statuses = {line_id(row, line): line_status(line.SalesOrderLineStatus) for line in row.Lines}
    lines = {name: LINE[reached] for name, reached in statuses.items() if reached != CANCELED}
    whole = PROCESSING[status]
    if status == "PartiallyInvoiced":
        whole = max(whole, _whole_by_lines(lines))
    further = {name: reached for name, reached in lines.items() if reached > whole}
    if sourced_by_line(row):
        every = {
            name: max(whole, reached) for name, reached in lines.items() if max(whole, reached) > Milestone.CONFIRMED
        }
        return RowProgress(min(whole, Milestone.CONFIRMED), every, status == CANCELED)
    return RowProgress(whole, further, status == CANCELED)


def sourced_by_line(row: SalesOrderRow) -> bool:
    """Return whether the order is ours and came without a warehouse for all of its lines.

    Other lines may follow when they have a source (S63c): the header's status speaks of the lines in the row alone.
    """
    return made_by_us(row) and not row.DefaultShippingWarehouseId


def _whole_by_lines(lines: Mapping[str, Milestone]) -> Milestone:
    """Return Shipped when every line is, Picked when any is. Only F+O itself may say Invoiced of the whole order."""
    if not any(lines.values()):
        return Milestone.NONE
    return Milestone.SHIPPED if all(lines.values()) else Milestone.PICKED


def _canonical(field: str, text: str, statuses: Mapping[str, Milestone]) -> str:
    if text in statuses:
        return text
    key = text.replace(" ", "").casefold()
    key = _SPELLINGS.get(key, key)
    for name in statuses:
        if name.casefold() == key:
            return name
    raise RecordError(
        "unknown-status", f"{field} {text!r} is not one of {', '.join(statuses)}; correct the row and replay it"
    )
