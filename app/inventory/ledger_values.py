"""What the ledger of sourcing keeps, each a frozen value under a key of its own. Stock is in stock.py."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from app.domain.order import LineQuantity
from app.events.model import SourceExplanation
from app.optimizer.gazetteer import UNKNOWN, Place

RECENT_REQUESTS_MAX: Final = 16
OPEN, CONFIRMED, RELEASED = "open", "confirmed", "released"
Why = Literal["receipt", "schedule", "command"]


class Wanted(Struct, frozen=True, array_like=True):
    """One order line as it was asked for. `quantity` in ten-thousandths."""

    line_id: str
    sku: str
    quantity: int


class Request(Struct, frozen=True, array_like=True):
    """The request that an answer belongs to."""

    event_id: str
    effect_id: str
    at: int
    trace: str = ""


class Reservation(Struct, frozen=True, array_like=True):
    """Some of a line at a warehouse. `status`: open, confirmed (it has left) or released (not wanted any more)."""

    line_id: str
    sku: str
    warehouse: str
    quantity: int
    status: str = OPEN


class Waiting(Struct, frozen=True, array_like=True):
    """A line that waits for stock. `since` makes its place in the queue, `cancel_at` is when its order gives it up."""

    line_id: str
    sku: str
    quantity: int
    since: int
    cancel_at: int


class Sourced(Struct, frozen=True, array_like=True):
    """An order as sourcing knows it. `asked` is a request that waits for its batch, with `lines` to be sourced.

    `request` was answered last, `issued` counts the order's fulfillment orders, `recent` are requests taken in.
    """

    order_id: str
    pool: str
    place: Place = UNKNOWN
    priority: int = 0
    wanted_at: int = 0
    lines: tuple[Wanted, ...] = ()
    asked: Request | None = None
    request: Request | None = None
    reservations: tuple[Reservation, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    issued: int = 0
    recent: tuple[str, ...] = ()
    settled_at: int = 0

    def holds(self, line_id: str) -> bool:
        """Whether some of the line is reserved, or has left already."""
        return any(held.line_id == line_id and held.status != RELEASED for held in self.reservations)

    @property
    def is_final(self) -> bool:
        """Whether nothing is reserved, waits or is asked for."""
        return self.asked is None and not self.waiting and all(held.status != OPEN for held in self.reservations)


class Explained(Struct, frozen=True, array_like=True):
    """Why each source ships a line of the order or does not, as one plan had it; the rest is as in its result.

    `issued` counts the fulfillment orders until then: plans that brought any keep their explanations side by side.
    """

    order_id: str
    issued: int
    at: int
    solver: str = ""
    gap: int | None = None
    strategy: str = ""
    unsourced: tuple[LineQuantity, ...] = ()
    explanations: tuple[SourceExplanation, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.order_id}/{self.issued}"


class Warehouse(Struct, frozen=True, array_like=True):
    """Totals over all items, and how many order lines were given to the warehouse on `day` (its own calendar's)."""

    warehouse: str
    on_hand: int = 0
    reserved: int = 0
    available: int = 0
    short: int = 0
    day: int = 0
    lines: int = 0


class Change(Struct, frozen=True, array_like=True):
    """One change of preferences, for the audit."""

    event_id: str
    at: int
    actor: str
    before: Mapping[str, str]
    after: Mapping[str, str]


class Chosen(Struct, frozen=True, array_like=True):
    """Preferences of one pool that were set while running; None: as the file says. `changes` are the last ones."""

    pool: str
    backorders: bool | None = None
    cancellation_sla_days: int | None = None
    changes: tuple[Change, ...] = ()


class Run(Struct, frozen=True, array_like=True):
    """One look at lines that wait. `waiting` still wait, in the whole pool; `ended` is False while it goes on."""

    event_id: str
    at: int
    why: Why
    actor: str = ""
    looked_at: int = 0
    released: int = 0
    waiting: int = 0
    ended: bool = True


class Runs(Struct, frozen=True, array_like=True):
    """The last runs of one pool, oldest first: the backorder job's own, and what receipts set off by themselves."""

    pool: str
    jobs: tuple[Run, ...] = ()
    receipts: tuple[Run, ...] = ()
