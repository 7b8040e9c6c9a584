"""Role `perform`: calls providers over HTTP as orders request, and answers each request with a result."""

from collections.abc import Mapping
from typing import Final

from app.agents.calls import FORGOTTEN, Answering, CallObserver, Providers, call, not_set_up
from app.errors import RecordError
from app.events.codec import Codec
from app.events.model import BillingRequested, ChannelUpdateRequested, FulfillmentRequested
from app.events.order_records import opened
from app.events.record import Record
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock
from app.lanes.lease import Lease
from app.lanes.role import Folded, Job, Role
from app.providers.port import Action
from app.sealing.key_book import NO_ORDER_KEYS, KeyBook

Request = FulfillmentRequested | BillingRequested | ChannelUpdateRequested
THROUGH: Final = "http"


class Perform(Role):
    """A lane of the role `perform`. Its ledger holds nothing but its position: all that is needed is in the request."""

    name = "perform"
    inputs: tuple[str, ...] = ("fulfillment-requested", "billing-requested", "channel-update-requested")
    ledger = "perform-ledger"

    def __init__(
        self,
        codec: Codec,
        providers: Providers,
        observer: CallObserver,
        clock: Clock = SYSTEM_CLOCK,
        *,
        keys: KeyBook = NO_ORDER_KEYS,
    ) -> None:
        self._codec, self._providers, self._observer, self._clock = codec, providers, observer, clock
        self._keys = keys
        self._answering = Answering(codec, self.name, clock)

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded | Job:
        sealed = self._codec.decode(record)
        event = opened(sealed, record, self._keys.find(sealed.order_id))
        if event is None:
            return Folded(outcome=FORGOTTEN)
        body = event.body
        if not isinstance(body, Request):
            raise RecordError("invalid", f"{record.topic} carries requests, not {event.name}")
        if body.through != THROUGH:
            return Folded(outcome="not-ours")

        async def run(lease: Lease) -> Folded:
            provider = self._providers.get(body.provider)
            action = Action(
                name=body.action,
                effect_id=body.effect_id,
                order_id=event.order_id,
                attempt=body.attempt,
                repeated=repeated or body.attempt > 1,
                body=body,
            )
            if provider is None:
                result = not_set_up(body.provider)
            else:
                result = await call(provider, action, lease, self._observer, clock=self._clock)
            return Folded((self._answering.output(event, body, result),), outcome=str(result.outcome))

        return Job(event.order_id.encode(), body.provider, run)
