"""Sealed orders in the roles: which are sealed, what master keys that change mean to them, and requests of forgotten
ones."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from app.agents import order_ledger
from app.agents.apply import Apply
from app.agents.orchestrate import Orchestrate
from app.agents.perform import Perform
from app.domain.order import OrderState
from app.errors import RecordError
from app.events.catalog import CHANGED_AT_IOM, ChangeEvent
from app.events.headers import SEALED
from app.events.model import Body, Event, OrderCommand, OrderCreated, OrderValidated, ProviderEvent
from app.events.order_records import encoded, opened
from app.events.record import Output, Record
from app.events.sales_order_change import ChangeSource, SalesOrderChange
from app.lanes.role import Folded, Job
from app.providers.port import Code, Outcome, Result
from app.sealing.key_book import TOPIC, KeyBook
from app.sealing.master_keys import NO_KEYS, MasterKeys
from tests.agents.stand_ins import AT, CODEC, Calls, Erp, Held, Provider, as_record, event_of, on, read_back, topics
from tests.dualwrite.rows import ORDERS, our_row
from tests.flows.journey import an_order, published

OLD, NEW = bytes(range(64)), bytes(range(1, 65))
KEYS = MasterKeys([OLD])
STREET = an_order(2).ship_to.street
KEY = b"bc-shop-1"


def random_bytes(count: int) -> bytes:
    return bytes(range(100, 100 + count))


class Driven:
    """`orchestrate` and its ledger, with other master keys from time to time."""

    def __init__(self, master_keys: MasterKeys = KEYS) -> None:
        self.state: dict[bytes, bytes] = {}
        self.number = 0
        self.restart(master_keys)

    def restart(self, master_keys: MasterKeys) -> None:
        self.role = Orchestrate(
            CODEC, published(), ORDERS, {"main": 0}, master_keys=master_keys, random_bytes=random_bytes
        )

    def take(self, name: str, body: Body) -> Folded:
        self.number += 1
        event = Event(name, f"e{self.number}", KEY.decode(), AT + self.number, "test", "", body)
        folded = self.role.fold(as_record(event, offset=self.number), self.state, repeated=False)
        self.state |= {key: value for key, value in folded.changes.items() if value is not None}
        return folded

    def created(self) -> Folded:
        return self.take("order created", OrderCreated(an_order(2)))

    def moved(self, street: str) -> Folded:
        command = OrderCommand(KEY.decode(), "change", actor="clerk", values={"ship_to.street": street})
        return self.take("order command", command)

    @property
    def order(self) -> OrderState:
        entry = order_ledger.decode(self.state[KEY])
        assert isinstance(entry, OrderState)
        return entry

    @property
    def key(self) -> bytes:
        return order_ledger.wrapped_key(self.state[KEY])


def is_sealed(output: Output) -> bool:
    return SEALED in dict(output.headers)


def shows(folded: Folded, text: str) -> list[str]:
    """The topics in which the text can be read."""
    return [output.topic for output in folded.outputs if text.encode() in (output.value or b"")]


def opened_with(output: Output, wrapped_key: bytes, master_keys: MasterKeys = KEYS) -> Any:
    event = opened(event_of(output), read_back(output), master_keys.cipher(KEY.decode(), wrapped_key))
    assert event is not None
    return event.body


def test_a_new_order_is_sealed_and_its_key_is_in_the_same_transaction() -> None:
    driven = Driven()
    folded = driven.created()
    assert shows(folded, STREET) == []
    (key,) = on(folded, TOPIC)
    assert (key.key, key.value, key.partition) == (KEY, driven.key, None)
    assert driven.key
    sealed = {output.topic for output in folded.outputs if is_sealed(output)}
    assert sealed == {"order-validated", "fulfillment-requested", "dualwrite.iom.salesorders"}
    validated = opened_with(on(folded, "order-validated")[0], driven.key)
    assert isinstance(validated, OrderValidated)
    assert validated.order.ship_to == an_order(2).ship_to == driven.order.order.ship_to


def test_a_sealed_order_folded_again_comes_out_the_same() -> None:
    assert Driven().created() == Driven().created()


def test_without_a_master_key_all_is_as_it_was() -> None:
    driven, plain = Driven(NO_KEYS), Driven(NO_KEYS)
    folded = driven.created()
    assert (driven.key, on(folded, TOPIC), [each for each in folded.outputs if is_sealed(each)]) == (b"", [], [])
    assert folded.changes == {KEY: order_ledger.encode(driven.order)}
    plain.created()
    assert plain.state == driven.state


def test_an_order_stays_as_it_began_when_a_master_key_comes() -> None:
    driven = Driven(NO_KEYS)
    driven.created()
    driven.restart(KEYS)
    folded = driven.moved("9 Moved Rd")
    assert shows(folded, "9 Moved Rd") == ["dualwrite.iom.salesorders"]
    assert (driven.key, on(folded, TOPIC)) == (b"", [])


def test_an_order_stays_sealed_when_sealing_ends() -> None:
    driven, ended = Driven(), MasterKeys([OLD], seals=False)
    driven.created()
    key = driven.key
    driven.restart(ended)
    folded = driven.moved("9 Moved Rd")
    assert (shows(folded, "9 Moved Rd"), on(folded, TOPIC), driven.key) == ([], [], key)
    assert Driven(ended).created().changes == Driven(NO_KEYS).created().changes


def test_the_next_write_wraps_the_key_with_the_new_master_key() -> None:
    driven, both = Driven(), MasterKeys([NEW, OLD])
    first = driven.created()
    driven.restart(both)
    folded = driven.moved("9 Moved Rd")
    (key,) = on(folded, TOPIC)
    assert key.value == driven.key
    new = MasterKeys([NEW])
    assert opened_with(on(first, "order-validated")[0], driven.key, new).order.ship_to.street == STREET
    assert on(driven.moved("10 Moved Rd"), TOPIC) == [], "once is enough"


def test_forgetting_takes_the_key_away() -> None:
    driven = Driven()
    driven.created()
    driven.take("provider event", ProviderEvent(KEY.decode(), "fno", "order canceled"))
    assert driven.order.settled_at
    folded = driven.take("order command", OrderCommand(KEY.decode(), "forget"))
    (tombstone,) = on(folded, TOPIC)
    assert (tombstone.key, tombstone.value, driven.key) == (KEY, None, b"")
    assert on(driven.take("order command", OrderCommand(KEY.decode(), "forget")), TOPIC) == []


# ---- who reads what is sealed ----

OK = Result(Outcome.OK, Code.OK, "", "1")


def a_request() -> tuple[Record, KeyBook]:
    """A request that `orchestrate` wrote, and a book with its order's key."""
    driven, book = Driven(), KeyBook(KEYS)
    folded = driven.created()
    book.take(KEY, driven.key)
    request = replace(event_of(on(folded, "fulfillment-requested")[0]), order_id=KEY.decode())
    body = replace(opened_with(on(folded, "fulfillment-requested")[0], driven.key), through="http")
    return read_back(encoded(CODEC, replace(request, body=body), KEYS.cipher(KEY.decode(), driven.key))), book


