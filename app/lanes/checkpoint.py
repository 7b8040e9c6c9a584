"""A checkpoint before its commit: outputs and changes of the records folded into it, apart from the lane's state.

A record contributes all that it did or nothing. One that cannot be used becomes a dead letter in the same checkpoint,
so that it neither stops the records behind it nor gets lost. No log and no clock is here; the lane commits.
"""

from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field

from app.errors import NewerVersionError, RecordError
from app.events.dead_letters import MARK, dead_letter, gathered_letter, origin
from app.events.headers import FORWARDED, first_place
from app.events.ids import partition_of
from app.events.record import Output, Record
from app.lanes.floods import FloodLimits, Floods, Gathered
from app.lanes.lane_state import LaneState, View
from app.lanes.role import Folded, Job, Role

RECORD_OVERHEAD_BYTES = 128
"""What Kafka's framing adds to a record at most, apart from its headers."""
HEADER_OVERHEAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class FoldLimits:
    """Limits of records. `record_bytes_max`: one that is read; `output_bytes_max`: one written, below what Kafka takes.

    `letter_bytes_max`: a dead letter, below what its topic takes; of a larger record only the beginning is kept.
    """

    record_bytes_max: int = 1 << 20
    output_bytes_max: int = 7 << 20
    letter_bytes_max: int = 4_000_000
    floods: FloodLimits = field(default_factory=FloodLimits)


@dataclass(slots=True)
class Checkpoint:
    """The content of the next transaction. Its records see the lane's state through `view`, with their own changes.

    `final` are changed keys that may have settled, `dead` the codes of dead letters, `size` bytes that are written.
    `gathered` are records that share a dead letter, by topic and code.
    """

    state: InitVar[LaneState]
    view: View = field(init=False)
    outputs: list[Output] = field(default_factory=list)
    changes: dict[bytes, bytes | None] = field(default_factory=dict)
    final: set[bytes] = field(default_factory=set)
    outcomes: dict[str, int] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    gathered: dict[tuple[str, str], Gathered] = field(default_factory=dict)
    records: int = 0
    forwarded: int = 0
    size: int = 0

    def __post_init__(self, state: LaneState) -> None:
        self.view = View(state, self.changes)

    def add(self, folded: Folded, size: int) -> None:
        """Add what one record did, `size` bytes of it."""
        self.records += 1
        self.size += size
        outputs, changes, outcome, settled, dead = folded
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.outputs += outputs
        if dead:
            self.dead += dead
        if changes:
            self.changes.update(changes)
            if settled:
                self.final.update(changes)

    def gather(self, record: Record, code: str, detail: str, size: int) -> None:
        """Set a record aside together with others of its topic and code."""
        self.add(Folded(outcome="dead-letter"), size)
        self.gathered.setdefault((record.topic, code), Gathered(record, code, detail)).offsets.append(record.offset)


