"""What each record carries: one frozen struct per record type, fields as in its Avro schema.

Amounts are integers of ten-thousandths, times milliseconds since the epoch; the codec turns them into exact decimals
and Avro timestamps. Names of events are the specification's ("order shipped"), the same in flows, on the wire
(`ce_type`) and in reports.
"""

from collections.abc import Mapping

from msgspec import Struct

from app.domain.order import FulfillmentOrder, Order
from app.domain.order import LineQuantity as LineQuantity
from app.domain.personal_data import Personal


class LineStatus(Struct, frozen=True):
    """State and reason of one line."""

    line_id: str
    state: str
    reason: str


class LineAssignment(Struct, frozen=True):
    """Where one line ships from, None where no policy has said."""

    line_id: str
    site: str | None
    warehouse: str | None


class PolicyResult(Struct, frozen=True):
    """One policy as evaluated: `outcome` is passed, failed or informed, `rules` are those that decided."""

    policy: str
    version: int
    outcome: str
    rules: tuple[str, ...] = ()


class OrderCreated(Struct, frozen=True):
    """`flow` names the flow that the producer wants; empty: the routing policy picks one."""

    order: Order
    flow: str = ""


class OrderValidated(Struct, frozen=True):
    """The order as it passed, and the policies that judged it."""

    order: Order
    policies: tuple[PolicyResult, ...]


class OrderAssigned(Struct, frozen=True):
    """The fields that policies set, None where they set none."""

    order_id: str
    company: str | None
    invoice_customer: str | None
    site: str | None
    warehouse: str | None
    lines: tuple[LineAssignment, ...]
    policies: tuple[PolicyResult, ...]


class FulfillmentRequested(Struct, frozen=True):
    """`through` says who carries it out: `http` (perform), `dual-write` (apply) or `kafka` (a consumer outside)."""

    order: Order
    effect_id: str
    provider: str
    action: str
    attempt: int
    through: str


class BillingRequested(Struct, frozen=True):
    """As FulfillmentRequested, to invoice the order."""

    order: Order
    effect_id: str
    provider: str
    action: str
    attempt: int
    through: str


class ChannelUpdateRequested(Struct, frozen=True):
    """As FulfillmentRequested, to tell the sales channel the order's status; `lines` are those that it is about."""

    order_id: str
    source_ref: str
    effect_id: str
    provider: str
    action: str
    attempt: int
    through: str
    state: str
    reason: str
    lines: tuple[LineQuantity, ...]


class SourcingRequested(Struct, frozen=True):
    """`pool` is the pool of warehouses that may ship the order; it decides the partition."""

    order: Order
    effect_id: str
    provider: str
    action: str
    attempt: int
    through: str
    pool: str = "main"


class SourceExplanation(Struct, frozen=True):
    """Why a source ships some of a line, or does not. `terms` are the terms of its cost, as decimal text."""

    line_id: str
    site: str
    warehouse: str
    chosen: bool
    reason: str
    code: str = ""
    quantity: int | None = None
    terms: Mapping[str, str] = {}


class SourcingResult(Struct, frozen=True):
    """Which source ships what of an order. `outcome`: sourced, partial, none; released (for lines that waited).

    `waits` says whether what is unsourced waits for stock, until `cancel_at`; if not, it was not found and nobody looks
    again by himself. `gap` is in ten-thousandths of the plan's cost, `solver` says how it was found.
    """

    order_id: str
    effect_id: str
    outcome: str
    code: str
    detail: str = ""
    fulfillment_orders: tuple[FulfillmentOrder, ...] = ()
    unsourced: tuple[LineQuantity, ...] = ()
    explanations: Personal[tuple[SourceExplanation, ...]] = ()
    """They tell how far the address is from each source."""
    waits: bool = False
    cancel_at: int | None = None
    solver: str = ""
    gap: int | None = None
    strategy: str = ""


