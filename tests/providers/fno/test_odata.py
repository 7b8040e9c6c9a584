"""The parts of OData that F+O takes."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.fno import odata
from app.providers.http_messages import MalformedReplyError, Reply

BASE = "https://erp.example.com/fno"


def anything(entity: dict[str, Any]) -> odata.Entity:
    return entity


def page(body: object) -> odata.EntityPage:
    return odata.page_of(Reply(200, {}, msgspec.json.encode(body)), BASE, anything)


@given(st.text(min_size=1, max_size=30))
def test_no_text_breaks_out_of_a_filter_or_is_read_as_a_pattern(text: str) -> None:
    call = odata.search("SalesOrderHeadersV4", Email=text)
    [value] = parse_qs(urlsplit(call.target).query, strict_parsing=True)["$filter"]
    literal = odata.literal(text)
    assert value == (f"Email ge {literal} and Email le {literal}" if "*" in text else f"Email eq {literal}")
    assert literal[1:-1].replace("''", "'") == text
    assert literal[1:-1].replace("''", "").count("'") == 0


@given(st.text(min_size=1, max_size=30))
def test_no_text_breaks_out_of_a_key(text: str) -> None:
    path = odata.key_path("SalesOrderHeadersV4", dataAreaId="usmf", SalesOrderNumber=text)
    assert "/" not in path.removeprefix("/data/")
    assert "?" not in path
    inside = unquote(path).removeprefix("/data/SalesOrderHeadersV4(dataAreaId='usmf',SalesOrderNumber='")
    assert inside.removesuffix("')").replace("''", "'") == text


def test_every_query_is_across_companies() -> None:
    assert "cross-company=true" in odata.search("X", A="1").target
    assert "cross-company=true" in odata.read("/data/X").target


@given(st.integers(-(10**16), 10**16))
def test_amounts_are_json_numbers_without_loss(amount: int) -> None:
    call = odata.create("X", {"SalesPrice": odata.number(amount)})
    written = msgspec.json.decode(call.body or b"", type=dict[str, Decimal])["SalesPrice"]
    assert written == Decimal(amount) / 10_000
    assert b'"' not in (call.body or b"").split(b":")[1]


@pytest.mark.parametrize(
    ("held", "wanted", "same"),
    [
        (Decimal("12.50"), odata.number(125_000), True),
        (12, odata.number(120_000), True),
        (12.5, odata.number(125_000), False),
        ("12.5", odata.number(125_000), False),
        (1, 1, True),
        (None, "", True),
        ("", "", True),
        ("a", "A", False),
        ("2019-03-05T12:00:00Z", odata.date(1_551_822_011_000), True),
        ("2019-03-05T00:00:00Z", odata.date(1_551_822_011_000), True),
        ("2019-03-06T12:00:00Z", odata.date(1_551_822_011_000), False),
        (None, odata.date(None), True),
        (odata.EMPTY_DATE, odata.date(None), True),
        ("2019-03-05T12:00:00Z", odata.date(None), False),
    ],
)
def test_what_says_the_same_is_not_written_again(held: object, wanted: object, same: bool) -> None:
    assert odata.is_same(held, wanted) is same


def test_the_next_page_is_below_the_same_address() -> None:
    link = f"{BASE}/data/X?$skiptoken=a%20b"
    assert page({"value": [{}], "@odata.nextLink": link}).following == "/data/X?$skiptoken=a%20b"
    assert page({"value": []}).following == ""


@pytest.mark.parametrize("link", ["https://elsewhere.example.com/data/X", f"{BASE}.evil.example/data/X", "/data/X"])
def test_a_token_is_never_taken_elsewhere(link: str) -> None:
    with pytest.raises(MalformedReplyError, match="next page below"):
        page({"value": [], "@odata.nextLink": link})


@pytest.mark.parametrize("body", [{}, {"value": {}}, {"value": [1]}, []])
def test_a_list_that_is_none_is_malformed(body: object) -> None:
    with pytest.raises(MalformedReplyError):
        page(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"An error.","innererror":{"message":"Write failed for table row"}}}', "Write failed"),
        (b'{"error":{"message":"An error."}}', "An error."),
        (b'{"error":{"message":"An error.","innererror":"odd"}}', "An error."),
        (b'{"error":"invalid_client","error_description":"AADSTS7000215"}', "AADSTS7000215"),
        (b'{"error":"invalid_client"}', "invalid_client"),
        (b"[1]", "[1]"),
        (b"<html>", "<html>"),
        (b"", ""),
    ],
)
def test_errors_of_any_shape_are_read(body: bytes, message: str) -> None:
    assert odata.message_of(Reply(400, {}, body)).startswith(message)
