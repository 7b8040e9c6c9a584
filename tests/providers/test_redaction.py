"""Secrets, and text without end, never get through."""

from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from app.providers.redaction import DETAIL_CHARS_MAX, Redaction

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
