"""The statuses of orders and lines, and one flat transition table: (status, event) -> status.

What has no row is parked, never dropped.

A status is the pair (state, reason) exactly as the specification spells it. `KEEP` marks a pair that is expected and
changes nothing; its comment says which real case it covers.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from app.domain.event_names import EventName
from app.domain.vocabulary import Term


class State(Term):
    """How far an order or a line is, in the specification's words."""

    NEW = "New"
    VALIDATED = "Validated"
    IN_FULFILLMENT = "Fulfillment in Process"
    COMPLETED = "Completed"
    ON_HOLD = "On Hold"
    CANCELED = "Canceled"


class Reason(Term):
    """Why it stands in its state, in the specification's words."""

    NEW = "New"
    CONFIRMED = "Confirmed"
    VALIDATED = "Validated"
    ASSIGNED = "Assigned"
    SOURCED = "Sourced"
    SENT = "Sent to fulfillment"
    PICKED = "Picked"
    PACKED = "Packed"
    FULFILLED = "Fulfilled"
    NEEDS_ATTENTION = "Needs attention"
    VALIDATION_FAILED = "Validation failed"
    CANCELED = "Canceled"
    BACKORDER_HOLD = "Backorder hold"
    NOT_FOUND = "Inventory not found"
    BACKORDER_EXPIRED = "Backorder expired"


class Status(Enum):
    """(state, reason). Terminal: FULFILLED, REJECTED, CANCELED, EXPIRED."""

    NEW = (State.NEW, Reason.NEW)
    CONFIRMED = (State.NEW, Reason.CONFIRMED)
    VALIDATED = (State.VALIDATED, Reason.VALIDATED)
    ASSIGNED = (State.VALIDATED, Reason.ASSIGNED)
    SOURCED = (State.VALIDATED, Reason.SOURCED)
    SENT = (State.VALIDATED, Reason.SENT)
    PICKED = (State.IN_FULFILLMENT, Reason.PICKED)  # S15, S67
    PACKED = (State.IN_FULFILLMENT, Reason.PACKED)  # S17, S46, S54, S69
    FULFILLED = (State.COMPLETED, Reason.FULFILLED)  # S20, S30, S40, S48, S56, S71
    HELD = (State.ON_HOLD, Reason.NEEDS_ATTENTION)
    REJECTED = (State.CANCELED, Reason.VALIDATION_FAILED)
    CANCELED = (State.CANCELED, Reason.CANCELED)
    BACKORDERED = (State.ON_HOLD, Reason.BACKORDER_HOLD)
    NOT_FOUND = (State.ON_HOLD, Reason.NOT_FOUND)
    EXPIRED = (State.CANCELED, Reason.BACKORDER_EXPIRED)

    @property
    def state(self) -> State:
        return self.value[0]

    @property
    def reason(self) -> Reason:
        return self.value[1]


TERMINAL: Final = frozenset({Status.FULFILLED, Status.REJECTED, Status.CANCELED, Status.EXPIRED})
STATUS_OF: Final[Mapping[tuple[str, str], Status]] = {status.value: status for status in Status}
MILESTONES: Final[Mapping[str, int]] = {
    EventName.ORDER_PICKED: 1,
    EventName.ORDER_SHIPPED: 2,
    EventName.ORDER_INVOICED: 3,
}
"""What a fulfiller reports, in the order in which it happens to goods. A later one implies the earlier ones."""
RANKS: Final[Mapping[tuple[str, str], int]] = {
    Status.PICKED.value: 1,
    Status.PACKED.value: 2,
    Status.FULFILLED.value: 3,
}
"""(state, reason) -> the milestone that it stands for; all others stand for none (0)."""
KEEP: Final = None
_S = Status
_E = EventName

