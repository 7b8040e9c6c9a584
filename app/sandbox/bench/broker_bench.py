"""The whole role on a broker of its own: a worker process reads prepared records; its CPU and time are measured.

The records of each kind become visible all at once, when the transaction that wrote them commits. So the worker always
has work, and later events never meet an order that is not there yet.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from aiokafka import TopicPartition

from app.agents.orchestrate import Orchestrate
from app.errors import WaybillError
from app.events.ids import partition_of
from app.events.record import Output, Record
from app.kafka import topic_reader, topics, transactions
from app.sandbox.bench.journey import KINDS, OrderRecords
from app.sandbox.bench.lane_progress import Ledger
from app.sandbox.bench.machine import Usage, usage
from app.sandbox.local.broker import BrokerInfo
from app.sandbox.local.ports import free_port
from app.sandbox.local.supervise import Process, Supervisor

START_TIMEOUT_S: Final = 60.0
STALL_TIMEOUT_S: Final = 60.0
LOOK_INTERVAL_S: Final = 0.02
WRITE_CHUNK: Final = 5_000
_RESTORED: Final = re.compile(rb"^waybill_restore_seconds\{.*\} ([0-9.e+-]+)$", re.MULTILINE)


class Wave(NamedTuple):
    """All records of one kind. `cpu_s` is the worker's, `broker_cpu_s` that of Kafka."""

    label: str
    records: int
    seconds: float
    cpu_s: float
    broker_cpu_s: float


class Restore(NamedTuple):
    """A worker's opening of its lanes on `orders` live orders: seconds of the slowest lane, resident bytes an order."""

    orders: int
    seconds: float
    bytes_per_order: float


class Outputs(NamedTuple):
    """Committed outputs of `inputs` input records; `doubled` counts ids that came more than once."""

    inputs: int
    records: int
    expected: int
    doubled: int


class Bench:
    """One broker, one worker process at a time."""

    def __init__(self, broker: BrokerInfo, environ: Mapping[str, str], folder: Path, partitions: int) -> None:
        self._broker = broker
        self._environ = environ
        self._folder = folder
        self._partitions = partitions

    async def restore(self, key: str, value: bytes, orders: int) -> Restore:
        """Fill the ledger with live orders, all with the state `value`, and open the lanes on it."""
        async with self._worker() as (process, _):
            empty = _usage(process).resident
        for start in range(0, orders, WRITE_CHUNK):
            keys = [f"{key}-live-{number}".encode() for number in range(start, min(start + WRITE_CHUNK, orders))]
            outputs = [
                Output(
                    topic=Orchestrate.ledger,
                    key=key,
                    value=value,
                    headers=(),
                    partition=partition_of(key, self._partitions),
                )
                for key in keys
            ]
            await transactions.transact(self._broker.cluster, outputs)
        async with self._worker() as (process, seconds):
            grown = _usage(process).resident - empty
        return Restore(orders, seconds, grown / orders if orders else 0.0)

    async def waves(self, warm: Sequence[OrderRecords], orders: Sequence[OrderRecords]) -> list[Wave]:
        """Measure each kind of input for all `orders`, after all kinds for those in `warm`."""
        async with self._worker() as (process, _), topic_reader.consumer(self._broker.cluster) as reader:
            ledger = Ledger(reader, Orchestrate.ledger, Orchestrate.inputs, self._partitions)
            await ledger.open()
            for at in range(len(KINDS)):
                await self._wave(ledger, process, at, [order.records[at] for order in warm])
            return [
                await self._wave(ledger, process, at, [order.records[at] for order in orders])
                for at in range(len(KINDS))
            ]

    async def _wave(self, ledger: Ledger, process: Process, at: int, records: Sequence[Record]) -> Wave:
        before, broker_before = _usage(process), usage(self._broker.pid)
        outputs = [Output(each.topic, each.key, each.value, each.headers) for each in records]
        await transactions.transact(self._broker.cluster, outputs)
        began = time.monotonic()
        topic = records[0].topic
        ends = await ledger.ends(topic)
        await _wait_until_folded(ledger, topic, ends)
        seconds = time.monotonic() - began
        cpu_s, broker_s = _usage(process).cpu_s - before.cpu_s, usage(self._broker.pid).cpu_s - broker_before.cpu_s
        return Wave(label=KINDS[at].label, records=len(records), seconds=seconds, cpu_s=cpu_s, broker_cpu_s=broker_s)

    async def outputs(self, orders: Sequence[OrderRecords]) -> Outputs:
        """Count the committed outputs of all orders."""
        names = [each.name for each in topics.load(self._partitions) if each.writers == (Orchestrate.name,)]
        names.remove(Orchestrate.ledger)
        ids: set[bytes] = set()
        records = 0
        async with topic_reader.consumer(self._broker.cluster) as reader:
            places = [TopicPartition(name, number) for name in names for number in range(self._partitions)]
            async for record in topic_reader.read_to_end(reader, places):
                records += 1
                ids.add(dict(record.headers)["ce_id"])
        inputs, expected = sum(len(order.records) for order in orders), sum(sum(order.written) for order in orders)
        return Outputs(inputs, records, expected, records - len(ids))

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[tuple[Process, float]]:
        """Run a worker of orchestrate; yield it once its lanes are open, with the seconds that the slowest took."""
        port = free_port()
        async with Supervisor(self._folder, self._environ) as supervisor:
            process = supervisor.start("orchestrate", "worker", "orchestrate", WAYBILL_WEB_PORT=str(port))
            yield process, await _wait_for_lanes(f"http://127.0.0.1:{port}/metrics", self._partitions, supervisor)


async def _wait_for_lanes(metrics: str, lanes: int, supervisor: Supervisor) -> float:
    deadline = time.monotonic() + START_TIMEOUT_S
    async with httpx.AsyncClient() as client:
        while time.monotonic() < deadline:
            supervisor.check()
            with contextlib.suppress(httpx.TransportError):
                restore_seconds = _RESTORED.findall((await client.get(metrics)).content)
                if len(restore_seconds) == lanes:
                    return max(map(float, restore_seconds))
            await asyncio.sleep(LOOK_INTERVAL_S)
    raise WaybillError(f"the worker opened no lanes in {START_TIMEOUT_S:g} s: {supervisor.processes[0].tail()}")


async def _wait_until_folded(ledger: Ledger, topic: str, ends: Mapping[int, int]) -> None:
    last_count, moved = -1, time.monotonic()
    while now := await ledger.behind(topic, ends):
        if now != last_count:
            last_count, moved = now, time.monotonic()
        if time.monotonic() - moved > STALL_TIMEOUT_S:
            raise WaybillError(f"{now} records of {topic} were not folded; nothing moved for {STALL_TIMEOUT_S:g} s")


def _usage(process: Process) -> Usage:
    if process.running is None or process.ends:
        raise WaybillError(f"the worker ended while it was measured; the end of {process.log}:\n{process.tail()}")
    return usage(process.running.pid)
