"""`pull`: a page's orders and the cursor after them leave together; what cannot be taken stops nothing."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from app.agents import pull
from app.agents.pull import PAGES_MAX, WIRE_BYTES_MAX, Pull
from app.agents.role import Folded, Record
from app.domain.order import Order
from app.errors import ProviderError
from app.events.ids import derive, partition_of
from app.events.model import OrderCreated, ProviderEvent
from app.providers.port import CallFailedError, Code, Outcome, Page, RefusedOrder, Result
from tests.agents.outside import CODEC, event_of, marks_of, on, topics
from tests.flows.journey import an_order

SHOP, OTHER = "bigcommerce/shop", "bigcommerce/other"
DOWN = CallFailedError(Result(Outcome.RETRY, Code.UNAVAILABLE, "503"))
NOTED = ProviderEvent("bc-shop-1", "sap", "order invoiced", "INV-1", 5)


class Shop:
    """Says its pages in turn, and remembers from where it was asked."""

    def __init__(self, *pages: Page | ProviderError) -> None:
        self.pages, self.asked = list(pages), list[str | None]()

    async def pull(self, cursor: str | None) -> Page:
        self.asked.append(cursor)
        page = self.pages.pop(0) if self.pages else Page((), cursor or "c0")
        if isinstance(page, ProviderError):
            raise page
        return page

    async def close(self) -> None:
        pass


def orders(*numbers: int) -> tuple[Order, ...]:
    return tuple(an_order(order_id=f"bc-shop-{number}", source_ref=str(number)) for number in numbers)


class Driven:
    def __init__(self, **shops: Shop) -> None:
        names = {"shop": SHOP, "other": OTHER}
        self.role = Pull(CODEC, {names[name]: shop for name, shop in shops.items()}, 4, 2)
        self.state: dict[bytes, bytes] = {}

    def poll(self) -> Folded | None:
        folded = asyncio.run(self.role.poll(self.state))
        if folded is not None:
            self.state |= {key: value for key, value in folded.changes.items() if value is not None}
        return folded


def found(folded: Folded | None) -> Folded:
    assert folded is not None
    return folded


def pulled(folded: Folded | None) -> list[str]:
    return [event_of(output).order_id for output in on(found(folded), "order-created")]


def test_orders_and_cursor_are_one_fold() -> None:
    driven = Driven(shop=Shop(Page(orders(1, 2), "c1")))
    folded = found(driven.poll())
    assert topics(folded) == ["order-created", "order-created"]
    assert dict(folded.changes) == {SHOP.encode(): b"c1"}
    event = event_of(folded.outputs[0])
    assert (event.order_id, event.source, event.cause_id) == ("bc-shop-1", "waybill/pull", "")
    assert event.body == OrderCreated(orders(1)[0])


def test_each_order_goes_to_its_own_partition() -> None:
    outputs = found(Driven(shop=Shop(Page(orders(*range(20)), "c1"))).poll()).outputs
    assert [output.partition for output in outputs] == [partition_of(output.key or b"", 4) for output in outputs]
    assert len({output.partition for output in outputs}) > 1


def test_pulling_goes_on_from_the_cursor() -> None:
    shop = Shop(Page(orders(1), "c1"), Page(orders(2), "c2"))
    driven = Driven(shop=shop)
    assert pulled(driven.poll()) == ["bc-shop-1"]
    assert pulled(driven.poll()) == ["bc-shop-2"]
    assert shop.asked == [None, "c1"]


def test_an_order_that_is_pulled_again_has_the_same_id() -> None:
    driven = Driven(shop=Shop(Page(orders(1), "c1"), Page(orders(1), "c2")))
    ids = [event_of(found(driven.poll()).outputs[0]).event_id for _ in range(2)]
    assert ids == [derive("bc-shop-1", "pulled")] * 2


def test_nothing_new_is_nothing_to_write() -> None:
    driven = Driven(shop=Shop(Page((), "c1"), Page((), "c1")))
    assert dict(found(driven.poll()).changes) == {SHOP.encode(): b"c1"}
    assert driven.poll() is None


def test_pages_are_taken_until_there_is_no_more_or_enough() -> None:
    driven = Driven(shop=Shop(*(Page(orders(n), f"c{n}", more=True) for n in range(PAGES_MAX + 1))))
    assert len(pulled(driven.poll())) == PAGES_MAX
    assert driven.state[SHOP.encode()] == f"c{PAGES_MAX - 1}".encode()
    assert pulled(driven.poll()) == [f"bc-shop-{PAGES_MAX}"]


def test_an_order_that_cannot_be_expressed_is_set_aside_and_the_others_go_on() -> None:
    refused = RefusedOrder("7", "order 7: total_inc_tax: 'abc' is no amount", b'{"id": 7}')
    folded = found(Driven(shop=Shop(Page(orders(1, 2), "c1", (refused,)))).poll())
    assert pulled(folded) == ["bc-shop-1", "bc-shop-2"]
    (letter,) = on(folded, "dead-letter")
    assert (letter.key, letter.value) == (b"pull/bigcommerce/shop/7", b'{"id": 7}')
    assert letter.partition == partition_of(letter.key or b"", 2)
    marks = marks_of(letter)
    assert marks.pop("at").endswith("Z")
    assert marks == {
        "code": "unmappable", "detail": refused.reason, "topic": "", "key": "7", "role": "pull",
    }  # fmt: skip
    assert dict(folded.changes) == {SHOP.encode(): b"c1"}


def test_only_the_beginning_of_a_huge_order_is_kept() -> None:
    refused = RefusedOrder("7", "x" * 9_000, b"y" * (WIRE_BYTES_MAX + 1))
    (letter,) = found(Driven(shop=Shop(Page((), "c1", (refused,)))).poll()).outputs
    assert len(letter.value or b"") == WIRE_BYTES_MAX
    assert marks_of(letter)["truncated"] == str(WIRE_BYTES_MAX + 1)
    assert len(marks_of(letter)["detail"]) == 500


def test_an_order_that_no_record_can_hold_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = replace(orders(2)[0], total=10**30)
    folded = found(Driven(shop=Shop(Page((orders(1)[0], huge), "c1"))).poll())
    assert pulled(folded) == ["bc-shop-1"]
    assert marks_of(on(folded, "dead-letter")[0])["key"] == "2"
    monkeypatch.setattr(pull, "ORDER_BYTES_MAX", 100)
    folded = found(Driven(shop=Shop(Page(orders(3), "c1"))).poll())
    assert "bytes, at most 100" in marks_of(on(folded, "dead-letter")[0])["detail"]


def test_events_of_known_orders_are_reported_and_told_twice_have_one_id() -> None:
    driven = Driven(shop=Shop(*(Page((), f"c{n}", events=(NOTED, replace(NOTED, reference="INV-2"))) for n in (1, 2))))
    first, second = found(driven.poll()), found(driven.poll())
    assert topics(first) == ["provider-event"] * 2
    assert event_of(first.outputs[0]).body == NOTED
    assert first.outputs[0].partition == partition_of(b"bc-shop-1", 4)
    ids = [[event_of(output).event_id for output in folded.outputs] for folded in (first, second)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.parametrize("problem", [DOWN, ProviderError("the cursor is none of its own")])
def test_a_source_that_fails_keeps_the_others(problem: ProviderError, caplog: pytest.LogCaptureFixture) -> None:
    shop, other = Shop(problem, problem, Page(orders(1), "c1")), Shop(Page(orders(2), "o1"), Page((), "o1"))
    driven = Driven(shop=shop, other=other)
    with caplog.at_level(logging.WARNING):
        assert pulled(driven.poll()) == ["bc-shop-2"]
        assert driven.state == {OTHER.encode(): b"o1"}
        assert driven.role.failures == {SHOP: str(problem)}
        assert driven.poll() is None
        assert pulled(driven.poll()) == ["bc-shop-1"]
    assert driven.role.failures == {}
    assert said(caplog.messages) == [f"{SHOP}: {problem}", f"{SHOP}: answers again"]


def said(messages: Sequence[str]) -> list[str]:
    return [message for message in messages if message.startswith("bigcommerce/")]


def test_a_page_that_fails_halfway_moves_nothing() -> None:
    driven = Driven(shop=Shop(Page(orders(1), "c1", more=True), DOWN, Page(orders(1), "c1")))
    assert driven.poll() is None
    assert driven.state == {}
    assert pulled(driven.poll()) == ["bc-shop-1"]


def test_its_own_ledger_is_not_looked_at() -> None:
    record = Record("pull-ledger", 0, 0, 0, SHOP.encode(), b"c1", ())
    assert Driven().role.fold(record, {}, repeated=False) == Folded(outcome="own")