def a_row() -> tuple[Record, KeyBook]:
    book, wrapped = KeyBook(KEYS), KEYS.wrap("bc-s1-77", random_bytes(64))
    book.take(b"bc-s1-77", wrapped)
    change = SalesOrderChange("c", AT, None, our_row(SalesOrderNumber=""), ChangeSource("iom", 1, name="iom"))
    event = ChangeEvent(CHANGED_AT_IOM, "row-1", "bc-s1-77", AT, "waybill/orchestrate", "e0", change)
    return read_back(encoded(CODEC, event, KEYS.cipher("bc-s1-77", wrapped))), book


async def test_a_provider_is_asked_with_the_address() -> None:
    (record, book), provider = a_request(), Provider(OK, name="fno")
    assert STREET.encode() not in (record.value or b"")
    job = Perform(CODEC, {"fno": provider}, Calls(), keys=book).fold(record, {}, repeated=False)
    assert isinstance(job, Job)
    assert topics(await job.run(Held())) == ["provider-result"]
    assert provider.asked[0].body.order.ship_to.street == STREET  # type: ignore[union-attr]


async def test_the_erp_gets_the_address() -> None:
    (record, book), erp = a_row(), Erp(OK)
    job = Apply(CODEC, erp, Calls(), keys=book).fold(record, {}, repeated=False)
    assert isinstance(job, Job)
    await job.run(Held())
    assert erp.rows[0][0] == our_row(SalesOrderNumber="")


@pytest.mark.parametrize("sealed", [a_request, a_row])
def test_of_a_forgotten_order_nothing_is_sent(sealed: Callable[[], tuple[Record, KeyBook]]) -> None:
    record, book = sealed()
    book.take(record.key, None)
    performer, applier = Perform(CODEC, {}, Calls(), keys=book), Apply(CODEC, Erp(), Calls(), keys=book)
    role = performer if record.topic in performer.inputs else applier
    assert role.fold(record, {}, repeated=False) == Folded(outcome="forgotten")


def test_a_request_that_was_changed_is_refused() -> None:
    record, book = a_request()
    at = (record.value or b"").index(b"waybill-sealed:1:") + 20
    altered = bytearray(record.value or b"")
    altered[at] = ord("A") if altered[at] != ord("A") else ord("B")
    with pytest.raises(RecordError, match=r"order\.ship_to\.name does not open with the key of order bc-shop-1"):
        Perform(CODEC, {}, Calls(), keys=book).fold(record._replace(value=bytes(altered)), {}, repeated=False)


def test_a_producers_header_seals_nothing() -> None:
    event = Event("order created", "e1", KEY.decode(), AT, "test", "", OrderCreated(an_order(2)))
    record = as_record(event)
    marked = record._replace(headers=(*record.headers, (SEALED, b"1")))
    driven = Driven(NO_KEYS)
    assert driven.role.fold(marked, {}, repeated=False).outcome == "applied"
