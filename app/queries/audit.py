"""What the log says of one order, and what may be wrong with it: the values of an audit. Pure.

Whoever has read a log, of a broker or one in memory, makes these values of it; the checks are in audit_inputs.py and
audit_outputs.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from app.domain.event_names import EventName
from app.domain.lifecycle import Reason, State
from app.domain.outcomes import Outcome
from app.domain.vocabulary import Term

CREATED: Final = "order-created"
STATUS: Final = "order-status"
COMMAND: Final = "order-command"
RESULT: Final = "provider-result"
REPORT: Final = "provider-event"
PLAN: Final = "sourcing-result"
OUR_ROWS: Final = "dualwrite.iom.salesorders"
THEIR_ROWS: Final = "dualwrite.fno.salesorders"
MILESTONES: Final = ("order-picked", "order-shipped", "order-invoiced")
STOPS: Final = ("order-held", "order-rejected")
REQUESTS: Final = ("fulfillment-requested", "billing-requested", "channel-update-requested")
CREATIONS: Final = ("fulfillment-requested", "billing-requested")
"""Requests by which an order comes to be at a provider."""
SOURCING_REQUEST: Final = "sourcing-requested"
SOURCING_COMMAND: Final = "sourcing-command"
OF_ORDERS: Final = (CREATED, COMMAND, REPORT, RESULT, PLAN)
"""What the role orchestrate reads."""
NUMBERED: Final = (
    "order-validated", "order-assigned", *REQUESTS, SOURCING_REQUEST, SOURCING_COMMAND, *MILESTONES, *STOPS, STATUS,
)  # fmt: skip
"""What the role orchestrate writes: each id is derived from the cause and the place among its outputs."""


class DiscrepancyKind(Term):
    """What may be wrong with an order. `UNOBSERVABLE`: the log does not reach back far enough to tell."""

    LOST = "lost"
    DOUBLED = "doubled"
    DIFFERING = "differing"
    UNOBSERVABLE = "unobservable"


class Standing(Term):
    """How an order counts. `SET_ASIDE`: it was never accepted, its creation is a dead letter."""

    COMPLETED = "completed"
    CANCELED = "cancelled"
    REFUSED = "refused"
    HELD = "held"
    UNDER_WAY = "under way"
    SET_ASIDE = "set aside"
    NOT_IN_LEDGER = "not in the ledger"
    NO_ORDER = "no order"
    """Records that name an order of which nobody has heard, or a pool of warehouses."""


class Discrepancy(Struct, frozen=True):
    """One thing that is wrong: `what` is missing, repeated or different, and `where` it should lie, or lies."""

    kind: DiscrepancyKind
    what: str
    where: str


class AuditRecord(Struct, frozen=True, array_like=True):
    """One record as an audit needs it: where it lies, who wrote it because of what, and the little it says.

    `digest` tells two values apart. `forwarded_from` is where a forwarded copy was met first. `is_own`: it lies in the
    partition of its order. `is_folded`: the role that reads it had finished it when its ledger was read. `is_earlier`:
    it was committed before the ledgers were read, so that they know of it. `problem` is why it cannot be read.
    The rest is empty where a record of this topic has no such field: `event` of a row is its operation, `version` its
    own; `lines` are those of a command to the sourcing engine; `is_ours`: a row of an order that Waybill made.
    """

    topic: str
    partition: int
    offset: int
    at: int
    digest: int = 0
    event_id: str = ""
    cause_id: str = ""
    source: str = ""
    forwarded_from: str = ""
    is_own: bool = True
    is_folded: bool = False
    is_earlier: bool = False
    problem: str = ""
    event: str = ""
    state: str = ""
    reason: str = ""
    previous_state: str = ""
    previous_reason: str = ""
    version: int = 0
    effect_id: str = ""
    attempt: int = 0
    through: str = ""
    provider: str = ""
    outcome: str = ""
    lines: tuple[str, ...] = ()
    is_ours: bool = False

    @property
    def place(self) -> str:
        """Return where it lies: topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class OrderEntry(Struct, frozen=True, array_like=True):
    """An order as order-ledger has it. `recent` are the last applied events, all of them if `version` is no larger.

    `timeline` has (event, event id, cause id, time) of each entry; `effects` have (id, attempt, time of the request);
    `retried` are those that a timer will request again. `is_forgotten`: its personal data was removed, and with it its
    rows; since then it takes no event.
    """

    state: str
    reason: str
    version: int
    recent: tuple[str, ...] = ()
    timeline: tuple[tuple[str, str, str, int], ...] = ()
    effects: tuple[tuple[str, int, int], ...] = ()
    retried: tuple[str, ...] = ()
    is_forgotten: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the order is completed or canceled."""
        return self.state in (State.COMPLETED, State.CANCELED)


class SourcingEntry(Struct, frozen=True, array_like=True):
    """An order as source-ledger has it: event ids of its last requests, and its lines that are reserved, or were."""

    recent: tuple[str, ...] = ()
    open_lines: tuple[str, ...] = ()
    closed_lines: tuple[str, ...] = ()


@dataclass
class OrderAudit:
    """All that was read of one order. `records` are sorted by topic, partition and offset.

    `waiting` are the places of records that order-ledger keeps until the order is created. `mirrored` is the version of
    the ERP's row that mirror-ledger has, None for none. `letters` are the places, among the records', that were set
    aside, with their codes; an empty code: the letter was dealt with. `references` are what providers that were asked
    call what they have of the order.
    """

    order_id: str
    records: Sequence[AuditRecord]
    entry: OrderEntry | None = None
    waiting: tuple[str, ...] = ()
    mirrored: int | None = None
    sourcing: SourcingEntry | None = None
    letters: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_topic: dict[str, list[AuditRecord]] = defaultdict(list)
        for record in self.records:
            self._by_topic[record.topic].append(record)

    def on(self, *topics: str) -> Iterator[AuditRecord]:
        """Yield the records of topics, each in the order of its offsets."""
        return (record for topic in topics for record in self._by_topic.get(topic, ()))

    def finished(self, *topics: str) -> Iterator[AuditRecord]:
        """Yield the records that their role has finished in the partition of their order, and did not set aside."""
        for record in self.on(*topics):
            if record.is_own and record.is_folded and not record.problem and record.place not in self.letters:
                yield record

    @property
    def is_forgotten(self) -> bool:
        """Whether the order's personal data was removed."""
        return self.entry is not None and self.entry.is_forgotten

    @property
    def makers(self) -> list[str]:
        """The providers that made something for the order, by their own answers; none where it was canceled since."""
        if self.entry is not None and self.entry.state == State.CANCELED:
            return []
        effects = {record.effect_id for record in self.on(*CREATIONS)}
        answers = self.on(RESULT)
        return sorted({each.provider for each in answers if each.outcome == Outcome.OK and each.effect_id in effects})

    @property
    def began_at(self) -> int | None:
        """A time (ms) before which nothing was written about the order, None where its timeline no longer says."""
        timeline = self.entry.timeline if self.entry else ()
        if not timeline or timeline[0][0] != EventName.ORDER_CREATED:
            return None
        return min([timeline[0][3], *(record.at for record in self.records)])

    @property
    def standing(self) -> Standing:
        """How the order counts, by its ledger entry, or by its creation where it has none."""
        if self.entry is not None:
            if (self.entry.state, self.entry.reason) == (State.CANCELED, Reason.VALIDATION_FAILED):
                return Standing.REFUSED
            return _STANDINGS.get(self.entry.state, Standing.UNDER_WAY)
        created = [record for record in self.on(CREATED) if not record.problem]
        accepted = [record for record in created if record.place not in self.letters]
        if accepted:
            return Standing.NOT_IN_LEDGER if all(record.is_folded for record in accepted) else Standing.UNDER_WAY
        return Standing.SET_ASIDE if any(self.on(CREATED)) else Standing.NO_ORDER


