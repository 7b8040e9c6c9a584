"""What is asked of Flexe: how an order is mapped, and what is made of replies."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.flexe.actions import OutboundOrder, created_result, find, find_result, message_of, outbound_order
from app.providers.flexe.quantities import from_text, to_text
from app.providers.http_messages import MalformedReplyError, Reply
from app.providers.port import Code, Outcome, Result
from tests.providers.flexe.bench import a_request
from tests.providers.orders import a_line, an_order


def mapped(**changes: Any) -> OutboundOrder:
    order = outbound_order(a_request(an_order(**changes)), "owner-1")
    assert isinstance(order, OutboundOrder), order
    return order


def a_reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, {}, msgspec.json.encode(body))


def held(order: OutboundOrder, **changes: Any) -> dict[str, Any]:
    return {"id": "FXO-1", "status": "accepted", **msgspec.to_builtins(order), **changes}


def test_s25_an_order_without_company_and_warehouse_is_sent_as_it_is() -> None:
    order = mapped()
    assert (order.external_id, order.owner_id, order.warehouse_id) == ("bc-demo-0", "owner-1", None)
    assert [(item.line_ref, item.sku, item.quantity) for item in order.items] == [
        ("1", "SKU-1", "2"),
        ("2", "SKU-2", "2"),
    ]
    assert b"company" not in msgspec.json.encode(order).replace(b'"company":""', b"")


def test_s36_an_order_with_a_warehouse_and_a_date_tells_them() -> None:
    order = mapped(warehouse="US-SEA", company="USMF", requested_ship_date=1_769_860_800_000)
    assert (order.warehouse_id, order.requested_ship_date) == ("US-SEA", "2026-01-31")


def test_the_address_goes_with_the_order() -> None:
    ship_to = mapped().ship_to
    assert (ship_to.name, ship_to.address, ship_to.city) == ("Ana Peña", "1 Pine St", "Seattle")
    assert (ship_to.region, ship_to.postal_code, ship_to.country) == ("WA", "98101", "US")


def test_canceled_lines_are_not_sent() -> None:
    order = mapped(lines=(a_line("1", state="Canceled", reason="Canceled"), a_line("2")))
    assert [item.line_ref for item in order.items] == ["2"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "no line to ship"),
        ((a_line("1", state="Canceled"),), "no line to ship"),
        ((a_line("1"), a_line("7", quantity=0), a_line("8", quantity=-1)), "lines 7, 8 have no quantity above 0"),
    ],
)
def test_what_cannot_be_shipped_is_not_sent(lines: Any, words: str) -> None:
    result = outbound_order(a_request(an_order(lines=lines)), "owner-1")
    assert isinstance(result, Result)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)
    assert words in result.detail


def test_an_order_id_is_quoted_in_the_look_up() -> None:
    target = find("a&b=c#d%é+/?").target
    assert target == "/v1/outbound-orders?external_id=a%26b%3Dc%23d%25%C3%A9%2B%2F%3F"


def test_what_flexe_holds_is_found() -> None:
    order = mapped()
    assert find_result(a_reply({"outbound_orders": []}), order) is None
    result = find_result(a_reply({"outbound_orders": [held(order)]}), order)
    assert result is not None
    assert (result.outcome, result.reference) == (Outcome.OK, "FXO-1")


def test_an_order_of_another_id_is_not_what_was_looked_for() -> None:
    """A look-up that ignores case, as somebody's may."""
    order = mapped()
    alike = {**held(order), "id": "FXO-9", "external_id": order.external_id.upper()}
    assert find_result(a_reply({"outbound_orders": [alike]}), order) is None
    result = find_result(a_reply({"outbound_orders": [alike, held(order)]}), order)
    assert result is not None
    assert result.reference == "FXO-1"


def test_more_zeros_are_the_same_quantity() -> None:
    order = mapped()
    items = [{"line_ref": item.line_ref, "sku": item.sku, "quantity": f"{item.quantity}.000"} for item in order.items]
    assert created_result(a_reply(held(order, items=items[::-1])), order).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "cancelled"}, "has canceled FXO-1"),
        ({"items": [{"line_ref": "1", "sku": "SKU-1", "quantity": "2"}]}, "other lines or quantities"),
        (
            {"items": [{"line_ref": line, "sku": f"SKU-{line}", "quantity": "3"} for line in "12"]},
            "other lines or quantities",
        ),
        (
            {"items": [{"line_ref": line, "sku": "SKU-1", "quantity": "2"} for line in "12"]},
            "other lines or quantities",
        ),
    ],
)
def test_an_order_that_ships_something_else_or_nothing_is_a_conflict(changes: dict[str, Any], words: str) -> None:
    order = mapped()
    result = created_result(a_reply(held(order, **changes)), order)
    assert (result.outcome, result.code, result.reference) == (Outcome.DECLINED, Code.CONFLICT, "FXO-1")
    assert words in result.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": 7},
        {"external_id": "bc-demo-1"},
        {"external_id": None},
        {"items": None},
        {"items": ["1"]},
        {"items": [{"line_ref": "1", "sku": "SKU-1"}]},
        {"items": [{"line_ref": "1", "sku": "SKU-1", "quantity": 2}]},
    ],
)
def test_replies_that_are_not_as_documented(changes: dict[str, Any]) -> None:
    order = mapped()
    with pytest.raises(MalformedReplyError):
        created_result(a_reply(held(order, **changes)), order)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"code": "conflict", "message": "not so"}}', "not so"),
        (b'{"message": "a proxy"}', "a proxy"),
        (b'{"error": "text"}', "{'error': 'text'}"),
        (b"[3]", "[3]"),
        (b"<html>503</html>", "<html>503</html>"),
        (b"\xff", "\ufffd"),
    ],
)
def test_errors_of_any_shape_are_read(body: bytes, message: str) -> None:
    assert message_of(Reply(400, {}, body)) == message


@pytest.mark.parametrize(
    ("quantity", "text"), [(20_000, "2"), (5_000, "0.5"), (1, "0.0001"), (1_000_000, "100"), (0, "0"), (-5_000, "-0.5")]
)
def test_quantities_as_text(quantity: int, text: str) -> None:
    assert to_text(quantity) == text


@given(st.integers(1, 10**18 - 1))
def test_quantities_come_back_exactly(quantity: int) -> None:
    assert from_text(to_text(quantity)) == quantity


@pytest.mark.parametrize("value", ["0", "-1", "", "1e3", "NaN", "1.00001", "9" * 15, 2, 2.0, None])
def test_what_is_no_quantity(value: object) -> None:
    with pytest.raises(ValueError, match=r"quantity|amount"):
        from_text(value)
