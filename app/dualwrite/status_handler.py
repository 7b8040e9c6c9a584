"""The status event handler and F+O's half of the synchronisation: one row in, the business events it means out.

Milestones are a union over the rows seen: each row counts by what it says itself, so the set of events does not
depend on the order or the number of arrivals. The rules:

- Header: confirmed, picked, shipped, invoiced are raised once each and in this order; a status implies all lower ones.
- Lines: a line that is further than the whole order is told once per milestone, lines of one row together. What the
  header has told is never told again by line: an order that is delivered at once gives one event, however many lines
  it has. An order of ours whose lines are sourced one by one is told by line throughout: the header's status speaks of
  the lines in its row, and others may follow.
- Fields: the newest version wins, an older row changes none. A row that applies our own change (origin "iom") is an
  echo and tells no field, except one that F+O's users changed, too: both sides may have changed it at the same time,
  each without knowing of the other, and then what F+O ended with has to reach us. Where we have that value, nothing
  changes. An echo that overtakes a row of F+O's users shows in its `before` what they changed: that is told as theirs.
- Canceled is raised once and stands beside the milestones. Deleting an order that is not invoiced is a cancellation.
- Of an order that was deleted nothing is raised again: an old row that comes back must not revive it.

An order that we made is first seen as the echo of our own write; that row is the base for later changes of fields.
Absent on purpose: lines canceled one by one, and partly delivered quantities of a line, which a row does not carry.

Requirements: S3, S8.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from app.domain.event_names import EventName
from app.domain.order import Order
from app.domain.personal_data import redact
from app.dualwrite.processing_status import Milestone, RowProgress, progress_of
from app.dualwrite.sales_order_mapping import FNO, SalesOrders
from app.errors import RecordError
from app.events.model import LineQuantity, ProviderEvent
from app.events.sales_order_change import SalesOrderChange, made_by_us, order_id


class MirrorState(Struct, frozen=True, array_like=True):
    """All that the mirror keeps of one order. `order` is what F+O last showed, None once it is deleted.

    `version` is the newest seen, `reached` the header's milestone, `lines` those of lines that are further.
    `contested` names the fields that F+O's users ever changed, a line's all as `lines.<id>`.
    """

    version: int
    reached: int = 0
    canceled: bool = False
    deleted: bool = False
    lines: tuple[tuple[str, int], ...] = ()
    order: Order | None = None
    contested: tuple[str, ...] = ()
    forgotten: bool = False
    """Its personal data was removed: no change of a field is told any more, and no row brings the data back."""


class Mirrored(Struct, frozen=True):
    """`events` follow `created` in this order. `outcome` is a closed label.

    created, applied (something was raised), echo, stale, unchanged, deleted, tombstone.
    """

    state: MirrorState | None
    created: Order | None = None
    events: tuple[ProviderEvent, ...] = ()
    outcome: str = "applied"


class StatusHandler:
    """The handler. `orders` are the compiled field maps."""

    def __init__(self, orders: SalesOrders) -> None:
        self._orders = orders

    def handle(self, state: MirrorState | None, change: SalesOrderChange | None) -> Mirrored:
        """Take one record of dualwrite.fno.salesorders; None is the tombstone after a deletion.

        `state` is None until a row of the order was seen. Raises RecordError: "company-immutable", "unknown-status",
        "unknown-value", "invalid". The state then stays as it was.
        """
        if change is None:
            return Mirrored(state, outcome="tombstone")
        if state is not None and state.deleted:
            return Mirrored(state, outcome="stale")
        if change.op == "d" and not change.row.SalesOrderProcessingStatus:
            return _deleted_by_key(state, change)
        order = self._orders.to_order(change.row)
        _refuse_new_company(state, change)
        if change.op == "d":
            return _deleted(state, change, order)
        return self._apply_row(state, change, order)

    def forget(self, state: MirrorState) -> MirrorState:
        """Return the state without personal data."""
        return replace(redact(state), forgotten=True)

    def _apply_row(self, state: MirrorState | None, change: SalesOrderChange, order: Order) -> Mirrored:
        newer = state is None or change.source.version > state.version
        if state is not None and state.forgotten:
            order = redact(order)
        values = self._changed(state, change, order) if newer else {}
        events, after = _new_milestones(state, change, order)
        if values:
            events = (replace(_event(change, order, EventName.ORDER_CHANGED), values=values), *events)
        if newer:
            contested = _contested(after, values)
            after = replace(after, version=change.source.version, order=order, contested=contested)
        created = order if state is None and not made_by_us(change.row) else None
        return Mirrored(after, created, events, _outcome(created, events, newer, change))

    def _changed(self, state: MirrorState | None, change: SalesOrderChange, order: Order) -> dict[str, str]:
        """Return what F+O changed and we have to know.

        Empty for the first row of an F+O order: `created` has it all.
        """
        if state is not None and state.forgotten:
            return {}
        base = None if state is None else state.order
        if base is None and change.before is not None and made_by_us(change.row):
            base = self._orders.to_order(change.before)
        if base is None:
            return {}
        values = self._orders.changed(base, order)
        if change.source.origin == FNO:
            return values
        contested = set(() if state is None else state.contested) | self._overtaken(base, change, values)
        return {path: value for path, value in values.items() if _field(path) in contested}

    def _overtaken(self, base: Order, change: SalesOrderChange, values: Mapping[str, str]) -> set[str]:
        """Return the fields that an echo found changed at F+O already, and left as they were."""
        if change.before is None:
            return set()
        before = self._orders.changed(base, self._orders.to_order(change.before))
        return {_field(path) for path, value in before.items() if values.get(path) == value}


def _contested(state: MirrorState, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields that F+O's users changed, now or once before: all that is told of fields is their doing."""
    return tuple(sorted({_field(path) for path in values}.union(state.contested))) if values else state.contested


