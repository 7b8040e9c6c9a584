"""The role `pull` before sources that answer when told to: what is written, who is asked when, who waits for whom."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from app.agents.pull import HURRY_S, PAGES_MAX, Pull
from app.agents.pulled import Pulled
from app.errors import ProviderError
from app.events.model import LineQuantity, ProviderEvent
from app.events.record import Record
from app.lanes.role import Folded
from app.providers.port import CallFailedError, Code, Outcome, Page, RefusedOrder, Result
from tests.agents.stand_ins import CODEC, topics
from tests.flows.journey import an_order

SHOP, ERP = "shop/one", "erp"
NEVER_S = 3600.0
LIMIT_S = 60.0
INVOICED = ProviderEvent("bc-one-7", "erp", "order invoiced", "90000001", 5, (LineQuantity("1", 20_000),))
AWAY = CallFailedError(Result(Outcome.RETRY, Code.UNAVAILABLE, "nobody there"))


class Told:
    """A source that answers with what it was given, in turn, each when the gate is open."""

    cursor_key = ""

    def __init__(self, *answers: Page | Exception) -> None:
        self.answers = list(answers)
        self.cursors: list[str | None] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.dropped = 0

    async def pull(self, cursor: str | None) -> Page:
        self.cursors.append(cursor)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        answer = self.answers.pop(0) if self.answers else Page((), cursor or "start")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None: ...


class Stage:
    """The role with its committed cursors and a clock that tests move."""

    def __init__(self, every_s: float = NEVER_S, **sources: Told) -> None:
        self.now = 1000.0
        self.state: dict[bytes, bytes] = {}
        for name, source in sources.items():
            source.cursor_key = {"shop": SHOP, "erp": ERP}[name]
        self.role = Pull(Pulled(CODEC, 4, 2), sources.values(), every_s, self)

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    async def poll(self) -> Folded:
        """The next answer, committed as the lane does it."""
        async with asyncio.timeout(LIMIT_S):
            folded = await self.role.poll(self.state)
        assert folded is not None
        self.state |= {key: value for key, value in folded.changes.items() if value is not None}
        return folded

    def hint(self, key: bytes) -> str:
        folded = self.role.fold(Record("pull-requested", 0, 0, 0, key, b"{}", ()), self.state, repeated=False)
        assert isinstance(folded, Folded)
        assert (folded.outputs, folded.changes) == ((), {})
        return folded.outcome


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


async def rest() -> None:
    """Until nothing runs that does not wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_orders_reports_refusals_and_the_cursor_are_written_together() -> None:
    page = Page((an_order(),), "c1", (RefusedOrder("9", "no id", b"{}"),), events=(INVOICED,))
    stage = Stage(shop=Told(page))
    folded = await stage.poll()
    assert topics(folded) == ["order-created", "provider-event", "dead-letter"]
    assert folded.dead == ["unmappable"], "it is counted"
    assert folded.changes == {SHOP.encode(): b"c1"}


async def test_a_source_that_is_slow_holds_up_no_other() -> None:
    erp, shop = Told(), Told(*(Page((), f"c{number}") for number in range(3)))
    erp.gate.clear()
    stage = Stage(every_s=0.001, shop=shop, erp=erp)
    for number in range(3):
        assert (await stage.poll()).changes == {SHOP.encode(): b"c%d" % number}
        stage.now += 1
    assert erp.cursors == [None]
    erp.gate.set()
    assert (await stage.poll()).changes == {ERP.encode(): b"start"}


async def test_a_hint_makes_its_own_source_be_asked_at_once() -> None:
    erp, shop = Told(), Told()
    stage = Stage(shop=shop, erp=erp)
    while len(stage.state) < 2:
        await stage.poll()
    waiting = asyncio.create_task(stage.poll())
    await asyncio.sleep(0)
    stage.now += HURRY_S
    shop.answers.append(Page((), "c2"))
    assert stage.hint(b"shop/one") == "hint"
    assert (await waiting).changes == {SHOP.encode(): b"c2"}
    assert (len(shop.cursors), len(erp.cursors)) == (2, 1)


