"""One flat transition table for orders and for lines: (status, event) -> status. What has no row is parked, never
dropped.

A status is the pair (state, reason) exactly as the specification spells it. `KEEP` marks a pair that is expected and
changes nothing; its comment says which real case it covers.
"""

from enum import Enum
from typing import Final


class Status(Enum):
    """(state, reason). Terminal: FULFILLED, REJECTED, CANCELED, EXPIRED."""

    NEW = ("New", "New")
    CONFIRMED = ("New", "Confirmed")
    VALIDATED = ("Validated", "Validated")
    ASSIGNED = ("Validated", "Assigned")
    SOURCED = ("Validated", "Sourced")
    SENT = ("Validated", "Sent to fulfillment")
    PICKED = ("Fulfillment in Process", "Picked")  # S15, S67
    PACKED = ("Fulfillment in Process", "Packed")  # S17, S46, S54, S69
    FULFILLED = ("Completed", "Fulfilled")  # S20, S30, S40, S48, S56, S71
    HELD = ("On Hold", "Needs attention")
    REJECTED = ("Canceled", "Validation failed")
    CANCELED = ("Canceled", "Canceled")
    BACKORDERED = ("On Hold", "Backorder hold")
    NOT_FOUND = ("On Hold", "Inventory not found")
    EXPIRED = ("Canceled", "Backorder expired")

    @property
    def state(self) -> str:
        return self.value[0]

    @property
    def reason(self) -> str:
        return self.value[1]


TERMINAL: Final = frozenset({Status.FULFILLED, Status.REJECTED, Status.CANCELED, Status.EXPIRED})
STATUS_OF: Final = {status.value: status for status in Status}
MILESTONES: Final = {"order picked": 1, "order shipped": 2, "order invoiced": 3}
"""What a fulfiller reports, in the order in which it happens to goods. A later one implies the earlier ones."""
RANKS: Final = {Status.PICKED.value: 1, Status.PACKED.value: 2, Status.FULFILLED.value: 3}
"""(state, reason) -> the milestone that it stands for; all others stand for none (0)."""
KEEP: Final = None
_S = Status

