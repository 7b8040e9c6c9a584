"""Standard Webhooks: whose signature is taken, at what time, and what is refused with which words."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.errors import SettingError
from app.providers.webhooks import SIGNATURES_MAX, TOLERANCE_S, RefusalCode, WebhookRefusedError, signer, verify

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret").decode()
NOW = 1_769_860_800
BODY = b'{"type":"thing.happened"}'


def headers_of(
    body: bytes = BODY, key: str = KEY, at: int = NOW, webhook_id: str = "msg_1", **more: str
) -> dict[str, str]:
    """As the package of Standard Webhooks signs."""
    signature = Webhook(key).sign(webhook_id, datetime.fromtimestamp(at, UTC), body.decode())
    given = {"webhook-id": webhook_id, "webhook-timestamp": str(at), "webhook-signature": signature}
    return given | {name.replace("_", "-"): value for name, value in more.items()}


def refusal(headers: dict[str, str], body: bytes = BODY, now_s: float = NOW) -> WebhookRefusedError:
    with pytest.raises(WebhookRefusedError) as refused:
        verify(headers, body, KEY, now_s)
    return refused.value


def test_the_published_sample_of_standard_webhooks_is_taken() -> None:
    """From the specification's reference implementations."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify(headers, b'{"test": 2432232314}', KEY, 1_614_265_330) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@given(st.text(max_size=200), st.binary(min_size=1, max_size=64), st.integers(0, 10**10))
def test_what_is_signed_is_taken(body: str, key: bytes, at: int) -> None:
    data = body.encode("utf-8", "replace")
    text = base64.b64encode(key).decode()
    for secret in (text, f"whsec_{text}", key):
        assert verify(headers_of(data, text, at), data, secret, at) == "msg_1"


def test_names_of_headers_are_of_any_case() -> None:
    headers = {name.title(): value for name, value in headers_of().items()}
    assert verify(headers, BODY, KEY, NOW) == "msg_1"


@pytest.mark.parametrize("away", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_five_minutes_are_tolerated(away: int) -> None:
    assert verify(headers_of(), BODY, KEY, NOW + away) == "msg_1"


@pytest.mark.parametrize("away", [-TOLERANCE_S - 0.001, TOLERANCE_S + 0.001, 86_400.0])
def test_old_and_future_ones_are_stale(away: float) -> None:
    error = refusal(headers_of(), now_s=NOW + away)
    assert (error.code, error.status) == (RefusalCode.STALE, 401)
    assert str(NOW) in error.detail


def test_one_of_several_signatures_is_enough() -> None:
    good = headers_of()["webhook-signature"]
    bad = headers_of(key=OTHER)["webhook-signature"]
    assert verify(headers_of(webhook_signature=f"v1a,xyz {bad} {good}"), BODY, KEY, NOW) == "msg_1"


def test_signatures_without_end_are_not_tried() -> None:
    good, bad = headers_of()["webhook-signature"], headers_of(key=OTHER)["webhook-signature"]
    error = refusal(headers_of(webhook_signature=" ".join([*[bad] * SIGNATURES_MAX, good])))
    assert error.code is RefusalCode.BAD_SIGNATURE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        headers_of(key=OTHER),
        headers_of(b"{}"),
        headers_of(webhook_id="msg_2") | {"webhook-id": "msg_1"},
        headers_of() | {"webhook-timestamp": str(NOW + 1)},
        headers_of() | {"webhook-timestamp": f"{NOW}.0"},
        headers_of() | {"webhook-timestamp": "-1"},
        headers_of() | {"webhook-timestamp": "²"},
        headers_of() | {"webhook-timestamp": "9" * 12},
        headers_of() | {"webhook-id": ""},
        headers_of() | {"webhook-id": "x" * 201},
        headers_of() | {"webhook-id": "a\nb"},
        headers_of() | {"webhook-signature": ""},
        headers_of() | {"webhook-signature": "v1"},
        headers_of() | {"webhook-signature": "v1,"},
        headers_of() | {"webhook-signature": "v1,%%%"},
        headers_of() | {"webhook-signature": "v1,\udcff"},
        headers_of() | {"webhook-signature": headers_of()["webhook-signature"].replace("v1,", "v2,")},
        headers_of() | {"webhook-signature": headers_of()["webhook-signature"][3:]},
    ],
)
def test_what_is_not_signed_is_refused(headers: dict[str, str]) -> None:
    error = refusal(headers)
    assert (error.code, error.status) == (RefusalCode.BAD_SIGNATURE, 401)


def test_the_time_is_not_told_to_those_without_the_secret() -> None:
    assert refusal(headers_of(key=OTHER, at=NOW - 10_000)).code is RefusalCode.BAD_SIGNATURE


def test_a_body_that_is_not_utf8_is_malformed() -> None:
    error = refusal(headers_of(), b"\xff\xfe")
    assert (error.code, error.status) == (RefusalCode.MALFORMED, 400)


@pytest.mark.parametrize("key", ["", "whsec_", "hunter2xx", b""])
def test_a_secret_that_is_none_is_a_setting_to_mend(key: Any) -> None:
    with pytest.raises(SettingError, match="base64") as error:
        signer(key)
    assert "hunter2" not in str(error.value)


def test_no_refusal_shows_the_secret_or_the_right_signature() -> None:
    right = headers_of()["webhook-signature"].removeprefix("v1,")
    for headers in ({}, headers_of(key=OTHER), headers_of() | {"webhook-signature": "v1,x"}):
        assert not [part for part in (right, KEY, KEY.removeprefix("whsec_")) if part in repr(refusal(headers))]
