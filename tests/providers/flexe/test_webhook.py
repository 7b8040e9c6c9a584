"""What Flexe's webhooks say: events of orders, whatever the sequence; and what is refused."""

import contextlib
import copy
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.events.model import LineQuantity, ProviderEvent
from app.providers.flexe.webhook import receive
from app.providers.registry import Receive, receivers
from app.providers.webhooks import Received, RefusalCode, WebhookRefusedError
from tests.providers.flexe.simulated_flexe import SECRET, SETTINGS

NOW = 1_769_860_800
ENVIRON = {f"WAYBILL_FLEXE_{name}": value for name, value in {"BASE_URL": "https://f.example", **SETTINGS}.items()}
SHIPPED: dict[str, Any] = {
    "type": "shipment.shipped",
    "timestamp": "2026-01-31T12:00:00.123Z",
    "data": {
        "id": "FXO-000001",
        "external_id": "bc-demo-218",
        "owner_id": "owner-1",
        "shipment": {
            "id": "FXS-000007",
            "shipped_at": "2026-01-31T12:00:00.123Z",
            "carrier": "ups",
            "tracking_number": "1Z9",
            "items": [
                {"line_ref": "1", "sku": "S-ORAN", "quantity": "2"},
                {"line_ref": "2", "sku": "S-BLUE", "quantity": "0.5000"},
            ],
        },
    },
}
ORDER = {name: SHIPPED["data"][name] for name in ("id", "external_id", "owner_id")}
AT = 1_769_860_800_123


def posted(
    webhook: Any, *, webhook_id: str = "msg_1", secret: str = SECRET, now_s: float = NOW, through: Receive | None = None
) -> Received:
    body = webhook if isinstance(webhook, bytes) else msgspec.json.encode(webhook)
    at = datetime.fromtimestamp(NOW, UTC)
    signature = Webhook(secret).sign(webhook_id, at, body.decode("utf-8", "replace"))
    headers = {"Webhook-Id": webhook_id, "Webhook-Timestamp": str(NOW), "Webhook-Signature": signature}
    return receive(headers, body, SETTINGS, now_s) if through is None else through(headers, body, now_s)


def refused(webhook: Any, **given: Any) -> WebhookRefusedError:
    with pytest.raises(WebhookRefusedError) as refusal:
        posted(webhook, **given)
    return refusal.value


def changed(path: str, value: Any) -> dict[str, Any]:
    """The shipment with one field changed, or left out where the value is ...; `path` is like data.shipment.id."""
    webhook = copy.deepcopy(SHIPPED)
    *parents, last = path.split(".")
    place: Any = webhook
    for parent in parents:
        place = place[int(parent) if parent.isdigit() else parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return webhook


def told(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": SHIPPED["timestamp"], "data": {**ORDER, **data}}


def test_s26_s37_s54_a_shipment_ships_lines() -> None:
    lines = (LineQuantity("1", 20_000), LineQuantity("2", 5_000))
    event = ProviderEvent("bc-demo-218", "flexe", "order shipped", "FXS-000007", AT, lines)
    assert posted(SHIPPED) == Received((event,), (), "msg_1")


def test_an_exception_delays_the_order() -> None:
    webhook = told("shipment.exception", exception={"id": "E1", "code": "out_of_stock", "message": "no S-BLUE"})
    values = {"reason": "out_of_stock", "detail": "no S-BLUE"}
    assert posted(webhook).events == (ProviderEvent("bc-demo-218", "flexe", "order delayed", "E1", AT, (), values),)


def test_a_cancellation_cancels_the_order() -> None:
    event = ProviderEvent("bc-demo-218", "flexe", "order canceled", "FXO-000001", AT, (), {"reason": "damaged"})
    assert posted(told("order.cancelled", reason="damaged")).events == (event,)


@pytest.mark.parametrize(
    "webhook", [told("order.accepted"), told("order.teleported"), {**SHIPPED, "type": "x", "data": 3}]
)
def test_other_kinds_are_taken_and_say_nothing(webhook: Any) -> None:
    assert posted(webhook) == Received((), (), "msg_1")


def test_fields_that_are_not_known_are_tolerated() -> None:
    assert posted(changed("data.shipment.pallets", [1, {"deep": None}])) == posted(SHIPPED)
    assert posted(changed("data.shipment.items.0.lot", "L1")) == posted(SHIPPED)
    assert posted(changed("api_version", 9)) == posted(SHIPPED)


def test_a_replay_has_the_id_and_the_events_of_the_first() -> None:
    """Whoever takes webhooks in tells by the id that it was there before."""
    assert posted(SHIPPED, now_s=NOW + 200) == posted(SHIPPED)
    again = posted(SHIPPED, webhook_id="msg_2")
    assert (again.webhook_id, again.events) == ("msg_2", posted(SHIPPED).events)


@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=10), st.integers(0, 1000))
def test_duplicates_and_any_sequence_give_the_same_events(order: list[int], again: list[int], seed: int) -> None:
    parts = [
        changed("data.shipment", {"id": f"FXS-{part}", "items": [{"line_ref": "1", "quantity": str(part + 1)}]})
        for part in range(5)
    ]
    sequence = [*order, *again]
    Random(seed).shuffle(sequence)
    events = {event for number in sequence for event in map(_key, posted(parts[number]).events)}
    assert events == {event for part in parts for event in map(_key, posted(part).events)}
    assert sum(quantity for _, quantity in events) == 150_000


