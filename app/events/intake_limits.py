"""What a record from outside may hold at most, in Avro and in JSON alike, and whose order a body is about."""

import re
from typing import Final, get_args

from msgspec import Struct

from app.errors import RecordError
from app.events.model import OrderCreated, ProviderEvent, SourcingCommand, StockChange
from app.events.sales_order_change import Op, SalesOrderChange
from app.events.sales_order_change import order_id as order_of_row

RECORD_BYTES_MAX: Final = 1_048_576
LINES_MAX: Final = 1000
VALUES_MAX: Final = 200
NAME_CHARS_MAX: Final = 128
TEXT_CHARS_MAX: Final = 1024
STOCK_KINDS: Final = ("set", "add")
ORDER_ID: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,128}")
"""1 to 128 characters, none of them white space or control characters: it is a key, a header and part of addresses."""


def identity(body: Struct) -> str:
    """Return the order id in a body, or the pool in one about stock.

    Raises RecordError("invalid") for a row without id.
    """
    if isinstance(body, StockChange):
        return body.pool
    if isinstance(body, SourcingCommand):
        return body.order_id or body.pool
    if isinstance(body, SalesOrderChange):
        return order_of_row(body.row)
    order = getattr(body, "order", None)
    order_id: str = body.order_id if order is None else order.order_id  # type: ignore[attr-defined]
    return order_id


def check_intake(body: Struct) -> None:
    """Raise RecordError("invalid") when a body that a producer wrote in Avro is beyond what JSON may hold."""
    order_id = identity(body)
    if not ORDER_ID.fullmatch(order_id):
        raise RecordError("invalid", f"order id {order_id[:80]!r}: write 1 to 128 characters without spaces")
    match body:
        case OrderCreated(order=order):
            _check_lines(len(order.lines), "order.lines")
        case ProviderEvent(lines=lines):
            _check_lines(len(lines), "lines")
        case StockChange():
            _check_stock(body)
        case SalesOrderChange(op=op):
            _check_lines(len(body.row.Lines), "after.Lines")
            if op not in get_args(Op):
                raise RecordError("invalid", f"op: {op[:40]!r} is none of {', '.join(get_args(Op))}")
        case _:
            pass


def _check_lines(lines: int, where: str) -> None:
    if lines > LINES_MAX:
        raise RecordError("invalid", f"{where}: {lines} lines; at most {LINES_MAX}, split the order")


def _check_stock(change: StockChange) -> None:
    for name in ("sku", "warehouse"):
        text = getattr(change, name)
        if not 0 < len(text) <= NAME_CHARS_MAX:
            raise RecordError("invalid", f"{name}: {text[:80]!r}; write 1 to {NAME_CHARS_MAX} characters")
    if change.kind not in STOCK_KINDS:
        raise RecordError("invalid", f"kind: {change.kind[:40]!r} is none of {', '.join(STOCK_KINDS)}")
    if change.kind == "set" and change.quantity < 0:
        raise RecordError("invalid", "quantity: what is there is never negative; use kind `add` for what went out")
    if change.version < 0:
        raise RecordError("invalid", "version: it grows from 1; 0 means none")
