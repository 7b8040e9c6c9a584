"""The port between a lane and its log: fence, restore, one transaction at a time. `kafka_log` implements it on Kafka.

The simulation drives the same lanes over a log in memory. Nothing here knows a client or a broker.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from app.events.record import Output, Record

Change = tuple[bytes, bytes | None]
"""A ledger key and its new value; None removes the key."""


class LedgerEntry(NamedTuple):
    """One record of the ledger partition."""

    key: bytes
    value: bytes | None
    offset: int


Take = Callable[[Sequence[LedgerEntry], int], None]
"""Takes the next entries of a ledger, and the offset where it ends."""


class Bounds(NamedTuple):
    """Where a partition begins and where its committed part ends: the first and the one after the last offset."""

    begin: int
    end: int


class Log(Protocol):
    """What one lane reads and writes: its partition of the inputs and of the ledger, and the outputs.

    Every method raises LaneError when the lane cannot go on: another process owns it, or the broker is gone for good.
    """

    @property
    def owner(self) -> str:
        """The transactional id of the lane, the same in all processes of the installation."""

    async def fence(self) -> None:
        """Stop the lane's previous owner for good and end what it left open. Comes first, once."""

    async def fence_other(self, owner: str) -> None:
        """Stop an owner with another transactional id in the same way."""

    async def restore(self, take: Take) -> None:
        """Read the ledger partition from its beginning to its committed end as of now.

        `take` is called with its entries in order, a portion at a time, so that a long ledger is never all in memory,
        and each time with the offset of that end.
        """

    async def bounds(self, topics: Iterable[str]) -> Mapping[str, Bounds]:
        """Return the bounds of the lane's partition of each topic."""

    async def ends(self, topics: Iterable[str]) -> Mapping[str, int]:
        """Return the end of the lane's partition of each topic, with what is not committed yet.

        A topic whose end cannot be told just now is left out.
        """

    async def fetch(self, topic: str, offset: int) -> Record | None:
        """Return the record at that offset of the lane's partition; None when it is not there any more."""

    async def first_record(self, topic: str, bounds: Bounds) -> Record | None:
        """Return the first committed record within the bounds, None where there is none.

        What else takes up offsets are the markers that end transactions and what compaction removed.
        """

    async def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has. Raises LaneError when it does not exist."""

    async def begin(self) -> None:
        """Begin a transaction."""

    async def send(self, outputs: Sequence[Output], changes: Sequence[Change]) -> Sequence[int]:
        """Write within the transaction. Return when all is stored, with the ledger offset of each change, in order."""

    async def commit(self) -> None:
        """End the transaction: all of it becomes visible at once."""

    async def close(self) -> None:
        """Let go of everything. Must be safe at any time, also twice."""
