"""A Kafka in memory, as far as lanes need one: partitions, transactions, fencing, readers of what is committed.

Each step of a log can be made to fail: the hook of `MemoryCluster` is called with the step's name before and after it,
and whatever it raises comes out of the lane. A crash is an exception of the test's own, after which the lane is left as
it is and another one opened; what the dead one had open stays open until it is fenced, as on a broker.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from app.errors import LaneError
from app.events.record import Output, Record
from app.lanes.lane_log import Bounds, Change, LedgerEntry, Take

STEPS = (
    "fence before", "fence after", "restore before", "restore after", "bounds before", "fetch before",
    "begin before", "begin after", "send before", "send middle", "send after", "commit before", "commit after",
)  # fmt: skip
"""What the hook may be called with. `send middle`: half of the records are written; `commit after`: all is visible."""
_RESTORE_PORTION = 100

Hook = Callable[[str, str], None]
"""Called with the transactional id and the step."""


class Ending(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(eq=False, slots=True)
class Transaction:
    ending: Ending = Ending.OPEN
    places: dict[tuple[str, int], None] = field(default_factory=dict)


@dataclass(slots=True)
class _Slot:
    """One offset: a record, or the marker that ends a transaction (None)."""

    record: Record | None
    transaction: Transaction | None


@dataclass(slots=True)
class _Partition:
    begin: int = 0
    slots: list[_Slot] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.begin + len(self.slots)

    def stable(self) -> int:
        """The offset of the first record that is neither committed nor aborted."""
        for index, slot in enumerate(self.slots):
            if slot.transaction is not None and slot.transaction.ending is Ending.OPEN:
                return self.begin + index
        return self.end

    def visible(self, start: int) -> Iterator[Record]:
        for slot in self.slots[max(0, start - self.begin) : self.stable() - self.begin]:
            shown = slot.transaction is None or slot.transaction.ending is Ending.COMMITTED
            if slot.record is not None and shown:
                yield slot.record


class MemoryCluster:
    """Topics with equally many partitions. `now_ms` stamps records, `hook` may raise at any step of any log."""

    def __init__(self, topics: Iterable[str], partitions: int, now_ms: Callable[[], int] = lambda: 1_000) -> None:
        self.partitions, self._now_ms = partitions, now_ms
        self._topics = {topic: [_Partition() for _ in range(partitions)] for topic in topics}
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}
        self.hook: Hook = lambda _id, _step: None

    def add(self, topic: str) -> None:
        """Create the topic if it is not there."""
        self._topics.setdefault(topic, [_Partition() for _ in range(self.partitions)])

    def recreate(self, topic: str) -> None:
        """Delete the topic and create it again, empty."""
        self._topics[topic] = [_Partition() for _ in range(self.partitions)]

    def truncate(self, topic: str, partition: int, begin: int) -> None:
        """What retention does: drop what lies below `begin`."""
        found = self._topics[topic][partition]
        found.slots = found.slots[begin - found.begin :]
        found.begin = begin

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Record:
        """Write a record outside of any transaction, as producers of the inputs do."""
        output = Output(topic, key, value, headers, partition)
        return self._append(output, partition, None)

    def read(self, topic: str, partition: int, start: int = 0, count: int | None = None) -> list[Record]:
        """Committed records from that offset on."""
        records = list(self._topics[topic][partition].visible(start))
        return records if count is None else records[:count]

    def read_all(self, topic: str) -> list[Record]:
        return [record for partition in range(self.partitions) for record in self.read(topic, partition)]

    def bounds(self, topic: str, partition: int) -> Bounds:
        found = self._topics[topic][partition]
        return Bounds(found.begin, found.stable())

    def end(self, topic: str, partition: int) -> int:
        """The offset behind all that was written, committed or not."""
        return self._topics[topic][partition].end

    @property
    def topics(self) -> list[str]:
        return list(self._topics)

    def ledger(self, topic: str) -> dict[bytes, bytes]:
        """The latest value of each key, as compaction would leave them."""
        latest = {record.key: record.value for record in self.read_all(topic)}
        return {key: value for key, value in latest.items() if key is not None and value is not None}

    def fence(self, transactional_id: str) -> int:
        """A new epoch; what the previous one left open is aborted."""
        if (left := self._open.pop(transactional_id, None)) is not None:
            self._end(left, Ending.ABORTED)
        self._epochs[transactional_id] = self._epochs.get(transactional_id, 0) + 1
        return self._epochs[transactional_id]

    def check(self, transactional_id: str, epoch: int) -> None:
        if self._epochs.get(transactional_id) != epoch:
            raise LaneError(f"{transactional_id} was fenced: another process owns this lane now")

    def begin(self, transactional_id: str) -> None:
        assert transactional_id not in self._open, "a transaction is open already"
        self._open[transactional_id] = Transaction()

    def write(self, transactional_id: str, output: Output, partition: int) -> int:
        transaction = self._open[transactional_id]
        transaction.places[output.topic, partition] = None
        return self._append(output, partition, transaction).offset

    def commit(self, transactional_id: str) -> None:
        self._end(self._open.pop(transactional_id), Ending.COMMITTED)

    def _append(self, output: Output, partition: int, transaction: Transaction | None) -> Record:
        found = self._topics[output.topic][partition]
        headers = tuple(output.headers)
        record = Record(output.topic, partition, found.end, self._now_ms(), output.key, output.value, headers)
        found.slots.append(_Slot(record, transaction))
        return record

    def _end(self, transaction: Transaction, ending: Ending) -> None:
        transaction.ending = ending
        for topic, partition in transaction.places:
            self._topics[topic][partition].slots.append(_Slot(None, None))


class MemoryLog:
    """The log of one lane over a cluster in memory."""

    def __init__(self, cluster: MemoryCluster, transactional_id: str, ledger: str, partition: int) -> None:
        self._cluster, self._id, self._ledger, self._partition = cluster, transactional_id, ledger, partition
        self._epoch = 0
        self.fetched: list[tuple[str, int]] = []
        """Single records that were read back."""
        self.closed = False

    @property
    def owner(self) -> str:
        return self._id

    async def fence_other(self, owner: str) -> None:
        self._at("fence before")
        self._cluster.fence(owner)

    async def fence(self) -> None:
        self._at("fence before")
        self._epoch = self._cluster.fence(self._id)
        self._at("fence after")

    async def restore(self, take: Take) -> None:
        self._at("restore before")
        entries = [
            LedgerEntry(r.key or b"", r.value, r.offset) for r in self._cluster.read(self._ledger, self._partition)
        ]
        for start in range(0, len(entries), _RESTORE_PORTION):
            take(entries[start : start + _RESTORE_PORTION], entries[-1].offset + 1)
        self._at("restore after")

    async def bounds(self, topics: Iterable[str]) -> Mapping[str, Bounds]:
        self._at("bounds before")
        return {topic: self._cluster.bounds(topic, self._partition) for topic in topics}

    async def ends(self, topics: Iterable[str]) -> Mapping[str, int]:
        self._at("ends before")
        return {topic: self._cluster.end(topic, self._partition) for topic in topics}

    async def fetch(self, topic: str, offset: int) -> Record | None:
        self._at("fetch before")
        self.fetched.append((topic, offset))
        found = self._cluster.read(topic, self._partition, offset, 1)
        return found[0] if found and found[0].offset == offset else None

    async def first_record(self, topic: str, bounds: Bounds) -> Record | None:
        self._at("first record before")
        records = self._cluster.read(topic, self._partition, bounds.begin, 1)
        return next((record for record in records if record.offset < bounds.end), None)

    async def partitions(self, topic: str) -> int:
        return self._cluster.partitions

    async def begin(self) -> None:
        self._step("begin before")
        self._cluster.begin(self._id)
        self._at("begin after")

    async def send(self, outputs: Sequence[Output], changes: Sequence[Change]) -> Sequence[int]:
        self._step("send before")
        records = [*outputs, *(Output(self._ledger, key, value) for key, value in changes)]
        offsets = []
        for index, output in enumerate(records):
            if index == len(records) // 2:
                self._step("send middle")
            partition = self._partition if output.partition is None else output.partition
            offsets.append(self._cluster.write(self._id, output, partition))
        self._step("send after")
        return offsets[len(outputs) :]

    async def commit(self) -> None:
        self._step("commit before")
        self._cluster.commit(self._id)
        self._at("commit after")

    async def close(self) -> None:
        self.closed = True

    def _at(self, step: str) -> None:
        self._cluster.hook(self._id, step)

    def _step(self, step: str) -> None:
        """The owner may have changed while something else ran."""
        self._at(step)
        self._cluster.check(self._id, self._epoch)
