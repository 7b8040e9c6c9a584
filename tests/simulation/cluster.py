"""The Kafka of a world: the log in memory of the lanes' own tests, with readers that wait and faults between steps."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from app.events.record import Output, Record
from app.lanes.lane_log import Bounds, Change, LedgerEntry, Take
from tests.lanes.memory_log import MemoryCluster, MemoryLog

Committed = Callable[[str, Sequence[Record]], None]
"""Called with the transactional id and all that its transaction wrote, at the moment it becomes visible."""


class VirtualCluster(MemoryCluster):
    def __init__(self, topics: Iterable[str], partitions: int, now_ms: Callable[[], int]) -> None:
        super().__init__(topics, partitions, now_ms)
        self.committed: Committed = lambda _id, _records: None
        self.produced: Callable[[Record], None] = lambda _record: None
        self._written: dict[str, list[Record]] = {}
        self._readers: dict[str, list[asyncio.Event]] = {}

    def listen(self, topics: Iterable[str]) -> asyncio.Event:
        """Set whenever one of the topics has something new."""
        event = asyncio.Event()
        for topic in topics:
            self._readers.setdefault(topic, []).append(event)
        return event

    def forget(self, event: asyncio.Event) -> None:
        for events in self._readers.values():
            if event in events:
                events.remove(event)

    def produce(self, *place: Any, **more: Any) -> Record:
        record = super().produce(*place, **more)
        self.produced(record)
        self._tell({record.topic})
        return record

    def epoch(self, transactional_id: str) -> int:
        return self._epochs.get(transactional_id, 0)

    def fence(self, transactional_id: str) -> int:
        aborted = self._written.pop(transactional_id, [])
        epoch = super().fence(transactional_id)
        self._tell({record.topic for record in aborted})
        return epoch

    def write(self, transactional_id: str, output: Output, partition: int) -> int:
        offset = super().write(transactional_id, output, partition)
        record = self._topics[output.topic][partition].slots[-1].record
        assert record is not None, "a record was just written"
        self._written.setdefault(transactional_id, []).append(record)
        return offset

    def commit(self, transactional_id: str) -> None:
        super().commit(transactional_id)
        written = self._written.pop(transactional_id, [])
        self.committed(transactional_id, written)
        self._tell({record.topic for record in written})

    def _tell(self, topics: Iterable[str]) -> None:
        for topic in sorted(topics):
            for event in self._readers.get(topic, ()):
                event.set()


class Faults(Protocol):
    async def at(self, step: str) -> None:
        """A step of a log is reached: the process may die here, stand still, or wait."""


class VirtualLog(MemoryLog):
    """The log of one lane. Everything before and after a step may be the last thing that its process does."""

    def __init__(self, cluster: VirtualCluster, name: str, ledger: str, partition: int, faults: Faults) -> None:
        super().__init__(cluster, name, ledger, partition)
        self._faults, self.role, self.partition = faults, name.split("-")[1], partition

    @property
    def fenced(self) -> bool:
        assert isinstance(self._cluster, VirtualCluster)
        return self._cluster.epoch(self._id) != self._epoch

    async def fence(self) -> None:
        await self._faults.at("fence before")
        await super().fence()
        await self._faults.at("fence after")

    async def restore(self, take: Take) -> None:
        await self._faults.at("restore before")
        portions: list[tuple[Sequence[LedgerEntry], int]] = []
        await super().restore(lambda entries, end: portions.append((entries, end)))
        for entries, end in portions:
            middle = len(entries) // 2
            take(entries[:middle], end)
            await self._faults.at("restore middle")
            take(entries[middle:], end)
        await self._faults.at("restore after")

    async def bounds(self, topics: Iterable[str]) -> Mapping[str, Bounds]:
        await self._faults.at("bounds before")
        return await super().bounds(topics)

    async def fetch(self, topic: str, offset: int) -> Record | None:
        await self._faults.at("fetch before")
        return await super().fetch(topic, offset)

    async def begin(self) -> None:
        await self._faults.at("begin before")
        await super().begin()
        await self._faults.at("begin after")

    async def send(self, outputs: Sequence[Output], changes: Sequence[Change]) -> Sequence[int]:
        """Outputs, then the ledger, with a step between any two parts."""
        await self._faults.at("send before")
        self._send(outputs[: len(outputs) // 2])
        await self._faults.at("send middle")
        self._send(outputs[len(outputs) // 2 :])
        await self._faults.at("outputs sent")
        offsets = self._send([Output(self._ledger, key, value) for key, value in changes[:-1]])
        await self._faults.at("states sent")
        offsets += self._send([Output(self._ledger, key, value) for key, value in changes[-1:]])
        await self._faults.at("send after")
        return offsets

    async def commit(self) -> None:
        await self._faults.at("commit before")
        await super().commit()
        await self._faults.at("commit after")

    def _send(self, outputs: Sequence[Output]) -> list[int]:
        self._cluster.check(self._id, self._epoch)
        return [
            self._cluster.write(self._id, output, self._partition if output.partition is None else output.partition)
            for output in outputs
        ]
