"""Reading of whole topics for commands and views: committed records only, from the beginning to the end as of now."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final, Literal

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from app.errors import BrokerError
from app.events.record import Record
from app.kafka.clients import AIOKafkaConsumer, new_consumer, partition_counts
from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import explain, explain_denial
from app.kafka.records import record_of

FETCH_MAX_BYTES: Final = 8 << 20
CONNECT_TIMEOUT_S: Final = 10.0
POLL_MS: Final = 200
STALL_TIMEOUT_S: Final = 20.0
"""Seconds after which reading to the end gives up when nothing at all came."""


@contextlib.asynccontextmanager
async def consumer(
    cluster: ClusterAccess, isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer that belongs to no group. Raises BrokerError when no broker answers."""
    reader = new_consumer(
        cluster,
        isolation_level=isolation,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=FETCH_MAX_BYTES,
        max_partition_fetch_bytes=FETCH_MAX_BYTES,
    )
    try:
        await asyncio.wait_for(reader.start(), CONNECT_TIMEOUT_S)
    except (KafkaError, TimeoutError) as problem:
        await reader.stop()
        raise BrokerError(await explain(cluster, problem)) from problem
    try:
        yield reader
    except KafkaError as problem:
        raise BrokerError(explain_denial(cluster, problem) or f"Kafka at {cluster}: {problem!r}") from problem
    finally:
        await reader.stop()


async def partitions(reader: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return all partitions of a topic. Raises BrokerError when the topic does not exist."""
    count = (await partition_counts(reader)).get(topic, 0)
    if not count:
        raise BrokerError(f"topic {topic} does not exist; create the topics with `waybill topics apply`")
    return [TopicPartition(topic, number) for number in range(count)]


async def read_to_end(
    reader: AIOKafkaConsumer, partitions: Iterable[TopicPartition], ends: Mapping[TopicPartition, int] | None = None
) -> AsyncIterator[Record]:
    """Yield every record of the partitions up to `ends`; without them, up to where they end now.

    Raises BrokerError when nothing comes any more: the broker is gone, or a transaction before an end stays open. The
    consumer's position says when the end is reached: the last offsets may be markers, which no record shows. Records
    beyond an end may come as well.
    """
    places = list(partitions)
    reader.assign(places)
    await reader.seek_to_beginning(*places)
    async for record in _read_up_to(reader, await reader.end_offsets(places) if ends is None else ends):
        yield record


async def read_between(reader: AIOKafkaConsumer, place: TopicPartition, begin: int, end: int) -> AsyncIterator[Record]:
    """Yield the records of a partition from offset `begin` to before `end`, without those that are not there any more.

    Raises BrokerError when they stall.
    """
    reader.assign([place])
    first = max(begin, (await reader.beginning_offsets([place]))[place])
    reader.seek(place, first)
    last = min(end, (await reader.end_offsets([place]))[place])
    async for record in _read_up_to(reader, {place: last}):
        if record.offset < end:
            yield record


async def _read_up_to(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> AsyncIterator[Record]:
    moved_at = time.monotonic()
    while behind := [place for place, end in ends.items() if await reader.position(place) < end]:
        batches = await reader.getmany(timeout_ms=POLL_MS)
        if batches:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > STALL_TIMEOUT_S:
            raise BrokerError(_stalled(behind))
        for batch in batches.values():
            for record in batch:
                yield record_of(record)


def _stalled(behind: Sequence[TopicPartition]) -> str:
    names = ", ".join(f"{topic}/{partition}" for topic, partition in behind[:5])
    return (
        f"Kafka sent nothing for {STALL_TIMEOUT_S:.0f} s, and the ends of {names} are not reached; is the broker still"
        " there, and does a producer keep a transaction open?"
    )


async def follow(reader: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> AsyncIterator[Record]:
    """Return every record that comes after this call has returned; they never end."""
    places = list(partitions)
    reader.assign(places)
    await reader.seek_to_end(*places)
    for place in places:
        await reader.position(place)  # the seek is only carried out now
    return _records(reader)


async def _records(reader: AIOKafkaConsumer) -> AsyncIterator[Record]:
    async for record in reader:
        yield record_of(record)
