"""SAP's notifications: from a known sender, with a key alone, and what they make us do."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.registry import load_manifests, receivers
from app.providers.sap.webhook import receive
from app.providers.webhooks import Received, RefusalCode, WebhookRefusedError

SECRET = "s3cret-of-sap"
SETTINGS = {"WEBHOOK_SECRET": SECRET}
KNOWN = {"Authorization": f"Bearer {SECRET}"}
CAPTURED = {
    "type": "sap.s4.beh.salesorder.v1.SalesOrder.Created.v1",
    "specversion": "1.0",
    "source": "/default/sap.s4.beh/DEVCLNT001",
    "id": "db13c94e-c20f-4b2e-8171-6970104721a0",
    "time": "2020-12-31T13:59:15Z",
    "datacontenttype": "application/json",
    "data": {"SalesOrder": "1"},
}
"""As SAP sent it (reference, section 4)."""
BILLED = {"type": "sap.s4.beh.billingdocument.v1.BillingDocument.Created.v1", "data": {"BillingDocument": "90000000"}}


def received(headers: dict[str, str] | None = None, settings: dict[str, str] | None = None, **changes: Any) -> Received:
    body = {name: value for name, value in {**CAPTURED, **changes}.items() if value is not None}
    return receive(headers or KNOWN, json.dumps(body).encode(), settings or SETTINGS, 0.0)


def refusal(
    headers: dict[str, str] | None = None, settings: dict[str, str] | None = None, **changes: Any
) -> WebhookRefusedError:
    with pytest.raises(WebhookRefusedError) as caught:
        received(headers, settings, **changes)
    return caught.value


@pytest.mark.parametrize("changes", [{}, BILLED])
def test_a_notification_makes_the_pull_look_at_once(changes: dict[str, Any]) -> None:
    assert received(**changes) == Received((), ("sap",), f"{CAPTURED['source']} {CAPTURED['id']}")


def test_the_same_notification_has_the_same_id() -> None:
    assert received().webhook_id == received().webhook_id != received(id="another").webhook_id


def test_another_kind_is_taken_and_says_nothing() -> None:
    assert received(type="sap.s4.beh.product.v1.Product.Changed.v1", data={"Product": "1"}).hints == ()


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        SECRET,
        f"Basic {SECRET}",
        "Bearer ",
        f"Bearer {SECRET}x",
        f"Bearer {SECRET[:-1]}",
        "Bearer \udcff",
        "Bearer é",
    ],
)
def test_an_unknown_sender_is_refused(authorization: str) -> None:
    refused = refusal({"authorization": authorization})
    assert (refused.code, refused.status) == (RefusalCode.BAD_SIGNATURE, 401)
    assert SECRET not in str(refused)


def test_without_a_secret_nobody_is_known() -> None:
    for authorization in ("", "Bearer", "Bearer "):
        assert refusal({"authorization": authorization}, {"WEBHOOK_SECRET": ""}).status == 401
    assert refusal(settings={"OTHER": ""}).status == 401


def test_names_of_headers_and_the_scheme_have_no_case() -> None:
    assert received({"AUTHORIZATION": f"bearer {SECRET}"}).hints == ("sap",)


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"id": None},
        {"id": ""},
        {"source": None},
        {"type": 1},
        {"data": None},
        {"data": {}},
        {"data": {"SalesOrder": 1}},
        {"data": {"SalesOrder": ""}},
        {"data": {"SalesOrder": "12345678901"}},
        {"data": {"BillingDocument": "1"}},
        {"data": "1"},
        {"id": "x" * 201},
    ],
)
def test_what_is_no_such_event_is_malformed(changes: dict[str, Any]) -> None:
    refused = refusal(**changes)
    assert (refused.code, refused.status) == (RefusalCode.MALFORMED, 400)


def test_a_secret_in_the_body_is_not_shown() -> None:
    names = {setting.name: "x" for setting in load_manifests()["sap"].settings}
    environ = {f"WAYBILL_SAP_{name}": value for name, value in {**names, **SETTINGS}.items()}
    body = {**CAPTURED, "type": f"sap.s4.beh.salesorder.v1.SalesOrder.{SECRET}", "data": {}}
    with pytest.raises(WebhookRefusedError) as caught:
        receivers(environ)["sap"](KNOWN, json.dumps(body).encode(), 0.0)
    assert SECRET not in str(caught.value)
    assert "***" in caught.value.detail


@given(st.binary(max_size=200))
def test_no_body_whatever_does_more_than_be_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefusedError):
        receive(KNOWN, body, SETTINGS, 0.0)


def test_deep_json_is_malformed() -> None:
    with pytest.raises(WebhookRefusedError) as refused:
        receive(KNOWN, b'{"data": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", SETTINGS, 0.0)
    assert refused.value.code is RefusalCode.MALFORMED