TRANSITIONS: Final[dict[tuple[Status, str], Status | None]] = {
    (_S.NEW, _E.ORDER_CONFIRMED): _S.CONFIRMED,
    (_S.NEW, _E.ORDER_VALIDATED): _S.VALIDATED,
    (_S.NEW, _E.ORDER_REJECTED): _S.REJECTED,
    (_S.NEW, _E.ORDER_HELD): _S.HELD,
    (_S.NEW, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.CONFIRMED, _E.ORDER_CONFIRMED): KEEP,  # confirmed again after an amendment at the ERP
    (_S.CONFIRMED, _E.ORDER_VALIDATED): _S.VALIDATED,
    (_S.CONFIRMED, _E.ORDER_REJECTED): _S.REJECTED,
    (_S.CONFIRMED, _E.ORDER_HELD): _S.HELD,
    (_S.CONFIRMED, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.VALIDATED, _E.ORDER_ASSIGNED): _S.ASSIGNED,
    (_S.VALIDATED, _E.ORDER_SENT_TO_FULFILLMENT): _S.SENT,
    (_S.VALIDATED, _E.ORDER_PICKED): _S.PICKED,
    (_S.VALIDATED, _E.ORDER_SHIPPED): _S.PACKED,
    (_S.VALIDATED, _E.ORDER_INVOICED): _S.FULFILLED,
    (_S.VALIDATED, _E.ORDER_HELD): _S.HELD,
    (_S.VALIDATED, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.ASSIGNED, _E.ORDER_SENT_TO_FULFILLMENT): _S.SENT,
    # The fulfiller may be faster than the answer to our own request.
    (_S.ASSIGNED, _E.ORDER_PICKED): _S.PICKED,
    (_S.ASSIGNED, _E.ORDER_SHIPPED): _S.PACKED,
    (_S.ASSIGNED, _E.ORDER_INVOICED): _S.FULFILLED,
    (_S.ASSIGNED, _E.ORDER_HELD): _S.HELD,
    (_S.ASSIGNED, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.SENT, _E.ORDER_PICKED): _S.PICKED,
    (_S.SENT, _E.ORDER_SHIPPED): _S.PACKED,
    (_S.SENT, _E.ORDER_INVOICED): _S.FULFILLED,
    (_S.SENT, _E.ORDER_HELD): _S.HELD,
    (_S.SENT, _E.ORDER_CANCELED): _S.CANCELED,
    # The answer to our request arrives after the fulfiller's first message.
    (_S.PICKED, _E.ORDER_SENT_TO_FULFILLMENT): KEEP,
    (_S.PICKED, _E.ORDER_PICKED): KEEP,  # several picking lists for one order
    (_S.PICKED, _E.ORDER_SHIPPED): _S.PACKED,
    (_S.PICKED, _E.ORDER_INVOICED): _S.FULFILLED,
    (_S.PICKED, _E.ORDER_HELD): _S.HELD,
    (_S.PICKED, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.PACKED, _E.ORDER_SENT_TO_FULFILLMENT): KEEP,
    (_S.PACKED, _E.ORDER_ASSIGNED): KEEP,  # assigned after the shipment, for accounting alone
    (_S.PACKED, _E.ORDER_PICKED): KEEP,  # a picking message that was overtaken: the reason never goes back
    (_S.PACKED, _E.ORDER_SHIPPED): KEEP,  # several packing slips for one order
    (_S.PACKED, _E.ORDER_INVOICED): _S.FULFILLED,
    (_S.PACKED, _E.ORDER_HELD): _S.HELD,
    (_S.PACKED, _E.ORDER_CANCELED): _S.CANCELED,
    # The ERP confirms the orders that we sent as well; that needs no step of ours.
    (_S.VALIDATED, _E.ORDER_CONFIRMED): KEEP,
    (_S.ASSIGNED, _E.ORDER_CONFIRMED): KEEP,
    (_S.SENT, _E.ORDER_CONFIRMED): KEEP,
    (_S.PICKED, _E.ORDER_CONFIRMED): KEEP,
    (_S.PACKED, _E.ORDER_CONFIRMED): KEEP,
    # Fields changed at the ERP or by an operator. A final order is read-only, so it has no row.
    (_S.NEW, _E.ORDER_CHANGED): KEEP,
    (_S.CONFIRMED, _E.ORDER_CHANGED): KEEP,
    (_S.VALIDATED, _E.ORDER_CHANGED): KEEP,
    (_S.ASSIGNED, _E.ORDER_CHANGED): KEEP,
    (_S.SENT, _E.ORDER_CHANGED): KEEP,
    (_S.PICKED, _E.ORDER_CHANGED): KEEP,
    (_S.PACKED, _E.ORDER_CHANGED): KEEP,
    (_S.HELD, _E.ORDER_CHANGED): KEEP,
    # The fulfiller tells of trouble (out of stock, damaged, address); it ships later, or cancels. People look at it.
    (_S.VALIDATED, _E.ORDER_DELAYED): KEEP,
    (_S.ASSIGNED, _E.ORDER_DELAYED): KEEP,
    (_S.SENT, _E.ORDER_DELAYED): KEEP,
    (_S.PICKED, _E.ORDER_DELAYED): KEEP,
    (_S.PACKED, _E.ORDER_DELAYED): KEEP,  # part of it left, the rest is late; or the message was overtaken
    (_S.HELD, _E.ORDER_DELAYED): KEEP,
    (_S.FULFILLED, _E.ORDER_DELAYED): KEEP,
    (_S.CANCELED, _E.ORDER_DELAYED): KEEP,
    # What happened in the warehouse wins over a hold that is ours.
    (_S.HELD, _E.ORDER_CONFIRMED): KEEP,
    (_S.HELD, _E.ORDER_SENT_TO_FULFILLMENT): _S.SENT,
    (_S.HELD, _E.ORDER_PICKED): _S.PICKED,
    (_S.HELD, _E.ORDER_SHIPPED): _S.PACKED,
    (_S.HELD, _E.ORDER_INVOICED): _S.FULFILLED,
    (_S.HELD, _E.ORDER_VALIDATED): _S.VALIDATED,
    (_S.HELD, _E.ORDER_ASSIGNED): _S.ASSIGNED,
    (_S.HELD, _E.ORDER_REJECTED): _S.REJECTED,
    (_S.HELD, _E.ORDER_HELD): KEEP,
    (_S.HELD, _E.ORDER_CANCELED): _S.CANCELED,
    # Completed is read-only (S20); late messages about what already happened are expected and change nothing.
    (_S.FULFILLED, _E.ORDER_CONFIRMED): KEEP,
    (_S.FULFILLED, _E.ORDER_SENT_TO_FULFILLMENT): KEEP,
    (_S.FULFILLED, _E.ORDER_PICKED): KEEP,
    (_S.FULFILLED, _E.ORDER_SHIPPED): KEEP,
    (_S.FULFILLED, _E.ORDER_INVOICED): KEEP,
    # Canceled at the ERP while a message or an answer was on its way.
    (_S.CANCELED, _E.ORDER_CONFIRMED): KEEP,
    (_S.CANCELED, _E.ORDER_SENT_TO_FULFILLMENT): KEEP,
    (_S.CANCELED, _E.ORDER_PICKED): KEEP,
    (_S.CANCELED, _E.ORDER_CANCELED): KEEP,
    (_S.REJECTED, _E.ORDER_CONFIRMED): KEEP,
    (_S.REJECTED, _E.ORDER_CANCELED): KEEP,
    # Sourcing (S61-S65). Lines of one order may differ; docs/adr/0020 says how they add up to the order's own status.
    (_S.ASSIGNED, _E.ORDER_SOURCED): _S.SOURCED,
    (_S.ASSIGNED, _E.ORDER_BACKORDERED): _S.BACKORDERED,
    (_S.ASSIGNED, _E.ORDER_NOT_SOURCED): _S.NOT_FOUND,
    (_S.HELD, _E.ORDER_SOURCED): _S.SOURCED,
    (_S.HELD, _E.ORDER_BACKORDERED): _S.BACKORDERED,
    (_S.HELD, _E.ORDER_NOT_SOURCED): _S.NOT_FOUND,
    (_S.SOURCED, _E.ORDER_SOURCED): KEEP,  # more lines of the order got a source
    (_S.SOURCED, _E.ORDER_SENT_TO_FULFILLMENT): _S.SENT,
    (_S.SOURCED, _E.ORDER_PICKED): _S.PICKED,
    (_S.SOURCED, _E.ORDER_SHIPPED): _S.PACKED,
    (_S.SOURCED, _E.ORDER_INVOICED): _S.FULFILLED,
    (_S.SOURCED, _E.ORDER_HELD): _S.HELD,
    (_S.SOURCED, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.SOURCED, _E.ORDER_CONFIRMED): KEEP,
    (_S.SOURCED, _E.ORDER_CHANGED): KEEP,
    (_S.SOURCED, _E.ORDER_DELAYED): KEEP,
    (_S.SENT, _E.ORDER_SOURCED): KEEP,  # lines that waited got a source, the others are on their way
    (_S.SENT, _E.ORDER_SENT_TO_FULFILLMENT): KEEP,
    # Lines that wait for stock take no part in what happens to the goods of the others.
    (_S.BACKORDERED, _E.ORDER_SOURCED): _S.SOURCED,
    (_S.BACKORDERED, _E.ORDER_BACKORDERED): KEEP,
    (_S.BACKORDERED, _E.ORDER_NOT_SOURCED): _S.NOT_FOUND,
    (_S.BACKORDERED, _E.BACKORDER_EXPIRED): _S.EXPIRED,
    (_S.BACKORDERED, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.BACKORDERED, _E.ORDER_HELD): KEEP,
    (_S.BACKORDERED, _E.ORDER_CONFIRMED): KEEP,
    (_S.BACKORDERED, _E.ORDER_CHANGED): KEEP,
    (_S.BACKORDERED, _E.ORDER_DELAYED): KEEP,
    (_S.NOT_FOUND, _E.ORDER_SOURCED): _S.SOURCED,
    (_S.NOT_FOUND, _E.ORDER_BACKORDERED): _S.BACKORDERED,
    (_S.NOT_FOUND, _E.ORDER_NOT_SOURCED): KEEP,
    (_S.NOT_FOUND, _E.ORDER_CANCELED): _S.CANCELED,
    (_S.NOT_FOUND, _E.ORDER_HELD): KEEP,
    (_S.NOT_FOUND, _E.ORDER_CONFIRMED): KEEP,
    (_S.NOT_FOUND, _E.ORDER_CHANGED): KEEP,
    (_S.NOT_FOUND, _E.ORDER_DELAYED): KEEP,
    (_S.EXPIRED, _E.ORDER_CANCELED): KEEP,
    (_S.EXPIRED, _E.ORDER_CONFIRMED): KEEP,
    (_S.EXPIRED, _E.ORDER_PICKED): KEEP,
    (_S.EXPIRED, _E.ORDER_SENT_TO_FULFILLMENT): KEEP,
    (_S.EXPIRED, _E.ORDER_DELAYED): KEEP,
}


def target(status: Status, event: str) -> Status | None:
    """Return the status after `event`, or None for KEEP.

    Raises KeyError when the table has no row: the caller parks the event with that as the reason.
    """
    return TRANSITIONS[status, event]