class Folder:
    """Folds the records of one lane into a checkpoint."""

    def __init__(
        self, role: Role, lane: tuple[int, int], limits: FoldLimits, dead_letters: int, now_ms: Callable[[], int]
    ) -> None:
        """`lane` is the partition and how many there are, `dead_letters` how many partitions that topic has."""
        self._role, self._limits, self._now_ms = role, limits, now_ms
        self._partition, self._partitions = lane
        self._dead_partition = self._partition % dead_letters
        self._floods = Floods(limits.floods)

    def owner(self, record: Record, checkpoint: Checkpoint) -> Record | None:
        """Return the record with its owner's key if this lane folds it.

        None: it was forwarded to the lane of its order, or it is a dead letter; the checkpoint has it.
        """
        try:
            if (size := size_of(record.key, record.value, record.headers)) > (limit := self._limits.record_bytes_max):
                sentence = f"the record has {size} bytes, more than {limit} (WAYBILL_RECORD_BYTES_MAX)"
                raise RecordError("too-large", sentence)
            key = self._role.owner_key(record)
            if key is None:
                raise RecordError("no-key", "neither key nor value names an order: set the order id as the key")
        except Exception as exc:
            self.bury(record, exc, checkpoint)
            return None
        owner = partition_of(key, self._partitions)
        if owner != self._partition:
            checkpoint.add(Folded((forward(record, key, owner),), outcome="forwarded"), len(record.value or b""))
            checkpoint.forwarded += 1
            return None
        return record if record.key == key else record._replace(key=key)

    def fold(self, record: Record, original: Record, checkpoint: Checkpoint, *, repeated: bool) -> Job | None:
        """Fold a record of this lane. Return the job that it needs, if any. Raises Cold when a settled value is needed.

        `original` is the record as it was read: a dead letter keeps it.
        """
        try:
            folded = self._role.fold(record, checkpoint.view, repeated=repeated)
            if isinstance(folded, Job):
                return folded
            checkpoint.add(folded, self.measure(folded))
        except Exception as exc:
            self.bury(original, exc, checkpoint)
        return None

    def settle(self, folded: Folded, original: Record, checkpoint: Checkpoint) -> None:
        """Add the result of a job."""
        try:
            checkpoint.add(folded, self.measure(folded))
        except RecordError as exc:
            self.bury(original, exc, checkpoint)

    def bury(self, record: Record, problem: Exception, checkpoint: Checkpoint) -> None:
        """Add the record as a dead letter, or to one that it shares with others where there is a flood of them.

        Its partition is the lane's own, not that of its key: so each lane writes one partition of the topic, in order.
        Raises NewerVersionError instead: another process can use the record, and reads it once this one has ended.
        """
        if isinstance(problem, NewerVersionError):
            raise problem
        code, detail = _describe(problem)
        limit, now_ms = min(self._limits.letter_bytes_max, self._limits.output_bytes_max), self._now_ms()
        size = size_of(record.key, record.value, record.headers)
        if self._floods.admit(record.topic, code, min(size, limit), now_ms):
            letter = _fit(dead_letter(record, code, detail, self._role.name, now_ms), limit)
            letter = letter._replace(partition=self._dead_partition)
            checkpoint.add(Folded((letter,), outcome="dead-letter"), size_of(letter.key, letter.value, letter.headers))
        else:
            checkpoint.gather(record, code, detail, size)
        checkpoint.dead.append(code)

    def finish(self, checkpoint: Checkpoint) -> list[str]:
        """Add the letters that records share, before the commit. Return a sentence for each flood that begins."""
        role, now_ms = self._role.name, self._now_ms()
        for each in checkpoint.gathered.values():
            letter = gathered_letter(each.first, each.offsets, each.code, each.detail, role=role, now_ms=now_ms)
            checkpoint.outputs.append(letter._replace(partition=self._dead_partition))
        return list(self._floods.announcements(checkpoint.gathered.values()))

    def measure(self, folded: Folded) -> int:
        """Return the bytes of all that a record writes. Raises RecordError for one that the broker would refuse.

        The broker's refusal would come in the middle of a transaction and end the process, again and again.
        """
        total = 0
        for _, key, value, headers, _ in folded.outputs:
            total += RECORD_OVERHEAD_BYTES + len(key or b"") + len(value or b"")
            if headers:
                total += _size_of_headers(headers)
        for key, value in folded.changes.items():
            total += RECORD_OVERHEAD_BYTES + len(key) + len(value or b"")
        if total > self._limits.output_bytes_max:
            self._refuse_large(folded)
        return total

    def _refuse_large(self, folded: Folded) -> None:
        sizes = [size_of(output.key, output.value, output.headers) for output in folded.outputs]
        sizes += [size_of(key, value, ()) for key, value in folded.changes.items()]
        if max(sizes) > (limit := self._limits.output_bytes_max):
            problem = f"it would write a record of {max(sizes)} bytes, the limit is {limit}"
            raise RecordError("output-too-large", problem)


def size_of(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> int:
    """Return the bytes of a record on the wire, rounded up."""
    size = RECORD_OVERHEAD_BYTES + len(key or b"") + len(value or b"")
    return size + _size_of_headers(headers) if headers else size


def _size_of_headers(headers: Sequence[tuple[str, bytes]]) -> int:
    size = HEADER_OVERHEAD_BYTES * len(headers)
    for name, content in headers:
        size += len(name) + len(content or b"")
    return size


def forward(record: Record, key: bytes, owner: int) -> Output:
    """Return the record for the lane of its order: unchanged but for the key, and marked with its first place.

    The first place is the record's id where it has no other, so that it stays the same however often it is forwarded.
    A mark that no lane of this topic can have written is left out.
    """
    headers = list(record.headers)
    mark = dict(headers).get(FORWARDED) or b""
    if not first_place(mark.decode(errors="replace"), record.topic):
        headers = [header for header in headers if header[0] != FORWARDED]
        headers.append((FORWARDED, origin(record).encode()))
    return Output(topic=record.topic, key=key, value=record.value, headers=headers, partition=owner)


def _fit(letter: Output, limit: int) -> Output:
    """Return a dead letter that the broker takes: of a record near the broker's limit, the beginning and the length."""
    excess = size_of(letter.key, letter.value, letter.headers) - limit
    if excess <= 0:
        return letter
    ours = [(name, mark) for name, mark in letter.headers if name.startswith(MARK) and len(mark) <= 4096]
    value = letter.value or b""
    headers = [*ours, (f"{MARK}truncated", str(len(value)).encode())]
    return letter._replace(value=value[: limit // 2], headers=headers)


def _describe(problem: Exception) -> tuple[str, str]:
    """Return the code and the sentence of a dead letter."""
    if isinstance(problem, RecordError):
        return problem.code, problem.detail
    return "error", f"{type(problem).__name__}: {problem}"
