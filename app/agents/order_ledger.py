"""Ledger values of orders: one byte of kind, eight of settling time, then msgpack.

The settling time stands in front so that a restore can tell settled orders from live ones without decoding them.
Before the msgpack of an order whose records are sealed stands its wrapped key, with its length in two bytes.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from app.domain.order import OrderState, Timer
from app.errors import LedgerError
from app.events.record import Record

_HEAD = struct.Struct(">Bq")
_ORDER, _EARLY, _SEALED_ORDER = 1, 2, 3
_KEY_LENGTH = struct.Struct(">H")
_KEY_START = _HEAD.size + _KEY_LENGTH.size
OrderValue = TypeVar("OrderValue")


class Early(msgspec.Struct, frozen=True, array_like=True):
    """Events of an order that is not known yet, as they came: the order's creation may travel on another topic."""

    records: tuple[Record, ...]
    expires_at: int


def _up_to(field: str, kind: Any) -> Any:
    """Return OrderState as far as `field`: what stands before it is passed over and what comes after it is not looked
    at."""
    names = OrderState.__struct_fields__
    before = [(name, msgspec.Raw) for name in names[: names.index(field)]]
    return msgspec.defstruct("Partly", [*before, (field, kind)], array_like=True, frozen=True)


_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(OrderState).decode
_decode_timers = msgspec.msgpack.Decoder(_up_to("timers", tuple[Timer, ...])).decode
_decode_early = msgspec.msgpack.Decoder(Early).decode


def encode(entry: OrderState | Early, wrapped_key: bytes = b"") -> bytes:
    """Return the ledger value of an order, with its wrapped key if it has one, or of the records that wait for one."""
    if isinstance(entry, OrderState):
        if wrapped_key:
            head = _HEAD.pack(_SEALED_ORDER, entry.settled_at) + _KEY_LENGTH.pack(len(wrapped_key))
            return head + wrapped_key + _encode(entry)
        return _HEAD.pack(_ORDER, entry.settled_at) + _encode(entry)
    return _HEAD.pack(_EARLY, 0) + _encode(entry)


def decode(value: bytes) -> OrderState | Early:
    """Return what `encode` was given. Raises LedgerError for any other value."""
    return _decoded(value, _decode_order)


def wrapped_key(value: bytes) -> bytes:
    """Return the wrapped key of an order whose records are sealed, empty for another one."""
    return value[_KEY_START : _key_end(value)] if value[:1] == bytes([_SEALED_ORDER]) else b""


def timers(value: bytes) -> Sequence[Timer] | Early:
    """Return the timers of an order, in a tenth of the time that `decode` takes. Raises LedgerError as it does."""
    entry = _decoded(value, _decode_timers)
    return entry if isinstance(entry, Early) else entry.timers


def _decoded(value: bytes, order: Callable[[memoryview], OrderValue]) -> OrderValue | Early:
    body = memoryview(value)[_HEAD.size :]
    try:
        kind = value[0]
        if kind == _ORDER:
            return order(body)
        if kind == _EARLY:
            return _decode_early(body)
        if kind == _SEALED_ORDER:
            return order(memoryview(value)[_key_end(value) :])
    except (IndexError, struct.error, msgspec.DecodeError) as problem:
        raise LedgerError(f"the ledger holds a value this version cannot read: {problem}") from problem
    raise LedgerError(f"the ledger holds a value of unknown kind {kind}: was it written by a newer version?")


def _key_end(value: bytes) -> int:
    return _KEY_START + int(_KEY_LENGTH.unpack_from(value, _HEAD.size)[0])


def settled_at(value: bytes) -> int:
    """Return when the order became final, in milliseconds since the epoch; 0 while it is live."""
    return int(_HEAD.unpack_from(value)[1])
