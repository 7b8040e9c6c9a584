"""How values of the source ledger are written: one byte of kind, eight of settling time, then msgpack; and their keys.

stock/<sku>           what each warehouse has and has reserved of an item
order/<order id>      what an order asked for, has reserved and waits for; settled once nothing of it is open
explained/<order id>/<fulfillment orders so far>
                      why each source was chosen or not; settled at once, so that it is only on the topic
warehouse/<name>      totals, and the order lines of the day
preferences/<pool>    what was changed while running, with its audit
runs/<pool>           the runs of the backorder job
"""

import struct
from typing import Any, Final, TypeVar

import msgspec

from app.errors import LedgerError
from app.inventory.item_stock import Stock
from app.inventory.ledger_values import Chosen, Explained, Runs, Sourced, Warehouse

Value = Stock | Sourced | Explained | Warehouse | Chosen | Runs
Kept = TypeVar("Kept", bound=Value)
AT_ONCE: Final = 1
"""Settled as long ago as can be: such a value leaves memory with the checkpoint that wrote it."""

_HEAD: Final = struct.Struct(">Bq")
_KINDS: Final[dict[type[Any], tuple[int, str, str]]] = {
    Stock: (1, "stock", "sku"),
    Sourced: (2, "order", "order_id"),
    Explained: (3, "explained", "name"),
    Warehouse: (4, "warehouse", "warehouse"),
    Chosen: (5, "preferences", "pool"),
    Runs: (6, "runs", "pool"),
}
_encode: Final = msgspec.msgpack.Encoder().encode
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(kind) for kind in _KINDS}
_BY_NUMBER: Final = {number: kind for kind, (number, _, _) in _KINDS.items()}


def key_of(kind: type[Any], name: str) -> bytes:
    return f"{_KINDS[kind][1]}/{name}".encode()


def key(value: Value) -> bytes:
    """The key under which the value is kept."""
    return key_of(type(value), getattr(value, _KINDS[type(value)][2]))


def encode(value: Value) -> bytes:
    settled = value.settled_at if isinstance(value, Sourced) else AT_ONCE if isinstance(value, Explained) else 0
    return _HEAD.pack(_KINDS[type(value)][0], settled) + _encode(value)


def decode(kind: type[Kept], value: bytes) -> Kept:
    """Raises LedgerError when the value is of another kind, or was written by a version that this one cannot read."""
    if kind_of(value) is not kind:
        raise LedgerError(f"the ledger holds a value of kind {value[0]} where {kind.__name__} is kept")
    try:
        found: Kept = _DECODERS[kind].decode(memoryview(value)[_HEAD.size :])
    except msgspec.DecodeError as problem:
        raise LedgerError(f"the ledger holds a {kind.__name__} this version cannot read: {problem}") from problem
    return found


def kind_of(value: bytes) -> type[Any] | None:
    """What the value is, None where only a newer version knows."""
    return _BY_NUMBER.get(value[0]) if len(value) >= _HEAD.size else None


def settled_at(value: bytes) -> int:
    """When the value became final, 0 while it is live."""
    return int(_HEAD.unpack_from(value)[1])
