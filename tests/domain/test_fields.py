"""Which fields an operator may change, and how their text is read."""

import pytest
from msgspec.structs import replace

from app.domain.order import Address, Line, Order
from app.domain.order_fields import change_fields, check_bounds, mapped_fields_differ
from app.errors import RecordError

ORDER = Order(
    "o", "shop", "1", "web", 0, "USD", 0, 0, 0, 0, 0, Address(city="Seattle"), Address(),
    (Line("a.1", "s", "n", 10_000, 0, 0), Line("2", "s", "n", 10_000, 0, 0)), company="USMF",
)  # fmt: skip


def test_header_address_and_line_are_set() -> None:
    values = {
        "ship_to.city": "Olympia",
        "invoice_customer": " US-1 ",
        "lines.a.1.site": "US",
        "requested_ship_date": "2026-03-31",
    }
    after, names = change_fields(ORDER, values)
    assert after.ship_to.city == "Olympia"
    assert after.invoice_customer == "US-1"
    assert [line.site for line in after.lines] == ["US", None]
    assert after.requested_ship_date == 1_774_915_200_000
    assert set(names) == set(values)


def test_same_value_is_no_change() -> None:
    assert change_fields(ORDER, {"company": "USMF", "ship_to.city": "Seattle"}) == (ORDER, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("1774915200000", 1_774_915_200_000),
        ("2026-03-31T00:00:00Z", 1_774_915_200_000),
        ("2026-03-31T02:00:00+02:00", 1_774_915_200_000),
    ],
)
def test_times(text: str, expected: int | None) -> None:
    before = replace(ORDER, requested_ship_date=1)
    assert change_fields(before, {"requested_ship_date": text})[0].requested_ship_date == expected


def test_company_may_be_set_once() -> None:
    free = replace(ORDER, company=None)
    assert change_fields(free, {"company": "DEMF"})[0].company == "DEMF"
    for text in ("DEMF", ""):
        with pytest.raises(RecordError, match="company is read-only once set: it is 'USMF'"):
            change_fields(ORDER, {"company": text})


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"state": "Completed"}, "unknown-field"),
        ({"ship_to.planet": "Mars"}, "unknown-field"),
        ({"lines.2.quantity": "1"}, "unknown-field"),
        ({"lines.3.site": "1"}, "unknown-line"),
        ({"customer": "x" * 501}, "invalid"),
        ({"requested_ship_date": "tomorrow"}, "invalid"),
        ({"requested_ship_date": "-5"}, "invalid"),
        ({"requested_ship_date": "9" * 40}, "invalid"),
        ({"requested_ship_date": "0001-01-01"}, "invalid"),
    ],
)
def test_refused(values: dict[str, str], code: str) -> None:
    with pytest.raises(RecordError) as refused:
        change_fields(ORDER, values)
    assert refused.value.code == code
    assert next(iter(values)).split(".")[0] in refused.value.detail


def test_numbers_beyond_the_wire_are_refused() -> None:
    check_bounds(ORDER)
    with pytest.raises(RecordError, match="total"):
        check_bounds(replace(ORDER, total=1 << 63))


def test_what_dual_write_maps() -> None:
    assert not mapped_fields_differ(ORDER, replace(ORDER, state="On Hold"))
    assert mapped_fields_differ(ORDER, replace(ORDER, site="US"))
    moved = replace(ORDER.lines[0], warehouse="US-SEA")
    assert mapped_fields_differ(ORDER, replace(ORDER, lines=(moved, ORDER.lines[1])))
