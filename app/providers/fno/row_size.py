"""How large an order becomes as a change event of F+O, and the refusal of one that could not come back. Pure.

F+O tells of a change with the whole row before and after it. An event that Waybill may not read leaves its order
waiting for a status that F+O has long reached, so that such an order is not sent in the first place.
"""

from typing import Final

import msgspec

from app.events.intake_limits import RECORD_BYTES_MAX
from app.events.sales_order_change import SalesOrderRow
from app.providers.port import Code, Outcome, Result

_LINE_BYTES: Final = 64
"""What F+O adds to a line of ours: its key, its status, places after the point."""
_ENVELOPE_BYTES: Final = 16_384
"""What stands around both rows: source, transaction, the converter's schema."""


def refusal(row: SalesOrderRow) -> Result | None:
    """Return the refusal of a row whose changes would be larger than a record may be, None for all others."""
    size = 2 * (len(msgspec.json.encode(row)) + _LINE_BYTES * len(row.Lines)) + _ENVELOPE_BYTES
    if size <= RECORD_BYTES_MAX:
        return None
    detail = (
        f"too large for F+O: a change of it would come back as {size} bytes, at most {RECORD_BYTES_MAX};"
        f" split the order ({len(row.Lines)} lines) or shorten its texts"
    )
    return Result(Outcome.DECLINED, Code.INVALID, detail)
