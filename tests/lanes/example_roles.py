"""Two small roles: one counts, one calls somebody. What they do with a record is in the record's value."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from app.errors import NewerVersionError, RecordError
from app.events.record import Output, Record
from app.lanes.lease import Lease
from app.lanes.role import Folded, Job, Role

OUT = "out"
LEDGER = "ledger"


class Counting(Role):
    """Each record adds one to its key and makes one output that names the record and the count.

    Values: `boom` raises, `odd` is refused, `newer` only a newer version knows, `huge` writes too much, `final` settles
    the key, `ring` sets a timer that writes `rang` to the first input.
    """

    knows_newer = False

    def __init__(self, inputs: tuple[str, ...] = ("in-a", "in-b"), name: str = "count", out: str = OUT) -> None:
        self.name, self.inputs, self.ledger, self.out = name, inputs, LEDGER, out
        self.heap: dict[bytes, bytes] = {}
        self.timers: list[bytes] = []
        self.polled: list[Folded] = []

    def for_lane(self, _partition: int) -> "Counting":
        lane = type(self)(self.inputs, self.name, self.out)
        lane.ledger = self.ledger
        return lane

    def owner_key(self, record: Record) -> bytes | None:
        """Without a key, a value may name it: `key=k1`."""
        if record.key is None and (record.value or b"").startswith(b"key="):
            return (record.value or b"")[4:]
        return record.key

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded | Job:
        del repeated
        key, value = record.key or b"", record.value or b""
        if value == b"boom":
            raise ValueError("boom")
        if value == b"odd":
            raise RecordError("malformed", "an odd value")
        if value == b"newer" and not self.knows_newer:
            raise NewerVersionError("unknown-schema", "written by a newer version: upgrade this process")
        count = int(state.get(key, b"0").removesuffix(b"!")) + 1
        text = b"%s/%d/%d:%d " % (record.topic.encode(), record.partition, record.offset, count)
        body = b"x" * (8 << 20) if value == b"huge" else value[:180]
        stored = b"%d!" % count if value == b"final" else b"%d" % count
        if value == b"ring":
            self.timers.append(key)
        return Folded((Output(self.out, key, text + body),), {key: stored}, settled=value == b"final")

    def conclude(self, state: Mapping[bytes, bytes], now_ms: int) -> Folded | None:
        """Two or more of `batch` are added up in one go."""
        count = int(state.get(b"batch", b"0"))
        if count < 2:
            return None
        return Folded((Output(self.out, b"batch", b"sum %d" % count),), {b"batch": None}, outcome="summed")

    def due(self, _now_ms: int) -> Sequence[Output]:
        keys, self.timers = self.timers, []
        return [Output(self.inputs[0], key, b"rang") for key in keys]

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        self.heap = dict(items)

    def changed(self, key: bytes, value: bytes | None) -> None:
        self.heap[key] = value or b""

    def settled_at(self, value: bytes) -> int:
        return 1_000 if value.endswith(b"!") else 0

    async def poll(self, _state: Mapping[bytes, bytes]) -> Folded | None:
        return self.polled.pop(0) if self.polled else None


class NewerCounting(Counting):
    """A version that knows `newer`."""

    knows_newer = True


class Calling(Counting):
    """Each record is an effect: it is called for once, and the answer counted. `call(value, repeated)` is given."""

    call: Callable[[bytes, bool], Awaitable[None]]

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded | Job:
        key, effect = record.key or b"", record.value or b""
        if effect in state.get(key, b"").split(b","):
            return Folded(outcome="duplicate")
        if effect == b"plain":
            return super().fold(record, state, repeated=repeated)

        async def run(lease: Lease) -> Folded:
            assert lease.valid()
            await self.call(effect, repeated)
            done = b",".join(filter(None, (state.get(key, b""), effect)))
            return Folded((Output(self.out, key, effect),), {key: done})

        return Job(key, effect.split(b"-")[0].decode(), run)
