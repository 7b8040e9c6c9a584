"""Upsert of one sales order at F+O: find or create the header, write its lines one by one, then release the order.

Every step looks up before it writes, so that the whole can be repeated from any point where it stopped.
"""

from typing import Any, Final

from msgspec.structs import replace

from app.dualwrite.write_plan import LineWrite, WritePlan
from app.events.sales_order_change import SalesOrderRow, made_by_us
from app.lanes.lease import Lease
from app.providers.fno import actions, odata
from app.providers.fno.actions import StatusField
from app.providers.fno.session import Session
from app.providers.port import CallFailedError, Outcome, Result


class Upsert:
    """One run for one row. Raises CallFailedError, with F+O's number as reference as soon as there is one."""

    def __init__(
        self, session: Session, row: SalesOrderRow, plan: WritePlan, lease: Lease, *, status_field: StatusField
    ) -> None:
        self._session = session
        self._row = row
        self._plan = plan
        self._lease = lease
        self._status_field = status_field
        self._company: Final = row.dataAreaId
        self._others: list[str] = []
        self._refused = ""

    async def run(self) -> Result:
        existing = await self._find()
        header = existing
        if header is None:
            header = await self._session.create(actions.create_header(self._row), self._lease, actions.header_of)
        number = str(header["SalesOrderNumber"])
        try:
            lots = await self._write(number, header, is_new=existing is None)
        except CallFailedError as failure:
            raise CallFailedError(replace(failure.result, reference=number)) from failure
        return actions.written(number, lots, self._others, self._refused)

    async def _find(self) -> odata.Entity | None:
        if self._plan.number:
            call = odata.read(actions.header_path(self._company, self._plan.number))
            header = await self._session.ask(call, self._lease, actions.header_of)
            if made_by_us(self._row) and not actions.is_ours(self._row, header):
                raise CallFailedError(actions.not_ours(self._row, header))
            return header
        refusal = actions.uncreatable(self._row)
        if refusal is not None:
            raise CallFailedError(refusal)
        for reference in actions.references(self._row):
            call = actions.find_headers(self._row, reference)
            alike = await self._session.all(call, self._lease, actions.header)
            ours = actions.by_preference([header for header in alike if actions.is_ours(self._row, header)])
            if ours:
                self._others = [str(other["SalesOrderNumber"]) for other in ours[1:]]
                return ours[0]
        return None

    async def _write(self, number: str, header: odata.Entity, *, is_new: bool) -> dict[str, str]:
        target = odata.EntityState(actions.header_path(self._company, number), header)
        first, last = actions.first_fields(self._row, self._plan), actions.last_fields(self._row, self._plan)
        is_closed = not is_new and actions.is_closed(header)
        if is_closed:
            # F+O changes nothing of an invoiced order, but a new line opens it again.
            last = first | last
        elif not is_new:
            target = await self._session.change(target, first, self._lease)
        lots = await self._write_lines(number, is_new=is_new)
        target = await self._write_last(target, last, is_closed=is_closed)
        if actions.STATUS in self._plan.fields:
            await self._write_status(target)
        return lots

    async def _write_last(
        self, target: odata.EntityState, fields: dict[str, Any], *, is_closed: bool
    ) -> odata.EntityState:
        """Write what comes after the lines.

        The plan is about the lines. Where F+O has all of them and has invoiced the order, a change of the header
        comes too late: it is reported beside the result, because it would be refused however often it is tried.
        """
        try:
            return await self._session.change(target, fields, self._lease)
        except CallFailedError as failure:
            if not (is_closed and self._plan.lines and failure.result.outcome is Outcome.DECLINED):
                raise
            self._refused = failure.result.detail
            return target

    async def _write_status(self, header: odata.EntityState) -> None:
        """Write the order's status, to the field where F+O takes it."""
        collection, field = self._status_field
        number = str(header.entity["SalesOrderNumber"])
        elsewhere = odata.EntityState(actions.header_path(self._company, number, collection), {})
        target = header if collection == actions.HEADERS else elsewhere
        values = {field: self._row.SalesOrderProcessingStatus}
        try:
            await self._session.change(target, values, self._lease, actions.status_to_write)
        except CallFailedError as failure:
            if failure.result.outcome is not Outcome.DECLINED:
                raise
            raise CallFailedError(actions.status_refused(failure.result)) from failure

    async def _write_lines(self, number: str, *, is_new: bool) -> dict[str, str]:
        """Write the lines of the plan one by one (F+O locks the order meanwhile), and return F+O's keys of them."""
        if not self._plan.lines:
            return {}
        call = actions.find_lines(self._company, number)
        lines = [] if is_new else await self._session.all(call, self._lease, actions.line)
        lots = {}
        for write in self._plan.lines:
            existing = actions.existing_line(self._row, write, lines)
            if write.kind == "remove":
                await self._remove_line(existing)
            else:
                lots[write.line_id] = await self._write_line(number, write, existing)
        return lots

    async def _write_line(self, number: str, write: LineWrite, existing: odata.Entity | None) -> str:
        line = actions.row_line(self._row, write)
        if existing is not None:
            await self._session.change(self._target(existing), actions.line_fields(line, write), self._lease)
        elif write.kind == "update":
            raise CallFailedError(actions.line_gone(write))
        else:
            call = actions.create_line(self._row, number, line)
            existing = await self._session.create(call, self._lease, actions.line_of)
        return str(existing["InventoryLotId"])

    async def _remove_line(self, existing: odata.Entity | None) -> None:
        if existing is not None:
            await self._session.remove(self._target(existing), self._lease)

    def _target(self, line: odata.Entity) -> odata.EntityState:
        return odata.EntityState(actions.line_path(self._company, str(line["InventoryLotId"])), line)
