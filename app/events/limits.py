"""What a record from outside may hold at most, in Avro and in JSON alike, and whose order a body is about."""

import re
from typing import Final, get_args

from msgspec import Struct

from app.dualwrite.change import Op, SalesOrderChange
from app.dualwrite.change import order_id as order_of_row
from app.errors import RecordError
from app.events.model import OrderCreated, ProviderEvent

RECORD_BYTES_MAX: Final = 1_048_576
LINES_MAX: Final = 1000
VALUES_MAX: Final = 200
NAME_CHARS_MAX: Final = 128
TEXT_CHARS_MAX: Final = 1024
ORDER_ID: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,128}")
"""1 to 128 characters, none of them white space or control characters: it is a key, a header and part of addresses."""


def identity(body: Struct) -> str:
    """The order id in a body. Raises RecordError("invalid") when a dual-write row has none."""
    if isinstance(body, SalesOrderChange):
        return order_of_row(body.row)
    order = getattr(body, "order", None)
    found: str = body.order_id if order is None else order.order_id  # type: ignore[attr-defined]
    return found


def check_intake(body: Struct) -> None:
    """Raises RecordError("invalid") when a body that a producer wrote in Avro is beyond what JSON may hold."""
    order_id = identity(body)
    if not ORDER_ID.fullmatch(order_id):
        raise RecordError("invalid", f"order id {order_id[:80]!r}: write 1 to 128 characters without spaces")
    match body:
        case OrderCreated(order=order):
            _check_lines(len(order.lines), "order.lines")
        case ProviderEvent(lines=lines):
            _check_lines(len(lines), "lines")
        case SalesOrderChange(op=op):
            _check_lines(len(body.row.Lines), "after.Lines")
            if op not in get_args(Op):
                raise RecordError("invalid", f"op: {op[:40]!r} is none of {', '.join(get_args(Op))}")
        case _:
            pass


def _check_lines(lines: int, where: str) -> None:
    if lines > LINES_MAX:
        raise RecordError("invalid", f"{where}: {lines} lines; at most {LINES_MAX}, split the order")
