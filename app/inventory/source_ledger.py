"""Wire format of the source ledger: one byte of kind, eight of settling time, then msgpack; and the keys of values.

stock/<sku>           what each warehouse has and has reserved of an item
order/<order id>      requests, reservations and waiting lines of an order; settled once nothing of it is open
explained/<order id>/<fulfillment orders so far>
                      why each source was chosen or not; settled at once, so that it is only on the topic
warehouse/<name>      totals, and the order lines of the day
preferences/<pool>    preferences that were set while running, with their audit
runs/<pool>           the runs of the backorder job
"""

import struct
from typing import Any, Final, TypeVar

import msgspec

from app.errors import LedgerError
from app.inventory.item_stock import ItemStock
from app.inventory.ledger_values import BackorderRuns, ExplainedPlan, PreferenceOverrides, SourcedOrder, WarehouseTotals

LedgerValue = ItemStock | SourcedOrder | ExplainedPlan | WarehouseTotals | PreferenceOverrides | BackorderRuns
ValueT = TypeVar("ValueT", bound=LedgerValue)
AT_ONCE: Final = 1
"""The earliest settling time: such a value leaves memory with the checkpoint that wrote it."""

_HEAD: Final = struct.Struct(">Bq")
_KINDS: Final[dict[type[Any], tuple[int, str, str]]] = {
    ItemStock: (1, "stock", "sku"),
    SourcedOrder: (2, "order", "order_id"),
    ExplainedPlan: (3, "explained", "name"),
    WarehouseTotals: (4, "warehouse", "warehouse"),
    PreferenceOverrides: (5, "preferences", "pool"),
    BackorderRuns: (6, "runs", "pool"),
}
_encode: Final = msgspec.msgpack.Encoder().encode
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(kind) for kind in _KINDS}
_BY_NUMBER: Final = {number: kind for kind, (number, _, _) in _KINDS.items()}


def key_of(kind: type[Any], name: str) -> bytes:
    return f"{_KINDS[kind][1]}/{name}".encode()


def key(value: LedgerValue) -> bytes:
    """Return the key under which the value is kept."""
    return key_of(type(value), getattr(value, _KINDS[type(value)][2]))


def encode(value: LedgerValue) -> bytes:
    return _HEAD.pack(_KINDS[type(value)][0], _settled_at(value)) + _encode(value)


def _settled_at(value: LedgerValue) -> int:
    match value:
        case SourcedOrder():
            return value.settled_at
        case ExplainedPlan():
            return AT_ONCE
        case _:
            return 0


def decode(kind: type[ValueT], value: bytes) -> ValueT:
    """Return the value. Raises LedgerError if it is of another kind, or of a version that this one cannot read."""
    if kind_of(value) is not kind:
        raise LedgerError(f"the ledger holds a value of kind {value[0]} where {kind.__name__} is kept")
    try:
        decoded: ValueT = _DECODERS[kind].decode(memoryview(value)[_HEAD.size :])
    except msgspec.DecodeError as problem:
        raise LedgerError(f"the ledger holds a {kind.__name__} this version cannot read: {problem}") from problem
    return decoded


def kind_of(value: bytes) -> type[Any] | None:
    """Return the type of the value, None for a kind of a newer version."""
    return _BY_NUMBER.get(value[0]) if len(value) >= _HEAD.size else None


def settled_at(value: bytes) -> int:
    """Return when the value became final (ms), 0 while it is live."""
    return int(_HEAD.unpack_from(value)[1])
