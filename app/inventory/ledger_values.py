"""Values of the sourcing ledger, each frozen and under a key of its own. Stock is in item_stock.py."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from app.domain.order import LineQuantity
from app.domain.personal_data import Personal
from app.events.model import SourceExplanation
from app.optimizer.gazetteer import UNKNOWN, Place

RECENT_REQUESTS_MAX: Final = 16
OPEN: Final = "open"
CONFIRMED: Final = "confirmed"
RELEASED: Final = "released"
RunTrigger = Literal["receipt", "schedule", "command"]


class RequestedLine(Struct, frozen=True, array_like=True):
    """One order line that needs a source. `quantity` in ten-thousandths."""

    line_id: str
    sku: str
    quantity: int


class SourcingRequest(Struct, frozen=True, array_like=True):
    """The identity of a request to source an order, for its answer. `at` in ms."""

    event_id: str
    effect_id: str
    at: int
    trace: str = ""


class Reservation(Struct, frozen=True, array_like=True):
    """Some of a line at a warehouse. `status`: open, confirmed (it has left) or released (not needed any more)."""

    line_id: str
    sku: str
    warehouse: str
    quantity: int
    status: str = OPEN


class WaitingLine(Struct, frozen=True, array_like=True):
    """A line that waits for stock (a backorder).

    `since` (ms) makes its place in the queue; at `cancel_at` (ms) its order gives it up.
    """

    line_id: str
    sku: str
    quantity: int
    since: int
    cancel_at: int


class SourcedOrder(Struct, frozen=True, array_like=True):
    """An order in the ledger of sourcing: its requests, its reservations and its waiting lines.

    `pending_request` waits for its batch, with `lines` to be sourced; `answered_request` is the last one that was
    answered. `issued` counts the order's fulfillment orders; `recent` are the event ids of requests, so that a repeated
    one changes nothing.
    """

    order_id: str
    pool: str
    place: Personal[Place] = UNKNOWN
    """Where its address lies."""
    priority: int = 0
    wanted_at: int = 0
    lines: tuple[RequestedLine, ...] = ()
    pending_request: SourcingRequest | None = None
    answered_request: SourcingRequest | None = None
    reservations: tuple[Reservation, ...] = ()
    waiting: tuple[WaitingLine, ...] = ()
    issued: int = 0
    recent: tuple[str, ...] = ()
    settled_at: int = 0

    def holds(self, line_id: str) -> bool:
        """Return whether some of the line is reserved, or has left already."""
        return any(each.line_id == line_id and each.status != RELEASED for each in self.reservations)

    @property
    def is_final(self) -> bool:
        """Whether no request is pending, no line waits and no reservation is open."""
        is_answered = self.pending_request is None and not self.waiting
        return is_answered and all(each.status != OPEN for each in self.reservations)


class ExplainedPlan(Struct, frozen=True, array_like=True):
    """One plan of an order with its explanations: why each source ships a line or does not. Otherwise as in its result.

    `issued` counts the fulfillment orders until then: plans that brought any keep their explanations side by side.
    """

    order_id: str
    issued: int
    at: int
    solver: str = ""
    gap: int | None = None
    strategy: str = ""
    unsourced: tuple[LineQuantity, ...] = ()
    explanations: Personal[tuple[SourceExplanation, ...]] = ()

    @property
    def name(self) -> str:
        return f"{self.order_id}/{self.issued}"


class WarehouseTotals(Struct, frozen=True, array_like=True):
    """Totals of a warehouse over all items, and how many order lines it got on `day` (of its own calendar)."""

    warehouse: str
    on_hand: int = 0
    reserved: int = 0
    available: int = 0
    short: int = 0
    day: int = 0
    lines: int = 0


class PreferenceChange(Struct, frozen=True, array_like=True):
    """One change of preferences, for the audit."""

    event_id: str
    at: int
    actor: str
    before: Mapping[str, str]
    after: Mapping[str, str]


class PreferenceOverrides(Struct, frozen=True, array_like=True):
    """Preferences of one pool that were set while running; None: as in the file. `changes` are the last ones."""

    pool: str
    backorders: bool | None = None
    cancellation_sla_days: int | None = None
    changes: tuple[PreferenceChange, ...] = ()


class BackorderRun(Struct, frozen=True, array_like=True):
    """One run over waiting lines. `looked_at`, `released` and `waiting` (in the whole pool, afterwards) count lines.

    `ended` is False while it goes on.
    """

    event_id: str
    at: int
    why: RunTrigger
    actor: str = ""
    looked_at: int = 0
    released: int = 0
    waiting: int = 0
    ended: bool = True


class BackorderRuns(Struct, frozen=True, array_like=True):
    """The last runs of one pool, oldest first: those of the backorder job, and those that receipts started."""

    pool: str
    jobs: tuple[BackorderRun, ...] = ()
    receipts: tuple[BackorderRun, ...] = ()
