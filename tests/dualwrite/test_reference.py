"""What an order is known by at F+O: never taken for another, as long as fits, and read back as the id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.external_keys import key_of, units
from app.errors import RecordError
from app.events.intake_limits import ORDER_ID
from app.events.sales_order_change import line_id, order_id
from app.events.sales_order_reference import REFERENCE_MAX, URL_MAX, item_number_of, order_of, reference_of, url_of
from app.sandbox.vendors.fno.collation import collated
from tests.dualwrite.rows import ORDERS, an_order, our_row
from tests.providers.look_alike_ids import LOOK_ALIKES

IDS = st.one_of(st.from_regex(ORDER_ID, fullmatch=True), st.text("aA1-_.*~", min_size=1, max_size=128))
PLAIN = ("bc-shop-1", "fno-usmf-000123", "po_1", "a.b-c", "0500", "x" * 60)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_id_stays_as_it_is(name: str) -> None:
    assert (reference_of(name), url_of(name)) == (name, "")


@pytest.mark.parametrize("name", ["SO-10001", "Case-A", "A.b_c", "X" * 43])
def test_an_id_with_capitals_can_be_read_in_front_of_its_digest(name: str) -> None:
    assert (reference_of(name), url_of(name)) == (name + key_of(name), "")


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("Wild-*", "Wild-_"), ("a..b", "a_.b"), (".a.", "_a_"), ("caf\u00e9/7", "caf__7"), ("x" * 61, "x" * 43)],
)
def test_any_other_id_stands_in_url_as_well(name: str, beginning: str) -> None:
    assert (reference_of(name), url_of(name)) == (beginning + key_of(name), name)


@given(IDS, IDS)
def test_every_id_fits_comes_back_and_is_told_from_every_other(name: str, other: str) -> None:
    reference, url = reference_of(name), url_of(name)
    assert units(reference) <= REFERENCE_MAX
    assert units(url) <= URL_MAX or units(name) > URL_MAX
    assert order_of(reference, url) == name
    assert "*" not in reference
    assert (collated(reference) == collated(reference_of(other))) is (name == other)


def test_the_look_alikes_of_the_contract_are_told_apart_as_well() -> None:
    assert len({collated(reference_of(name)) for name in LOOK_ALIKES}) == len(LOOK_ALIKES)


@pytest.mark.parametrize("reference", ["Case-A", "Wild-*", "PO 7", "a~b", "~", "bc-1~short"])
def test_a_reference_without_a_digest_is_an_id(reference: str) -> None:
    assert order_of(reference, "") == order_of(reference, "anything") == reference


def test_a_digest_without_its_id_says_nothing() -> None:
    assert order_of(reference_of("x" * 61), "") is None
    assert order_of(reference_of("x" * 61), "x" * 62) is None
    assert order_of("somebody" + key_of("else"), "else") is None


def test_a_row_of_ours_is_known_by_what_it_was_made_of() -> None:
    for name in (*PLAIN, "Case-A", "Wild-*", "x" * 128):
        row = ORDERS.to_row(an_order(order_id=name), "SO-7")
        assert (order_id(row), row.CustomersOrderReference, row.URL) == (name, reference_of(name), url_of(name))
    with pytest.raises(RecordError, match="map URL"):
        order_id(replace(our_row(), CustomersOrderReference=reference_of("x" * 61)))


def test_a_line_of_ours_is_known_by_its_id_or_key() -> None:
    for name in ("1", "x" * 20, "x" * 21, "caf\u00e9", " 1"):
        first, second = an_order().lines
        row = ORDERS.to_row(an_order(lines=(replace(first, line_id=name), second)))
        assert line_id(row, row.Lines[0]) == row.Lines[0].ExternalItemNumber == item_number_of(name)
        assert (item_number_of(name) == name) is (name in ("1", "x" * 20, "caf\u00e9"))


def test_an_order_of_f_o_gives_no_reference() -> None:
    row = ORDERS.to_row(an_order(origin="fno", order_id="fno-usmf-7", source_ref="7"))
    assert (row.CustomersOrderReference, row.URL, row.SalesOrderNumber) == ("", "", "7")
