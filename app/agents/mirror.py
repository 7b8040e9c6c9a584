"""Role `mirror`: raises `order created` and provider events from F+O's dual-write rows, each once.

Requirements: S3, S8, S33, S42, S50.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from app.domain import external_keys
from app.domain.event_names import EventName
from app.dualwrite import status_handler
from app.dualwrite.sales_order_mapping import SalesOrders
from app.dualwrite.status_handler import Mirrored, MirrorState
from app.errors import RecordError
from app.events.catalog import ERP_ROWS, ChangeEvent
from app.events.codec import Codec
from app.events.headers import FORGET
from app.events.ids import derive
from app.events.model import Event, OrderCreated, ProviderEvent
from app.events.order_records import RecordReader, encoded
from app.events.record import Record
from app.lanes.role import Folded, Role

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(MirrorState).decode
SOURCE: Final = "waybill/mirror"
MARK: Final = external_keys.MARK.encode()


class Mirror(Role):
    """A lane of the role `mirror`. Its ledger keeps what F+O last showed of the orders of one partition."""

    name = "mirror"
    inputs: tuple[str, ...] = (ERP_ROWS,)
    ledger = "mirror-ledger"

    def __init__(self, codec: Codec, orders: SalesOrders, enabled: bool) -> None:
        """`enabled`: the map from F+O is switched on. While it is off every row becomes a dead letter, so that none is
        lost."""
        self._codec, self._handler, self._enabled = codec, status_handler.StatusHandler(orders), enabled
        self._reader = RecordReader(codec)

    def owner_key(self, record: Record) -> bytes | None:
        """Return the order id. Where the key stands for our order id at F+O, the row itself says whose it is."""
        if record.key and record.value is not None and MARK in record.key:
            record = record._replace(key=None)
        return self._reader.owner_key(record)

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded:
        if record.value is None and FORGET in dict(record.headers):
            return self._forget(record, state)
        event = self._reader.change(record)
        if event is None:
            return Folded(outcome="tombstone" if record.value is None else "ignored")
        if not self._enabled:
            raise RecordError("map-disabled", "map salesorders.fno-to-iom is not enabled (WAYBILL_DUALWRITE_MAPS)")
        key = event.order_id.encode()
        value = state.get(key)
        before = _decode(value) if value is not None else None
        mirrored = self._handler.handle(before, event.body)
        if mirrored.state is None or mirrored.state == before:
            return Folded(outcome=mirrored.outcome)
        outputs = [encoded(self._codec, output) for output in _raised(event, mirrored)]
        return Folded(outputs, {key: _encode(mirrored.state)}, outcome=mirrored.outcome)

    def _forget(self, record: Record, state: Mapping[bytes, bytes]) -> Folded:
        """Remove the personal data of an order, as `orchestrate` asks with a tombstone under the order id."""
        key = record.key or b""
        value = state.get(key)
        if value is None:
            return Folded(outcome="unknown")
        after = _encode(self._handler.forget(_decode(value)))
        return Folded((), {} if after == value else {key: after}, outcome="forgotten")


def _raised(row: ChangeEvent, mirrored: Mirrored) -> list[Event]:
    """Return the events of a row. A milestone has one id whichever row raised it, so that two rows never raise it
    twice."""
    events = []
    if mirrored.created is not None:
        events.append(
            _event(row, EventName.ORDER_CREATED, derive(row.order_id, "created"), OrderCreated(mirrored.created))
        )
    for position, body in enumerate(mirrored.events):
        events.append(_event(row, EventName.PROVIDER_EVENT, derive(row.event_id, position), body))
    return events


def _event(row: ChangeEvent, name: str, event_id: str, body: OrderCreated | ProviderEvent) -> Event:
    return Event(
        name=name,
        event_id=event_id,
        order_id=row.order_id,
        at=row.at,
        source=SOURCE,
        cause_id=row.event_id,
        body=body,
        trace=row.trace,
    )
