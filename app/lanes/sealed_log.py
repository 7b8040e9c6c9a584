"""The log of a lane whose ledger values are sealed: the lane and its role see them as they were."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from app.events.record import Output, Record
from app.lanes.lane_log import Bounds, Change, LedgerEntry, Log, Take
from app.lanes.ledger_keys import is_lanes_own
from app.sealing.master_keys import MasterKeys

CatchUp = Callable[[], Awaitable[None]]


class SealedLog:
    """Seals what is written to the ledger if the master keys are for that, and opens what is read of it.

    A sealed value that no master key opens is refused: LedgerError. Otherwise as the log within.
    """

    def __init__(
        self,
        log: Log,
        ledger: str,
        master_keys: MasterKeys,
        is_personal: Callable[[bytes], bool],
        *,
        catch_up: CatchUp | None = None,
    ) -> None:
        """`is_personal`: whether the value of a key is sealed. The lane's own notes are not: they tell of no order.

        `catch_up` returns once the keys of all orders that the ledger names are at hand, for a role that needs them
        without a record that has just come."""
        self._log, self._ledger, self._keys = log, ledger, master_keys
        self._is_personal, self._catch_up = is_personal, catch_up

    @property
    def owner(self) -> str:
        return self._log.owner

    async def fence(self) -> None:
        await self._log.fence()

    async def fence_other(self, owner: str) -> None:
        await self._log.fence_other(owner)

    async def restore(self, take: Take) -> None:
        def open_all(entries: Sequence[LedgerEntry], end: int) -> None:
            take([entry._replace(value=self._open(entry.key, entry.value)) for entry in entries], end)

        if self._catch_up is not None:
            await self._catch_up()
        await self._log.restore(open_all)

    async def bounds(self, topics: Iterable[str]) -> Mapping[str, Bounds]:
        return await self._log.bounds(topics)

    async def ends(self, topics: Iterable[str]) -> Mapping[str, int]:
        return await self._log.ends(topics)

    async def fetch(self, topic: str, offset: int) -> Record | None:
        record = await self._log.fetch(topic, offset)
        if record is None or topic != self._ledger:
            return record
        return record._replace(value=self._open(record.key or b"", record.value))

    async def first_record(self, topic: str, bounds: Bounds) -> Record | None:
        return await self._log.first_record(topic, bounds)

    async def partitions(self, topic: str) -> int:
        return await self._log.partitions(topic)

    async def begin(self) -> None:
        await self._log.begin()

    async def send(self, outputs: Sequence[Output], changes: Sequence[Change]) -> Sequence[int]:
        return await self._log.send(outputs, [(key, self._seal(key, value)) for key, value in changes])

    async def commit(self) -> None:
        await self._log.commit()

    async def close(self) -> None:
        await self._log.close()

    def _seal(self, key: bytes, value: bytes | None) -> bytes | None:
        if value is None or not self._keys.seals or is_lanes_own(key) or not self._is_personal(key):
            return value
        return self._keys.seal_value(self._ledger, key, value)

    def _open(self, key: bytes, value: bytes | None) -> bytes | None:
        return None if value is None else self._keys.open_value(self._ledger, key, value)
