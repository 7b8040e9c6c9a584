"""A sealed body shows no person, opens with its order's key alone, and with that to exactly what it was."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, json
from msgspec.structs import replace

from app.domain.order import Address
from app.domain.personal_data import personal_fields, redact
from app.errors import LedgerError, RecordError, SettingError
from app.events.model import OrderValidated, ProviderEvent, SourceExplanation, SourcingResult
from app.sealing.key_book import KeyBook
from app.sealing.master_keys import MasterKeys, parse_keys
from app.sealing.order_cipher import OrderCipher
from app.sealing.sealed_fields import seal, unseal
from tests.flows.journey import an_order

MASTER = MasterKeys([bytes(range(64))])
OTHER_MASTER = MasterKeys([bytes(range(1, 65))])
ORDER_KEY = bytes(range(100, 164))


def cipher(order_id: str = "web-1", order_key: bytes = ORDER_KEY) -> OrderCipher:
    return MASTER.cipher(order_id, MASTER.wrap(order_id, order_key))


@given(st.text(), st.text(min_size=1))
def test_a_text_comes_back_from_its_place_alone(text: str, elsewhere: str) -> None:
    sealed = cipher().seal("order.ship_to.name", text)
    assert cipher().unseal("order.ship_to.name", sealed) == text
    assert (text == "") == (sealed == "")
    if text and elsewhere != "order.ship_to.name":
        with pytest.raises(RecordError, match="does not open"):
            cipher().unseal(elsewhere, sealed)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_text_that_was_changed_does_not_open(at: int, flip: int) -> None:
    sealed = bytearray(cipher().seal("actor", "Ana Lima").encode())
    sealed[at % len(sealed)] ^= flip
    with pytest.raises(RecordError, match="actor does not open with the key of order web-1"):
        cipher().unseal("actor", sealed.decode("latin-1"))


@pytest.mark.parametrize(
    "other",
    [cipher("web-2"), cipher(order_key=bytes(64)), OTHER_MASTER.cipher("web-1", OTHER_MASTER.wrap("web-1", bytes(64)))],
    ids=["order", "key", "master key"],
)
def test_another_orders_key_opens_nothing(other: OrderCipher) -> None:
    sealed = cipher().seal("actor", "Ana Lima")
    with pytest.raises(RecordError, match="sealed for another one"):
        other.unseal("actor", sealed)


def test_the_same_text_is_the_same_sealed_so_that_a_record_comes_out_as_before() -> None:
    assert cipher().seal("actor", "Ana") == cipher().seal("actor", "Ana") != cipher().seal("detail", "Ana")


EXPLANATION = SourceExplanation("1", "main", "east", True, "nearest", quantity=10_000, terms={"distance": "12.5"})
BODIES: tuple[Struct, ...] = (
    OrderValidated(an_order(customer="ana-7"), ()),
    ProviderEvent("web-1", "fno", "order changed", values={"ship_to.street": "9 Moved Rd"}),
    SourcingResult("web-1", "e1", "sourced", "", explanations=(EXPLANATION,), gap=12),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_sealed_body_is_the_same_without_its_people(body: Any) -> None:
    sealed = seal(body, cipher())
    assert unseal(sealed, cipher()) == body
    assert redact(sealed) == redact(body)
    shown, plain = json.encode(sealed).decode(), json.encode(body).decode()
    words = [word for word in ("Ana", "Pine", "98101", "ana-7", "9 Moved", "nearest", "12.5") if word in plain]
    assert words
    assert not [word for word in words if word in shown]


def test_every_personal_text_of_an_order_is_sealed() -> None:
    address = Address(**dict.fromkeys(Address.__struct_fields__, "x"))
    sealed = seal(OrderValidated(an_order(customer="x", ship_to=address, bill_to=address), ()), cipher())
    for path in personal_fields(OrderValidated):
        value: Any = sealed
        for name in path.split("."):
            value = getattr(value, name)
        assert value.startswith("waybill-sealed:1:"), path


def test_numbers_of_explanations_stay() -> None:
    sealed = seal(BODIES[2], cipher())
    assert isinstance(sealed, SourcingResult)
    assert (sealed.explanations[0].chosen, sealed.explanations[0].quantity) == (True, 10_000)


def test_a_body_without_people_is_not_touched() -> None:
    body = replace(BODIES[1], values={})
    assert seal(body, cipher()) is body


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_a_ledger_value_opens_under_its_key_alone(value: bytes, other: bytes) -> None:
    sealed = MASTER.seal_value("order-ledger", b"web-1", value)
    assert MASTER.open_value("order-ledger", b"web-1", sealed) == value
    for ledger, key in (("mirror-ledger", b"web-1"), ("order-ledger", b"web-1" + other)):
        with pytest.raises(LedgerError, match="was changed after it was sealed"):
            MASTER.open_value(ledger, key, sealed)
    with pytest.raises(LedgerError, match="WAYBILL_PERSONAL_DATA_KEY"):
        OTHER_MASTER.open_value("order-ledger", b"web-1", sealed)
    with pytest.raises(LedgerError, match="WAYBILL_PERSONAL_DATA_KEY"):
        MasterKeys().open_value("order-ledger", b"web-1", sealed)


def test_a_new_master_key_seals_and_the_old_one_still_opens() -> None:
    old, new = bytes(range(64)), bytes(range(1, 65))
    both, wrapped = MasterKeys([new, old]), MASTER.wrap("web-1", ORDER_KEY)
    assert both.cipher("web-1", wrapped).unseal("actor", cipher().seal("actor", "Ana")) == "Ana"
    again = both.rewrap("web-1", wrapped)
    assert again == MasterKeys([new]).wrap("web-1", ORDER_KEY) == both.rewrap("web-1", again)
    assert both.open_value("order-ledger", b"web-1", MASTER.seal_value("order-ledger", b"web-1", b"x")) == b"x"


@dataclass
class Books:
    right: KeyBook
    wrong: KeyBook


@pytest.fixture
def books() -> Books:
    books = Books(KeyBook(MASTER), KeyBook(OTHER_MASTER))
    for book in (books.right, books.wrong):
        book.take(b"web-1", MASTER.wrap("web-1", ORDER_KEY))
    return books


def test_a_master_key_that_is_missing_is_named(books: Books) -> None:
    books.right.require_keys()
    with pytest.raises(SettingError, match=r"personal data of 1 orders is sealed with master key .*_DATA_KEY"):
        books.wrong.require_keys()


def test_an_order_that_is_forgotten_has_no_key(books: Books) -> None:
    assert books.right.find("web-1") is not None
    books.right.take(b"web-1", None)
    books.wrong.take(b"web-1", None)
    assert books.right.find("web-1") is None
    books.wrong.require_keys()


@pytest.mark.parametrize("text", ["xyz", "00ff", "00" * 64 + "," + "0", "00" * 63])
def test_a_key_that_is_none_is_refused_without_it(text: str) -> None:
    with pytest.raises(ValueError, match="openssl rand -hex 64"):
        parse_keys(text)
