"""The port that every provider implements: an action goes in, a result with a closed code comes out.

A provider's refusal is a value, never an exception. Two questions answer every failure: may it be repeated, may it have
happened? Deliberately absent: retries and back-off. They belong to the flow, so that they survive a restart.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

from msgspec import Struct

from app.domain.order import Order
from app.domain.outcomes import Outcome as Outcome
from app.errors import ProviderError, WaybillError
from app.events.model import (
    BillingRequested,
    ChannelUpdateRequested,
    FulfillmentRequested,
    ProviderEvent,
    SourcingRequested,
)
from app.events.sales_order_change import SalesOrderRow
from app.lanes.lease import Lease


class Code(StrEnum):
    """The reason, from a closed list: it becomes a label of metrics and the code of an order that is held."""

    OK = "ok"
    NOT_FOUND = "not_found"
    INVALID = "invalid"
    CONFLICT = "conflict"
    DUPLICATE = "duplicate"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    GATE = "gate"
    CIRCUIT_OPEN = "circuit_open"


class Result(Struct, frozen=True):
    """The answer to an action. `reference` is what the provider calls the order, `retry_after_ms` the wait it asks for.

    `detail` is one sentence for people, bounded and free of secrets; `values` are fields of the provider worth keeping.
    """

    outcome: Outcome
    code: Code
    detail: str = ""
    reference: str = ""
    retry_after_ms: int = 0
    values: Mapping[str, str] = {}


ActionBody = FulfillmentRequested | BillingRequested | ChannelUpdateRequested | SourcingRequested | SalesOrderRow


class Action(Struct, frozen=True):
    """A request to a provider. `effect_id` is the idempotency key: the same over all attempts.

    `repeated`: an earlier attempt, perhaps of a process that died, may have happened: look before acting.
    """

    name: str
    effect_id: str
    order_id: str
    attempt: int
    repeated: bool
    body: ActionBody


class UnsharedLease:
    """A lease that is always valid, for reads, tools and tests: no other process has the order."""

    def valid(self) -> bool:
        return True

    async def confirm(self) -> None:
        return


class LeaseLostError(WaybillError):
    """Another process owns the order now, and no request left this one; the new owner repeats the action."""


class CallFailedError(ProviderError):
    """A call to a provider that gave no usable answer; `result` is what the port returns for it."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(f"{result.outcome} ({result.code}): {result.detail}")


class Provider(Protocol):
    @property
    def name(self) -> str: ...

    async def perform(self, action: Action, lease: Lease) -> Result:
        """Carry the action out, once per effect id. Raises LeaseLostError; a failure of the provider is a Result."""

    async def close(self) -> None:
        """Free every socket."""


@runtime_checkable
class OrderFinder(Protocol):
    """A provider that says, by reading alone, what it has of an order that was sent to it."""

    async def find_references(self, order_id: str) -> Sequence[str]:
        """Return what it calls each order that was made there for this one. Raises CallFailedError.

        One that was made twice by mistake and is out of the way since (rejected, stopped, canceled) does not count.
        """


class RefusedOrder(Struct, frozen=True):
    """An order that has no meaning here. `reason` names field, value and the fix; `wire` is the order as it came."""

    source_ref: str
    reason: str
    wire: bytes


class Page(Struct, frozen=True):
    """The result of one pull. Keep `cursor` in the same transaction as all of it; `more`: pull again at once.

    `events` are reports about existing orders. The same event read twice has the same content, so that it gets the same
    event id.
    """

    orders: tuple[Order, ...]
    cursor: str
    refused: tuple[RefusedOrder, ...] = ()
    more: bool = False
    events: tuple[ProviderEvent, ...] = ()


class PullSource(Protocol):
    """A provider from which orders, or events of orders, are pulled."""

    @property
    def cursor_key(self) -> str:
        """Return the key that its cursor is kept under: its name, or `name/account` where it has accounts."""

    async def pull(self, cursor: str | None) -> Page:
        """Return what is after `cursor` (None: all), oldest change first. A repeated pull returns the same.

        Its new cursor may differ by the provider's clock; what follows either of the two is the same.

        Raises CallFailedError when nothing could be read, ProviderError when the cursor is not one of its own.
        """

    async def close(self) -> None: ...
