"""Ledger values of orders: one byte of kind, eight of settling time, then msgpack.

The settling time stands in front so that a restore can tell settled orders from live ones without decoding them.
Before the msgpack of an order whose records are sealed stands its wrapped key, with its length in two bytes.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from app.agents import order_figures
from app.agents.order_figures import FollowedOrder
from app.domain.order import Effect, Order, OrderState, TimelineEntry, Timer
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


def _part(struct: type[msgspec.Struct], kinds: Mapping[str, Any]) -> Any:
    """Return the struct with only these fields, of these kinds: what stands between them is passed over unread, and
    what comes after the last one is not looked at."""
    names = struct.__struct_fields__
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(struct)[: max(names.index(name) for name in kinds) + 1]:
        kind = kinds.get(field.name, msgspec.Raw)
        is_required = field.default is msgspec.NODEFAULT
        default = field.default if field.name in kinds else msgspec.Raw()
        fields.append((field.name, kind) if is_required else (field.name, kind, default))
    return msgspec.defstruct(f"Part{struct.__name__}", fields, array_like=True, frozen=True)


_ENTRY: Any = _part(TimelineEntry, {"at": int, "state": str})
_PART: Any = _part(
    OrderState,
    {
        "order": _part(Order, {"state": str}),
        "flow": str,
        "flow_version": int,
        "done": tuple[str, ...],
        "effects": tuple[Effect, ...],
        "timers": tuple[Timer, ...],
        "timeline": tuple[_ENTRY, ...],
        "settled_at": int,
        "failed": tuple[str, ...],
    },
)
_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(OrderState).decode
_decode_part = msgspec.msgpack.Decoder(_PART).decode
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
    return value[_KEY_START : _key_end(value)] if value and value[0] == _SEALED_ORDER else b""


def followed(value: bytes) -> FollowedOrder | Early:
    """Return what timers and figures need of an order, in a third of the time that `decode` takes.

    Raises LedgerError as it does.
    """
    entry = _decoded(value, _decode_part)
    return entry if isinstance(entry, Early) else order_figures.followed(entry)


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
