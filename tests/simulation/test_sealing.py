"""Worlds whose orders are sealed: all invariants hold, no topic of Waybill's own shows a person, and forgetting is the
loss of a key."""

import pytest

from app.agents import order_ledger
from app.domain.personal_data import redact
from app.events.catalog import BY_TOPIC
from app.events.headers import SEALED
from app.events.record import DEAD_LETTER, Record
from app.sealing.key_book import TOPIC, KeyBook
from app.sealing.master_keys import MasterKeys
from tests.simulation.finale import Finale
from tests.simulation.test_forgetting import COMPACTED, ForgettingWorld, people_in
from tests.simulation.transaction import shared_codec

MASTER_KEYS = MasterKeys([bytes(range(64))])
OPEN_TOPICS = {DEAD_LETTER, *(topic for topic, spec in BY_TOPIC.items() if spec.intake)}
"""What producers may write, and dead letters, which quote it."""


class SealedWorld(ForgettingWorld):
    master_keys = MASTER_KEYS

    async def finish(self) -> None:
        finale = Finale(self)
        await finale.run()
        self.people = people_in(self.orders_now())
        self.shown_before, self.sealed_before = self.shown(), self.sealed()
        self.readable_before, self.plain_before = self.readable(), self.plain()
        await self.forget_all(finale)

    def records(self) -> list[Record]:
        """All records of the topics that Waybill alone writes."""
        return [record for topic in self.cluster.topics if topic not in OPEN_TOPICS for record in self.of(topic)]

    def of(self, topic: str) -> list[Record]:
        return self.cluster.read_all(topic)

    def shown(self) -> set[tuple[str, bytes]]:
        """What can be read of people, and in which topics."""
        return {(each.topic, word) for each in self.records() for word in self.people if word in spelled(each)}

    def sealed(self) -> list[Record]:
        return [record for record in self.records() if SEALED in dict(record.headers)]

    def plain(self) -> list[Record]:
        """Records of orders that have a key with personal fields that are not sealed, be they no person's name."""
        keys, codec = self.cluster.ledger(TOPIC), shared_codec()
        records = [each for each in self.records() if each.topic in BY_TOPIC and each.key in keys and each.value]
        bodies = [(each, codec.read(each).body) for each in records if SEALED not in dict(each.headers)]
        return [record for record, body in bodies if body is not None and redact(body) != body]

    def readable(self) -> set[bytes]:
        """The orders of which a sealed record can be opened with the master key and what compaction leaves."""
        book = KeyBook(MASTER_KEYS)
        for key, value in self.cluster.ledger(TOPIC).items():
            book.take(key, value)
        kept = {key for key, value in self.ledger("order-ledger").items() if order_ledger.wrapped_key(value)}
        return kept | {record.key or b"" for record in self.sealed() if book.has((record.key or b"").decode())}

    def ledger(self, topic: str) -> dict[bytes, bytes]:
        """What compaction leaves of a ledger, opened."""
        values = self.cluster.ledger(topic).items()
        return {key: MASTER_KEYS.open_value(topic, key, value) for key, value in values}


def spelled(record: Record) -> bytes:
    return b"\n".join((record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers)))


@pytest.mark.parametrize("seed", [2, 18])
def test_forgetting_is_the_loss_of_a_key(seed: int) -> None:
    world = SealedWorld(seed)
    world.run()
    assert world.people
    assert world.shown_before == world.shown() == set()
    assert world.plain_before == []
    sealed_topics = {record.topic for record in world.sealed_before}
    assert {"order-validated", "fulfillment-requested", "dualwrite.iom.salesorders"} <= sealed_topics
    assert ("sourcing-result" in sealed_topics) is world.workload.sourced
    assert world.readable_before == {record.key for record in world.sealed_before}
    assert world.readable() == set(), "of no order a sealed record can be read any more"
    left = [value for topic in COMPACTED for value in world.ledger(topic).values()]
    assert not [word for word in world.people if any(word in value for value in left)]
    assert world.verdict.listed == []
