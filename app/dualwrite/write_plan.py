"""What a row of ours means for F+O: create, update (which fields, which lines), or leave alone. The client writes.

F+O's read-only fields are never written; the processing status only by an action, and only when it goes forward: a late
row takes nothing back, and F+O is never told in passing what happened elsewhere.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from msgspec import Struct
from msgspec.msgpack import encode
from msgspec.structs import replace

from app.dualwrite.processing_status import CANCELED, PROCESSING, processing_status
from app.dualwrite.sales_order_mapping import FNO
from app.dualwrite.sync_gate import missing_in
from app.errors import RecordError
from app.events.sales_order_change import SalesOrderChange, SalesOrderRow, SalesOrderRowLine, line_id, made_by_us

READ_ONLY: Final = frozenset(
    {
        "SalesOrderNumber",
        "SalesOrderStatus",
        "SalesOrderProcessingStatus",
        "OrderTotalAmount",
        "OrderTotalTaxAmount",
        "OrderTotalChargesAmount",
        "TotalDiscountAmount",
        "OrderCreationDateTime",
        # The switch is Dataverse's, not a field of F+O; lines are written one by one.
        "isReadyToSync",
        "Lines",
        # Given once, with the reference that it belongs to.
        "URL",
    }
)
"""Fields of a header that F+O sets itself (entity SalesOrderHeadersV4), or that no change of ours writes."""
LINE_READ_ONLY: Final = frozenset({"InventoryLotId", "SalesOrderLineStatus"})
FNO_OWN: Final = frozenset({"CustomersOrderReference", "SalesOrderOriginCode"})
"""Fields that are ours on orders that we made. On orders born in F+O we leave them alone."""
LINE_FNO_OWN: Final = frozenset({"ExternalItemNumber", "LineNumber"})
_CANCELED_RANK: Final = max(PROCESSING.values()) + 1


class WriteDecision(StrEnum):
    """What becomes of one row of ours at F+O."""

    CREATE = "create"
    UPDATE = "update"
    """Also with nothing to write: the effect is then answered as done."""
    SKIP_STALE = "skip-stale"
    """A newer row was applied, or this one: what its effect asked for is there."""
    SKIP_ECHO = "skip-echo"
    """F+O's own change on its way round."""
    REFUSE = "refuse"
    """The sync gate is shut; `missing` names why."""


class ApplyState(Struct, frozen=True, array_like=True):
    """What is known of an order at F+O. `lots` are F+O's keys of its lines, by line id.

    `digest` is that of the row that F+O has, empty if that is not known. With an empty `number` a creation was tried
    and nobody knows its result: the client looks for CustomersOrderReference first.
    """

    number: str = ""
    version: int = 0
    digest: bytes = b""
    status: str = "Active"
    lots: tuple[tuple[str, str], ...] = ()


class LineWrite(Struct, frozen=True):
    """`kind` is create, update or remove; `fields` what to write. `lot` is F+O's key, empty if not known."""

    kind: str
    line_id: str
    fields: tuple[str, ...] = ()
    lot: str = ""


class WritePlan(Struct, frozen=True):
    """`fields` of the header and `lines` to write, by name; the values are in the row. `number` is F+O's, if known.

    SalesOrderProcessingStatus among the fields asks that F+O be told the status, wherever it takes one: the field
    itself shows it.
    """

    kind: WriteDecision
    number: str = ""
    fields: tuple[str, ...] = ()
    lines: tuple[LineWrite, ...] = ()
    missing: tuple[str, ...] = ()


def plan(change: SalesOrderChange, state: ApplyState | None) -> WritePlan:
    """Decide on one record of dualwrite.iom.salesorders.

    Raises RecordError("unsupported") for a deletion: Waybill cancels orders, it never deletes them.
    """
    row = _after(change)
    if state is not None and change.source.version <= state.version:
        return WritePlan(WriteDecision.SKIP_STALE)
    if change.source.origin == FNO:
        return WritePlan(WriteDecision.SKIP_ECHO)
    if names := missing_in(row):
        return WritePlan(WriteDecision.REFUSE, missing=names)
    number = (state.number if state is not None else "") or row.SalesOrderNumber
    if not number:
        return WritePlan(WriteDecision.CREATE, fields=writable(row), lines=_lines(None, row, {}))
    return _update(change, row, state or ApplyState(number), number)


