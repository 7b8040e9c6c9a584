"""Records of orders: whose a record is, and the record of an event or of a provider's report."""

from typing import Final, TypeVar

from msgspec.structs import replace

from app.domain.event_names import EventName
from app.events import headers
from app.events.catalog import BY_TOPIC, RECORDS, ChangeEvent
from app.events.codec import Codec, Contents
from app.events.model import Event, ProviderEvent
from app.events.record import Output, Record
from app.events.report_ids import report_id
from app.sealing.order_cipher import OrderCipher
from app.sealing.sealed_fields import seal, unseal

E = TypeVar("E", Event, ChangeEvent)
_SEALED: Final = (headers.SEALED, b"1")


class RecordReader:
    """Reads the records of one lane, each once: what is decoded to find a record's owner serves its fold as well.

    The last record's contents are kept, because a lane folds a record right after it has asked for its owner.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._last: Record | None = None
        self._contents = Contents(None, {})

    def owner_key(self, record: Record) -> bytes | None:
        """Return the order id of a record, from its key or else from its value. Raises RecordError.

        A record about no order has the key that it came with, be it none: whichever lane that leads to passes over it.
        """
        if record.key and not self._codec.is_wrapped(record.topic, record.key):
            return record.key
        order_id = self._codec.order_id(record, self._read(record))
        return order_id.encode() or record.key or b""

    def event(self, record: Record) -> Event:
        """Return the event in a record. Raises RecordError."""
        return self._codec.decode(record, self._read(record))

    def change(self, record: Record) -> ChangeEvent | None:
        """Return the change in a row; None for a tombstone, and for a record about no order. Raises RecordError."""
        return self._codec.decode_change(record, self._read(record))

    def _read(self, record: Record) -> Contents:
        last = self._last
        if (
            last is None
            or last.value is not record.value
            or (last.offset, last.partition, last.topic) != (record.offset, record.partition, record.topic)
        ):
            self._contents, self._last = self._codec.read(record), record
        return self._contents


def encoded(codec: Codec, event: Event | ChangeEvent, cipher: OrderCipher | None = None) -> Output:
    """Return the record of an event, for the topic of its kind.

    With the cipher of its order its personal fields are sealed, unless producers may write the topic as well: what is
    there is plain.
    """
    spec = RECORDS[event.name]
    body = event.body if cipher is None or spec.intake else seal(event.body, cipher)
    if body is event.body:
        value, own_headers = codec.encode(event)
    else:
        value, own_headers = codec.encode(replace(event, body=body))
        own_headers.append(_SEALED)
    return Output(spec.topic, event.order_id.encode(), value, own_headers)


def is_sealed(record: Record) -> bool:
    """Return whether the personal fields of a record are sealed. Of what producers may write none is."""
    # The topic first: most records come from producers, and this is asked of each one.
    spec = BY_TOPIC.get(record.topic)
    if spec is None or spec.intake:
        return False
    return any(name == headers.SEALED for name, _ in record.headers)


def opened(event: E, record: Record, cipher: OrderCipher | None) -> E | None:
    """Return the event of a record with its fields as they were before they were sealed.

    None: they are sealed and there is no cipher, because the order was forgotten. Raises RecordError("sealed").
    """
    if not is_sealed(record):
        return event
    return None if cipher is None else replace(event, body=unseal(event.body, cipher))


def reported(codec: Codec, body: ProviderEvent, at: int, source: str) -> Output:
    """Return the record of what a provider reports, pulled or called in, at `at` (ms). Raises RecordError."""
    return encoded(
        codec,
        Event(
            name=EventName.PROVIDER_EVENT,
            event_id=report_id(body),
            order_id=body.order_id,
            at=at,
            source=source,
            cause_id="",
            body=body,
        ),
    )
