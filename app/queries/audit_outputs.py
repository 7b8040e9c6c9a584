"""Checks of what is, and must be, on the topics of an order: nothing missing, nothing twice, all of one mind. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from app.domain.event_names import EventName
from app.events.ids import derive
from app.queries.audit import (
    CREATED,
    MILESTONES,
    NUMBERED,
    OF_ORDERS,
    OUR_ROWS,
    PLAN,
    REPORT,
    REQUESTS,
    RESULT,
    SOURCING_REQUEST,
    STATUS,
    STOPS,
    THEIR_ROWS,
    AuditRecord,
    Check,
    Discrepancy,
    DiscrepancyKind,
    LogLimits,
    OrderAudit,
)

LOST, DOUBLED, DIFFERING = DiscrepancyKind.LOST, DiscrepancyKind.DOUBLED, DiscrepancyKind.DIFFERING
OUTPUTS_MAX: Final = 1_000
"""Outputs of one event that are looked for."""
NOTES: Final = frozenset(
    {
        EventName.WAIT_PROLONGED, EventName.PROVIDER_ACTION_REPEATED, EventName.PROVIDER_RESULT,
        EventName.ORDER_COMMAND, EventName.SOURCING_RESULT,
    }
)  # fmt: skip
"""Entries of a timeline that no status goes with."""
_BY_PERFORMERS: Final = ("waybill/perform", "waybill/apply")
_BY_MIRROR: Final = "waybill/mirror"


def check_gaps(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """Of the outputs of one event none is missing before another one: their ids are counted on."""
    by_cause: dict[str, dict[str, AuditRecord]] = defaultdict(dict)
    for record in order.on(*NUMBERED):
        if record.cause_id:
            by_cause[record.cause_id][record.event_id] = record
    for cause, outputs in by_cause.items():
        if not any(record.is_earlier for record in outputs.values()):  # not all of its transaction may have been read
            continue
        at = min(record.at for record in outputs.values())
        for number in _absent(cause, set(outputs)):
            what = f"output {number} of event {cause} ({derive(cause, number)})"
            where = f"beside {next(iter(outputs.values())).place}"
            yield limits.missing(what, where, at, NUMBERED)


def _absent(cause: str, event_ids: set[str]) -> list[int]:
    """Return the numbers of missing outputs; none where an id is of another kind, and nobody can count."""
    remaining = set(event_ids)
    absent: list[int] = []
    for number in range(OUTPUTS_MAX):
        if not remaining:
            return absent
        event_id = derive(cause, number)
        if event_id in remaining:
            remaining.remove(event_id)
        else:
            absent.append(number)
    return []


def check_timeline(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """What the order's timeline says was written is on the topics."""
    ids = {record.event_id for record in order.on(*NUMBERED)}
    statuses = {(record.cause_id, record.event) for record in order.on(STATUS)}
    latest: int | None = None
    for event, event_id, cause_id, at in reversed(order.entry.timeline if order.entry else ()):
        latest = at if latest is None else min(at, latest)
        if event in NOTES:
            continue
        is_input = event == EventName.ORDER_CREATED
        cause = event_id if is_input else cause_id
        if (cause, event) not in statuses:
            yield limits.missing(f"the status of {event!r}, caused by {cause}", STATUS, latest, (STATUS,))
        elif not is_input and event_id not in ids:
            yield limits.missing(f"event {event_id} ({event})", "the topic of the event", latest, NUMBERED)