def applied(
    change: SalesOrderChange, state: ApplyState | None, number: str = "", lots: Mapping[str, str] | None = None
) -> ApplyState:
    """Return the state once a create or an update is done. `number` and `lots` are what F+O answered."""
    row, before = _after(change), state or ApplyState()
    fields_too = not _only_reports(change, before)
    return ApplyState(
        number=number or before.number or row.SalesOrderNumber,
        version=max(change.source.version, before.version) if fields_too else 0,
        digest=digest(row) if fields_too else b"",
        status=row.SalesOrderProcessingStatus if _tells_status(change, before, row) else before.status,
        lots=tuple(sorted((dict(before.lots) | dict(lots or {})).items())),
    )


def echoed(change: SalesOrderChange, state: ApplyState | None) -> ApplyState:
    """Return the state once an echo was skipped: F+O has this row, if it had the one before."""
    row, before = _after(change), state or ApplyState()
    born_there = state is None and change.before is None and not made_by_us(row)
    followed = change.before is not None and before.digest == digest(change.before)
    return replace(
        before,
        number=before.number or row.SalesOrderNumber,
        version=max(change.source.version, before.version),
        digest=digest(row) if born_there or followed else b"",
    )


def digest(row: SalesOrderRow) -> bytes:
    """Return eight bytes over everything of a row that is ever written."""
    header = [getattr(row, name) for name in writable(row)]
    lines = [[getattr(line, name) for name in line_writable(row)] for line in row.Lines]
    return blake2b(encode((header, lines)), digest_size=8).digest()


def writable(row: SalesOrderRow) -> tuple[str, ...]:
    """Return the fields of this row's header that we may write."""
    excluded = READ_ONLY if made_by_us(row) else READ_ONLY | FNO_OWN
    return tuple(name for name in SalesOrderRow.__struct_fields__ if name not in excluded)


def line_writable(row: SalesOrderRow) -> tuple[str, ...]:
    """Return the fields of this row's lines that we may write."""
    excluded = LINE_READ_ONLY if made_by_us(row) else LINE_READ_ONLY | LINE_FNO_OWN
    return tuple(name for name in SalesOrderRowLine.__struct_fields__ if name not in excluded)


def _update(change: SalesOrderChange, row: SalesOrderRow, state: ApplyState, number: str) -> WritePlan:
    """Plan only what differs from `before`, if F+O has `before`; else everything: that only repeats equal values."""
    base = change.before
    if base is None or (digest(base) != state.digest and not _only_reports(change, state)):
        base = None
    fields = tuple(name for name in writable(row) if base is None or getattr(base, name) != getattr(row, name))
    if _tells_status(change, state, row):
        fields += ("SalesOrderProcessingStatus",)
    return WritePlan(WriteDecision.UPDATE, number, fields, _lines(base, row, dict(state.lots)))


def _lines(base: SalesOrderRow | None, row: SalesOrderRow, lots: Mapping[str, str]) -> tuple[LineWrite, ...]:
    old = {} if base is None else dict(_by_line_id(base))
    writes = [_line(row, old.get(name), name, line, lots=lots) for name, line in _by_line_id(row)]
    gone = (lots.keys() | old.keys()) - {name for name, _ in _by_line_id(row)}
    writes += [LineWrite("remove", name, lot=lots.get(name, "")) for name in sorted(gone)]
    return tuple(write for write in writes if write.fields or write.kind == "remove")


def _line(
    row: SalesOrderRow, before: SalesOrderRowLine | None, name: str, line: SalesOrderRowLine, lots: Mapping[str, str]
) -> LineWrite:
    lot = lots.get(name, "") or line.InventoryLotId
    fields = tuple(field for field in line_writable(row) if getattr(before, field, None) != getattr(line, field))
    return LineWrite("update" if lot else "create", name, fields, lot)


def _by_line_id(row: SalesOrderRow) -> Sequence[tuple[str, SalesOrderRowLine]]:
    return [(line_id(row, line), line) for line in row.Lines]


def _only_reports(change: SalesOrderChange, state: ApplyState) -> bool:
    """Return whether only the status may be written: F+O made the order, and nobody here changed it there.

    F+O's people may have changed its fields a moment ago, which must not be undone in passing. A change of ours that
    did not get through is still due.
    """
    return bool(change.source.effect_id) and not made_by_us(_after(change)) and not state.version


def _tells_status(change: SalesOrderChange, state: ApplyState, row: SalesOrderRow) -> bool:
    return bool(change.source.effect_id) and _rank(row.SalesOrderProcessingStatus) > _rank(state.status)


def _rank(status: str) -> int:
    name = processing_status(status)
    return _CANCELED_RANK if name == CANCELED else PROCESSING[name]


def _after(change: SalesOrderChange) -> SalesOrderRow:
    if change.after is None:
        raise RecordError("unsupported", f"op {change.op!r} without `after`: orders are canceled at F+O, never deleted")
    return change.after
