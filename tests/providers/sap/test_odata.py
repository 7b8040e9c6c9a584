"""OData V2 as values: literals, decimals, dates, envelopes and errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.http_messages import MalformedReplyError, Reply
from app.providers.sap import odata


def reply(body: bytes, status: int = 200, **headers: str) -> Reply:
    return Reply(status, headers, body)


@given(st.integers(-(10**18), 10**18))
def test_decimals_come_back_exactly(amount: int) -> None:
    assert odata.amount_of({"A": odata.decimal(amount)}, "A") == amount


@given(st.integers(0, 10**14))
def test_thousandths_are_written_with_three_places(thousandths: int) -> None:
    text = odata.decimal(thousandths * 10, 3)
    assert text == f"{thousandths // 1000}.{thousandths % 1000:03}"


@pytest.mark.parametrize(
    ("text", "amount"), [("2", 20_000), ("2.000", 20_000), ("-0.5", -5000), ("12.500000000", 125_000)]
)
def test_decimals_as_sap_writes_them(text: str, amount: int) -> None:
    assert odata.amount_of({"A": text}, "A") == amount


@pytest.mark.parametrize("text", [None, "", "1e3", "NaN", "1.00001", "1,5", " 1", "1.", ".5", "1234567890123456", "٣"])
def test_what_is_no_decimal(text: object) -> None:
    with pytest.raises(MalformedReplyError, match="decimal"):
        odata.amount_of({"A": text}, "A")


def test_dates_are_days_and_times_are_instants() -> None:
    assert odata.date(1_551_822_011_000) == "/Date(1551744000000)/"
    assert odata.time_of({"A": "/Date(1492098664000+0000)/"}, "A") == 1_492_098_664_000
    assert odata.time_of({"A": "/Date(-86400000)/"}, "A") == -86_400_000
    assert odata.duration_of({"A": "PT12H30M05S"}, "A") == 45_005_000
    assert odata.duration_of({"A": "PT00H00M00S"}, "A") == 0
    assert odata.instant(1_492_098_664_007) == "datetimeoffset'2017-04-13T15:51:04.007Z'"


@pytest.mark.parametrize(
    "text", [None, "2017-04-13", "/Date(x)/", "/Date(1)", "12:30", "/Date(253402300800000)/", "/Date(-62135596800001)/"]
)
def test_what_is_no_time(text: object) -> None:
    with pytest.raises(MalformedReplyError):
        odata.time_of({"A": text}, "A")
    with pytest.raises(MalformedReplyError):
        odata.duration_of({"A": text}, "A")


def test_quotes_in_filters_are_doubled() -> None:
    assert odata.any_of("A", ["x", "o'y"]) == "A eq 'x' or A eq 'o''y'"


def test_a_next_page_elsewhere_is_asked_for_here() -> None:
    """The credentials go to the address of the settings alone, and a gateway may not know its own name."""
    body = b'{"d": {"results": [], "__next": "http://s4.internal/x?$filter=A%20eq%20\'1\'&$skiptoken=100"}}'
    assert odata.page_of(reply(body)).following == (("$filter", "A eq '1'"), ("$skiptoken", "100"))
    assert odata.page_of(reply(b'{"d": []}')).following == ()


@pytest.mark.parametrize("body", [b"{}", b'{"d": 1}', b'{"d": {"results": 1}}', b'{"d": {"results": [1]}}', b"x"])
def test_pages_that_are_none(body: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        odata.page_of(reply(body))


def test_saps_time_is_the_replys() -> None:
    page = odata.page_of(reply(b'{"d": {"results": []}}', date="Tue, 05 Mar 2019 21:40:11 GMT"))
    assert page.at == 1_551_822_011_000
    assert odata.page_of(reply(b'{"d": {"results": []}}')).at is None


def test_numbers_are_compared_without_leading_zeros() -> None:
    assert odata.number_of({"A": "0000001234"}, "A") == "1234"
    assert odata.number_of({"A": "000"}, "A") == "000"
    with pytest.raises(MalformedReplyError):
        odata.number_of({"A": None}, "A")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"code": "V1/302", "message": {"lang": "en", "value": "Sold-to"}}}', "Sold-to (V1/302)"),
        (b'{"error": {"message": "plain"}}', "plain"),
        (b'{"error": {"code": "X"}}', "{'code': 'X'} (X)"),
        (b'{"other": 1}', "{'other': 1}"),
        (b"Logon failed", "Logon failed"),
        (b"[1]", "[1]"),
    ],
)
def test_saps_own_words(body: bytes, words: str) -> None:
    assert odata.message_of(reply(body, 400)) == words


@pytest.mark.parametrize(
    ("status", "headers", "body", "wanted"),
    [
        (403, {"x-csrf-token": "Required"}, b"", True),
        (403, {}, b"CSRF token validation failed", True),
        (403, {}, b"no authorization", False),
        (400, {"x-csrf-token": "Required"}, b"", False),
    ],
)
def test_only_a_refused_token_is_a_reason_to_fetch_another(
    status: int, headers: dict[str, str], body: bytes, wanted: bool
) -> None:
    assert odata.wants_token(reply(body, status, **headers)) is wanted
