"""Producers of the input topics: what they write comes twice, late, to the wrong partition or without a key."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

import msgspec

from app.errors import BrokerError
from app.events.record import Output, Record
from app.worker.webhook_intake import HINTS
from tests.simulation.cluster import VirtualCluster
from tests.simulation.dice import Dice

JSON: Final = ("content-type", b"application/json")
Headers = tuple[tuple[str, bytes], ...]


class Producer:
    """Of the JSON records that the world's people and systems write."""

    def __init__(self, cluster: VirtualCluster, dice: Dice, random: Random, lane_of: Callable[[bytes], int]) -> None:
        self._cluster, self._dice, self._random, self._lane_of = cluster, dice, random, lane_of

    def once(self, topic: str, key: str, value: bytes, headers: Headers = (JSON,)) -> Record:
        return self._cluster.produce(topic, self._lane_of(key.encode()), key.encode(), value, headers)

    def as_json(self, topic: str, key: str, body: Mapping[str, Any], ce_id: str) -> Record:
        return self.once(topic, key, msgspec.json.encode(body), (JSON, ("ce_id", ce_id.encode())))

    def keyless(self, topic: str, value: bytes) -> Record:
        return self._cluster.produce(topic, self._anywhere(), None, value, (JSON,))

    async def produced(self, topic: str, key: str, body: Mapping[str, Any], ce_id: str) -> None:
        """A producer's record, perhaps again after a while, perhaps in the wrong place or without a key."""
        headers: Headers = (JSON, ("ce_id", ce_id.encode())) if ce_id else (JSON,)
        value = msgspec.json.encode(body)
        for _ in range(1 + self._dice.happens(self._dice.odds.twice)):
            astray = self._dice.happens(self._dice.odds.astray)
            partition = self._anywhere() if astray else self._lane_of(key.encode())
            named = None if astray and self._dice.happens(0.5) else key.encode()
            self._cluster.produce(topic, partition, named, value, headers)
            await asyncio.sleep(self._random.uniform(0, 3))

    async def known(self, order_id: str) -> None:
        """Return once the order exists."""
        news = self._cluster.listen(["order-status"])
        while all(record.key != order_id.encode() for record in self._cluster.read_all("order-status")):
            news.clear()
            await news.wait()
        self._cluster.forget(news)

    def _anywhere(self) -> int:
        return self._random.randrange(self._cluster.partitions)


class FaultyPublisher:
    """Of a process's webhook intake. A broker that is away may have taken some of the records all the same."""

    def __init__(self, cluster: VirtualCluster, dice: Dice, lane_of: Callable[[bytes], int]) -> None:
        self._cluster, self._dice, self._lane_of = cluster, dice, lane_of

    async def publish(self, outputs: Sequence[Output]) -> None:
        await asyncio.sleep(self._dice.between(0.001, 0.05))
        away = self._dice.happens(self._dice.odds.away)
        taken = self._dice.random.randint(0, len(outputs)) if away else len(outputs)
        for output in outputs[:taken]:
            partition = 0 if output.topic == HINTS else self._lane_of(output.key or b"")
            self._cluster.produce(output.topic, partition, output.key, output.value, tuple(output.headers))
        await asyncio.sleep(self._dice.between(0.001, 0.05))
        if away:
            raise BrokerError("the broker is away")
