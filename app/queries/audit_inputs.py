"""Checks of what roles have finished: each record has left its mark, an answer, a copy, a dead letter, a change. Pure.

Flows and policies are not run again: a release that changes them must not make old orders wrong (docs/adr/0032).
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from app.domain.command_names import PoolCommandName
from app.domain.event_names import EventName
from app.domain.outcomes import Outcome, SourcingOutcome
from app.queries.audit import (
    CREATED,
    OF_ORDERS,
    OUR_ROWS,
    PLAN,
    REPORT,
    REQUESTS,
    RESULT,
    SOURCING_COMMAND,
    SOURCING_REQUEST,
    STATUS,
    THEIR_ROWS,
    AuditRecord,
    Check,
    Discrepancy,
    DiscrepancyKind,
    LogLimits,
    OrderAudit,
    Standing,
)

LOST, DOUBLED, DIFFERING = DiscrepancyKind.LOST, DiscrepancyKind.DOUBLED, DiscrepancyKind.DIFFERING
FORWARDABLE: Final = (*OF_ORDERS, *REQUESTS, OUR_ROWS, THEIR_ROWS)
"""Topics whose records belong in the partition of their order."""
FOREIGN_SCHEMA: Final = "unknown-schema"
DELETION: Final = "d"
CLOSING: Final = frozenset({PoolCommandName.CONFIRM, PoolCommandName.RELEASE})
RECENT_REQUESTS_MAX: Final = 16
_RELEASED: Final = SourcingOutcome.RELEASED
_FINAL_ANSWERS: Final = frozenset({Outcome.OK, Outcome.DECLINED})


def check_creation(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """An order whose creation was folded is in the ledger, and so is one of which order-status tells."""
    if order.standing is Standing.NOT_IN_LEDGER:
        yield limits.unexplained("the order was taken in and is not in order-ledger", next(order.on(CREATED)))
    elif order.entry is None:
        status = next((record for record in order.on(STATUS) if record.is_earlier), None)
        if status is not None:
            yield Discrepancy(LOST, "order-status tells of the order, which is not in order-ledger", status.place)


def check_forwarding(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """A record in the partition of another order was passed on once and unchanged, or set aside."""
    copies: dict[str, list[AuditRecord]] = defaultdict(list)
    places = {record.place: record for record in order.on(*FORWARDABLE)}
    for record in places.values():
        if record.forwarded_from:
            copies[record.forwarded_from].append(record)
    for record in places.values():
        first = record.forwarded_from or record.place
        is_done = record.is_own or not record.is_folded or record.place in order.letters
        if not is_done and all(copy is record for copy in copies.get(first, ())):
            yield limits.unexplained("the record was not passed on to the partition of its order", record, record.topic)
    for first, own in copies.items():
        arrived = [copy for copy in own if copy.is_own]
        if len(arrived) > 1 and order.letters.keys().isdisjoint(copy.place for copy in arrived):
            yield Discrepancy(DOUBLED, f"the record of {first} was passed on {len(arrived)} times", arrived[-1].place)
        for copy in own:
            if first in places and copy.digest != places[first].digest:
                yield Discrepancy(DIFFERING, f"the copy of {first} has another value", copy.place)


def check_unreadable(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """What cannot be read was set aside."""
    for record in order.on(*FORWARDABLE, SOURCING_REQUEST, SOURCING_COMMAND):
        if record.problem and record.is_own and record.is_folded and record.place not in order.letters:
            what = f"the record cannot be read ({record.problem}) and was not set aside"
            if record.problem == FOREIGN_SCHEMA and record.topic == THEIR_ROWS:  # the mirror may have had the schema
                yield Discrepancy(DiscrepancyKind.UNOBSERVABLE, what, record.place)
            else:
                yield limits.unexplained(what, record)


def check_reports(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """What a provider reported changed the order, or waits for it; of changed fields none may have differed."""
    if order.is_forgotten:
        return
    applied = {record.cause_id for record in order.on(STATUS)} | set(order.entry.recent if order.entry else ())
    for record in order.finished(REPORT):
        is_waiting = record.place in order.waiting
        if record.event != EventName.ORDER_CHANGED and not is_waiting and record.event_id not in applied:
            yield limits.unexplained(f"{record.event!r} was taken in and did not reach the order", record, STATUS)


def check_answers(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """A request that was carried out has an answer, and each answer its request."""
    answers = {record.cause_id for record in order.on(RESULT)}
    for request in order.finished(*REQUESTS, OUR_ROWS):
        is_called = request.through == "http" or (request.topic == OUR_ROWS and bool(request.effect_id))
        if is_called and request.event_id not in answers:
            yield limits.unexplained("the request was carried out and has no provider-result", request, RESULT)
    requests = {record.event_id for record in order.on(*REQUESTS)}
    for answer in order.on(RESULT):
        if answer.source == "waybill/perform" and answer.cause_id not in requests:
            what = f"the request that {answer.place} answers"
            yield limits.missing(what, " or ".join(REQUESTS), order.began_at, REQUESTS)


def check_own_rows(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """What is requested through dual-write has a row, and a row that carries an effect out a request and an answer.

    Compaction keeps the last row of an order, and of one that is forgotten none.
    """
    effects = {(record.effect_id, record.attempt) for record in order.on(*REQUESTS)}
    for row in order.on(OUR_ROWS):
        if row.is_earlier and row.effect_id and (row.effect_id, row.attempt) not in effects:
            yield limits.missing(f"the request that {row.place} carries out", " or ".join(REQUESTS), row.at, REQUESTS)
    if order.is_forgotten:
        return
    for request in order.on(*REQUESTS):
        if request.is_earlier and request.through == "dual-write" and not _has_row(order, request):
            yield Discrepancy(LOST, f"the row that {request.place} asks for", OUR_ROWS)
    for answer in order.on(RESULT):
        if answer.source == "waybill/apply" and not any(order.on(OUR_ROWS)):
            yield Discrepancy(LOST, f"the row that {answer.place} answers", OUR_ROWS)


def _has_row(order: OrderAudit, request: AuditRecord) -> bool:
    """Return whether the request's row is there, or a later one, which may have taken its place."""
    versions = [record.version for record in order.on(STATUS) if record.cause_id == request.cause_id]
    version = max(versions, default=0)
    return any(row.cause_id == request.cause_id or row.version > version for row in order.on(OUR_ROWS))


