"""Orders from rows and rows from orders: the field maps, plus what a map cannot say (ids of lines, numbers, sums)."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec.structs import replace

from app.domain.evolve import progress
from app.domain.fulfillment_orders import select_sourced_lines
from app.domain.lifecycle import Status
from app.domain.order import Address, Effect, Line, Order, OrderState
from app.dualwrite.changed_fields import changed
from app.dualwrite.field_map import Ends, FieldMap, Table, inverse, load_map, load_table
from app.dualwrite.map_names import FNO_TO_IOM, IOM_TO_FNO, MAPS
from app.errors import DefinitionError, RecordError
from app.events.sales_order_change import (
    FNO_PREFIX,
    ChangeSource,
    SalesOrderChange,
    SalesOrderRow,
    SalesOrderRowLine,
    line_id,
    made_by_us,
    order_id,
)
from app.events.sales_order_reference import item_number_of, reference_of, url_of

FNO: Final = "fno"
FILES: Final = tuple(f"app/dualwrite/maps/{stem}.yaml" for stem in ("countries", *MAPS))
"""The packaged texts that `load` needs, relative to the root."""

_HELD: Final = Status.HELD.state
_ORDER: Final = Ends(
    SalesOrderRow,
    Order,
    frozenset({"order_id", "origin", "subtotal", "bill_to", "lines", "state", "reason"}),
)
_LINE: Final = Ends(SalesOrderRowLine, Line, frozenset({"line_id", "state", "reason"}))
_ROW: Final = Ends(
    Order, SalesOrderRow, frozenset({"SalesOrderNumber", "SalesOrderStatus", "Lines", "CustomersOrderReference", "URL"})
)
_ROW_LINE: Final = Ends(
    Line, SalesOrderRowLine, frozenset({"LineNumber", "ExternalItemNumber", "SalesOrderLineStatus"})
)


class SalesOrders:
    """Both maps of sales orders, ready for use. Immutable."""

    def __init__(self, to_iom: FieldMap, to_fno: FieldMap) -> None:
        self._to_iom, self._to_fno = to_iom, to_fno

    def to_order(self, row: SalesOrderRow) -> Order:
        """Return the order that a row shows, in state New: how far it is, the status events tell.

        `bill_to` is empty, as a row has none. Raises RecordError ("invalid", "unknown-value") for a row that is no
        order.
        """
        birth = _birth_of_row(row)
        parts = self._to_iom.header[birth](row)
        lines = tuple(self._to_line(row, line, birth) for line in row.Lines)
        if len({line.line_id for line in lines}) < len(lines):
            raise RecordError("invalid", f"order {row.SalesOrderNumber!r} has two lines with one id; number its lines")
        return Order(
            order_id=order_id(row),
            origin=FNO if birth == FNO else "",
            subtotal=sum(line.total for line in lines),
            ship_to=Address(**parts["ship_to"]),
            bill_to=Address(),
            lines=lines,
            **parts[""],
        )

    def changed(self, before: Order, after: Order) -> dict[str, str]:
        """Return the fields that F+O changed between two orders, as text by path (see `changed_fields`)."""
        birth = FNO if after.origin == FNO else "iom"
        header = ("subtotal", *self._to_iom.header_follows[birth])
        return changed(before, after, header, self._to_iom.line_follows[birth])

    def to_row(self, order: Order, number: str = "") -> SalesOrderRow:
        """Return the row that shows an order, `number` being F+O's name of it, if there is one yet.

        Raises RecordError("unknown-value").
        """
        birth = _birth_of_order(order)
        ours = birth != FNO
        return SalesOrderRow(
            SalesOrderNumber=number if ours else order.source_ref,
            Lines=tuple(self._to_row_line(line, at, birth) for at, line in enumerate(order.lines, start=1)),
            CustomersOrderReference=reference_of(order.order_id) if ours else "",
            URL=url_of(order.order_id) if ours else "",
            **self._to_fno.header[birth](order)[""],
        )

    def to_change(
        self,
        before: OrderState | None,
        after: OrderState,
        at_ms: int,
        *,
        effect: Effect | None = None,
        origin: Literal["iom", "fno"] = "iom",
        origin_version: int = 0,
    ) -> SalesOrderChange:
        """Return the dual-write record of an applied event: the order before and after it, None before its first.

        `effect` is what the event asked for, if anything. `origin` is "fno", with F+O's version, when the
        event only took over a change of F+O. Raises RecordError("unknown-value").
        """
        source = ChangeSource(
            origin=origin,
            version=after.version,
            origin_version=origin_version,
            name="iom",
            ts_ms=at_ms,
            effect_id=effect.effect_id if effect else "",
            action=effect.action if effect else "",
            attempt=effect.attempt if effect else 0,
        )
        row = None if before is None else self._row_of(before)
        return SalesOrderChange(
            op="c" if row is None else "u", ts_ms=at_ms, before=row, after=self._row_of(after), source=source
        )

    def _row_of(self, state: OrderState) -> SalesOrderRow:
        """Return the row of an order in its present state.

        A held order is stopped at F+O until it is sent, and shows the status of its goods; once F+O has it, what
        happens there ends the hold. Where sources are determined line by line, lines without a shipping warehouse are
        left out (S63c, S64); they keep their place, so that no other line's number changes when they come.
        """
        number = state.reference(FNO) or ""
        row = self.to_row(state.order, number)
        if state.order.state == _HELD:
            name, reason = progress(state)
            before_hold = self.to_row(replace(state.order, state=name, reason=reason), number)
            row = replace(row, SalesOrderProcessingStatus=before_hold.SalesOrderProcessingStatus)
        if (sourced_order := select_sourced_lines(state)) is not state.order:
            there = {line.line_id for line in sourced_order.lines}
            pairs = zip(state.order.lines, row.Lines, strict=True)
            row = replace(row, Lines=tuple(theirs for line, theirs in pairs if line.line_id in there))
        if number or any(effect.provider == FNO for effect in state.effects):
            return replace(row, IsSalesProcessingStopped="No")
        return row

    def _to_line(self, row: SalesOrderRow, line: SalesOrderRowLine, birth: str) -> Line:
        return Line(line_id=line_id(row, line), **self._to_iom.lines[birth](line)[""])

    def _to_row_line(self, line: Line, position: int, birth: str) -> SalesOrderRowLine:
        values = self._to_fno.lines[birth](line)[""]
        number = _number_at_fno(line.line_id, birth)
        if number is None:
            return SalesOrderRowLine(LineNumber=position, ExternalItemNumber=item_number_of(line.line_id), **values)
        return SalesOrderRowLine(LineNumber=number, **values)


def load(texts: Mapping[str, str]) -> SalesOrders:
    """Compile the maps from the texts of FILES, by file name. Raises DefinitionError."""
    by_stem = {_stem(file): (file, text) for file, text in texts.items()}
    for file in FILES:
        if _stem(file) not in by_stem:
            raise DefinitionError(file, "(file)", "this map is missing", "add it; dual-write needs both directions")
    name, rows = load_table(by_stem["countries"][1], by_stem["countries"][0])
    to_iom = _load(by_stem[FNO_TO_IOM], _ORDER, _LINE, {name: rows})
    to_fno = _load(by_stem[IOM_TO_FNO], _ROW, _ROW_LINE, {name: inverse(rows)})
    return SalesOrders(to_iom, to_fno)


def _load(source: tuple[str, str], header: Ends, line: Ends, tables: Mapping[str, Table]) -> FieldMap:
    file, text = source
    return load_map(text, file, header, line, tables=tables)


def _stem(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".yaml")


def _birth_of_row(row: SalesOrderRow) -> str:
    return "iom" if made_by_us(row) else FNO


def _birth_of_order(order: Order) -> str:
    return FNO if order.origin == FNO else "iom"


def _number_at_fno(line_id: str, birth: str) -> int | None:
    """Return the line number that `line_id` of a row made up, None for a line of our own."""
    digits = line_id if birth == FNO else line_id.removeprefix(f"{FNO_PREFIX}-")
    if birth != FNO and digits == line_id:
        return None
    return int(digits) if digits.isascii() and digits.isdigit() else None
