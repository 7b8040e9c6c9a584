"""What a page becomes: its orders and reports where their lanes find them; what cannot be taken stops nothing."""

import pytest
from msgspec.structs import replace

from app.agents import pulled as module
from app.agents.pulled import WIRE_BYTES_MAX, Pulled
from app.domain.order import Order
from app.events.ids import derive, partition_of
from app.events.model import LineQuantity, OrderCreated, ProviderEvent
from app.events.record import Output
from app.events.report_ids import report_id
from app.providers.port import Page, RefusedOrder
from tests.agents.stand_ins import CODEC, event_of, marks_of
from tests.flows.journey import an_order

SHOP = "bigcommerce/shop"
NOTED = ProviderEvent("bc-shop-1", "sap", "order invoiced", "INV-1", 5, (LineQuantity("1", 20_000),))


def orders(*numbers: int) -> tuple[Order, ...]:
    return tuple(an_order(order_id=f"bc-shop-{number}", source_ref=str(number)) for number in numbers)


def written(page: Page) -> list[Output]:
    return list(Pulled(CODEC, 4, 2).written(SHOP, page))


def created(outputs: list[Output]) -> list[str]:
    return [event_of(output).order_id for output in outputs if output.topic == "order-created"]


def test_an_order_is_written_as_created() -> None:
    (output,) = written(Page(orders(1), "c1"))
    event = event_of(output)
    assert (event.order_id, event.source, event.cause_id) == ("bc-shop-1", "waybill/pull", "")
    assert event.body == OrderCreated(orders(1)[0])


def test_each_order_goes_to_its_own_partition() -> None:
    outputs = written(Page(orders(*range(20)), "c1"))
    assert [output.partition for output in outputs] == [partition_of(output.key or b"", 4) for output in outputs]
    assert len({output.partition for output in outputs}) > 1


def test_an_order_that_is_pulled_again_has_the_same_id() -> None:
    ids = [event_of(written(Page(orders(1), cursor))[0]).event_id for cursor in ("c1", "c2")]
    assert ids == [derive("bc-shop-1", "pulled")] * 2


def test_an_order_that_cannot_be_expressed_is_set_aside_and_the_others_go_on() -> None:
    refused = RefusedOrder("7", "order 7: total_inc_tax: 'abc' is no amount", b'{"id": 7}')
    outputs = written(Page(orders(1, 2), "c1", (refused,)))
    assert created(outputs) == ["bc-shop-1", "bc-shop-2"]
    letter = outputs[-1]
    assert (letter.topic, letter.key, letter.value) == ("dead-letter", b"pull/bigcommerce/shop/7", b'{"id": 7}')
    assert letter.partition == partition_of(letter.key or b"", 2)
    marks = marks_of(letter)
    assert marks.pop("at").endswith("Z")
    assert marks == {
        "code": "unmappable", "detail": refused.reason, "topic": "", "key": "7", "role": "pull",
    }  # fmt: skip


def test_only_the_beginning_of_a_huge_order_is_kept() -> None:
    (letter,) = written(Page((), "c1", (RefusedOrder("7", "x" * 9_000, b"y" * (WIRE_BYTES_MAX + 1)),)))
    assert len(letter.value or b"") == WIRE_BYTES_MAX
    assert marks_of(letter)["truncated"] == str(WIRE_BYTES_MAX + 1)
    assert len(marks_of(letter)["detail"]) == 500


def test_an_order_that_no_record_can_hold_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = replace(orders(2)[0], total=10**30)
    outputs = written(Page((orders(1)[0], huge), "c1"))
    assert created(outputs) == ["bc-shop-1"]
    assert marks_of(outputs[1])["key"] == "2"
    monkeypatch.setattr(module, "ORDER_BYTES_MAX", 100)
    assert "bytes, at most 100" in marks_of(written(Page(orders(3), "c1"))[0])["detail"]


def test_reports_of_known_orders_go_to_their_lanes_and_told_twice_have_one_id() -> None:
    page = Page((), "c1", events=(NOTED, replace(NOTED, reference="INV-2")))
    first, second = written(page), written(page)
    assert [output.topic for output in first] == ["provider-event"] * 2
    assert event_of(first[0]).body == NOTED
    assert first[0].partition == partition_of(b"bc-shop-1", 4)
    ids = [[event_of(output).event_id for output in outputs] for outputs in (first, second)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_a_report_that_no_record_can_hold_is_set_aside_and_the_next_goes_on() -> None:
    letter, report = written(Page((), "c1", events=(replace(NOTED, lines=(LineQuantity("1", 10**30),)), NOTED)))
    assert (letter.topic, letter.key, report.topic) == (
        "dead-letter",
        b"pull/bigcommerce/shop/bc-shop-1",
        "provider-event",
    )
    assert b"INV-1" in (letter.value or b"")


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (replace(NOTED, occurred_at=6), True),
        (replace(NOTED, lines=(LineQuantity("1", 10_000),)), False),
        (replace(NOTED, reference="INV-2"), False),
        (replace(NOTED, event="order shipped"), False),
        (replace(NOTED, provider="fno"), False),
        (replace(NOTED, order_id="bc-shop-2"), False),
        (replace(NOTED, values={"a": "b"}), False),
    ],
)
def test_a_report_is_what_it_says(changed: ProviderEvent, same: bool) -> None:
    assert (report_id(changed) == report_id(NOTED)) is same


def test_reports_without_a_reference_are_told_apart_by_their_time_and_never_by_the_order_of_lines() -> None:
    assert report_id(ProviderEvent("o", "p", "e", "", 1)) != report_id(ProviderEvent("o", "p", "e", "", 2))
    one, two = LineQuantity("1", 1), LineQuantity("2", 1)
    forth, back = (ProviderEvent("o", "p", "e", "r", lines=lines) for lines in ((one, two), (two, one)))
    assert report_id(forth) == report_id(back)