def check_inputs(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """Events that the ledger says were applied are on the topics that they came by."""
    entry = order.entry
    if entry is None:
        return
    ids = {record.event_id for record in order.on(*OF_ORDERS)}
    absent = [event_id for event_id in entry.recent if event_id not in ids]
    for event_id in absent:
        where = " or ".join(OF_ORDERS)
        yield limits.missing(f"event {event_id}, which changed the order", where, _time_of(order, event_id), OF_ORDERS)


def _time_of(order: OrderAudit, event_id: str) -> int | None:
    """Return a time before which an applied event was not written, None where the timeline no longer says."""
    timeline = order.entry.timeline if order.entry else ()
    return min((at for _, own_id, cause_id, at in timeline if event_id in (own_id, cause_id)), default=order.began_at)


def check_statuses(order: OrderAudit, _limits: LogLimits) -> Iterator[Discrepancy]:
    """Statuses follow one from another, and the last one that the ledger can know is its own."""
    by_id: dict[str, AuditRecord] = {}
    for record in order.on(STATUS):
        by_id.setdefault(record.event_id, record)  # what is there twice is told elsewhere
    records = list(by_id.values())
    for before, after in pairwise(records):
        if (before.state, before.reason) != (after.previous_state, after.previous_reason):
            status = f"{after.previous_state} / {after.previous_reason}"
            what = f"a status between {before.state} / {before.reason} and {status}"
            yield Discrepancy(LOST, what, f"between {before.place} and {after.place}")
    entry = order.entry
    if entry is None:
        return
    ahead = next((record for record in records if record.is_earlier and record.version > entry.version), None)
    if ahead is not None:
        what = f"order-ledger is at version {entry.version}, this status tells of {ahead.version}"
        yield Discrepancy(LOST, what, ahead.place)
    last = next((record for record in reversed(records) if record.version <= entry.version), None)
    if last is not None and (last.state, last.reason) != (entry.state, entry.reason):
        what = f"{last.state} / {last.reason} here, {entry.state} / {entry.reason} in order-ledger"
        yield Discrepancy(DIFFERING, what, last.place)


def check_events(order: OrderAudit, _limits: LogLimits) -> Iterator[Discrepancy]:
    """Each milestone was raised once, and an event says what the status says that follows it."""
    for topic in MILESTONES:
        raised = {record.event_id: record for record in order.on(topic)}
        if len(raised) > 1:
            yield Discrepancy(DOUBLED, f"{topic} was raised {len(raised)} times", [*raised.values()][-1].place)
    statuses = {(record.cause_id, record.event): record for record in order.on(STATUS)}
    for topic in (*MILESTONES, *STOPS):
        for record in order.on(topic):
            status = statuses.get((record.cause_id, topic.replace("-", " ")))
            if status is not None and (status.state, status.reason) != (record.state, record.reason):
                what = f"{record.state} / {record.reason} here, {status.state} / {status.reason} at {status.place}"
                yield Discrepancy(DIFFERING, what, record.place)


def check_repetitions(order: OrderAudit, _limits: LogLimits) -> Iterator[Discrepancy]:
    """No event of ours is there twice. Producers and senders of webhooks may repeat theirs: an order takes one once."""
    by_id: dict[tuple[str, str, bool], list[AuditRecord]] = defaultdict(list)
    for record in order.on(*NUMBERED, OUR_ROWS, PLAN, CREATED, REPORT, RESULT):
        if record.event_id and _is_unique(record):
            by_id[record.topic, record.event_id, bool(record.forwarded_from)].append(record)
    for (topic, event_id, _), copies in by_id.items():
        if len(copies) == 1 or _were_replayed(order, copies):
            continue
        where = f"{', '.join(copy.place for copy in copies[1:])} after {copies[0].place}"
        yield Discrepancy(DOUBLED, f"event {event_id} is on {topic} {len(copies)} times", where)
        if len({copy.digest for copy in copies}) > 1:
            yield Discrepancy(DIFFERING, f"event {event_id} has another value there", where)


def check_requests(order: OrderAudit, _limits: LogLimits) -> Iterator[Discrepancy]:
    """Each attempt of an effect was requested once."""
    requests: dict[tuple[str, int], dict[str, AuditRecord]] = defaultdict(dict)
    for request in order.on(*REQUESTS, SOURCING_REQUEST):
        requests[request.effect_id, request.attempt][request.event_id] = request
    for (effect_id, attempt), by_id in requests.items():
        if len(by_id) > 1:
            where = ", ".join(request.place for request in by_id.values())
            yield Discrepancy(
                DOUBLED, f"attempt {attempt} of effect {effect_id} was requested {len(by_id)} times", where
            )


def _is_unique(record: AuditRecord) -> bool:
    """Return whether a role wrote the record, so that its id comes once. What is pulled may be pulled again."""
    if record.topic in (CREATED, REPORT):
        return record.source == _BY_MIRROR
    return record.topic != RESULT or record.source in _BY_PERFORMERS


def _were_replayed(order: OrderAudit, copies: Iterable[AuditRecord]) -> bool:
    """Return whether an operator may have written a record again: one of its places, or its cause's, was set aside."""
    causes = {copy.cause_id for copy in copies}
    places = {copy.place for copy in copies}
    places |= {record.place for record in order.on(*REQUESTS, OUR_ROWS, THEIR_ROWS) if record.event_id in causes}
    return not places.isdisjoint(order.letters)


CHECKS: Final[tuple[Check, ...]] = (
    check_gaps, check_timeline, check_inputs, check_statuses, check_events, check_repetitions, check_requests,
)  # fmt: skip