def _key(event: ProviderEvent) -> tuple[str, int]:
    return event.reference, event.lines[0].quantity


def test_a_bad_signature_is_refused() -> None:
    error = refused(SHIPPED, secret="whsec_b3RoZXI=")
    assert (error.code, error.status) == (RefusalCode.BAD_SIGNATURE, 401)


def test_an_old_one_is_refused() -> None:
    error = refused(SHIPPED, now_s=NOW + 301)
    assert (error.code, error.status) == (RefusalCode.STALE, 401)


def test_a_bad_signature_is_seen_before_the_body_is_read() -> None:
    assert refused(b"{", secret="whsec_b3RoZXI=").code is RefusalCode.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        (b"", "not as documented"),
        (b"{", "not as documented"),
        (b"[]", "Expected `object`"),
        (b'{"type": "x", "timestamp": "", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not as documented"),
        (b"\xff", "not UTF-8"),
        (b'{"type": "shipment.shipped", "timestamp": "2026-01-31T12:00:00Z", "data": "\\ud800"}', "data"),
        (changed("type", ...), "type"),
        (changed("type", ""), "$.type"),
        (changed("type", "x" * 129), "$.type"),
        (changed("timestamp", ...), "timestamp"),
        (changed("timestamp", "yesterday"), "timestamp: 'yesterday' is no time"),
        (changed("timestamp", "2026-01-31T12:00:00"), "no time zone"),
        (changed("data", ...), "data"),
        (changed("data", None), "in data"),
        (changed("data.id", ...), "id"),
        (changed("data.external_id", ...), "external_id"),
        (changed("data.external_id", "two words"), "data.external_id 'two words' is no order id"),
        (changed("data.external_id", "x" * 129), "$.external_id"),
        (changed("data.owner_id", "owner-2"), "data.owner_id 'owner-2' is not ours"),
        (changed("data.shipment", ...), "shipment"),
        (changed("data.shipment.id", ""), "$.shipment.id"),
        (changed("data.shipment.items", ...), "items"),
        (changed("data.shipment.items", []), "$.shipment.items"),
        (changed("data.shipment.items", [{"line_ref": "1", "quantity": "1"}] * 1001), "$.shipment.items"),
        (changed("data.shipment.items.0.line_ref", ""), "$.shipment.items[0].line_ref"),
        (msgspec.json.encode(SHIPPED).replace(b'"line_ref":"1"', b'"line_ref":"\\ud800"'), "not as documented"),
        (changed("data.shipment.items.0.quantity", 2), "$.shipment.items[0].quantity"),
        (changed("data.shipment.items.0.quantity", "0"), "line '1': a quantity is more than 0"),
        (changed("data.shipment.items.1.quantity", "-1"), "line '2': a quantity is more than 0"),
        (changed("data.shipment.items.0.quantity", "0.00001"), "line '1': "),
        (changed("data.shipment.items.0.quantity", "1e5"), "line '1': "),
        (told("shipment.exception"), "exception"),
        (told("shipment.exception", exception={"id": "E1"}), "code"),
        (told("order.cancelled", reason=7), "$.reason"),
    ],
)
def test_what_is_malformed_is_refused_with_the_place(webhook: Any, words: str) -> None:
    error = refused(webhook)
    assert (error.code, error.status) == (RefusalCode.MALFORMED, 400)
    assert words in error.detail


def test_a_text_that_is_cut_within_a_secret_shows_no_part_of_it() -> None:
    error = refused(changed("data.owner_id", f"{'x' * 70} {SECRET}"), through=receivers(ENVIRON)["flexe"])
    assert SECRET[:6] not in repr(error)
    assert "repeats a secret of ours" in error.detail


@pytest.mark.parametrize("path", ["data.owner_id", "data.external_id", "timestamp", "data.shipment.items.0.line_ref"])
@pytest.mark.parametrize("secret", [SECRET, SETTINGS["API_KEY"]])
def test_secrets_in_a_body_are_scrubbed(path: str, secret: str) -> None:
    webhook = changed(path, f"{secret} {secret}")
    webhook["data"]["shipment"]["items"][0]["quantity"] = "0"
    error = refused(webhook, through=receivers(ENVIRON)["flexe"])
    assert secret not in repr(error)
    assert error.__cause__ is None
    assert "***" in error.detail


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "external_id", "owner_id", "shipment", "items"]), inner)
        ),
    )
)
def test_whatever_data_holds_it_is_taken_or_refused(data: Any) -> None:
    """And never with another error."""
    with contextlib.suppress(WebhookRefusedError):
        posted({"type": "shipment.shipped", "timestamp": SHIPPED["timestamp"], "data": data})