async def test_hints_cannot_wear_out_a_quota() -> None:
    shop = Told(Page((), "c1"))
    stage = Stage(shop=shop)
    await stage.poll()
    waiting = asyncio.create_task(stage.poll())
    for _ in range(50):
        stage.now += HURRY_S / 100
        stage.hint(b"shop/one")
        await asyncio.sleep(0)
    assert len(shop.cursors) == 1
    stage.now += HURRY_S
    stage.hint(b"shop/one")
    await until(lambda: len(shop.cursors) == 2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_hint_during_a_question_is_not_lost_in_it() -> None:
    shop = Told(Page((), "c1"), Page((), "c2"))
    shop.gate.clear()
    stage = Stage(shop=shop)
    waiting = asyncio.create_task(stage.poll())
    await until(lambda: shop.cursors == [None])
    stage.now += HURRY_S
    stage.hint(b"shop/one")
    shop.gate.set()
    assert (await waiting).changes == {SHOP.encode(): b"c1"}
    assert (await stage.poll()).changes == {SHOP.encode(): b"c2"}
    assert shop.cursors == [None, "c1"]


@pytest.mark.parametrize("key", [b"fno/usmf", b"", b"\xff/x", b"shopping/one"])
async def test_a_hint_at_nobody_is_ignored(key: bytes) -> None:
    assert Stage(shop=Told()).hint(key) == "ignored"


async def test_what_was_read_before_a_call_failed_is_kept_and_the_rest_is_asked_for_at_the_next_interval() -> None:
    order = an_order()
    shop = Told(Page((order,), "c1", more=True), AWAY, Page((), "c2"))
    stage = Stage(shop=shop)
    folded = await stage.poll()
    assert (len(folded.outputs), folded.changes) == (1, {SHOP.encode(): b"c1"})
    assert stage.role.failures == {SHOP: str(AWAY)}
    stage.now += NEVER_S
    assert (await stage.poll()).changes == {SHOP.encode(): b"c2"}
    assert (shop.cursors, stage.role.failures) == ([None, "c1", "c1"], {})


async def test_what_is_left_after_some_pages_is_asked_for_at_once() -> None:
    shop = Told(*(Page((), f"c{number}", more=True) for number in range(PAGES_MAX)), Page((), "last"))
    stage = Stage(shop=shop)
    assert (await stage.poll()).changes == {SHOP.encode(): b"c%d" % (PAGES_MAX - 1)}
    assert (await stage.poll()).changes == {SHOP.encode(): b"last"}


async def test_a_source_is_asked_again_at_intervals_though_it_has_nothing() -> None:
    shop = Told(Page((), "c1"))
    stage = Stage(every_s=0.001, shop=shop)
    await stage.poll()
    waiting = asyncio.create_task(stage.poll())
    for asked in (2, 3):
        await rest()
        stage.now += 1
        await until(lambda wanted=asked: len(shop.cursors) >= wanted)  # type: ignore[misc]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert shop.cursors[1:3] == ["c1", "c1"]


async def test_a_lane_that_closes_leaves_no_question_behind() -> None:
    shop = Told()
    shop.gate.clear()
    stage = Stage(shop=shop)
    waiting = asyncio.create_task(stage.role.poll({}))
    await until(lambda: shop.cursors == [None])
    waiting.cancel()
    await until(waiting.done)
    assert (waiting.cancelled(), shop.dropped) == (True, 1)


@pytest.mark.parametrize("problem", [AWAY, ProviderError("the cursor is none of its own")])
async def test_a_source_that_fails_keeps_the_others_and_is_said_to_fail_once(
    problem: ProviderError, caplog: pytest.LogCaptureFixture
) -> None:
    shop, erp = Told(problem, problem, Page((), "c1")), Told(Page((), "e1"))
    stage = Stage(shop=shop, erp=erp)
    with caplog.at_level(logging.WARNING, "app.agents.pull"):
        assert (await stage.poll()).changes == {ERP.encode(): b"e1"}
        assert stage.role.failures == {SHOP: str(problem)}
        waiting = asyncio.create_task(stage.poll())
        await rest()
        stage.now += NEVER_S
        stage.hint(b"shop/one")
        await rest()
        stage.now += NEVER_S
        stage.hint(b"shop/one")
        assert (await waiting).changes == {SHOP.encode(): b"c1"}
    assert stage.role.failures == {}
    assert caplog.messages == [f"{SHOP}: {problem}", f"{SHOP}: answers again"]


async def test_a_mistake_of_a_client_ends_no_pull(caplog: pytest.LogCaptureFixture) -> None:
    erp = Told(TypeError("token=s3cret"), Page((), "e2"))
    stage = Stage(1.0, shop=Told(Page((an_order(1),), "c1")), erp=erp)
    assert topics(await stage.poll()) == ["order-created"]
    assert stage.role.failures == {ERP: "its client failed (TypeError)"}
    assert "s3cret" not in caplog.text
    stage.now += 2
    await stage.poll()
    assert stage.role.failures == {}
    assert stage.state[ERP.encode()] == b"e2"
