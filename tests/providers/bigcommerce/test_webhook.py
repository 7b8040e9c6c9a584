"""What BigCommerce's webhooks say, and which are refused. Signatures are made by hand, as the documents have them."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from app.errors import SettingError
from app.providers.bigcommerce.webhook import receive
from app.providers.webhooks import TOLERANCE_S, Received, RefusalCode, WebhookRefusedError

NOW = 1_561_479_335
SECRET = "client secret of the account".replace(" ", "-")
SETTINGS = {"STORE_HASH": "abc123", "ACCESS_TOKEN": "token", "CLIENT_SECRET": SECRET}
CREATED = {
    "scope": "store/order/created",
    "store_id": "1025646",
    "data": {"type": "order", "id": 250},
    "hash": "dd70c0976e06b67aaf671e73f49dcb79230ebf9d",
    "created_at": NOW,
    "producer": "stores/abc123",
}
HINT = ("bigcommerce/abc123",)


def signed(body: bytes, *, key: str = SECRET, webhook_id: str = "msg_1", at: int = NOW) -> dict[str, str]:
    mac = hmac.new(key.encode(), f"{webhook_id}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": str(at), "webhook-signature": signature}


def received(changes: Any = None, **signing: Any) -> Received:
    body = json.dumps({**CREATED, **(changes or {})}).encode()
    return receive(signed(body, **signing), body, SETTINGS, NOW)


def refused(body: bytes, headers: dict[str, str]) -> RefusalCode:
    with pytest.raises(WebhookRefusedError) as refusal:
        receive(headers, body, SETTINGS, NOW)
    assert SECRET not in str(refusal.value)
    return refusal.value.code


@pytest.mark.parametrize(
    ("scope", "hints"),
    [
        ("store/order/created", HINT),
        ("store/order/updated", HINT),
        ("store/order/statusUpdated", HINT),
        ("store/order/archived", ()),
        ("store/shipment/created", ()),
        ("store/cart/created", ()),
        ("", ()),
    ],
)
def test_what_may_make_an_order_ready_is_a_hint(scope: str, hints: tuple[str, ...]) -> None:
    told = received({"scope": scope})
    assert (told.hints, told.events) == (hints, ())


def test_another_store_of_the_same_client_is_not_ours() -> None:
    assert received({"producer": "stores/other"}).hints == ()


def test_copies_are_known_by_hash_whatever_their_id() -> None:
    first, copy = received(webhook_id="msg_1"), received(webhook_id="msg_2", at=NOW + 60)
    assert first.webhook_id == copy.webhook_id


@pytest.mark.parametrize(
    "change",
    [
        {"hash": "7ee6" * 10},
        {"scope": "store/order/updated"},
        {"created_at": NOW + 1},
        {"producer": "stores/other"},
    ],
)
def test_what_differs_is_no_copy(change: dict[str, Any]) -> None:
    """The documents' samples of created and updated share one hash: it is made of the order's id alone."""
    assert received(change).webhook_id != received().webhook_id


def test_without_a_hash_its_own_id_tells_copies() -> None:
    ids = [received({"hash": ""}, webhook_id=webhook_id).webhook_id for webhook_id in ("msg_1", "msg_2", "msg_1")]
    assert ids == ["msg_1", "msg_2", "msg_1"]


@pytest.mark.parametrize("created_at", [None, 0])
def test_without_a_time_a_later_change_is_no_copy(created_at: int | None) -> None:
    """The hash is made of the order's id alone, so that without a time every change of an order would look the same."""
    changes = {"created_at": created_at}
    ids = [received(changes, webhook_id=webhook_id).webhook_id for webhook_id in ("msg_1", "msg_2", "msg_1")]
    assert ids == ["msg_1", "msg_2", "msg_1"]


def test_without_a_field_for_the_time_a_later_change_is_no_copy() -> None:
    body = json.dumps({name: value for name, value in CREATED.items() if name != "created_at"}).encode()
    ids = [receive(signed(body, webhook_id=webhook_id), body, SETTINGS, NOW) for webhook_id in ("msg_1", "msg_2")]
    assert [webhook.webhook_id for webhook in ids] == ["msg_1", "msg_2"]
    assert {webhook.hints for webhook in ids} == {HINT}


@pytest.mark.parametrize("away", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_an_old_time_is_refused_though_it_is_signed(away: int) -> None:
    body = json.dumps(CREATED).encode()
    assert refused(body, signed(body, at=NOW + away)) is RefusalCode.STALE


def test_a_wrong_secret_or_another_body_is_refused() -> None:
    body = json.dumps(CREATED).encode()
    assert refused(body, signed(body, key="another")) is RefusalCode.BAD_SIGNATURE
    assert refused(body + b" ", signed(body)) is RefusalCode.BAD_SIGNATURE
    assert refused(body, {}) is RefusalCode.BAD_SIGNATURE
    # The key is the secret itself, not what its own characters would be in base64.
    decoded = base64.b64decode("c2VjcmV0").decode()
    assert refused(body, signed(body, key=decoded)) is RefusalCode.BAD_SIGNATURE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"scope": 1, "producer": "stores/abc123"}',
        b'{"scope": "store/order/created"}',
        json.dumps({**CREATED, "hash": "x" * 201}).encode(),
        b'{"scope": "a", "producer": "b", "data": ' + b"[" * 100_000,
        b'{"scope": "\xff", "producer": "b"}',
    ],
)
def test_what_is_not_as_documented_is_refused(body: bytes) -> None:
    assert refused(body, signed(body)) is RefusalCode.MALFORMED


def test_without_a_client_secret_nothing_is_proven() -> None:
    body = json.dumps(CREATED).encode()
    with pytest.raises(SettingError, match="WAYBILL_BIGCOMMERCE_CLIENT_SECRET is not set"):
        receive(signed(body, key=""), body, {**SETTINGS, "CLIENT_SECRET": ""}, NOW)
