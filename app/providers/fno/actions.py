"""Actions of F+O: plans of dual-write become OData calls, entities become results. Pure.

Dual-write decides what to write (`app.dualwrite.write_plan`); here that is compared with what F+O has, so nothing is
written twice. The idempotency keys are F+O's own fields: CustomersOrderReference of the header, ExternalItemNumber of
the line. F+O compares them loosely, so that what it finds is compared here once more, byte for byte.

Requirements: S6, S13, S28, S38, S63a.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from app.dualwrite.processing_status import INVOICED
from app.dualwrite.write_plan import LineWrite, WriteDecision, WritePlan, line_writable, plan, writable
from app.errors import SettingError
from app.events.sales_order_change import (
    IOM,
    ChangeSource,
    SalesOrderChange,
    SalesOrderRow,
    SalesOrderRowLine,
    line_id,
    made_by_us,
    order_id,
)
from app.providers.fno import field_lengths, odata
from app.providers.http_messages import Call, MalformedReplyError, Reply
from app.providers.port import Action, Code, Outcome, Result
from app.providers.sales_order_writer import result_values

SEND_ORDER_TO_FULFILLMENT: Final = "Send order to fulfillment"
SEND_LINES_TO_BILLING: Final = "Send sales order lines to billing"
SEND_ORDER_STATUS: Final = "Send order status"
ACTIONS: Final = frozenset({SEND_ORDER_TO_FULFILLMENT, SEND_LINES_TO_BILLING, SEND_ORDER_STATUS})

HEADERS: Final = "SalesOrderHeadersV4"
LINES: Final = "SalesOrderLinesV3"
REFERENCE: Final = "CustomersOrderReference"
STOPPED: Final = "IsSalesProcessingStopped"
STATUS: Final = "SalesOrderProcessingStatus"
_LIFE: Final = (
    "Active", "Confirmed", "Picked", "PartiallyDelivered", "Delivered", "PartiallyInvoiced",
    "DeliveredAndPartiallyInvoiced", "Invoiced", "Canceled",
)  # fmt: skip
"""How F+O's documents follow each other: its status never goes back to an earlier one."""
_NOT_FIRST: Final = frozenset({STOPPED, STATUS, REFERENCE, "dataAreaId"})
"""Fields of a header that are not changed before its lines: two are written when the lines are complete, because they
set the warehouse going or close the order; two are what the order is known by, and stay as they were created."""
_AMOUNTS: Final = frozenset({"OrderedSalesQuantity", "SalesPrice", "LineAmount"})


class StatusField(NamedTuple):
    """Where F+O takes the status of what was done elsewhere. The key of the collection is that of the headers."""

    collection: str
    field: str


SHOWN_STATUS: Final = StatusField(HEADERS, STATUS)
"""The field that shows the status."""


def status_field(text: str) -> StatusField:
    """Parse `Collection/Field`; without it, return the field that shows the status. Raises SettingError."""
    if not text:
        return SHOWN_STATUS
    if not re.fullmatch(r"\w+/\w+", text, re.ASCII):
        raise SettingError(f"WAYBILL_FNO_STATUS_FIELD={text!r}: write a collection and its field, as {HEADERS}/X")
    return StatusField(*text.split("/"))


def row_of(action: Action) -> SalesOrderRow | Result:
    """Return the row of an action, or the refusal of an action that cannot be meant for F+O."""
    if action.name not in ACTIONS or not isinstance(action.body, SalesOrderRow):
        return Result(Outcome.DECLINED, Code.UNSUPPORTED, f"fno has no action {action.name!r} for this request")
    return action.body


def first_plan(row: SalesOrderRow, effect_id: str) -> WritePlan:
    """Return the plan for an order of which no earlier state is known: everything that F+O does not have."""
    return plan(
        SalesOrderChange(op="c", ts_ms=0, before=None, after=row, source=ChangeSource("iom", 1, effect_id=effect_id)),
        None,
    )


def without_writing(plan: WritePlan) -> Result | None:
    """Return the result of a plan that needs no call; None when it needs some."""
    match plan.kind:
        case WriteDecision.REFUSE:
            missing = ", ".join(plan.missing)
            return Result(Outcome.DECLINED, Code.GATE, f"not ready for dual-write, missing: {missing}")
        case WriteDecision.SKIP_STALE | WriteDecision.SKIP_ECHO:
            return Result(Outcome.OK, Code.OK, "nothing to write", plan.number)
    return None


