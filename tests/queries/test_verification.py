"""Verification of a log that goes on growing, of one that cannot be read, and what its store gives back."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from contextlib import closing

import pytest

from app.errors import BrokerError, TopicError
from app.events.dead_letters import gathered_letter
from app.events.record import Record
from app.providers.port import CallFailedError, Code, Outcome, Result
from app.queries import provider_lookup, verification
from app.queries.audit import AuditRecord, LogLimits, OrderAudit, OrderEntry, SourcingEntry
from app.queries.audit_records import LEDGERS, TOPICS, Letter, Place, letter_of
from app.queries.audit_store import AuditStore
from app.queries.audit_verdict import Verdict, discrepancies
from app.queries.provider_lookup import ProviderLookup
from app.queries.verification import Ends
from tests.lanes.memory_log import MemoryCluster
from tests.simulation.auditing import MemoryAuditLog, audit
from tests.simulation.transaction import shared_codec
from tests.simulation.world import World

LIVE_SEEDS = (2, 18)
OPEN_LOOKS = 50
PAUSES_S = (0.0, 0.001, 0.004, 0.01, 0.05)
"""Virtual seconds between two partitions: the whole of a look takes up to six."""


class TornLog(MemoryAuditLog):
    """As awkward as a broker may be: partitions come in any order, and with what came since their ends were looked up.

    The ends are looked up in the middle of a transaction where there is one: of that only a part lies before them.
    """

    def __init__(self, cluster: MemoryCluster, pause_s: float, dice: random.Random) -> None:
        super().__init__(cluster, pause_s)
        self._dice = dice

    async def ends(self, places: Collection[Place]) -> Ends:
        for _ in range(OPEN_LOOKS):
            if await super().ends(places) != await self.stable_ends(places):
                break
            await asyncio.sleep(0.002)
        return await super().ends(places)

    def read(self, places: Collection[Place], ends: Ends) -> AsyncIterator[Record]:
        return super().read(self._dice.sample(list(places), len(places)), ends)


class LiveWorld(World):
    """A world that is verified again and again while everything happens to it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.verdicts: list[Verdict] = []

    async def _story(self) -> None:
        looking = asyncio.ensure_future(self._look())
        await super()._story()
        looking.cancel()

    async def _look(self) -> None:
        dice = random.Random(self.seed)
        while True:
            await asyncio.sleep(dice.uniform(0.3, 4))
            log = TornLog(self.cluster, dice.choice(PAUSES_S), dice)
            self.verdicts.append(await verification.verify(log, shared_codec(), {}, now_ms=0))


@pytest.mark.parametrize("seed", LIVE_SEEDS)
def test_of_a_system_at_work_nothing_is_called_lost(seed: int) -> None:
    world = LiveWorld(seed)
    world.run()
    assert len(world.verdicts) > 3
    assert any(verdict.orders["under way"] for verdict in world.verdicts), "else it was not at work"
    for verdict in world.verdicts:
        assert verdict.listed == []


def test_the_same_log_has_the_same_verdict() -> None:
    world = World(LIVE_SEEDS[0])
    world.run()
    assert asyncio.run(audit(world.cluster)).as_json() == asyncio.run(audit(world.cluster)).as_json()


def test_what_is_missing_of_a_log_is_found_by_the_whole_verification() -> None:
    """From the records of a log to the report, once: the judge itself has tests of its own."""
    world = World(LIVE_SEEDS[0])
    world.run()
    assert asyncio.run(audit(world.cluster)).is_true
    status = world.cluster.read("order-status", 0)[-1]
    world.cluster.produce("order-status", 0, status.key, status.value, status.headers)
    report = asyncio.run(audit(world.cluster)).as_json()
    assert (report["doubled"], report["differing"], report["lost"]) == (1, 0, 0)
    assert [each["order_id"] for each in report["discrepancies"]] == [(status.key or b"").decode()]
    assert f"order-status/0/{status.offset}" in report["discrepancies"][0]["where"]


def test_a_transaction_that_stays_open_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class OpenLog(MemoryAuditLog):
        async def stable_ends(self, places: Collection[Place]) -> Ends:
            return {**await super().stable_ends(places), ("order-ledger", 0): -1}

    monkeypatch.setattr(verification, "LOOK_S", 0.0)
    monkeypatch.setattr(verification, "LOOKS_MAX", 3)
    with pytest.raises(BrokerError, match="a transaction on order-ledger/0 has been open"):
        asyncio.run(verification.verify(OpenLog(empty()), shared_codec(), {}, now_ms=0))


def test_a_topic_that_is_not_there_is_named() -> None:
    with pytest.raises(TopicError, match="order-status: not on the broker"):
        asyncio.run(audit(empty(without="order-status")))


def empty(without: str = "") -> MemoryCluster:
    return MemoryCluster([topic for topic in (*TOPICS, *LEDGERS) if topic != without], 1)


def test_a_log_without_orders_has_nothing_wrong() -> None:
    verdict = asyncio.run(audit(empty()))
    assert (verdict.accepted, verdict.records, verdict.is_true) == (0, 0, True)


