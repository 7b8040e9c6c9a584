"""What one run showed of four orders, and ways to leave something out of it. The files hold records as read."""

import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.sandbox.demo.demo_report import judge
from app.sandbox.demo.evidence import Case, JournalEntry, ObservedRecord
from app.sandbox.demo.made_orders import DemoOrder

FILES = Path(__file__).parent / "evidence"
DEFINITIONS = {"S1": True, "S2": True}


def recorded(name: str) -> Case:
    """The order of evidence/<name>.json, e.g. `scenario-1-completed`."""
    held = json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))
    order = DemoOrder(**held["order"] | {"expected": tuple(held["order"]["expected"])})
    return Case(
        order,
        [ObservedRecord(**record) for record in held["records"]],
        [JournalEntry(**entry) for entry in held["deeds"]],
    )


def complete(scenario: int) -> list[Case]:
    """An order that completed and one that was refused; of scenario 6 one for which nothing was found, too."""
    found = [recorded(f"scenario-{scenario}-completed"), recorded(f"scenario-{scenario}-refused")]
    return [*found, recorded("scenario-6-not-found")] if scenario == 6 else found


def missing(cases: Iterable[Case]) -> set[str]:
    """The numbers that do not hold."""
    return {number for number, held in judge("", cases, DEFINITIONS).requirements.items() if not held}


Edit = Callable[[Case], None]
Row = tuple[str, str, Edit]
"""The numbers that fall, the first of them the one that is meant; what is wrong in words; how it is made so."""


def drop(topic: str, **fields: Any) -> Edit:
    """Leave out the records of a topic whose body has these fields."""

    def edit(case: Case) -> None:
        gone = _those(case, topic, fields)
        case.records = [record for record in case.records if record not in gone]

    return edit


def lost(topic: str, position: int, **fields: Any) -> Edit:
    """Leave out one of several records."""

    def edit(case: Case) -> None:
        case.records.remove(_those(case, topic, fields)[position])

    return edit


def because_of_first(topic: str, provider: str, event: str) -> Edit:
    """Raised when the first of several parts was reported, not the last."""

    def edit(case: Case) -> None:
        first, *others = _those(case, "provider-event", {"provider": provider, "event": event})
        assert others, f"the evidence has one {event} of {provider}: there is no part to be too early"
        marked(topic, cause=first.event_id)(case)

    return edit


def twice(topic: str, changes: Mapping[str, Any] = MappingProxyType({}), **fields: Any) -> Edit:
    """A second record like the first but for `changes`, with an id and an offset of its own."""

    def edit(case: Case) -> None:
        first = _those(case, topic, fields)[0]
        last = max(record.offset for record in case.on(topic))
        body = {**deepcopy(first.body), **changes}
        case.records.append(replace(first, event_id=first.event_id[::-1], offset=last + 1, body=body))

    return edit


def put(topic: str, path: str, value: Any, **fields: Any) -> Edit:
    """Set a field of the bodies that have `fields`; `path` is by dots, with indices into lists."""

    def edit(case: Case) -> None:
        for record in _those(case, topic, fields):
            *way, last = path.split(".")
            at: Any = record.body
            for step in way:
                at = at[int(step) if step.isdigit() else step]
            assert last in at, f"{topic} has no {path}"
            at[last] = value

    return edit


def marked(topic: str, **changes: Any) -> Edit:
    """Change what the headers say: `source`, `cause` or `type`."""

    def edit(case: Case) -> None:
        found = _those(case, topic, {})
        case.records = [replace(record, **changes) if record in found else record for record in case.records]

    return edit


def swapped(first: str, second: str) -> Edit:
    """The changes of status by two events, in each other's place."""

    def edit(case: Case) -> None:
        (one,), (other,) = (_those(case, "order-status", {"event": event}) for event in (first, second))
        case.records.remove(one)
        case.records.remove(other)
        case.records += [replace(one, offset=other.offset), replace(other, offset=one.offset)]

    return edit


def added(topic: str, body: dict[str, Any], **marks: Any) -> Edit:
    """A record that no true run has."""

    def edit(case: Case) -> None:
        last = max((record.offset for record in case.on(topic)), default=0)
        like = case.records[0]
        made = replace(like, topic=topic, offset=last + 1, event_id=f"added to {topic}", body=body, **marks)
        case.records.append(made)

    return edit


def echoed(case: Case) -> None:
    """Our row once more, because of what F+O reported."""
    twice("dualwrite.iom.salesorders")(case)
    row = case.records.pop()
    case.records.append(replace(row, cause=case.on("provider-event")[-1].event_id))


def changed_later(case: Case) -> None:
    """One more change of status, after the last."""
    last = case.statuses()[-1]
    added("order-status", {**last, "event": "order held", "state": "On Hold", "reason": "Overdue"})(case)


def answered_late(case: Case) -> None:
    """F+O invoiced the order before its answer to the sending was read."""
    last = case.statuses()[-1]
    drop("order-status", event="order sent to fulfillment")(case)
    added("order-status", {**last, "event": "order sent to fulfillment", "step": "send"})(case)


def repeated_after_the_end(case: Case) -> None:
    """The shop was away when it was to hear of the shipment, and back when the order had completed."""
    undone("bigcommerce", "status changed", status_id=2)(case)
    effect = _those(case, "channel-update-requested", {"reason": "Packed"})[0].body["effect_id"]
    put("provider-result", "outcome", "retry", effect_id=effect)(case)
    again = {"attempt": 2, "state": "Completed", "reason": "Fulfilled"}
    twice("channel-update-requested", again, effect_id=effect)(case)
    twice("provider-result", {"attempt": 2, "outcome": "ok"}, effect_id=effect)(case)


def told_twice(case: Case) -> None:
    """A webhook came again, to an intake that could not know the first: the same event, and no change of the order."""
    told = next(record for record in case.on("provider-event") if record.source == "waybill/webhooks")
    last = max(record.offset for record in case.on("provider-event"))
    case.records.append(replace(told, offset=last + 1))


def undone(provider: str, kind: str, **detail: Any) -> Edit:
    def edit(case: Case) -> None:
        gone = _entries(case, provider, kind, detail)
        case.journal = [entry for entry in case.journal if entry not in gone]

    return edit


def redone(provider: str, kind: str, **detail: Any) -> Edit:
    def edit(case: Case) -> None:
        case.journal.append(_entries(case, provider, kind, detail)[0])

    return edit


def done(provider: str, kind: str, **detail: Any) -> Edit:
    def edit(case: Case) -> None:
        case.journal.append(JournalEntry(provider, kind, case.order.order_id, detail))

    return edit


def _those(case: Case, topic: str, fields: dict[str, Any]) -> list[ObservedRecord]:
    found = [record for record in case.on(topic) if all(record.body[name] == value for name, value in fields.items())]
    assert found, f"the evidence has no such record on {topic}: the test leaves nothing out"
    return found


def _entries(case: Case, provider: str, kind: str, detail: dict[str, Any]) -> list[JournalEntry]:
    found = [entry for entry in case.effects(provider, kind) if all(entry.detail[k] == v for k, v in detail.items())]
    assert found, f"the journal has no {kind} at {provider}: the test leaves nothing out"
    return found