def uncreatable(row: SalesOrderRow) -> Result | None:
    """Return the refusal of a row that could not be found again after its creation; None if it could."""
    if made_by_us(row) and row.CustomersOrderReference:
        return None
    detail = (
        "an order without CustomersOrderReference, or not of origin IOM, is not created: it could not be found again"
    )
    return Result(Outcome.DECLINED, Code.INVALID, detail)


def references(row: SalesOrderRow) -> tuple[str, ...]:
    """Return what identifies the row's order at F+O: its reference, and the order id, which older versions wrote."""
    return tuple(dict.fromkeys((row.CustomersOrderReference, order_id(row))))


def find_headers(row: SalesOrderRow, reference: str) -> Call:
    return odata.search(HEADERS, CustomersOrderReference=reference, dataAreaId=row.dataAreaId)


def find_orders(reference: str) -> Call:
    """Find the headers with a reference in all companies."""
    return odata.search(HEADERS, CustomersOrderReference=reference)


def is_ours(row: SalesOrderRow, header: odata.Entity) -> bool:
    """Return whether a header is really that of the row's order, and not only alike to F+O."""
    return _has_reference(header, references(row))


def _has_reference(header: odata.Entity, texts: Sequence[str]) -> bool:
    return str(header.get("SalesOrderOriginCode") or "").upper() == IOM and header.get(REFERENCE) in texts


def numbers_of(headers: Sequence[odata.Entity], texts: Sequence[str]) -> list[str]:
    """Return the numbers of an order's headers, without those that stay stopped beside another one."""
    ours = by_preference([header for header in headers if _has_reference(header, texts)])
    active = [header for header in ours if header.get(STOPPED) != "Yes"]
    return [str(header["SalesOrderNumber"]) for header in active or ours[:1]]


def not_ours(row: SalesOrderRow, header: odata.Entity) -> Result:
    """Return the refusal to write to an order of F+O that belongs to another order of ours, or to none."""
    number, reference = header["SalesOrderNumber"], header.get(REFERENCE)
    detail = (
        f"{number} at F+O has {REFERENCE} {reference!r}, which is not order {order_id(row)!r}: nothing was written;"
        f" restore {row.CustomersOrderReference!r} there, or enter this order anew"
    )
    return Result(Outcome.DECLINED, Code.CONFLICT, detail)


def find_lines(company: str, number: str) -> Call:
    return odata.search(LINES, SalesOrderNumber=number, dataAreaId=company)


def header_path(company: str, number: str, collection: str = HEADERS) -> str:
    return odata.key_path(collection, dataAreaId=company, SalesOrderNumber=number)


def line_path(company: str, lot: str) -> str:
    return odata.key_path(LINES, dataAreaId=company, InventoryLotId=lot)


def create_header(row: SalesOrderRow) -> Call:
    """Create a header that is stopped, so that F+O never picks half an order."""
    values = _filled(_header_values(row, (*writable(row), "URL")))
    return odata.create(HEADERS, {**values, "IsDeliveryAddressOrderSpecific": "Yes", STOPPED: "Yes"})


def create_line(row: SalesOrderRow, number: str, line: SalesOrderRowLine) -> Call:
    key = {"dataAreaId": row.dataAreaId, "SalesOrderNumber": number}
    return odata.create(LINES, key | _filled(_line_values(line, line_writable(row))))


def first_fields(row: SalesOrderRow, plan: WritePlan) -> dict[str, Any]:
    """Return the header's values that are written before the lines."""
    return _header_values(row, (name for name in plan.fields if name not in _NOT_FIRST))


def last_fields(row: SalesOrderRow, plan: WritePlan) -> dict[str, Any]:
    """Return the header's values that are written after the lines: they release the order."""
    return _header_values(row, (name for name in plan.fields if name == STOPPED))