class ReservedLine(Struct, frozen=True):
    """Some of a line as a warehouse has it reserved; `line_id` is as the request named it, `warehouse` "" any."""

    line_id: str
    warehouse: str = ""


class SourcingCommand(Struct, frozen=True):
    """`command`: "confirm" (lines left), "release" (lines are not wanted), "run backorders", "set preferences",
    "forget" (the order's personal data).

    A release without a warehouse is about lines that wait for stock as well.
    """

    pool: str
    command: str
    order_id: str = ""
    lines: tuple[ReservedLine, ...] = ()
    values: Mapping[str, str] = {}
    actor: Personal[str] = ""


class StockChange(Struct, frozen=True):
    """Stock of one item at one warehouse. `kind`: set (`quantity` is there now) or add (came in, or went out if < 0).

    A `set` with a `version` (0: none) that is not newer than the last one is left out.
    """

    sku: str
    site: str
    warehouse: str
    kind: str
    quantity: int
    reference: str = ""
    occurred_at: int = 0
    version: int = 0
    pool: str = "main"


class OrderProgressed(Struct, frozen=True):
    """Body of order picked, order shipped and order invoiced. `provider` reported it, `reference` is its document."""

    order_id: str
    provider: str
    reference: str
    state: str
    reason: str
    lines: tuple[LineStatus, ...]


class OrderStopped(Struct, frozen=True):
    """Body of order held and order rejected: where it stopped, a closed code, and a sentence for people."""

    order_id: str
    step: str
    state: str
    reason: str
    code: str
    detail: Personal[str]
    policies: tuple[PolicyResult, ...]


class OrderStatus(Struct, frozen=True):
    """Raised for each applied event. `lines` are those whose status changed.

    `occurred_at` is the time of the applied event, `customer` the account at the order's origin.
    """

    order_id: str
    source_ref: str
    event: str
    step: str
    state: str
    reason: str
    previous_state: str
    previous_reason: str
    version: int
    flow: str
    flow_version: int
    lines: tuple[LineStatus, ...]
    occurred_at: int | None = None
    channel: str = ""
    customer: Personal[str] = ""


class ProviderEvent(Struct, frozen=True):
    """Something a provider reports: `event` is e.g. "order shipped". No `lines` means the whole order.

    `values` carries fields that changed at the provider (event "order changed"), named as in Order.
    """

    order_id: str
    provider: str
    event: str
    reference: str = ""
    occurred_at: int = 0
    lines: tuple[LineQuantity, ...] = ()
    values: Personal[Mapping[str, str]] = {}


class ProviderResult(Struct, frozen=True):
    """The answer to an effect. `outcome`: ok, declined, retry, unknown; `code`: app.providers.port.Code."""

    order_id: str
    effect_id: str
    provider: str
    action: str
    attempt: int
    outcome: str
    code: str
    detail: Personal[str] = ""
    reference: str = ""
    retry_after_ms: int = 0
    values: Mapping[str, str] = {}


class OrderCommand(Struct, frozen=True):
    """`command`: "fire timer" (subject: timer id), "reprocess" (subject: a step; empty: the failed one), "change",
    "forget"."""

    order_id: str
    command: str
    subject: str = ""
    actor: Personal[str] = ""
    values: Personal[Mapping[str, str]] = {}


Body = (
    OrderCreated
    | OrderValidated
    | OrderAssigned
    | FulfillmentRequested
    | BillingRequested
    | ChannelUpdateRequested
    | SourcingRequested
    | OrderProgressed
    | OrderStopped
    | OrderStatus
    | ProviderEvent
    | ProviderResult
    | OrderCommand
    | SourcingResult
    | SourcingCommand
    | StockChange
)


class Event(Struct, frozen=True):
    """A body with what CloudEvents headers carry: `name` is `ce_type`, `cause_id` the causing event ("" at intake)."""

    name: str
    event_id: str
    order_id: str
    at: int
    source: str
    cause_id: str
    body: Body
    trace: str = ""
    """W3C traceparent of the causing record, "" if none."""
