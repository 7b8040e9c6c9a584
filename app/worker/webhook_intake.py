"""Intake of webhooks: the signature is verified, the events are written to Kafka, and only then the answer is 2xx.

No webhook is kept: while the broker is away the answer is 503, and the sender sends it again. A copy is recognised by
the webhook's own id for as long as its signature would be valid. One that comes later, or to another process, becomes a
record with the same event id, which the order's lane knows.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, Protocol
from weakref import WeakValueDictionary

from app.errors import BrokerError, RecordError, SettingError
from app.events.codec import Codec
from app.events.order_records import reported
from app.events.record import Output
from app.providers.registry import Receive
from app.providers.webhooks import TOLERANCE_S, Received, RefusalCode, WebhookRefusedError
from app.worker.http_views import WEBHOOK_BYTES_MAX, WebhookAnswer

SOURCE: Final = "waybill/webhooks"
HINTS: Final = "pull-requested"
AT_ONCE_MAX: Final = 48
"""Webhooks that are written at a time. More are answered 503: of the 64 connections some stay for other requests."""
IDS_MAX: Final = 50_000
"""Ids that are remembered, of all providers."""
IDS_S: Final = 2.0 * TOLERANCE_S
"""Seconds for which an id is remembered: a signature may be from the future by its tolerance, and is valid for it."""
RETRY_AFTER_S: Final = 5
UNKNOWN: Final = "unknown"
"""Provider in the metrics for an address that no provider has."""
OUTCOMES: Final = (
    "taken", "ignored", "duplicate", "busy", "unavailable", "incomplete", "too_large",
    *(code.value for code in RefusalCode),
)  # fmt: skip
"""What may become of a webhook of a provider that is set up."""
_JSON: Final = (("content-type", b"application/json"),)
_journal = logging.getLogger(__name__)

Count = Callable[[str, str], None]
"""Provider and outcome, both of closed lists."""


class Publisher(Protocol):
    """The writer of records, as the intake calls it."""

    async def publish(self, outputs: Sequence[Output]) -> None:
        """Return when all records are stored. Raises BrokerError, and soon, when it is not known whether they are."""


class Window:
    """The ids of webhooks that were taken in lately."""

    def __init__(self, seconds: float, ids_max: int, monotonic: Callable[[], float]) -> None:
        self._seconds, self._ids_max, self._monotonic = seconds, ids_max, monotonic
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    def __contains__(self, key: bytes) -> bool:
        return self._until.get(key, 0.0) > self._monotonic()

    def __len__(self) -> int:
        return len(self._until)

    def turn(self, key: bytes) -> asyncio.Lock:
        """Return the lock under which copies that come at the same time go one after the other."""
        return self._turns.setdefault(key, asyncio.Lock())

    def add(self, key: bytes) -> None:
        """Remember an id; forget those whose time is over, and the oldest ones beyond `ids_max`."""
        now = self._monotonic()
        self._until[key] = now + self._seconds
        self._until.move_to_end(key)
        while len(self._until) > self._ids_max or next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)


class WebhookIntake:
    """The intake of one process. `receivers` are by provider; `clock` gives seconds since the epoch, `count` counts."""

    def __init__(
        self,
        receivers: Mapping[str, Receive],
        publisher: Publisher,
        codec: Codec,
        count: Count,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._receivers, self._publisher, self._codec = receivers, publisher, codec
        self._count, self._clock = count, clock
        self._window = Window(IDS_S, IDS_MAX, monotonic)
        self._running = 0
        self._problem = ""

    async def take(self, provider: str, headers: Mapping[str, str], body: bytes | None) -> WebhookAnswer:
        """Return the answer to the sender. `body` is None when it did not come whole, or not in time."""
        answer = await self._answer(provider, headers, body)
        self._count(provider if provider in self._receivers else UNKNOWN, answer.outcome)
        return answer

    async def _answer(self, provider: str, headers: Mapping[str, str], body: bytes | None) -> WebhookAnswer:
        receive = self._receivers.get(provider)
        if receive is None:
            return WebhookAnswer(404, "unknown", "no provider of that name is set up to send webhooks here")
        if body is None:
            return WebhookAnswer(408, "incomplete", "the body did not come whole, or not in time; send it again")
        if len(body) > WEBHOOK_BYTES_MAX:
            return WebhookAnswer(413, "too_large", f"a webhook has at most {WEBHOOK_BYTES_MAX} bytes")
        if self._running >= AT_ONCE_MAX:
            return _later("busy", f"{self._running} webhooks are being written already")
        try:
            received = receive(headers, body, self._clock())
        except WebhookRefusedError as refusal:
            return WebhookAnswer(refusal.status, refusal.code.value, refusal.detail)
        except SettingError as problem:
            _journal.error("webhooks of %s cannot be proven: %s", provider, problem)
            return _later("unconfigured", "webhooks of this provider cannot be proven here yet; see the log")
        self._running += 1
        try:
            return await self._store(provider, received, body)
        finally:
            self._running -= 1

    async def _store(self, provider: str, received: Received, body: bytes) -> WebhookAnswer:
        if not received.events and not received.hints:
            return WebhookAnswer(202, "ignored", "it says nothing that is of use here")
        key = _digest(provider, received.webhook_id.encode() or body)
        async with self._window.turn(key):
            if key in self._window:
                return WebhookAnswer(200, "duplicate", "it was taken before")
            try:
                await self._publisher.publish(self._outputs(received))
            except RecordError as problem:
                return WebhookAnswer(400, "malformed", problem.detail)
            except BrokerError as problem:
                self._note(str(problem))
                return _later("unavailable", "it cannot be stored now")
            self._note("")
            self._window.add(key)
        return WebhookAnswer(202, "taken", "it is stored")

    def _note(self, problem: str) -> None:
        """Log once that webhooks cannot be stored, and once that they are again."""
        if bool(problem) != bool(self._problem):
            _journal.warning("webhooks: %s", problem or "stored again")
        self._problem = problem

    def _outputs(self, received: Received) -> list[Output]:
        """Return events of orders for their lanes, and hints for the role `pull`. Raises RecordError."""
        now = int(self._clock() * 1000)
        events = [reported(self._codec, body, now, SOURCE) for body in received.events]
        return [*events, *(Output(HINTS, hint.encode(), b"{}", _JSON) for hint in received.hints)]


def _later(outcome: str, why: str) -> WebhookAnswer:
    return WebhookAnswer(503, outcome, f"{why}; send it again", RETRY_AFTER_S)


def _digest(provider: str, identity: bytes) -> bytes:
    return blake2b(provider.encode() + b"\x00" + identity, digest_size=16).digest()
