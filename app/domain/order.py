"""The order and what the ledger keeps of it: frozen values, no behaviour beyond small look-ups.

Amounts (money and quantities) are integers of ten-thousandths: 12.5000 is 125_000. Times are milliseconds since the
epoch, UTC.
"""

from msgspec import Struct

from app.domain.lifecycle import Reason, State
from app.domain.personal_data import Personal
from app.domain.vocabulary import Term

AMOUNT_SCALE = 10_000
RECENT_EVENTS_MAX = 64
TIMELINE_MAX = 100


class Address(Struct, frozen=True, array_like=True, omit_defaults=True):
    name: Personal[str] = ""
    company: Personal[str] = ""
    street: Personal[str] = ""
    city: Personal[str] = ""
    region: Personal[str] = ""
    postal_code: Personal[str] = ""
    country: str = ""
    """ISO 3166-1 alpha-2."""
    email: Personal[str] = ""
    phone: Personal[str] = ""


class Line(Struct, frozen=True, array_like=True):
    """One sales order line. `reference` is the origin's own line id (BigCommerce order_product_id, F+O inventory
    lot)."""

    line_id: str
    sku: str
    name: str
    quantity: int
    unit_price: int
    total: int
    reference: str = ""
    site: str | None = None
    warehouse: str | None = None
    state: str = State.NEW
    reason: str = Reason.NEW


class Order(Struct, frozen=True, array_like=True):
    """`origin` is where the order was born (bigcommerce, fno, ...), `source_ref` its id there, `channel` the sales
    channel."""

    order_id: str
    origin: str
    source_ref: str
    channel: str
    placed_at: int
    currency: str
    subtotal: int
    shipping: int
    tax: int
    discount: int
    total: int
    ship_to: Address
    bill_to: Address
    lines: tuple[Line, ...]
    customer: Personal[str] = ""
    """The customer's account at the origin."""
    company: str | None = None
    invoice_customer: str | None = None
    site: str | None = None
    warehouse: str | None = None
    requested_ship_date: int | None = None
    ready_to_sync: bool = False
    state: str = State.NEW
    reason: str = Reason.NEW


class Effect(Struct, frozen=True, array_like=True):
    """Something asked of a provider and not yet answered. `effect_id` is the idempotency key: the same over all
    attempts."""

    effect_id: str
    step: str
    provider: str
    action: str
    attempt: int
    requested_at: int


class TimerPurpose(Term):
    """What happens when a timer fires."""

    RETRY = "retry"
    """An effect is requested again."""
    ANSWER = "answer"
    """An effect that goes through kafka has not been answered, after all its attempts: its step fails."""
    WAIT = "wait"
    """An awaited event has not come: the step that waits fails."""
    BACKORDER = "backorder"
    """Lines have waited for stock for as long as they may: they are canceled."""


class Timer(Struct, frozen=True, array_like=True):
    """A deadline. `timer_id` is unique in the order; `purpose` is a TimerPurpose; `subject` is an effect or a step."""

    timer_id: str
    due_at: int
    purpose: str
    subject: str


class Lineage(Struct, frozen=True, array_like=True):
    """Which event, and which rule of which policy where one did, set a field. `field` is e.g. `company` or
    `lines.2.warehouse`."""

    field: str
    event_id: str
    rule: str = ""


class TimelineEntry(Struct, frozen=True, array_like=True):
    """One event in an order's timeline, as applied."""

    event: str
    event_id: str
    cause_id: str
    at: int
    source: str
    step: str
    state: str
    reason: str
    note: Personal[str] = ""


class Partial(Struct, frozen=True, array_like=True):
    """How much of a line has reached a milestone so far, while that is less than was ordered."""

    line_id: str
    event: str
    quantity: int


class LineQuantity(Struct, frozen=True):
    """Some of a line. `reference` is the line's id elsewhere: at the origin, or as the request for it was made."""

    line_id: str
    quantity: int
    reference: str = ""


class FulfillmentOrder(Struct, frozen=True):
    """What one source ships of an order (S62). Of a line that was split, `reference` is the line that was asked for."""

    fulfillment_order_id: str
    site: str
    warehouse: str
    lines: tuple[LineQuantity, ...]


class OrderState(Struct, frozen=True, array_like=True):
    """All that the ledger keeps of one order. `version` counts the applied input events; `done` lists finished steps of
    the flow."""

    order: Order
    flow: str
    flow_version: int
    version: int = 0
    recent: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    timers: tuple[Timer, ...] = ()
    lineage: tuple[Lineage, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    """What each provider calls this order: (`fno`, `SO-000123`), ..."""
    settled_at: int = 0
    """When the order became final, 0 while it is live."""
    content: str = ""
    """Digest of the order as first created, to tell a copy from another order with the same id."""
    failed: tuple[str, ...] = ()
    """Steps whose failure edge was taken and that were not run again since, oldest first."""
    rounds: tuple[tuple[str, int], ...] = ()
    """How often a step was deliberately run again; it makes the next effect id."""
    raised: tuple[str, ...] = ()
    """Milestones that the order as a whole has reached, each raised once."""
    partials: tuple[Partial, ...] = ()
    fulfillment_orders: tuple[FulfillmentOrder, ...] = ()
    forgotten_at: int = 0
    """When its personal data was removed, 0 while it is there. From then on the order takes no event."""

    def reference(self, provider: str) -> str | None:
        """Return what a provider calls the order, None where it is not known there."""
        return next((theirs for name, theirs in self.references if name == provider), None)

    def effect(self, effect_id: str) -> Effect | None:
        """Return the pending effect with this id, None where there is none."""
        return next((effect for effect in self.effects if effect.effect_id == effect_id), None)
