"""The keys of orders in a process: read before lanes open, and at hand before a lane folds a sealed record."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from app.agents.source import Source
from app.errors import LedgerError
from app.events.order_records import is_sealed
from app.events.record import Record
from app.lanes.lane_log import Log
from app.lanes.sealed_log import SealedLog
from app.queries.personal_topics import LEDGERS, is_personal
from app.sealing.key_book import KeyBook
from app.sealing.master_keys import VARIABLE


class Follower(Protocol):
    """What fills the book from the topic `order-keys`."""

    async def start(self) -> None:
        """Read the topic to its end as of now, and follow it from then on."""

    async def catch_up(self) -> None:
        """Return once the book has every key that was written until now."""

    async def close(self) -> None:
        """Stop following. Safe at any time."""


class OrderKeys:
    """Keeps a book of keys filled by its follower, and seals the ledgers that have personal data."""

    def __init__(self, book: KeyBook, follower: Follower) -> None:
        self._book, self._follower = book, follower

    async def start(self) -> None:
        """Read all keys. A process without a master key only looks whether it needs one.

        Raises SettingError when there are orders whose key no master key opens, BrokerError, LaneError.
        """
        await self._follower.start()
        self._book.require_keys()
        if not self._book.master_keys.are_set:
            await self._follower.close()

    async def close(self) -> None:
        """Stop following. Safe at any time."""
        await self._follower.close()

    async def prepare(self, records: Sequence[Record]) -> None:
        """Return once the book has the key of each sealed record, or its order is known to be forgotten.

        A fold cannot wait for a key. That of an order is written in the transaction of its first sealed record.

        Raises LedgerError for a record that no master key opens: it must not be folded as if it were garbage.
        """
        sealed = [record for record in records if is_sealed(record)]
        if not sealed:
            return
        if not self._book.master_keys.are_set:
            place = f"{sealed[0].topic}/{sealed[0].partition}"
            raise LedgerError(f"{place} has sealed records, and this process has no master key: set {VARIABLE}")
        order_ids = {(record.key or b"").decode(errors="replace") for record in sealed}
        if not all(map(self._book.has, order_ids)):
            await self._follower.catch_up()
        for order_id in order_ids:
            self._book.find(order_id)

    def ledger(self, log: Log, ledger: str) -> Log:
        """Return the log of a lane with its ledger sealed, if it is one with personal data."""
        if ledger not in LEDGERS:
            return log
        # Role source answers for orders of its ledger without a record of theirs: when stock comes.
        catch_up = self._follower.catch_up if ledger == Source.ledger and self._book.master_keys.are_set else None
        return SealedLog(log, ledger, self._book.master_keys, partial(is_personal, ledger), catch_up=catch_up)
