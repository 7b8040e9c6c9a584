"""How the ledger writes what it keeps of an order: one byte of kind, eight of settling time, then msgpack.

The settling time stands in front so that a restore can tell settled orders from live ones without decoding them.
"""

import struct

import msgspec

from app.domain.order import OrderState
from app.errors import LedgerError

_HEAD = struct.Struct(">Bq")
_ORDER, _EARLY = 1, 2


class EarlyRecord(msgspec.Struct, frozen=True, array_like=True):
    """An event of an order that is not known yet, as it came: the order's creation may travel on another topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Early(msgspec.Struct, frozen=True, array_like=True):
    records: tuple[EarlyRecord, ...]
    expires_at: int


_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(OrderState).decode
_decode_early = msgspec.msgpack.Decoder(Early).decode


def encode(entry: OrderState | Early) -> bytes:
    if isinstance(entry, OrderState):
        return _HEAD.pack(_ORDER, entry.settled_at) + _encode(entry)
    return _HEAD.pack(_EARLY, 0) + _encode(entry)


def decode(value: bytes) -> OrderState | Early:
    """Raises LedgerError when the value was not written by `encode`."""
    body = memoryview(value)[_HEAD.size :]
    try:
        kind = value[0]
        if kind == _ORDER:
            return _decode_order(body)
        if kind == _EARLY:
            return _decode_early(body)
    except (IndexError, msgspec.DecodeError) as problem:
        raise LedgerError(f"the ledger holds a value this version cannot read: {problem}") from problem
    raise LedgerError(f"the ledger holds a value of unknown kind {kind}: was it written by a newer version?")


def settled_at(value: bytes) -> int:
    """When the order became final, 0 while it is live."""
    return int(_HEAD.unpack_from(value)[1])
