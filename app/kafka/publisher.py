"""Publishing of records whose writer waits for them: one producer that is kept, and replaced once it has failed.

Deliberately absent: transactions, and trying again. The caller learns of a failure within a limit, and a record that
was written all the same comes twice when the caller tries again.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from aiokafka.errors import KafkaError

from app.errors import BrokerError
from app.events.record import Output
from app.kafka.clients import new_producer
from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import explain_denial

PUBLISH_LIMIT_S: Final = 5.0
"""Seconds until `publish` fails."""
_REQUEST_TIMEOUT_MS: Final = 4_000
"""Milliseconds that a record waits in the producer for a broker that does not answer."""


class KafkaPublisher:
    """A publisher that connects with its first record. `close` it."""

    def __init__(self, cluster: ClusterAccess) -> None:
        self._cluster = cluster
        self._producer: Any = None
        self._connecting = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def publish(self, outputs: Sequence[Output]) -> None:
        """Return when all replicas that are in sync have all records. Raises BrokerError: some may be written then."""
        producer = None
        try:
            async with asyncio.timeout(PUBLISH_LIMIT_S):
                producer = await self._connect()
                await asyncio.gather(*(_send(producer, output) for output in outputs))
        except (KafkaError, OSError, TimeoutError) as exc:
            self._discard(producer)
            reason = explain_denial(self._cluster, exc)
            raise BrokerError(reason or f"Kafka at {self._cluster} did not take a record: {exc!r}") from exc

    async def close(self) -> None:
        """Stop the producer, and wait for those that were replaced."""
        if self._producer is not None:
            self._discard(self._producer)
        await asyncio.gather(*self._leaving)

    async def _connect(self) -> Any:
        async with self._connecting:
            if self._producer is None:
                producer = new_producer(
                    self._cluster, acks="all", enable_idempotence=True, request_timeout_ms=_REQUEST_TIMEOUT_MS
                )
                try:
                    await producer.start()
                except BaseException:
                    self._leave(producer)
                    raise
                self._producer = producer
            return self._producer

    def _discard(self, producer: Any) -> None:
        """Replace a producer that has failed: others that wait for it fail by themselves."""
        if producer is not None and producer is self._producer:
            self._producer = None
            self._leave(producer)

    def _leave(self, producer: Any) -> None:
        task = asyncio.create_task(_stop(producer))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _send(producer: Any, output: Output) -> None:
    """Send one record and wait. Without a partition it goes to that of its key, by murmur2 as in Java."""
    headers = list(output.headers)
    await producer.send_and_wait(output.topic, output.value, output.key, partition=output.partition, headers=headers)


async def _stop(producer: Any) -> None:
    """Stop a producer, which waits for what it still has to send as long as its request time-out lets it."""
    with contextlib.suppress(KafkaError, OSError):
        await producer.stop()
