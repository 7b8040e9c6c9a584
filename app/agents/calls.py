"""Calls of providers by the roles that do HTTP: under the lane's lease, timed, and answered by a result record."""

import logging
import traceback
from collections.abc import Mapping
from typing import Final, Protocol

from msgspec.structs import replace

from app.domain.event_names import EventName
from app.errors import WaybillError
from app.events.catalog import ChangeEvent
from app.events.codec import Codec
from app.events.ids import derive
from app.events.model import Event, ProviderResult
from app.events.order_records import encoded
from app.events.record import Output
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock
from app.lanes.lease import Lease
from app.providers.port import Action, Code, LeaseLostError, Outcome, Provider, Result

FORGOTTEN: Final = "forgotten"
"""Outcome of a record whose order was forgotten since: nobody waits for an answer, and no provider is called."""
_journal: Final = logging.getLogger(__name__)


class CallObserver(Protocol):
    def called(self, provider: str, action: str, outcome: str, code: str, seconds: float) -> None: ...


async def call(
    provider: Provider, action: Action, lease: Lease, observer: CallObserver, *, clock: Clock = SYSTEM_CLOCK
) -> Result:
    """Return the provider's answer. Nothing is sent while the lease is in doubt; what may have been sent is
    looked up."""
    began = clock.monotonic()
    while True:
        await lease.confirm()
        try:
            result = await provider.perform(action, lease)
        except LeaseLostError:
            action = replace(action, repeated=True)
            continue
        except WaybillError:
            raise
        except Exception as problem:
            result = mistake_of(provider.name, problem)
        observer.called(provider.name, action.name, result.outcome, result.code, clock.monotonic() - began)
        return result


def mistake_of(provider: str, problem: Exception) -> Result:
    """Return the answer for a client that failed itself, which none may: what it sent may have happened.

    Without an answer its order would wait for ever. The log says where it failed, and not in which words: they may hold
    what the provider was sent.
    """
    log_mistake(provider, problem)
    detail = f"the client of {provider} failed ({type(problem).__name__}); see the log of this process"
    return Result(Outcome.UNKNOWN, Code.MALFORMED, detail)


def log_mistake(provider: str, problem: Exception) -> None:
    """Log where a client failed."""
    places = "".join(traceback.format_tb(problem.__traceback__))
    _journal.error("%s: its client failed (%s)\n%s", provider, type(problem).__name__, places)


def not_set_up(provider: str) -> Result:
    """Return the answer for a provider whose settings this process lacks: worth another try once it has them."""
    return Result(
        Outcome.RETRY, Code.UNSUPPORTED, f"provider {provider} is not set up here; set its settings and restart"
    )


class Answering:
    """Writes results as records that are caused by the request they answer."""

    def __init__(self, codec: Codec, role: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._codec, self._source, self._clock = codec, f"waybill/{role}", clock

    def output(self, request: Event | ChangeEvent, effect: "RequestedEffect", result: Result) -> Output:
        """Return the result record for the effect of a request."""
        body = ProviderResult(
            order_id=request.order_id,
            effect_id=effect.effect_id,
            provider=effect.provider,
            action=effect.action,
            attempt=effect.attempt,
            outcome=str(result.outcome),
            code=str(result.code),
            detail=result.detail,
            reference=result.reference,
            retry_after_ms=result.retry_after_ms,
            values=result.values,
        )
        event = Event(
            name=EventName.PROVIDER_RESULT,
            event_id=derive(request.event_id, "result"),
            order_id=request.order_id,
            at=self._clock.now_ms(),
            source=self._source,
            cause_id=request.event_id,
            body=body,
            trace=request.trace,
        )
        return encoded(self._codec, event)


class RequestedEffect(Protocol):
    """The part of a request that its result repeats."""

    @property
    def effect_id(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def attempt(self) -> int: ...


Providers = Mapping[str, Provider]
