"""Writing one sales order: find or create the header, its lines one by one, then let it go.

Every step looks before it writes, so that the whole can be repeated from any point where it broke off.
"""

from typing import Final

from msgspec.structs import replace

from app.dualwrite.apply import LineWrite, Plan
from app.dualwrite.change import SalesOrderRow
from app.providers.fno import actions, odata
from app.providers.fno.session import Session
from app.providers.port import CallFailedError, Lease, Result


class Upsert:
    """One run for one row. Raises CallFailedError, with F+O's number as reference as soon as it is known."""

    def __init__(self, session: Session, row: SalesOrderRow, plan: Plan, lease: Lease) -> None:
        self._session, self._row, self._plan, self._lease = session, row, plan, lease
        self._company: Final = row.dataAreaId
        self._others: list[str] = []

    async def run(self) -> Result:
        header = held = await self._find()
        if header is None:
            header = await self._session.create(actions.create_header(self._row), self._lease, actions.header_of)
        number = str(header["SalesOrderNumber"])
        try:
            lots = await self._write(number, header, is_new=held is None)
        except CallFailedError as failure:
            raise CallFailedError(replace(failure.result, reference=number)) from failure
        return actions.written(number, lots, self._others)

    async def _find(self) -> odata.Entity | None:
        if self._plan.number:
            call = odata.read(actions.header_path(self._company, self._plan.number))
            return await self._session.ask(call, self._lease, actions.header_of)
        refusal = actions.uncreatable(self._row)
        if refusal is not None:
            raise CallFailedError(refusal)
        found = await self._session.all(actions.find_headers(self._row), self._lease, actions.header)
        if not found:
            return None
        chosen, *others = actions.by_preference(found)
        self._others = [str(other["SalesOrderNumber"]) for other in others]
        return chosen

    async def _write(self, number: str, header: odata.Entity, *, is_new: bool) -> dict[str, str]:
        target = odata.Target(actions.header_path(self._company, number), header)
        first, last = actions.first_fields(self._row, self._plan), actions.last_fields(self._row, self._plan)
        if not is_new and actions.is_closed(header):
            # F+O changes nothing of an invoiced order, but a new line opens it again.
            last = first | last
        elif not is_new:
            target = await self._session.change(target, first, self._lease)
        lots = await self._write_lines(number, is_new=is_new)
        await self._session.change(target, last, self._lease, actions.still_to_write)
        return lots

    async def _write_lines(self, number: str, *, is_new: bool) -> dict[str, str]:
        """F+O's keys of the lines that the plan names. One by one: F+O locks the order while it adds a line."""
        if not self._plan.lines:
            return {}
        call = actions.find_lines(self._company, number)
        lines = [] if is_new else await self._session.all(call, self._lease, actions.line)
        lots = {}
        for write in self._plan.lines:
            held = actions.existing_line(self._row, write, lines)
            if write.kind == "remove":
                await self._remove_line(held)
            else:
                lots[write.line_id] = await self._write_line(number, write, held)
        return lots

    async def _write_line(self, number: str, write: LineWrite, held: odata.Entity | None) -> str:
        line = actions.row_line(self._row, write)
        if held is not None:
            await self._session.change(self._target(held), actions.line_fields(line, write), self._lease)
        elif write.kind == "update":
            raise CallFailedError(actions.line_gone(write))
        else:
            call = actions.create_line(self._row, number, line)
            held = await self._session.create(call, self._lease, actions.line_of)
        return str(held["InventoryLotId"])

    async def _remove_line(self, held: odata.Entity | None) -> None:
        if held is not None:
            await self._session.remove(self._target(held), self._lease)

    def _target(self, line: odata.Entity) -> odata.Target:
        return odata.Target(actions.line_path(self._company, str(line["InventoryLotId"])), line)
