"""A process has the key of each sealed record before its lane folds it, and refuses what it cannot read."""

from collections.abc import Sequence

import pytest

from app.errors import LedgerError, SettingError
from app.events.headers import SEALED
from app.events.record import DEAD_LETTER, Record
from app.sealing.key_book import KeyBook
from app.sealing.master_keys import NO_KEYS, MasterKeys
from app.worker.order_keys import OrderKeys
from tests.lanes.memory_log import MemoryCluster, MemoryLog

KEYS, OTHER_KEYS = MasterKeys([bytes(range(64))]), MasterKeys([bytes(range(1, 65))])
WRAPPED = KEYS.wrap("web-1", bytes(64))
LEDGER, SOURCE_LEDGER = "order-ledger", "source-ledger"


class Follower:
    """Has keys, and tells its book of them when it is asked."""

    def __init__(self, book: KeyBook, keys: Sequence[tuple[bytes, bytes]]) -> None:
        self._book, self._keys = book, keys
        self.asked, self.closed = 0, False

    async def start(self) -> None:
        await self.catch_up()

    async def catch_up(self) -> None:
        self.asked += 1
        for key, value in self._keys:
            self._book.take(key, value)

    async def close(self) -> None:
        self.closed = True


def keys_of(master_keys: MasterKeys, *keys: tuple[bytes, bytes]) -> tuple[OrderKeys, Follower]:
    book = KeyBook(master_keys)
    follower = Follower(book, keys)
    return OrderKeys(book, follower), follower


def sealed(key: bytes = b"web-1", topic: str = "fulfillment-requested") -> Record:
    return Record(topic, 0, 0, 1, key, b"...", ((SEALED, b"1"),))


async def test_a_key_that_is_not_at_hand_is_looked_up_once() -> None:
    keys, follower = keys_of(KEYS, (b"web-1", WRAPPED))
    await keys.prepare([sealed(), sealed(b"web-2")])
    assert follower.asked == 1, "of web-2 it is known then that it was forgotten"
    await keys.prepare([sealed(), sealed()])
    assert follower.asked == 1


async def test_plain_records_and_those_of_producers_need_no_key() -> None:
    keys, follower = keys_of(NO_KEYS)
    await keys.prepare([sealed()._replace(headers=()), sealed(topic="order-created")])
    assert follower.asked == 0


@pytest.mark.parametrize("master_keys", [NO_KEYS, OTHER_KEYS], ids=["none", "another"])
async def test_a_process_without_the_master_key_refuses_sealed_records(master_keys: MasterKeys) -> None:
    keys, _ = keys_of(master_keys, (b"web-1", WRAPPED))
    with pytest.raises(LedgerError, match="WAYBILL_PERSONAL_DATA_KEY"):
        await keys.prepare([sealed()])
    with pytest.raises(SettingError, match=r"personal data of 1 orders .* WAYBILL_PERSONAL_DATA_KEY"):
        await keys.start()


async def test_a_process_that_needs_no_key_stops_following() -> None:
    keys, follower = keys_of(NO_KEYS)
    await keys.start()
    assert follower.closed


async def written(ledger: str, key: bytes) -> tuple[MemoryCluster, bytes]:
    """The value that a lane with a sealed ledger wrote, as it lies in the topic."""
    cluster = MemoryCluster([ledger, DEAD_LETTER], 1)
    log = keys_of(KEYS)[0].ledger(MemoryLog(cluster, "lane-0", ledger, 0), ledger)
    await log.fence()
    await log.begin()
    await log.send([], [(key, b"value"), (b"\x00position", b"position")])
    await log.commit()
    assert cluster.ledger(ledger)[b"\x00position"] == b"position"
    assert (record := await log.fetch(ledger, 0)) is not None
    assert record.value == b"value"
    return cluster, cluster.ledger(ledger)[key]


@pytest.mark.parametrize(
    ("ledger", "key", "is_sealed"),
    [
        (LEDGER, b"web-1", True), ("mirror-ledger", b"web-1", True), (SOURCE_LEDGER, b"order/web-1", True),
        (SOURCE_LEDGER, b"explained/web-1/0", True), (SOURCE_LEDGER, b"stock/SKU-1", False),
        ("apply-ledger", b"web-1", False),
    ],
)  # fmt: skip
async def test_what_may_name_a_person_is_sealed_in_ledgers(ledger: str, key: bytes, is_sealed: bool) -> None:
    _, value = await written(ledger, key)
    assert (value == b"value") is not is_sealed


@pytest.mark.parametrize("master_keys", [NO_KEYS, OTHER_KEYS, KEYS], ids=["none", "another", "its own"])
async def test_a_sealed_ledger_is_restored_with_its_master_key_alone(master_keys: MasterKeys) -> None:
    cluster, _ = await written(LEDGER, b"web-1")
    log = keys_of(master_keys)[0].ledger(MemoryLog(cluster, "lane-0", LEDGER, 0), LEDGER)
    entries: list[bytes | None] = []
    await log.fence()
    if master_keys is not KEYS:
        with pytest.raises(LedgerError, match="the value of web-1 in order-ledger is sealed with master key"):
            await log.restore(lambda some, _: entries.extend(entry.value for entry in some))
    else:
        await log.restore(lambda some, _: entries.extend(entry.value for entry in some))
        assert entries == [b"value", b"position"]


async def test_a_ledger_whose_orders_are_answered_without_a_record_is_restored_with_all_keys() -> None:
    keys, follower = keys_of(KEYS)
    for ledger, lookups in ((LEDGER, 0), (SOURCE_LEDGER, 1)):
        log = keys.ledger(MemoryLog(MemoryCluster([ledger, DEAD_LETTER], 1), "lane-0", ledger, 0), ledger)
        await log.fence()
        await log.restore(lambda *_: None)
        assert follower.asked == lookups, ledger
