"""The progress of a role's lanes, read from its ledger: each transaction writes the lane's position there."""

from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition

from app.kafka.clients import AIOKafkaConsumer
from app.lanes.ledger_keys import POSITION_KEY
from app.lanes.position import Position

_LOOK_MS: Final = 100


class Ledger:
    """Follows a ledger from where it ends, with a consumer of committed records. `inputs` are the role's."""

    def __init__(self, reader: AIOKafkaConsumer, ledger: str, inputs: tuple[str, ...], partitions: int) -> None:
        self._reader = reader
        self._places = [TopicPartition(ledger, number) for number in range(partitions)]
        self._positions = {place.partition: Position(inputs) for place in self._places}

    async def open(self) -> None:
        """Begin at the end of every partition of the ledger."""
        self._reader.assign(self._places)
        await self._reader.seek_to_end(*self._places)

    async def ends(self, topic: str) -> Mapping[int, int]:
        """Return the offset after each partition's last record, when a transaction has just written to each of them."""
        places = [TopicPartition(topic, place.partition) for place in self._places]
        marker = 1
        return {place.partition: end - marker for place, end in (await self._reader.end_offsets(places)).items()}

    async def behind(self, topic: str, ends: Mapping[int, int]) -> int:
        """Take in new positions. Return how many records of a topic the lanes have not committed."""
        for place, records in (await self._reader.getmany(timeout_ms=_LOOK_MS)).items():
            if last := next((record for record in reversed(records) if record.key == POSITION_KEY), None):
                self._positions[place.partition].load(last.value)
        return sum(max(0, end - self._positions[number][topic].low) for number, end in ends.items())
