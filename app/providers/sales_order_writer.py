"""Port of an ERP that keeps sales orders in step by dual-write: a row goes in, the ERP's keys of its lines come out."""

from collections.abc import Mapping
from typing import Final, Protocol

from app.dualwrite.write_plan import WritePlan
from app.events.sales_order_change import SalesOrderRow
from app.lanes.lease import Lease
from app.providers.port import Result

_LOT: Final = "lot."
_REFUSED: Final = "refused"


class SalesOrderWriter(Protocol):
    """A provider with actions through dual-write implements it beside `Provider`."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str:
        """Return what people call it, in a few letters."""

    async def upsert(self, row: SalesOrderRow, plan: WritePlan, lease: Lease) -> Result:
        """Make the ERP's order as the plan says. Raises LeaseLostError; a failure of the ERP is a Result.

        `reference` of the result is the order's number there, `lots_of` gives the keys of its lines. Safe to repeat.
        """


def result_values(lots: Mapping[str, str], refused: str) -> dict[str, str]:
    """Return `Result.values` of an upsert: the ERP's key of each line, and its words about what it did not take."""
    return {_LOT + line_id: lot for line_id, lot in lots.items()} | ({_REFUSED: refused} if refused else {})


def refusal_of(result: Result) -> str:
    """Return the ERP's words about a change of the header that came too late, "" where it took everything."""
    return result.values.get(_REFUSED, "")


def lots_of(result: Result) -> dict[str, str]:
    """Return line id -> the ERP's key of it, of the lines that an upsert touched."""
    return {name.removeprefix(_LOT): lot for name, lot in result.values.items() if name.startswith(_LOT)}
