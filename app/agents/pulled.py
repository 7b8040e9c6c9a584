"""Records of what was pulled: orders, reports of orders, and dead letters of orders that cannot be expressed here."""

from collections.abc import Iterator
from typing import Final

import msgspec

from app.domain.event_names import EventName
from app.domain.order import Order
from app.errors import RecordError
from app.events.codec import Codec
from app.events.dead_letters import DETAIL_CHARACTERS_MAX, MARK
from app.events.headers import rfc3339
from app.events.ids import derive, partition_of
from app.events.intake_limits import RECORD_BYTES_MAX
from app.events.model import Event, OrderCreated, ProviderEvent
from app.events.order_records import encoded, reported
from app.events.record import DEAD_LETTER, Output
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock
from app.providers.port import Page, RefusedOrder

SOURCE: Final = "waybill/pull"
ROLE: Final = "pull"
UNMAPPABLE: Final = "unmappable"
"""The code of the dead letter of an order that cannot be expressed here."""
ORDER_BYTES_MAX: Final = RECORD_BYTES_MAX
"""A larger order could not be taken by the lane that it goes to."""
WIRE_BYTES_MAX: Final = 256 << 10
"""What is kept of an order that cannot be expressed."""


class Pulled:
    """The records of pages. They go to the partitions of their orders, which are not the puller's own."""

    def __init__(self, codec: Codec, partitions: int, dead_letters: int, clock: Clock = SYSTEM_CLOCK) -> None:
        """`partitions`: how many each topic keyed by order id has, `dead_letters`: how many dead-letter has."""
        self._codec, self._partitions, self._dead_letters, self._clock = codec, partitions, dead_letters, clock

    def written(self, source: str, page: Page) -> Iterator[Output]:
        """Return the records of a page. `source` by name, e.g. `bigcommerce/<store>`."""
        for order in page.orders:
            yield self._created(source, order)
        for event in page.events:
            yield self._reported(source, event)
        for refused in page.refused:
            yield self._refused(source, refused)

    def _created(self, source: str, order: Order) -> Output:
        """Return the record of an order. One pulled twice has the same event id, which its lane knows already."""
        event_id, body = derive(order.order_id, "pulled"), OrderCreated(order)
        event = Event(
            name=EventName.ORDER_CREATED,
            event_id=event_id,
            order_id=order.order_id,
            at=self._clock.now_ms(),
            source=SOURCE,
            cause_id="",
            body=body,
        )
        try:
            output = self._placed(encoded(self._codec, event))
        except RecordError as problem:
            return self._refused(source, RefusedOrder(order.source_ref, problem.detail, b""))
        if len(output.value or b"") > ORDER_BYTES_MAX:
            reason = f"order {order.source_ref}: {len(output.value or b'')} bytes, at most {ORDER_BYTES_MAX}; split it"
            return self._refused(source, RefusedOrder(order.source_ref, reason, output.value or b""))
        return output

    def _reported(self, source: str, body: ProviderEvent) -> Output:
        try:
            return self._placed(reported(self._codec, body, self._clock.now_ms(), SOURCE))
        except RecordError as problem:
            return self._refused(source, RefusedOrder(body.order_id, problem.detail, msgspec.json.encode(body)))

    def _placed(self, output: Output) -> Output:
        return output._replace(partition=partition_of(output.key or b"", self._partitions))

    def _refused(self, source: str, refused: RefusedOrder) -> Output:
        """Return the dead letter of an order that cannot be expressed here. It is pulled again once the shop has mended
        it."""
        key = f"pull/{source}/{refused.source_ref}".encode()
        marks = {
            "code": UNMAPPABLE,
            "detail": refused.reason[:DETAIL_CHARACTERS_MAX],
            "topic": "",
            "key": refused.source_ref,
            "role": ROLE,
            "at": rfc3339(self._clock.now_ms()),
        }
        if len(refused.wire) > WIRE_BYTES_MAX:
            marks["truncated"] = str(len(refused.wire))
        headers = [(MARK + mark, text.encode(errors="replace")) for mark, text in marks.items()]
        value = refused.wire[:WIRE_BYTES_MAX]
        return Output(
            topic=DEAD_LETTER, key=key, value=value, headers=headers, partition=partition_of(key, self._dead_letters)
        )