def _field(path: str) -> str:
    return path.rpartition(".")[0] if path.startswith("lines.") else path


def _refuse_new_company(state: MirrorState | None, change: SalesOrderChange) -> None:
    now = change.row.dataAreaId
    companies = [] if state is None or state.order is None else [state.order.company or ""]
    if change.before is not None:
        companies.append(change.before.dataAreaId)
    for before in companies:
        if before and before.casefold() != now.casefold():
            raise RecordError(
                "company-immutable",
                f"order {change.row.SalesOrderNumber!r} moved from company {before!r} to {now!r}, but a company is "
                "read-only once saved; restore it in F+O, or cancel the order and enter it anew",
            )


def _deleted(state: MirrorState | None, change: SalesOrderChange, order: Order) -> Mirrored:
    """Take a deleted order: it counts by its last row, too. One without a state is only remembered."""
    events, after = _new_milestones(state, change, order)
    version = change.source.version if state is None else max(state.version, change.source.version)
    gone = MirrorState(version, after.reached, after.canceled or _live(after), deleted=True)
    if state is None and not made_by_us(change.row):
        return Mirrored(gone, outcome="deleted")
    if _live(after):
        events += (_cancellation(change, order.order_id),)
    return Mirrored(gone, events=events, outcome="deleted")


def _deleted_by_key(state: MirrorState | None, change: SalesOrderChange) -> Mirrored:
    """Take a deletion with nothing but its key: it ends an order that was seen under that key.

    An order that Waybill made goes by its own id, which is not in the key: it may be meant where none was seen.
    """
    if state is None:
        raise RecordError(
            "invalid",
            f"order {change.row.SalesOrderNumber!r} was deleted, and only its key is in the change: none was seen under"
            " it, so that it may be one of Waybill's; ALTER TABLE ... REPLICA IDENTITY FULL (docs/debezium.md)",
        )
    version = max(state.version, change.source.version)
    gone = MirrorState(version, state.reached, state.canceled or _live(state), deleted=True)
    events = (_cancellation(change, order_id(change.row)),) if _live(state) else ()
    return Mirrored(gone, events=events, outcome="deleted")


def _live(state: MirrorState) -> bool:
    return not state.canceled and state.reached < Milestone.INVOICED


def _cancellation(change: SalesOrderChange, of: str) -> ProviderEvent:
    number = change.row.SalesOrderNumber
    return ProviderEvent(
        order_id=of,
        provider=FNO,
        event=EventName.ORDER_CANCELED,
        reference=f"{number} deleted".strip(),
        occurred_at=change.ts_ms,
    )


def _new_milestones(
    state: MirrorState | None, change: SalesOrderChange, order: Order
) -> tuple[tuple[ProviderEvent, ...], MirrorState]:
    """Return the milestones that are new in a row, and the state that knows them."""
    before = MirrorState(change.source.version) if state is None else state
    row = progress_of(change.row)
    reached = max(before.reached, row.whole)
    lines = _further(dict(before.lines), row, reached)
    events = [_event(change, order, step.event) for step in Milestone if before.reached < step <= reached]
    events += _line_events(change, order, dict(before.lines), lines, reached=reached)
    if row.canceled and not before.canceled:
        events.append(_event(change, order, EventName.ORDER_CANCELED))
    after = replace(
        before, reached=reached, lines=tuple(sorted(lines.items())), canceled=before.canceled or row.canceled
    )
    return tuple(events), after


def _further(before: dict[str, int], row: RowProgress, reached: int) -> dict[str, int]:
    """Return per line its highest milestone, for lines that are further than the whole order."""
    best = {name: max(before.get(name, 0), row.lines.get(name, 0)) for name in before.keys() | row.lines.keys()}
    return {name: step for name, step in best.items() if step > reached}


def _line_events(
    change: SalesOrderChange, order: Order, before: dict[str, int], now: dict[str, int], reached: int
) -> list[ProviderEvent]:
    """Return one event per milestone for the lines that are new at it."""
    events = []
    for step in (Milestone.PICKED, Milestone.SHIPPED, Milestone.INVOICED):
        lines = tuple(
            LineQuantity(line.line_id, line.quantity, line.reference)
            for line in order.lines
            if max(before.get(line.line_id, 0), reached) < step <= now.get(line.line_id, 0)
        )
        if lines:
            events.append(replace(_event(change, order, step.event), lines=lines))
    return events


def _event(change: SalesOrderChange, order: Order, name: str) -> ProviderEvent:
    return ProviderEvent(
        order_id=order.order_id,
        provider=FNO,
        event=name,
        reference=change.row.SalesOrderNumber,
        occurred_at=change.ts_ms,
    )


def _outcome(created: Order | None, events: tuple[ProviderEvent, ...], newer: bool, change: SalesOrderChange) -> str:
    if created is not None:
        return "created"
    if events:
        return "applied"
    if not newer:
        return "stale"
    return "unchanged" if change.source.origin == FNO else "echo"
