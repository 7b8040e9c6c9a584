"""The evidence about one order: its records of all topics and its effects at the simulators. No judgement here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.sandbox.demo.made_orders import COMPLETED, REFUSED, DemoOrder

Body = Mapping[str, Any]
DEAD_LETTER = "dead-letter"
WEBHOOKS = "waybill/webhooks"
"""Source of records that came as webhooks. A sender may repeat one, and the intake does not know every copy."""


@dataclass(frozen=True)
class ObservedRecord:
    """One record as any consumer reads it. `at_ms` is the broker's time stamp."""

    topic: str
    partition: int
    offset: int
    order_id: str
    event_id: str
    type: str
    source: str
    cause: str
    at_ms: int
    body: Body


@dataclass(frozen=True)
class JournalEntry:
    """One effect that a simulator carried out, from its journal."""

    provider: str
    kind: str
    order: str
    detail: Mapping[str, Any]


@dataclass
class Case:
    """One order of the demo with all its evidence."""

    order: DemoOrder
    records: list[ObservedRecord] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)

    def on(self, topic: str) -> list[ObservedRecord]:
        """Return the records of one topic, as they came."""
        return [record for record in self.records if record.topic == topic]

    def effects(self, provider: str, kind: str = "") -> list[JournalEntry]:
        """Return the effects of one kind that a provider carried out for the order; all of them without a `kind`."""
        return [entry for entry in self.journal if entry.provider == provider and kind in ("", entry.kind)]

    def changes(self, event: str) -> list[ObservedRecord]:
        """Return the status records by which an event moved the order as a whole, oldest first."""
        records = (record for record in self._in_order("order-status") if record.body["event"] == event)
        return [record for record in records if _moved(record.body)]

    def statuses(self) -> list[Body]:
        """Return the bodies of the order's status records, oldest first: they all lie in one partition."""
        return [record.body for record in self._in_order("order-status")]

    def events(self) -> list[str]:
        """Return the names of the events that changed the order, oldest first."""
        return [body["event"] for body in self.statuses()]

    def _in_order(self, topic: str) -> list[ObservedRecord]:
        return sorted(self.on(topic), key=lambda record: record.offset)

    def end(self) -> tuple[str, str] | None:
        """Return the last (state, reason) that was published."""
        last = next(reversed(self.statuses()), None)
        return None if last is None else (last["state"], last["reason"])

    def ended(self) -> bool:
        """Return whether the order has come to its expected end."""
        if self.order.expected is None:
            return self.end() in {COMPLETED, REFUSED} or self.set_aside
        return self.end() == self.order.expected

    @property
    def refused(self) -> bool:
        """Whether validation must refuse the order, or has refused one from a file."""
        if self.order.expected is None:
            return bool(self.on("order-rejected"))
        return self.order.expected == REFUSED

    @property
    def set_aside(self) -> bool:
        """Whether this is an order from a file that could not be read: it is in dead-letter only, with its reason."""
        return self.order.expected is None and bool(self.on(DEAD_LETTER)) and not self.on("order-created")


def _moved(body: Body) -> bool:
    return (body["state"], body["reason"]) != (body["previous_state"], body["previous_reason"])


def seconds(case: Case) -> float | None:
    """Return the seconds from the order's arrival on order-created to its last status, by the broker's time stamps."""
    created, statuses = case.on("order-created"), case.on("order-status")
    if not created or not statuses:
        return None
    return (max(record.at_ms for record in statuses) - min(record.at_ms for record in created)) / 1000


def doubled(records: Iterable[ObservedRecord]) -> Iterator[ObservedRecord]:
    """Yield each record whose id stands at another place of the same topic too.

    Copies of a webhook are left out: the sender makes them, and the checks hold that they change an order once.
    """
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for record in records:
        if record.source == WEBHOOKS:
            continue
        place = record.partition, record.offset
        if places.setdefault((record.topic, record.event_id), place) != place:
            yield record
