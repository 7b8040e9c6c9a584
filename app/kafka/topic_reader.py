"""Reads whole topics for commands and views: committed records only, from the beginning to the end as it is now."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from app.errors import BrokerError
from app.events.record import Record
from app.kafka.clients import AIOKafkaConsumer, partition_counts

FETCH_MAX_BYTES: Final = 8 << 20
CONNECT_TIMEOUT_S: Final = 10.0
POLL_MS: Final = 200
STALL_TIMEOUT_S: Final = 20.0
"""Reading to the end gives up when nothing at all came for this long."""


@contextlib.asynccontextmanager
async def consumer(bootstrap_servers: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of committed records that belongs to no group. Raises BrokerError when no broker answers."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_bytes=FETCH_MAX_BYTES,
        max_partition_fetch_bytes=FETCH_MAX_BYTES,
    )
    try:
        await asyncio.wait_for(reader.start(), CONNECT_TIMEOUT_S)
    except (KafkaError, TimeoutError) as problem:
        await reader.stop()
        raise BrokerError(
            f"no Kafka answers at {bootstrap_servers}: start one (`waybill up`, or"
            " `waybill broker start`), or set KAFKA_BOOTSTRAP_SERVERS to one that runs"
        ) from problem
    try:
        yield reader
    except KafkaError as problem:
        raise BrokerError(f"Kafka at {bootstrap_servers}: {problem!r}") from problem
    finally:
        await reader.stop()


async def partitions(reader: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic. Raises BrokerError when the topic does not exist."""
    count = (await partition_counts(reader)).get(topic, 0)
    if not count:
        raise BrokerError(f"topic {topic} does not exist; create the topics with `waybill topics apply`")
    return [TopicPartition(topic, number) for number in range(count)]


async def read_to_end(reader: AIOKafkaConsumer, wanted: Iterable[TopicPartition]) -> AsyncIterator[Record]:
    """Every record of the partitions up to their ends as they are at the call. Raises BrokerError when they stall."""
    assigned = list(wanted)
    reader.assign(assigned)
    await reader.seek_to_beginning(*assigned)
    ends: Mapping[TopicPartition, int] = await reader.end_offsets(assigned)
    moved = time.monotonic()
    while any([await reader.position(partition) < ends[partition] for partition in assigned]):
        batches = await reader.getmany(timeout_ms=POLL_MS)
        if batches:
            moved = time.monotonic()
        elif time.monotonic() - moved > STALL_TIMEOUT_S:
            raise BrokerError(f"Kafka sent nothing for {STALL_TIMEOUT_S:.0f} s; is the broker still there?")
        for batch in batches.values():
            for record in batch:
                yield as_record(record)


async def follow(reader: AIOKafkaConsumer, wanted: Iterable[TopicPartition]) -> AsyncIterator[Record]:
    """Every record that comes after the call has returned; never ends."""
    assigned = list(wanted)
    reader.assign(assigned)
    await reader.seek_to_end(*assigned)
    for place in assigned:
        await reader.position(place)
    return _records(reader)


async def _records(reader: AIOKafkaConsumer) -> AsyncIterator[Record]:
    async for record in reader:
        yield as_record(record)


def as_record(record: ConsumerRecord) -> Record:
    """aiokafka's record as ours."""
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
