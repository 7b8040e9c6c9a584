"""Outbox of the simulated F+O's rows: held until the broker has them, in each order's own sequence.

A row is sent again when its answer is lost, so a row may come twice; it is never lost while the process lives.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from app.kafka.clients import AIOKafkaProducer, new_producer
from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import explain
from app.sandbox.vendors.fno.rows import Rows

TOPIC: Final = "dualwrite.fno.salesorders"
ROWS_MAX: Final = 200_000
"""Rows that wait for a broker that is away; then F+O takes no more changes."""
BATCH_ROWS_MAX: Final = 500
_SCAN_ROWS_MAX: Final = 2000
_RETRY_S: Final = 0.5
_REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024
_HEADERS: Final = [("content-type", b"application/json")]

Row = tuple[bytes, bytes | None]
log = logging.getLogger(__name__)


class RowOutbox(Rows):
    """The port `Rows` on Kafka, while `run` runs. `error` is why the broker cannot be reached now, "" if it can."""

    def __init__(self, cluster: ClusterAccess, topic: str = TOPIC) -> None:
        self._cluster, self._topic = cluster, topic
        self._waiting: deque[Row] = deque()
        self._filled, self._empty = asyncio.Event(), asyncio.Event()
        self._empty.set()
        self.error = ""

    @property
    def full(self) -> bool:
        return len(self._waiting) >= ROWS_MAX

    def __len__(self) -> int:
        return len(self._waiting)

    def publish(self, key: bytes, value: bytes | None) -> None:
        self._waiting.append((key, value))
        self._filled.set()
        self._empty.clear()

    def background(self) -> Sequence[Coroutine[None, None, None]]:
        return (self.run(),)

    async def finish(self, limit_s: float) -> None:
        await self.flush(0 if self.error else limit_s)

    async def flush(self, limit_s: float) -> bool:
        """Wait until the broker has everything, at most `limit_s` seconds, and return whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._empty.wait()
        return not self._waiting

    async def run(self) -> None:
        """Send rows until canceled. A broker that is away is tried again twice a second, with a new producer."""
        while True:
            try:
                await self._connected()
            except (KafkaError, OSError) as exc:
                reason = await explain(self._cluster, exc)
                if not self.error:
                    log.warning("%s: rows wait: %s", self._topic, reason)
                self.error = reason
            await asyncio.sleep(_RETRY_S)

    async def _connected(self) -> None:
        """Send while the broker is there. Raises KafkaError when it is away; what it did not take still waits then."""
        producer = new_producer(
            self._cluster,
            acks="all",
            enable_idempotence=True,
            max_request_size=_REQUEST_BYTES_MAX,
        )
        try:
            await producer.start()
            while True:
                await self._filled.wait()
                await self._send(producer, self._batch())
                self.error = ""
                if not self._waiting:
                    self._filled.clear()
                    self._empty.set()
        finally:
            await producer.stop()

    def _batch(self) -> list[Row]:
        """Return the next rows, at most one of each order: none is overtaken when it must be sent again."""
        batch: dict[bytes, Row] = {}
        for position, row in enumerate(self._waiting):
            if len(batch) == BATCH_ROWS_MAX or position == _SCAN_ROWS_MAX:
                break
            batch.setdefault(row[0], row)
        return list(batch.values())

    async def _send(self, producer: AIOKafkaProducer, batch: list[Row]) -> None:
        """Send rows, and remove those that the broker has. Raises the first KafkaError."""
        sends = (producer.send_and_wait(self._topic, value, key, headers=_HEADERS) for key, value in batch)
        results = await asyncio.gather(*sends, return_exceptions=True)
        outcome = {key: result for (key, _), result in zip(batch, results, strict=True)}
        for key, result in outcome.items():
            if isinstance(result, MessageSizeTooLargeError):
                log.error("%s: a row of %s is too large for the broker; it is given up", self._topic, key.decode())
        self._remove({key for key, result in outcome.items() if not _must_repeat(result)})
        failures = (result for result in results if isinstance(result, BaseException) and _must_repeat(result))
        if failure := next(failures, None):
            raise failure

    def _remove(self, keys: set[bytes]) -> None:
        """Take out the first waiting row of each key."""
        remaining: list[Row] = []
        while keys:
            row = self._waiting.popleft()
            if row[0] in keys:
                keys.discard(row[0])
            else:
                remaining.append(row)
        self._waiting.extendleft(reversed(remaining))


def _must_repeat(result: object) -> bool:
    return isinstance(result, BaseException) and not isinstance(result, MessageSizeTooLargeError)