def check_effects(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """What the order waits for was requested, is not answered yet, and is requested again where it failed."""
    topics = (*REQUESTS, SOURCING_REQUEST)
    requests = {(record.effect_id, record.attempt) for record in order.on(*topics)}
    for effect_id, attempt, at in order.entry.effects if order.entry else ():
        if (effect_id, attempt) not in requests:
            what = f"request {attempt} of effect {effect_id}, for which the order waits"
            yield limits.missing(what, " or ".join(topics), at, topics)
        for answer in order.finished(RESULT, PLAN):
            if answer.effect_id == effect_id and _settles(order, answer, attempt):
                what = f"the answer was taken in and the order still waits for effect {effect_id}"
                yield Discrepancy(LOST, what, answer.place)


def _settles(order: OrderAudit, answer: AuditRecord, attempt: int) -> bool:
    """Return whether the order, once it has the answer, waits no more, or has a timer for the next attempt."""
    if answer.topic == PLAN:
        return answer.outcome != _RELEASED
    is_repeated = order.entry is not None and answer.effect_id in order.entry.retried
    return answer.outcome in _FINAL_ANSWERS or (answer.attempt == attempt and not is_repeated)


def check_rows(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """The mirror knows what the ERP's rows said, and an order that began there began here."""
    if order.is_forgotten:
        return
    for row in order.finished(THEIR_ROWS):
        if row.event == DELETION or row.version == 0:
            continue
        if order.mirrored is None or order.mirrored < row.version:
            what = f"the row has version {row.version}, mirror-ledger has {order.mirrored or 'none'}"
            yield limits.unexplained(what, row)
        elif not row.is_ours and order.entry is None and not any(order.on(CREATED)):
            yield limits.unexplained("the order began at the ERP and was not created here", row, CREATED)


def check_sourcing(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """Each request for sources was taken, and answered once if at all."""
    entry = order.sourcing
    for request in order.finished(SOURCING_REQUEST):
        is_there = entry is not None and (request.event_id in entry.recent or len(entry.recent) >= RECENT_REQUESTS_MAX)
        if not is_there:
            yield limits.unexplained("the request was taken in and is not in source-ledger", request)
    plans: dict[str, list[AuditRecord]] = defaultdict(list)
    for plan in order.on(PLAN):
        if plan.outcome != _RELEASED:
            plans[plan.effect_id].append(plan)
    requests = {request.effect_id for request in order.on(SOURCING_REQUEST)}
    for effect_id, own in plans.items():
        if len({plan.event_id for plan in own}) > 1:
            yield Discrepancy(DOUBLED, f"effect {effect_id} was answered {len(own)} times", own[-1].place)
        if effect_id not in requests:
            yield limits.missing(
                f"the request that {own[0].place} answers", SOURCING_REQUEST, order.began_at, (SOURCING_REQUEST,)
            )


def check_reservations(order: OrderAudit, limits: LogLimits) -> Iterator[Discrepancy]:
    """What was reserved is closed by a command, and at the latest when the order is over."""
    entry = order.sourcing
    if entry is None:
        return
    commands = [command for command in order.on(SOURCING_COMMAND) if command.event in CLOSING]
    is_whole = any(not command.lines for command in commands)
    commanded = {line for command in commands for line in command.lines}
    orphans = [line for line in entry.closed_lines if not commanded.intersection((line, line.rpartition("@")[0]))]
    if orphans and not is_whole:
        what = f"the command that closed the reservations of {', '.join(orphans)}"
        yield limits.missing(what, SOURCING_COMMAND, order.began_at, (SOURCING_COMMAND,))
    is_busy = any(not record.is_folded for record in order.on(SOURCING_REQUEST, SOURCING_COMMAND, PLAN))
    if entry.open_lines and order.entry is not None and order.entry.is_over and not is_busy:
        what = f"the command that closes the reservations of {', '.join(entry.open_lines)}, since the order is over"
        yield limits.missing(what, SOURCING_COMMAND, order.began_at, (SOURCING_COMMAND,))


def check_providers(order: OrderAudit, _limits: LogLimits) -> Iterator[Discrepancy]:
    """A provider that answered that it made something has it, once."""
    for provider in order.makers:
        references = order.references.get(provider)
        if references is None:  # it was not asked
            continue
        if not references:
            yield Discrepancy(LOST, f"{provider} answered that it made the order, and has none", provider)
        elif len(references) > 1:
            yield Discrepancy(DOUBLED, f"{provider} has the order {len(references)} times", ", ".join(references))


CHECKS: Final[tuple[Check, ...]] = (
    check_creation, check_forwarding, check_unreadable, check_reports, check_answers, check_own_rows, check_effects,
    check_rows, check_sourcing, check_reservations, check_providers,
)  # fmt: skip
