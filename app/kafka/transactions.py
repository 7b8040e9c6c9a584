"""Writing of records for commands: one producer, one transaction, every delivery awaited."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable, Set
from itertools import islice
from typing import Final

from aiokafka.errors import KafkaConnectionError, KafkaError

from app.errors import BrokerError
from app.events.record import Output
from app.kafka.clients import AIOKafkaProducer, partition_counts

CONNECT_TIMEOUT_S: Final = 10.0
REQUEST_BYTES_MAX: Final = 8 << 20
TRANSACTION_TIMEOUT_MS: Final = 10_000
TRANSACTION_RECORDS_MAX: Final = 2_000
JSON: Final = [("content-type", b"application/json")]


async def publish(bootstrap_servers: str, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
    """Write JSON records (key, value), so many in a transaction that none lasts long. Raises BrokerError."""
    outputs = iter([Output(topic, key.encode(), value, JSON) for key, value in records])
    async with _producer(bootstrap_servers) as producer:
        await _require(producer, {topic})
        while some := list(islice(outputs, TRANSACTION_RECORDS_MAX)):
            await _write(producer, some)


async def transact(bootstrap_servers: str, outputs: Iterable[Output]) -> None:
    """Write all outputs in one transaction; those without a partition go to that of their key (murmur2).

    Raises BrokerError; nothing is written then.
    """
    outputs = list(outputs)
    async with _producer(bootstrap_servers) as producer:
        await _require(producer, {output.topic for output in outputs})
        await _write(producer, outputs)


async def _require(producer: AIOKafkaProducer, topics: Set[str]) -> None:
    """Raise BrokerError for a topic that does not exist; the producer would wait for it."""
    if missing := topics - (await partition_counts(producer)).keys():
        names = ", ".join(sorted(missing))
        raise BrokerError(f"topic {names} does not exist; create the topics with `waybill topics apply`")


async def _write(producer: AIOKafkaProducer, outputs: Iterable[Output]) -> None:
    async with producer.transaction():
        deliveries = [
            await producer.send(
                output.topic, output.value, output.key, partition=output.partition, headers=list(output.headers)
            )
            for output in outputs
        ]
        await asyncio.gather(*deliveries)


@contextlib.asynccontextmanager
async def _producer(bootstrap_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        transactional_id=f"waybill-command-{uuid.uuid4().hex}",
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        max_request_size=REQUEST_BYTES_MAX,
    )
    try:
        await asyncio.wait_for(producer.start(), CONNECT_TIMEOUT_S)
        yield producer
    except (KafkaConnectionError, TimeoutError) as problem:
        raise BrokerError(
            f"no Kafka answers at {bootstrap_servers}: start one (`waybill up`, or"
            " `waybill broker start`), or set KAFKA_BOOTSTRAP_SERVERS to one that runs"
        ) from problem
    except KafkaError as problem:
        raise BrokerError(
            f"Kafka at {bootstrap_servers}: {problem!r}; were the topics made (`waybill topics apply`)?"
        ) from problem
    finally:
        await producer.stop()