TRANSITIONS: Final[dict[tuple[Status, str], Status | None]] = {
    (_S.NEW, "order confirmed"): _S.CONFIRMED,
    (_S.NEW, "order validated"): _S.VALIDATED,
    (_S.NEW, "order rejected"): _S.REJECTED,
    (_S.NEW, "order held"): _S.HELD,
    (_S.NEW, "order canceled"): _S.CANCELED,
    (_S.CONFIRMED, "order confirmed"): KEEP,  # confirmed again after an amendment at the ERP
    (_S.CONFIRMED, "order validated"): _S.VALIDATED,
    (_S.CONFIRMED, "order rejected"): _S.REJECTED,
    (_S.CONFIRMED, "order held"): _S.HELD,
    (_S.CONFIRMED, "order canceled"): _S.CANCELED,
    (_S.VALIDATED, "order assigned"): _S.ASSIGNED,
    (_S.VALIDATED, "order sent to fulfillment"): _S.SENT,
    (_S.VALIDATED, "order picked"): _S.PICKED,
    (_S.VALIDATED, "order shipped"): _S.PACKED,
    (_S.VALIDATED, "order invoiced"): _S.FULFILLED,
    (_S.VALIDATED, "order held"): _S.HELD,
    (_S.VALIDATED, "order canceled"): _S.CANCELED,
    (_S.ASSIGNED, "order sent to fulfillment"): _S.SENT,
    # The fulfiller may be faster than the answer to our own request.
    (_S.ASSIGNED, "order picked"): _S.PICKED,
    (_S.ASSIGNED, "order shipped"): _S.PACKED,
    (_S.ASSIGNED, "order invoiced"): _S.FULFILLED,
    (_S.ASSIGNED, "order held"): _S.HELD,
    (_S.ASSIGNED, "order canceled"): _S.CANCELED,
    (_S.SENT, "order picked"): _S.PICKED,
    (_S.SENT, "order shipped"): _S.PACKED,
    (_S.SENT, "order invoiced"): _S.FULFILLED,
    (_S.SENT, "order held"): _S.HELD,
    (_S.SENT, "order canceled"): _S.CANCELED,
    # The answer to our request arrives after the fulfiller's first message.
    (_S.PICKED, "order sent to fulfillment"): KEEP,
    (_S.PICKED, "order picked"): KEEP,  # several picking lists for one order
    (_S.PICKED, "order shipped"): _S.PACKED,
    (_S.PICKED, "order invoiced"): _S.FULFILLED,
    (_S.PICKED, "order held"): _S.HELD,
    (_S.PICKED, "order canceled"): _S.CANCELED,
    (_S.PACKED, "order sent to fulfillment"): KEEP,
    (_S.PACKED, "order assigned"): KEEP,  # assigned after the shipment, for accounting alone
    (_S.PACKED, "order picked"): KEEP,  # a picking message that was overtaken: the reason never goes back
    (_S.PACKED, "order shipped"): KEEP,  # several packing slips for one order
    (_S.PACKED, "order invoiced"): _S.FULFILLED,
    (_S.PACKED, "order held"): _S.HELD,
    (_S.PACKED, "order canceled"): _S.CANCELED,
    # The ERP confirms the orders that we sent as well; that needs no step of ours.
    (_S.VALIDATED, "order confirmed"): KEEP,
    (_S.ASSIGNED, "order confirmed"): KEEP,
    (_S.SENT, "order confirmed"): KEEP,
    (_S.PICKED, "order confirmed"): KEEP,
    (_S.PACKED, "order confirmed"): KEEP,
    # Fields changed at the ERP or by an operator. A final order is read-only, so it has no row.
    (_S.NEW, "order changed"): KEEP,
    (_S.CONFIRMED, "order changed"): KEEP,
    (_S.VALIDATED, "order changed"): KEEP,
    (_S.ASSIGNED, "order changed"): KEEP,
    (_S.SENT, "order changed"): KEEP,
    (_S.PICKED, "order changed"): KEEP,
    (_S.PACKED, "order changed"): KEEP,
    (_S.HELD, "order changed"): KEEP,
    # The fulfiller tells of trouble (out of stock, damaged, address); it ships later, or cancels. People look at it.
    (_S.VALIDATED, "order delayed"): KEEP,
    (_S.ASSIGNED, "order delayed"): KEEP,
    (_S.SENT, "order delayed"): KEEP,
    (_S.PICKED, "order delayed"): KEEP,
    (_S.PACKED, "order delayed"): KEEP,  # part of it left, the rest is late; or the message was overtaken
    (_S.HELD, "order delayed"): KEEP,
    (_S.FULFILLED, "order delayed"): KEEP,
    (_S.CANCELED, "order delayed"): KEEP,
    # What happened in the warehouse wins over a hold that is ours.
    (_S.HELD, "order confirmed"): KEEP,
    (_S.HELD, "order sent to fulfillment"): _S.SENT,
    (_S.HELD, "order picked"): _S.PICKED,
    (_S.HELD, "order shipped"): _S.PACKED,
    (_S.HELD, "order invoiced"): _S.FULFILLED,
    (_S.HELD, "order validated"): _S.VALIDATED,
    (_S.HELD, "order assigned"): _S.ASSIGNED,
    (_S.HELD, "order rejected"): _S.REJECTED,
    (_S.HELD, "order held"): KEEP,
    (_S.HELD, "order canceled"): _S.CANCELED,
    # Completed is read-only (S20); late messages about what already happened are expected and change nothing.
    (_S.FULFILLED, "order confirmed"): KEEP,
    (_S.FULFILLED, "order sent to fulfillment"): KEEP,
    (_S.FULFILLED, "order picked"): KEEP,
    (_S.FULFILLED, "order shipped"): KEEP,
    (_S.FULFILLED, "order invoiced"): KEEP,
    # Canceled at the ERP while a message or an answer was on its way.
    (_S.CANCELED, "order confirmed"): KEEP,
    (_S.CANCELED, "order sent to fulfillment"): KEEP,
    (_S.CANCELED, "order picked"): KEEP,
    (_S.CANCELED, "order canceled"): KEEP,
    (_S.REJECTED, "order confirmed"): KEEP,
    (_S.REJECTED, "order canceled"): KEEP,
    # Sourcing (S61-S65). Lines of one order may differ; docs/adr/0020 says how they add up to the order's own status.
    (_S.ASSIGNED, "order sourced"): _S.SOURCED,
    (_S.ASSIGNED, "order backordered"): _S.BACKORDERED,
    (_S.ASSIGNED, "order not sourced"): _S.NOT_FOUND,
    (_S.HELD, "order sourced"): _S.SOURCED,
    (_S.HELD, "order backordered"): _S.BACKORDERED,
    (_S.HELD, "order not sourced"): _S.NOT_FOUND,
    (_S.SOURCED, "order sourced"): KEEP,  # more lines of the order got a source
    (_S.SOURCED, "order sent to fulfillment"): _S.SENT,
    (_S.SOURCED, "order picked"): _S.PICKED,
    (_S.SOURCED, "order shipped"): _S.PACKED,
    (_S.SOURCED, "order invoiced"): _S.FULFILLED,
    (_S.SOURCED, "order held"): _S.HELD,
    (_S.SOURCED, "order canceled"): _S.CANCELED,
    (_S.SOURCED, "order confirmed"): KEEP,
    (_S.SOURCED, "order changed"): KEEP,
    (_S.SOURCED, "order delayed"): KEEP,
    (_S.SENT, "order sourced"): KEEP,  # lines that waited got a source, the others are on their way
    (_S.SENT, "order sent to fulfillment"): KEEP,
    # Lines that wait for stock take no part in what happens to the goods of the others.
    (_S.BACKORDERED, "order sourced"): _S.SOURCED,
    (_S.BACKORDERED, "order backordered"): KEEP,
    (_S.BACKORDERED, "order not sourced"): _S.NOT_FOUND,
    (_S.BACKORDERED, "backorder expired"): _S.EXPIRED,
    (_S.BACKORDERED, "order canceled"): _S.CANCELED,
    (_S.BACKORDERED, "order held"): KEEP,
    (_S.BACKORDERED, "order confirmed"): KEEP,
    (_S.BACKORDERED, "order changed"): KEEP,
    (_S.BACKORDERED, "order delayed"): KEEP,
    (_S.NOT_FOUND, "order sourced"): _S.SOURCED,
    (_S.NOT_FOUND, "order backordered"): _S.BACKORDERED,
    (_S.NOT_FOUND, "order not sourced"): KEEP,
    (_S.NOT_FOUND, "order canceled"): _S.CANCELED,
    (_S.NOT_FOUND, "order held"): KEEP,
    (_S.NOT_FOUND, "order confirmed"): KEEP,
    (_S.NOT_FOUND, "order changed"): KEEP,
    (_S.NOT_FOUND, "order delayed"): KEEP,
    (_S.EXPIRED, "order canceled"): KEEP,
    (_S.EXPIRED, "order confirmed"): KEEP,
    (_S.EXPIRED, "order picked"): KEEP,
    (_S.EXPIRED, "order sent to fulfillment"): KEEP,
    (_S.EXPIRED, "order delayed"): KEEP,
}


def target(status: Status, event: str) -> Status | None:
    """The status after `event`, or None for KEEP.

    Raises KeyError when the table has no row: the caller parks the event with that as the reason.
    """
    return TRANSITIONS[status, event]