def test_a_store_gives_back_order_by_order_what_it_was_given() -> None:
    entry, sourcing = OrderEntry("New", "New", 1, ("a",)), SourcingEntry(("b",), ("1@EU-HAM",))
    records = [AuditRecord("order-status", 0, offset, 5, event_id=str(offset)) for offset in (3, 12)]
    with closing(AuditStore()) as store:
        store.put_facts("order-ledger", "a", OrderEntry("New", "New", 0))
        store.put_facts("order-ledger", "a", entry)
        store.put_facts("source-ledger", "a", sourcing)
        store.put_facts("mirror-ledger", "c", 7)
        store.put_facts("order-ledger", "d", entry)
        store.put_facts("order-ledger", "d", None)
        store.put_facts("order-ledger", "é", ("order-command/0/1",))
        for record in reversed(records):
            store.add_record("b", record)
        store.put_letter(letter("order-status", 12))
        assert store.open_letters() == 1
        assert list(store.orders()) == [
            OrderAudit("a", [], entry=entry, sourcing=sourcing),
            OrderAudit("b", records, letters={"order-status/0/12": "invalid"}),
            OrderAudit("c", [], mirrored=7),
            OrderAudit("é", [], waiting=("order-command/0/1",)),
        ]


def letter(topic: str, *offsets: int, code: str = "invalid", at: int = 9) -> Letter:
    runs = [range(offset, offset + 1) for offset in offsets]
    return Letter(f"{topic}/0/{offsets[0]}", topic, 0, runs, code=code, at=at)


def test_a_letter_that_was_dealt_with_explains_its_records_and_is_not_open() -> None:
    with closing(AuditStore()) as store:
        for offset in (1, 2, 5):
            store.add_record("a", AuditRecord("order-created", 0, offset, 5))
        store.put_letter(letter("order-created", 1, 2))
        store.put_letter(letter("order-created", 5))
        assert store.open_letters() == 2
        store.put_letter(letter("order-created", 1, code=""))
        assert store.open_letters() == 1
        codes = {"order-created/0/1": "", "order-created/0/2": "", "order-created/0/5": "invalid"}
        assert next(store.orders()).letters == codes
        assert store.dealt_with == {}


def test_a_letter_of_which_only_the_end_is_left_may_have_been_of_any_record_of_its_partition() -> None:
    with closing(AuditStore()) as store:
        store.put_letter(letter("order-created", 1, code="", at=40))
        assert store.dealt_with == {("order-created", 0): 40}
    created = AuditRecord("order-created", 0, 3, 39, event_id="x", is_folded=True)
    order = OrderAudit("o", [created])
    assert [each.kind for each in discrepancies(order, LogLimits())] == ["lost"]
    assert [each.kind for each in discrepancies(order, LogLimits(dealt_with={("order-created", 0): 40}))] == [
        "unobservable"
    ]


def test_the_letter_of_a_flood_is_of_all_its_records() -> None:
    first = Record("order-created", 2, 7, 5, b"key", b"value", ())
    written = gathered_letter(first, [7, 8, 9, 12], "malformed", "why", role="orchestrate", now_ms=5)
    stored = Record("dead-letter", 0, 3, 6, written.key, written.value, tuple(written.headers))
    assert letter_of(stored) == Letter(
        "order-created/2/7", "order-created", 2, [range(7, 10), range(12, 13)], "malformed", 6
    )
    end = Record("dead-letter", 0, 4, 7, written.key, None, ())
    assert letter_of(end) == Letter("order-created/2/7", "order-created", 2, [range(7, 8)], "", 7)
    pulled = Record("dead-letter", 0, 5, 8, b"pull/shop/7", b"{}", (("waybill-dead-code", b"unmappable"),))
    assert letter_of(pulled) == Letter("pull/shop/7", "", 0, [], "unmappable", 8)


class Books:
    """A provider that answers as it is told to: references, or failures."""

    def __init__(self, *answers: list[str] | Outcome) -> None:
        self.answers = list(answers)

    async def find_references(self, order_id: str) -> list[str]:
        answer = self.answers.pop(0)
        if isinstance(answer, Outcome):
            raise CallFailedError(Result(answer, Code.UNAVAILABLE, f"no books for {order_id}"))
        return answer


def made(order_id: str) -> OrderAudit:
    request = AuditRecord("fulfillment-requested", 0, 0, 5, effect_id="e")
    answer = AuditRecord("provider-result", 0, 0, 6, effect_id="e", outcome="ok", provider="acme")
    return OrderAudit(order_id, [request, answer])


def look(books: Books, *orders: OrderAudit) -> ProviderLookup:
    lookup = ProviderLookup({"acme": books})

    async def run() -> list[OrderAudit]:
        return [order async for order in lookup.look(orders)]

    assert asyncio.run(run()) == list(orders)
    return lookup


def test_a_provider_is_asked_for_what_it_made_and_for_nothing_else() -> None:
    first, other = made("a"), OrderAudit("b", [])
    assert look(Books(["R-1"]), first, other).failures == {}
    assert (first.references, other.references) == ({"acme": ["R-1"]}, {})


def test_a_provider_that_wants_to_be_left_alone_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_lookup, "PAUSE_S", 0.0)
    order = made("a")
    assert look(Books(Outcome.RETRY, Outcome.RETRY, ["R-1"]), order).failures == {}
    assert order.references == {"acme": ["R-1"]}


def test_a_provider_that_cannot_be_asked_is_named_and_asked_no_more() -> None:
    orders = [made(str(number)) for number in range(provider_lookup.AT_ONCE + 1)]
    books = Books(Outcome.DECLINED)
    lookup = look(books, *orders)
    assert "no books for" in lookup.failures["acme"]
    assert all(order.references == {} for order in orders)
    assert books.answers == []
