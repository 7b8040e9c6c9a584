"""Verification: a log is read up to its ends as of now, and each order is held against all that is said of it.

The system may run meanwhile. First the ledgers are read, which say how far each role is, then the topics, up to ends
that are looked up after that. What a role had not finished when its ledger was read is under way, and never lost; what
it had finished has all its outputs before those ends. Of a transaction that was open at the ends only a part may have
been read: nothing is concluded from records that were not there before the ledgers were read.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from typing import Final, Protocol

from aiokafka import TopicPartition

from app.errors import BrokerError, TopicError
from app.events.codec import Codec
from app.events.record import DEAD_LETTER, Record
from app.kafka.clients import AIOKafkaConsumer, partition_counts
from app.kafka.cluster_access import ClusterAccess
from app.kafka.topic_reader import consumer, read_to_end
from app.lanes.ledger_keys import POSITION_KEY
from app.providers.port import OrderFinder
from app.queries.audit import CREATED, LogLimits
from app.queries.audit_records import CHANGES, LEDGERS, TOPICS, AuditReader, LedgerCut, Place, facts_of, letter_of
from app.queries.audit_store import AuditStore
from app.queries.audit_verdict import Verdict
from app.queries.provider_lookup import ProviderLookup
from app.sealing.master_keys import NO_KEYS, MasterKeys

CLOCKS_APART_MS: Final = 60_000
"""By how much the clocks of those who stamp records may differ."""
LETTERS_KEPT_MS: Final = 24 * 3_600_000
"""How long a tombstone of dead-letter is there at least (Kafka's delete.retention.ms)."""
LOOK_S: Final = 0.1
"""Seconds between two looks at transactions that are open."""
LOOKS_MAX: Final = 600
"""A minute of them: a worker's transactions end within 20 seconds, whatever becomes of it."""
Ends = Mapping[Place, int]
Prepare = Callable[[Sequence[Record]], Awaitable[None]]
"""What is done before rows are decoded: schemas of connectors are fetched."""


class AuditLog(Protocol):
    """What a verification asks of a log."""

    async def partitions(self) -> Mapping[str, int]:
        """Return how many partitions each topic has."""

    async def begins(self, places: Collection[Place]) -> Ends:
        """Return the first offset that was not deleted."""

    async def ends(self, places: Collection[Place]) -> Ends:
        """Return the offset after the last record, of transactions that are open too."""

    async def stable_ends(self, places: Collection[Place]) -> Ends:
        """Return the offset before which nothing is of a transaction that is open."""

    def read(self, places: Collection[Place], ends: Ends) -> AsyncIterator[Record]:
        """Yield the committed records before the ends, and perhaps some beyond. Raises BrokerError."""


async def verify(
    log: AuditLog,
    codec: Codec,
    retentions: Mapping[str, int],
    *,
    now_ms: int,
    prepare: Prepare | None = None,
    finders: Mapping[str, OrderFinder] | None = None,
    master_keys: MasterKeys = NO_KEYS,
) -> Verdict:
    """Return the verdict on all orders of a log. `retentions`: how long (ms) each topic keeps its records.

    `finders` are providers that are asked what they have of orders, `master_keys` open ledgers that are sealed. Raises
    BrokerError, TopicError, LedgerError when the log cannot be looked at.
    """
    lookup = ProviderLookup(finders or {})
    verdict = Verdict(not_asked=lookup.failures)
    with closing(AuditStore()) as store:
        limits = await read_log(log, store, codec, retentions, now_ms=now_ms, prepare=prepare, master_keys=master_keys)
        async for order in lookup.look(store.orders()):
            verdict.take(order, limits)
        verdict.dead_letters = store.open_letters()
    return verdict


async def read_log(
    log: AuditLog,
    store: AuditStore,
    codec: Codec,
    retentions: Mapping[str, int],
    *,
    now_ms: int,
    prepare: Prepare | None = None,
    master_keys: MasterKeys = NO_KEYS,
) -> LogLimits:
    """Keep all that a log says of orders. Return what it no longer has. Raises as `verify` does."""
    verification = _Verification(log, store, await _counts(log))
    await verification.read_ledgers(master_keys)
    horizons = await verification.read_topics(codec, retentions, now_ms, prepare)
    letters_since = max(now_ms - LETTERS_KEPT_MS, horizons.pop(DEAD_LETTER, 0))
    return LogLimits(horizons, letters_since, store.dealt_with)


async def _counts(log: AuditLog) -> Mapping[str, int]:
    """Return how many partitions each topic has. Raises TopicError where one is missing."""
    counts = await log.partitions()
    if missing := [topic for topic in (*LEDGERS, *TOPICS) if not counts.get(topic)]:
        raise TopicError(f"{', '.join(missing)}: not on the broker; create topics with `waybill topics apply`")
    return counts


class _Verification:
    def __init__(self, log: AuditLog, store: AuditStore, counts: Mapping[str, int]) -> None:
        self._log, self._store, self._counts = log, store, counts
        self._cut = LedgerCut({})

    async def read_ledgers(self, master_keys: MasterKeys) -> None:
        """Keep what the ledgers say of orders, and how far each role is."""
        # What is committed here by now belongs to transactions that are written to the ledgers before their ends below.
        self._cut = LedgerCut(await self._log.stable_ends(self._places(TOPICS)))
        places = self._places(LEDGERS)
        _, ends = await self._settled_ends(places)
        async for record in self._before(places, ends):
            key = record.key or b""
            if key == POSITION_KEY:
                self._cut.take(record.topic, record.partition, record.value or b"")
            elif facts := facts_of(record.topic, key, _plain(record, master_keys)):
                self._store.put_facts(record.topic, *facts)

    async def read_topics(
        self, codec: Codec, retentions: Mapping[str, int], now_ms: int, prepare: Prepare | None
    ) -> dict[str, int]:
        """Keep what the topics say of orders. Return the horizon of each topic of which records were deleted."""
        reader = AuditReader(codec, self._cut, self._counts[CREATED])
        places = self._places(TOPICS)
        ends, _ = await self._settled_ends(places)
        first: dict[Place, int] = {}
        async for record in self._before(places, ends):
            first.setdefault((record.topic, record.partition), record.timestamp)
            if record.topic == DEAD_LETTER:
                self._store.put_letter(letter_of(record))
                continue
            if prepare is not None and record.topic in CHANGES:
                await prepare([record])
            if reduced := reader.read(record):
                self._store.add_record(*reduced)
        horizons: dict[str, int] = {}
        for place, begin in (await self._log.begins(places)).items():
            if begin > 0 and (retention := retentions.get(place[0])) is not None:
                horizon = max(first.get(place, now_ms), now_ms - retention) + CLOCKS_APART_MS
                horizons[place[0]] = max(horizons.get(place[0], 0), horizon)
        return horizons

    def _places(self, topics: Iterable[str]) -> list[Place]:
        return [(topic, number) for topic in topics for number in range(self._counts[topic])]

    async def _settled_ends(self, places: Collection[Place]) -> tuple[Ends, Ends]:
        """Return the ends as of now, and stable ends that are no less. Raises BrokerError when that takes too long."""
        ends = await self._log.ends(places)
        for _ in range(LOOKS_MAX):
            stable = await self._log.stable_ends(places)
            behind = [f"{topic}/{number}" for topic, number in places if stable[topic, number] < ends[topic, number]]
            if not behind:
                return ends, stable
            await asyncio.sleep(LOOK_S)
        raise BrokerError(
            f"a transaction on {', '.join(behind[:5])} has been open for {LOOK_S * LOOKS_MAX:.0f} s, and nobody can"
            " read what is behind it; find its producer with kafka-transactions.sh, and verify again when it has ended"
        )

    async def _before(self, places: Collection[Place], ends: Ends) -> AsyncIterator[Record]:
        async for record in self._log.read(places, ends):
            if record.offset < ends[record.topic, record.partition]:
                yield record


def _plain(record: Record, master_keys: MasterKeys) -> bytes | None:
    key, value = record.key or b"", record.value
    return None if value is None else master_keys.open_value(record.topic, key, value)


class KafkaAuditLog:
    """The log of a broker, by a consumer of committed records and one that sees the others too."""

    def __init__(self, committed: AIOKafkaConsumer, uncommitted: AIOKafkaConsumer) -> None:
        self._committed, self._uncommitted = committed, uncommitted

    async def partitions(self) -> Mapping[str, int]:
        return await partition_counts(self._committed)

    async def begins(self, places: Collection[Place]) -> Ends:
        return _by_place(await self._committed.beginning_offsets(_partitions(places)))

    async def ends(self, places: Collection[Place]) -> Ends:
        return _by_place(await self._uncommitted.end_offsets(_partitions(places)))

    async def stable_ends(self, places: Collection[Place]) -> Ends:
        return _by_place(await self._committed.end_offsets(_partitions(places)))

    def read(self, places: Collection[Place], ends: Ends) -> AsyncIterator[Record]:
        return read_to_end(
            self._committed, _partitions(places), {TopicPartition(*place): ends[place] for place in ends}
        )


def _partitions(places: Iterable[Place]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]


def _by_place(offsets: Mapping[TopicPartition, int]) -> Ends:
    return {(place.topic, place.partition): offset for place, offset in offsets.items()}


@asynccontextmanager
async def open_log(cluster: ClusterAccess) -> AsyncIterator[AuditLog]:
    """Yield the log of a broker. Raises BrokerError when none answers."""
    async with consumer(cluster) as committed, consumer(cluster, "read_uncommitted") as uncommitted:
        yield KafkaAuditLog(committed, uncommitted)
