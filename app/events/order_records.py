"""Records of orders: whose a record is, and the record of an event or of a provider's report."""

from app.domain.event_names import EventName
from app.events.catalog import RECORDS, ChangeEvent
from app.events.codec import Codec
from app.events.model import Event, ProviderEvent
from app.events.record import Output, Record
from app.events.report_ids import report_id


def owner(codec: Codec, record: Record) -> bytes | None:
    """The order id of a record, from its key or else from its value. Raises RecordError.

    A record about no order has the key that it came with, be it none: whichever lane that leads to passes over it.
    """
    if record.key and not codec.is_wrapped(record.topic, record.key):
        return record.key
    order_id = codec.order_id(record)
    return order_id.encode() or record.key or b""


def encoded(codec: Codec, event: Event | ChangeEvent) -> Output:
    """The record of an event, for the topic of its kind."""
    value, headers = codec.encode(event)
    return Output(RECORDS[event.name].topic, event.order_id.encode(), value, headers)


def reported(codec: Codec, body: ProviderEvent, at: int, source: str) -> Output:
    """The record of what a provider reports, pulled or called in, at `at` (ms). Raises RecordError."""
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
