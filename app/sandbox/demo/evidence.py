"""What the observer has seen of one order: records of the topics and effects at the simulators. No judgement here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.sandbox.demo.made_orders import COMPLETED, REFUSED, DemoOrder

Body = Mapping[str, Any]
DEAD_LETTER = "dead-letter"
WEBHOOKS = "waybill/webhooks"
"""The source of what webhooks said: whoever sends them may send one twice, and their intake cannot know all."""


@dataclass(frozen=True)
class Seen:
    """One record as any consumer sees it. `at_ms` is the broker's time stamp."""

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
class Deed:
    """One effect that a simulator carried out, from its journal."""

    provider: str
    kind: str
    order: str
    detail: Mapping[str, Any]


@dataclass
class Case:
    """One order of the demo with everything that was seen of it."""

    order: DemoOrder
    records: list[Seen] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)

    def on(self, topic: str) -> list[Seen]:
        return [seen for seen in self.records if seen.topic == topic]

    def did(self, provider: str, kind: str = "") -> list[Deed]:
        """What a provider did to the order; all of it without a `kind`."""
        return [deed for deed in self.deeds if deed.provider == provider and kind in ("", deed.kind)]

    def changes(self, event: str) -> list[Seen]:
        """The status records by which an event moved the order as a whole, oldest first."""
        found = (seen for seen in self._in_order("order-status") if seen.body["event"] == event)
        return [seen for seen in found if _moved(seen.body)]

    def statuses(self) -> list[Body]:
        """The bodies of the order's status records, oldest first: an order's records lie in one partition."""
        return [seen.body for seen in self._in_order("order-status")]

    def events(self) -> list[str]:
        """The names of the events that changed the order, oldest first."""
        return [body["event"] for body in self.statuses()]

    def _in_order(self, topic: str) -> list[Seen]:
        return sorted(self.on(topic), key=lambda seen: seen.offset)

    def end(self) -> tuple[str, str] | None:
        """The last (state, reason) that was published."""
        last = next(reversed(self.statuses()), None)
        return None if last is None else (last["state"], last["reason"])

    def ended(self) -> bool:
        if self.order.expected is None:
            return self.end() in {COMPLETED, REFUSED} or self.set_aside
        return self.end() == self.order.expected

    @property
    def refused(self) -> bool:
        if self.order.expected is None:
            return bool(self.on("order-rejected"))
        return self.order.expected == REFUSED

    @property
    def set_aside(self) -> bool:
        """An order from outside that could not be read: it never became one, and lies in dead-letter with its
        reason."""
        return self.order.expected is None and bool(self.on(DEAD_LETTER)) and not self.on("order-created")


def _moved(body: Body) -> bool:
    return (body["state"], body["reason"]) != (body["previous_state"], body["previous_reason"])


def seconds(case: Case) -> float | None:
    """From the order's arrival on order-created to its last status, by the broker's time stamps."""
    created, statuses = case.on("order-created"), case.on("order-status")
    if not created or not statuses:
        return None
    return (max(seen.at_ms for seen in statuses) - min(seen.at_ms for seen in created)) / 1000


def doubled(records: Iterable[Seen]) -> Iterator[Seen]:
    """Records whose id stands at another place of the same topic too. Copies of a webhook are no fault of ours; that
    they change an order once is for the checks to see."""
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for seen in records:
        if seen.source == WEBHOOKS:
            continue
        place = seen.partition, seen.offset
        if places.setdefault((seen.topic, seen.event_id), place) != place:
            yield seen
