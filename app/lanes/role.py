"""The interface between a role and its lanes: records in, outputs and changes out. It knows no Kafka and no order."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from app.events.record import Output, Record
from app.lanes.lease import Lease


class Folded(NamedTuple):
    """The effect of one record: all of it is committed, or none.

    `changes` are new values of the ledger, absolute; None removes the key. `outcome` is a closed label that is counted.
    `settled` says that a changed key may have become final: the lane then asks the role's `settled_at`. `dead` are the
    codes of the dead letters among the outputs, which are counted.
    """

    outputs: Sequence[Output] = ()
    changes: Mapping[bytes, bytes | None] = {}
    outcome: str = "applied"
    settled: bool = False
    dead: Sequence[str] = ()


class Job(NamedTuple):
    """Work that must wait for something outside. Jobs with the same `key` run in sequence, others side by side.

    `provider` is the bulkhead: so many of one provider run at a time. `run` is awaited with the lane's lease, which
    must be valid right before each request leaves; its result is folded when it comes. A job that is cancelled
    (rebalance, stop) or dies with the process is run again by the next owner, from a fold with `repeated=True`.
    """

    key: bytes
    provider: str
    run: Callable[[Lease], Awaitable[Folded]]


class Role(ABC):
    """The work of one lane: one instance for each partition, driven by its lane alone, so that no locking is needed.

    A role says how it folds a record, and overrides the rest where it differs: by default a record is about the order
    that its key names, and the role has no timers, asks nobody and keeps nothing beside the ledger.
    An input that is the role's own ledger is not read: it only makes the process a member of the role's group.
    """

    name: str
    inputs: tuple[str, ...]
    ledger: str
    ledger_format: int = 1
    """Number of the format of ledger values. A version of Waybill refuses a ledger whose number is above its own."""

    def owner_key(self, record: Record) -> bytes | None:
        """Return the key of the order that the record is about: `record.key`, or what its value says.

        None and RecordError both mean that there is none: the record is a dead letter.
        """
        return record.key

    @abstractmethod
    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded | Job:
        """Return what the record does to the state. Has no effect of its own: a record may be folded more than once.

        `record.key` is the owner key, also where the record had none. `repeated`: a previous owner may have run it.
        RecordError makes it a dead letter with its code, any other exception one with the code `error`;
        NewerVersionError ends the lane instead.
        """

    def conclude(self, state: Mapping[bytes, bytes], now_ms: int) -> Folded | None:
        """Return what the records of a turn lead to together. Called at the end of each turn.

        Must have no effect of its own, as a fold.
        """
        return None

    def due(self, now_ms: int) -> Sequence[Output]:
        """Return the timers whose time has come, as records on the order's own input, each once. Called on a tick."""
        return ()

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Build what is kept beside the state from the ledger as it is on opening, without keys settled long ago."""
        for key, value in items:
            self.changed(key, value)

    def changed(self, key: bytes, value: bytes | None) -> None:
        """Take note of a committed change. Called for each one, in order, after its transaction."""
        return

    def settled_at(self, value: bytes) -> int:
        """Return when the key of this ledger value became final, in ms since the epoch; 0 while it is live."""
        return 0

    async def poll(self, state: Mapping[bytes, bytes]) -> Folded | None:
        """Return what sources that have to be asked say; may take its time. Called on lane 0 alone.

        It is called again once the answer is committed, or at an interval after None.
        """
        return None


class RoleKind(Protocol):
    """A role as such: what its group is called and reads, and how to make the instance of a lane."""

    name: str
    inputs: tuple[str, ...]
    ledger: str

    def for_lane(self, partition: int) -> Role:
        """A new instance, for a lane that opens."""


class LaneObserver(Protocol):
    """Where lanes report what they do. Called on the event loop: must return at once and never raise."""

    def restoring(self, partition: int, offset: int, end: int) -> None:
        """A lane that opens has read its ledger up to `offset`, of `end`."""

    def opened(self, partition: int, keys: int, seconds: float) -> None:
        """A lane is fenced and restored: `keys` in memory, after `seconds`."""

    def closed(self, partition: int) -> None:
        """A lane was given up."""

    def checkpoint(self, partition: int, records: int, seconds: float, outcomes: Mapping[str, int]) -> None:
        """A transaction was committed `seconds` after its fold began; `outcomes` counts its records by label."""

    def dead_letter(self, code: str) -> None:
        """A record became a dead letter."""

    def forwarded(self, records: int) -> None:
        """Records of other lanes were passed on."""

    def in_flight(self, partition: int, running: int, waiting: int) -> None:
        """Jobs that run and records that wait for a job's turn, whenever it changes."""

    def backlog(
        self, partition: int, records: Mapping[str, int], since: float | None, oldest_at: Mapping[str, int]
    ) -> None:
        """The records that wait in each input of a lane, from time to time.

        `since` is the time of the monotonic clock from which on some waited without a commit; None when none waits.
        `oldest_at` has the timestamp (ms) of the first one that waits, of the inputs where one does.
        """

    def withheld(self, partition: int, seconds: Mapping[str, float]) -> None:
        """For each input of a lane, from time to time: seconds for which an open transaction has held back records.

        0 where none does.
        """


class Unobserved:
    """An observer that does nothing."""

    def restoring(self, partition: int, offset: int, end: int) -> None: ...
    def opened(self, partition: int, keys: int, seconds: float) -> None: ...
    def closed(self, partition: int) -> None: ...
    def checkpoint(self, partition: int, records: int, seconds: float, outcomes: Mapping[str, int]) -> None: ...
    def dead_letter(self, code: str) -> None: ...
    def forwarded(self, records: int) -> None: ...
    def in_flight(self, partition: int, running: int, waiting: int) -> None: ...
    def backlog(
        self, partition: int, records: Mapping[str, int], since: float | None, oldest_at: Mapping[str, int]
    ) -> None: ...
    def withheld(self, partition: int, seconds: Mapping[str, float]) -> None: ...