def status_to_write(entity: odata.Entity, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status, if F+O has not reached it.

    One that F+O has passed is not written: an attempt whose reply was lost did its work, and F+O went on from there.
    """
    return {
        name: value
        for name, value in odata.differing(entity, values).items()
        if not _is_passed(str(entity.get(STATUS, entity.get(name))), value)
    }


def status_refused(refusal: Result) -> Result:
    """Return F+O's refusal of a status, with the setting that may be wrong."""
    hint = "WAYBILL_FNO_STATUS_FIELD says where F+O takes a status (docs/providers/fno.md)"
    return replace(refusal, detail=f"{refusal.detail}; {hint}")


def is_closed(header: odata.Entity) -> bool:
    return header.get(STATUS) == INVOICED


def _is_passed(current: str, status: str) -> bool:
    return current in _LIFE and status in _LIFE and _LIFE.index(current) >= _LIFE.index(status)


def line_fields(line: SalesOrderRowLine, write: LineWrite) -> dict[str, Any]:
    return _line_values(line, write.fields)


def _header_values(row: SalesOrderRow, fields: Iterable[str]) -> dict[str, Any]:
    values = field_lengths.cut({name: getattr(row, name) for name in fields})
    if "RequestedShippingDate" in values:
        values["RequestedShippingDate"] = odata.date(row.RequestedShippingDate)
    return values


def _line_values(line: SalesOrderRowLine, fields: Iterable[str]) -> dict[str, Any]:
    values = field_lengths.cut({name: getattr(line, name) for name in fields})
    return values | {name: odata.number(values[name]) for name in _AMOUNTS & values.keys()}


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty: F+O then uses its own defaults."""
    return {name: value for name, value in values.items() if value not in ("", odata.EMPTY_DATE)}


def header(entity: dict[str, Any]) -> odata.Entity:
    """Return the entity as a header. Raises MalformedReplyError without its number."""
    odata.text_of(entity, "SalesOrderNumber")
    return entity


def header_of(reply: Reply) -> odata.Entity:
    return header(odata.entity_of(reply))


def line(entity: dict[str, Any]) -> odata.Entity:
    """Return the entity as a line. Raises MalformedReplyError without its key, or with a bad number."""
    odata.text_of(entity, "InventoryLotId")
    if not isinstance(entity.get("LineNumber", 0), int | Decimal):
        raise MalformedReplyError(f"expected a number as LineNumber, got {entity['LineNumber']!r}")
    return entity


def line_of(reply: Reply) -> odata.Entity:
    return line(odata.entity_of(reply))


def by_preference(headers: Sequence[odata.Entity]) -> list[odata.Entity]:
    """Sort headers of one order: the first stands for it. Two exist when a creation took effect after it was given up.

    One that is not stopped wins, else the lowest number; the other one stays stopped for ever and is reported.
    """
    return sorted(headers, key=lambda entity: (entity.get(STOPPED) == "Yes", entity["SalesOrderNumber"]))


def existing_line(row: SalesOrderRow, write: LineWrite, lines: Iterable[odata.Entity]) -> odata.Entity | None:
    """Return F+O's line for a write: by F+O's key if the write has it, else by our line id."""
    matching = (entity for entity in lines if write.lot in ("", entity["InventoryLotId"]))
    return next((entity for entity in matching if write.lot or _line_id(row, entity) == write.line_id), None)


def _line_id(row: SalesOrderRow, entity: odata.Entity) -> str:
    """Return the line id as dual-write derives it from a row."""
    reference = str(entity.get("ExternalItemNumber") or "")
    position = int(entity.get("LineNumber", 0))
    return line_id(
        row,
        SalesOrderRowLine(
            LineNumber=position,
            ItemNumber="",
            OrderedSalesQuantity=0,
            SalesPrice=0,
            LineAmount=0,
            ExternalItemNumber=reference,
        ),
    )


def row_line(row: SalesOrderRow, write: LineWrite) -> SalesOrderRowLine:
    """Return the row's line that a write is about. Raises KeyError when the plan is not this row's."""
    return {line_id(row, row_line): row_line for row_line in row.Lines}[write.line_id]


def line_gone(write: LineWrite) -> Result:
    detail = f"line {write.line_id} ({write.lot}) is not at F+O any more; somebody removed it there"
    return Result(Outcome.DECLINED, Code.CONFLICT, detail)


def written(number: str, lots: Mapping[str, str], others: Sequence[str], refused: str) -> Result:
    """Return the result of an upsert. `lots` are F+O's key of each line by line id.

    `others` are headers with the same reference, `refused` are F+O's words where it kept the header of an order that
    is invoiced.
    """
    also = f"also at F+O with this reference, and stopped: {', '.join(others)}" if others else ""
    note = f"F+O keeps the header as it was: {refused}" if refused else ""
    values = result_values(lots, refused)
    return Result(Outcome.OK, Code.OK, "; ".join(filter(None, (also, note))), number, values=values)
