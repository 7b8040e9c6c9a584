"""Writing of records for commands: one producer, one transaction, every delivery awaited."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable, Set
from itertools import islice
from typing import Final

from aiokafka.errors import KafkaError

from app.errors import BrokerError
from app.events.record import Output
from app.kafka.clients import AIOKafkaProducer, new_producer, partition_counts
from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import explain, explain_denial

CONNECT_TIMEOUT_S: Final = 10.0
REQUEST_BYTES_MAX: Final = 8 << 20
TRANSACTION_TIMEOUT_MS: Final = 10_000
TRANSACTION_RECORDS_MAX: Final = 2_000
WRITE_LIMIT_S: Final = 60.0
"""Seconds that a transaction may take to be written: aiokafka's producer waits for a broker without an end."""
STOP_LIMIT_S: Final = 5.0
JSON: Final = [("content-type", b"application/json")]


async def publish(cluster: ClusterAccess, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
    """Write JSON records (key, value), so many in a transaction that none lasts long. Raises BrokerError."""
    outputs = iter([Output(topic, key.encode(), value, JSON) for key, value in records])
    async with started_producer(cluster) as producer:
        await _require(producer, {topic})
        while some := list(islice(outputs, TRANSACTION_RECORDS_MAX)):
            await write(producer, some)


async def transact(cluster: ClusterAccess, outputs: Iterable[Output]) -> None:
    """Write all outputs in one transaction; those without a partition go to that of their key (murmur2).

    Raises BrokerError; nothing is written then.
    """
    outputs = list(outputs)
    async with started_producer(cluster) as producer:
        await _require(producer, {output.topic for output in outputs})
        await write(producer, outputs)


async def _require(producer: AIOKafkaProducer, topics: Set[str]) -> None:
    """Raise BrokerError for a topic that does not exist; the producer would wait for it."""
    if missing := topics - (await partition_counts(producer)).keys():
        names = ", ".join(sorted(missing))
        raise BrokerError(f"topic {names} does not exist; create the topics with `waybill topics apply`")


async def write(producer: AIOKafkaProducer, outputs: Iterable[Output]) -> None:
    """Write all outputs in one transaction. Raises TimeoutError after WRITE_LIMIT_S, KafkaError."""
    # Not `producer.transaction()`: after a failure it waits for the broker once more, to abort what times out anyway.
    async with asyncio.timeout(WRITE_LIMIT_S):
        await producer.begin_transaction()
        deliveries = [
            await producer.send(
                output.topic, output.value, output.key, partition=output.partition, headers=list(output.headers)
            )
            for output in outputs
        ]
        await asyncio.gather(*deliveries)
        await producer.commit_transaction()


@contextlib.asynccontextmanager
async def started_producer(cluster: ClusterAccess) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a producer of transactions. Raises BrokerError for what goes wrong with it inside the block as well."""
    producer = new_producer(
        cluster,
        transactional_id=f"{cluster.owner}-command-{uuid.uuid4().hex}",
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        max_request_size=REQUEST_BYTES_MAX,
    )
    try:
        await _start(producer, cluster)
        yield producer
    except TimeoutError as problem:
        raise BrokerError(
            f"Kafka at {cluster} did not store the records within {WRITE_LIMIT_S:g} s: is its disk full,"
            " or is a replica away? Look whether they are there before you write them again"
        ) from problem
    except KafkaError as problem:
        raise BrokerError(
            explain_denial(cluster, problem)
            or f"Kafka at {cluster}: {problem!r}; were the topics made (`waybill topics apply`)?"
        ) from problem
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), STOP_LIMIT_S)


async def _start(producer: AIOKafkaProducer, cluster: ClusterAccess) -> None:
    try:
        await asyncio.wait_for(producer.start(), CONNECT_TIMEOUT_S)
    except (KafkaError, TimeoutError) as problem:
        raise BrokerError(await explain(cluster, problem)) from problem
