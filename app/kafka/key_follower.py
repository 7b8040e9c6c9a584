"""Follows the topic `order-keys` from its beginning, so that a key is at hand when a sealed record comes."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from aiokafka import TopicPartition

from app.errors import LaneError, TopicError
from app.kafka.clients import partition_counts
from app.kafka.cluster_access import ClusterAccess
from app.kafka.topic_reader import consumer
from app.kafka.written_ends import written_ends
from app.sealing.key_book import TOPIC, KeyBook

_POLL_MS: Final = 100
_LOOK_S: Final = 0.1
_LIMIT_S: Final = 30.0
"""Seconds for reading what was written last. At the start there may be millions of keys: that takes as long as it does
while some come."""


class KeyFollower:
    """Fills a book until it is closed. A broker that goes away is waited for; who needs a key meanwhile is told so."""

    def __init__(self, cluster: ClusterAccess, book: KeyBook) -> None:
        self._cluster, self._book = cluster, book
        self._clients = AsyncExitStack()
        self._reader: Any = None
        self._positions: dict[TopicPartition, int] = {}
        self._advanced = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the topic to its end as of now, and follow it from then on.

        Raises TopicError where it is missing; without a master key nothing can be in it then. BrokerError, LaneError.
        """
        self._reader = await self._clients.enter_async_context(consumer(self._cluster))
        count = (await partition_counts(self._reader)).get(TOPIC, 0)
        if not count:
            if self._book.master_keys.are_set:
                raise TopicError(f"topic {TOPIC} does not exist; create the topics with `waybill topics apply`")
            return
        places = [TopicPartition(TOPIC, number) for number in range(count)]
        self._positions = dict.fromkeys(places, 0)
        self._reader.assign(places)
        await self._reader.seek_to_beginning(*places)
        self._following = asyncio.create_task(self._follow(), name=f"follow {TOPIC}")
        await self.catch_up()

    async def catch_up(self) -> None:
        """Return once the book has every key that was written until now, be its transaction still about to end.

        Readers of committed records may see the end of a transaction in one partition before that in another one. So
        the ends are those with what is not committed yet.

        Raises LaneError when the ends do not come nearer: the broker is gone, or a transaction stays open.
        """
        ends: dict[TopicPartition, int] = {}
        try:
            async with asyncio.timeout(_LIMIT_S):
                while len(ends) < len(self._positions):
                    ends.update(await written_ends(self._reader, self._positions))
                    if len(ends) < len(self._positions):  # a partition without a leader gives no answer, and at once
                        await asyncio.sleep(_LOOK_S)
            async with self._advanced:
                while any(self._positions[place] < end for place, end in ends.items()):
                    await asyncio.wait_for(self._advanced.wait(), _LIMIT_S)
        except TimeoutError as problem:
            if self._following is not None and self._following.done() and not self._following.cancelled():
                raise LaneError(f"{TOPIC} is not read any more: {self._following.exception()!r}") from problem
            raise LaneError(
                f"{TOPIC} could not be read to its end within {_LIMIT_S:g} s: is the broker there, and does somebody"
                " keep a transaction open in it?"
            ) from problem

    async def close(self) -> None:
        """Stop following. Safe at any time, also twice."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._clients.aclose()

    async def _follow(self) -> None:
        while True:
            batches = await self._reader.getmany(timeout_ms=_POLL_MS)
            for records in batches.values():
                for record in records:
                    self._book.take(record.key, record.value)
            await self._note_positions()

    async def _note_positions(self) -> None:
        """Wake who waits when a position has moved. Markers of transactions move it without a record."""
        positions = {place: await self._reader.position(place) for place in self._positions}
        if positions != self._positions:
            async with self._advanced:
                self._positions = positions
                self._advanced.notify_all()
