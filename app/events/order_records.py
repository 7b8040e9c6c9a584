"""Records of orders: whose a record is, and the record of an event or of a provider's report."""

from app.domain.event_names import EventName
from app.events.catalog import RECORDS, ChangeEvent
from app.events.codec import Codec, Contents
from app.events.model import Event, ProviderEvent
from app.events.record import Output, Record
from app.events.report_ids import report_id


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


def encoded(codec: Codec, event: Event | ChangeEvent) -> Output:
    """Return the record of an event, for the topic of its kind."""
    value, headers = codec.encode(event)
    return Output(RECORDS[event.name].topic, event.order_id.encode(), value, headers)


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