_STANDINGS: Final[Mapping[str, Standing]] = {
    State.COMPLETED: Standing.COMPLETED,
    State.CANCELED: Standing.CANCELED,
    State.ON_HOLD: Standing.HELD,
}


class LogLimits(Struct, frozen=True):
    """What the log no longer has: `horizons`, by topic, the time (ms) up to which records may have been deleted.

    `letters_since`: dead letters from before that time may be gone, since their topic is compacted and kept in bounds;
    `dealt_with` says the same by topic and partition, where nobody can tell any more which records a letter was of.
    """

    horizons: Mapping[str, int] = {}
    letters_since: int = 0
    dealt_with: Mapping[tuple[str, int], int] = {}

    def missing(self, what: str, where: str, at: int | None, topics: Iterable[str]) -> Discrepancy:
        """Return that a record is lost, or that nobody can tell because one of its topics no longer has its time.

        It was written at `at` (ms) or later; None: nobody knows when.
        """
        horizon = max((self.horizons[topic] for topic in topics if topic in self.horizons), default=-1)
        is_lost = horizon < 0 or (at is not None and at > horizon)
        return Discrepancy(DiscrepancyKind.LOST if is_lost else DiscrepancyKind.UNOBSERVABLE, what, where)

    def unexplained(self, what: str, record: AuditRecord, *topics: str) -> Discrepancy:
        """Return that what a record led to is lost, as `missing` does; a dead letter of it may have been dealt with."""
        if record.at <= max(self.letters_since, self.dealt_with.get((record.topic, record.partition), 0)):
            return Discrepancy(DiscrepancyKind.UNOBSERVABLE, what, record.place)
        return self.missing(what, record.place, record.at, topics)


Check = Callable[[OrderAudit, LogLimits], Iterator[Discrepancy]]
