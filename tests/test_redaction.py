"""Secrets, and text without end, never get through."""

import json
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.event_names import EventName
from app.events.model import ProviderEvent
from app.redaction import DETAIL_CHARS_MAX, Redaction, printable_address

HIDDEN = b"***"

SECRETS = st.text(min_size=4, max_size=30).filter(lambda text: "*" not in text and len(text.split()) == 1)


@given(st.text(max_size=40), SECRETS, st.text(max_size=40))
def test_a_secret_is_hidden_in_every_form(before: str, secret: str, after: str) -> None:
    redaction = Redaction(token=secret)
    for form in (secret, quote(secret, safe=""), quote_plus(secret)):
        assert secret not in redaction.clean(f"{before}{form}{after}").replace("***", "")


def test_earlier_tokens_stay_hidden() -> None:
    redaction = Redaction(secret="s3cret")
    redaction.learn("token", "first-token")
    redaction.learn("token", "second-token")
    assert redaction.clean("first-token second-token s3cret") == "*** *** ***"


@given(st.text(max_size=2000))
def test_details_are_one_bounded_line(text: str) -> None:
    line = Redaction().clean(text)
    assert len(line) <= DETAIL_CHARS_MAX
    assert "\n" not in line


def test_an_empty_secret_hides_nothing() -> None:
    assert Redaction(token="").clean("as it was") == "as it was"


@given(st.binary(max_size=20), st.text(string.printable.strip(), min_size=8, max_size=30), st.binary(max_size=20))
def test_a_secret_is_hidden_anywhere_within_base64(before: bytes, secret: str, after: bytes) -> None:
    data = before + secret.encode() + after
    for text in (b64encode(data), urlsafe_b64encode(data)):
        cleaned = Redaction(token=secret).clean_data(text)
        assert HIDDEN in cleaned
        assert len(cleaned.replace(HIDDEN, b"")) <= len(b64encode(before)) + len(b64encode(after)) + 4


@pytest.mark.parametrize("form", [json.dumps, quote, quote_plus, lambda text: quote(quote(text, safe=""), safe="")])
def test_a_secret_is_hidden_in_data_of_others(form: Callable[[str], str]) -> None:
    secret = 'a/b"c\\d+e=f'
    cleaned = Redaction(token=secret).clean_data(form(secret).encode())
    assert cleaned.strip(b'"') == HIDDEN


def test_data_stays_as_it_is_without_a_secret_in_it() -> None:
    data = b'{"token": "short"}'
    assert Redaction(token="other-token", code="short").clean_data(data) is data


def test_values_of_others_are_cleaned() -> None:
    event = ProviderEvent("o-1", "flexe", EventName.ORDER_CANCELED, "r-1", 7, values={"reason": "bad key-12345"})
    cleaned = Redaction(key="key-12345").clean_struct(event)
    assert cleaned == replace(event, values={"reason": "bad ***"})


@pytest.mark.parametrize(
    ("address", "printed"),
    [
        ("https://host:81/path", "https://host:81/path"),
        ("https://user:pa@ss@host/path?key=k#f", "https://***@host/path?***"),
        ("user:pass@host", "***@host"),
    ],
)
def test_addresses_are_printed_without_credentials(address: str, printed: str) -> None:
    assert printable_address(address) == printed
