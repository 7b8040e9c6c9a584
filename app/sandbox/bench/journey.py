"""The input records of orchestrate in scenario 1: an order with five lines, and the reports and answers about it.

Ids are derived from causes, so that all that providers will report can be written beforehand.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from app.agents import order_ledger
from app.agents.orchestrate import Orchestrate
from app.domain.event_names import EventName
from app.domain.order import AMOUNT_SCALE, Address, Line, Order, OrderState
from app.events.codec import Codec
from app.events.ids import derive
from app.events.model import Body, Event, OrderCreated, ProviderEvent, ProviderResult
from app.events.order_records import encoded
from app.events.record import Record
from app.sandbox.demo.made_names import CUSTOMERS, DESTINATIONS, PRODUCTS

LINES: Final = 5
STORE: Final = "bench"


class InputKind(NamedTuple):
    """One kind of input. `body` makes it from the order and the state that orchestrate has of it by then."""

    label: str
    event: str
    body: Callable[[Order, OrderState | None], Body]


def _created(order: Order, _: OrderState | None) -> Body:
    return OrderCreated(order)


def _reported(event: str) -> Callable[[Order, OrderState | None], Body]:
    def body(order: Order, _: OrderState | None) -> Body:
        return ProviderEvent(
            order_id=order.order_id,
            provider="fno",
            event=event,
            reference=f"SO-{order.source_ref:0>6}",
            occurred_at=order.placed_at,
        )

    return body


def _answered(order: Order, state: OrderState | None) -> Body:
    """Return the provider's answer to its last request."""
    assert state is not None, "an answer comes after the order"
    effect = state.effects[-1]
    reference = f"SO-{order.source_ref:0>6}" if effect.provider == "fno" else order.source_ref
    return ProviderResult(
        order_id=order.order_id,
        effect_id=effect.effect_id,
        provider=effect.provider,
        action=effect.action,
        attempt=effect.attempt,
        outcome="ok",
        code="ok",
        detail="",
        reference=reference,
    )


KINDS: Final = (
    InputKind(EventName.ORDER_CREATED, EventName.ORDER_CREATED, _created),
    InputKind("result: sent to F+O", EventName.PROVIDER_RESULT, _answered),
    InputKind(EventName.ORDER_PICKED, EventName.PROVIDER_EVENT, _reported(EventName.ORDER_PICKED)),
    InputKind(EventName.ORDER_SHIPPED, EventName.PROVIDER_EVENT, _reported(EventName.ORDER_SHIPPED)),
    InputKind("result: shop told", EventName.PROVIDER_RESULT, _answered),
    InputKind(EventName.ORDER_INVOICED, EventName.PROVIDER_EVENT, _reported(EventName.ORDER_INVOICED)),
    InputKind("result: shop told again", EventName.PROVIDER_RESULT, _answered),
)
"""The inputs of each order, in this order."""


class OrderRecords(NamedTuple):
    """An order's records, one for each kind, and how many records orchestrate writes for each, its ledger aside."""

    records: tuple[Record, ...]
    written: tuple[int, ...]


def an_order(number: int, placed_at: int) -> Order:
    """Return an order that every policy accepts, made of the addresses and products of the demo."""
    place = DESTINATIONS[number % len(DESTINATIONS)]
    first, last = CUSTOMERS[number % len(CUSTOMERS)]
    address = Address(
        name=f"{first} {last}",
        company="",
        street=f"{place.street} {number % 240 + 1}",
        city=place.city,
        region=place.region,
        postal_code=place.postal_code,
        country=place.iso2,
        email=f"customer{number % 9999}@example.com",
    )
    lines = tuple(_line(number, at) for at in range(1, LINES + 1))
    total = sum(line.total for line in lines)
    return Order(
        order_id=f"bc-{STORE}-{number}",
        origin="bigcommerce",
        source_ref=str(number),
        channel="bigcommerce-1",
        placed_at=placed_at,
        currency="USD",
        subtotal=total,
        shipping=0,
        tax=0,
        discount=0,
        total=total,
        ship_to=address,
        bill_to=address,
        lines=lines,
        customer=str(number % 9999),
    )


def _line(number: int, at: int) -> Line:
    sku, name, price = PRODUCTS[(number * LINES + at) % len(PRODUCTS)]
    unit = int(price * AMOUNT_SCALE)
    pieces = at
    return Line(
        line_id=str(at),
        sku=sku,
        name=name,
        quantity=pieces * AMOUNT_SCALE,
        unit_price=unit,
        total=pieces * unit,
        reference=str(number * 100 + at),
    )


def record_journey(role: Orchestrate, codec: Codec, order: Order) -> OrderRecords:
    """Fold one order's records through `role`, which gives the effect ids that the later ones need."""
    key = order.order_id.encode()
    state: dict[bytes, bytes] = {}
    records, written = [], []
    for position, kind in enumerate(KINDS):
        order_state = order_ledger.decode(state[key]) if key in state else None
        assert not isinstance(order_state, order_ledger.Early), "the order is created first"
        record = _record(codec, order, position, kind.body(order, order_state), kind.event)
        folded = role.fold(record, state, repeated=False)
        state |= {changed: value for changed, value in folded.changes.items() if value is not None}
        records.append(record)
        written.append(len(folded.outputs))
    return OrderRecords(tuple(records), tuple(written))


def _record(codec: Codec, order: Order, position: int, body: Body, name: str) -> Record:
    order_id = order.order_id
    at = order.placed_at + position
    cause = "" if position == 0 else derive(order_id, f"cause {position}")
    event = Event(
        name=name,
        event_id=derive(order_id, f"input {position}"),
        order_id=order_id,
        at=at,
        source="bench",
        cause_id=cause,
        body=body,
    )
    output = encoded(codec, event)
    return Record(
        topic=output.topic,
        partition=0,
        offset=0,
        timestamp=at,
        key=output.key,
        value=output.value,
        headers=tuple(output.headers),
    )


def journeys(role: Orchestrate, codec: Codec, count: int, first_at: int) -> Iterator[OrderRecords]:
    """Yield the records of `count` orders, one every ten milliseconds from `first_at` (ms)."""
    for number in range(1, count + 1):
        yield record_journey(role, codec, an_order(number, first_at + 10 * number))
