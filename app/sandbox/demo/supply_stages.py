"""The stages of the supply in scenario 6: opening stock, receipts, and backorders switched off for the last orders.

Written with a plain client and JSON, as any producer would.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import TopicPartition

from app.errors import WaybillError
from app.kafka.clients import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    new_admin,
    new_consumer,
    new_producer,
    partition_counts,
)
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.scenarios.bigcommerce_dom_fno_fno import results
from app.sandbox.demo.supply import POOL, TOPIC, Supply, write

COMMANDS, PASSED_ON = "order-command", "sourcing-command"
LOOK_S: Final = 0.2
COMMIT_TIMEOUT_S: Final = 120.0
Seed = Callable[[], Awaitable[None]]


class Stages:
    """The supply of one round, played in step with the evidence about its orders."""

    def __init__(
        self, cluster: ClusterAccess, group: str, producer: AIOKafkaProducer, *, supply: Supply, stamp: str
    ) -> None:
        self._cluster, self._group = cluster, group
        self._producer = producer
        self._supply = supply
        self._stamp = stamp

    async def open(self) -> None:
        """Book the opening stock, and wait until the role that sources has read it."""
        await write(self._producer, self._supply.opening, self._supply.kind, f"{self._stamp}/opening")
        await self._await_all_committed(TOPIC)

    async def play(self, cases: Sequence[Case], late: Sequence[DemoOrder], seed: Seed) -> None:
        """Book receipts once every order was answered, seed `late` orders once the others have ended."""
        first = [case for case in cases if case.order not in late]
        if self._supply.soon:
            await _until(lambda: any(_is_waiting(case) for case in first) or all(map(_is_answered, first)))
        else:
            await _until(lambda: all(map(_is_answered, first)))
        await write(self._producer, self._supply.receipts, "add", f"{self._stamp}/receipts")
        if not late:
            return
        await _until(lambda: all(case.ended() for case in first))
        await self._prefer("off")
        try:
            await seed()
            await _until(lambda: all(case.ended() for case in cases))
        finally:
            await self._prefer("on")

    async def _prefer(self, backorders: str) -> None:
        """Switch backorders by an order-command to the pool, and wait until its keeper has read it."""
        command_id = f"{self._stamp}/backorders-{backorders}"
        body = {"order_id": POOL, "command": "set preferences", "actor": "demo", "values": {"backorders": backorders}}
        async with self._consumer() as consumer:
            places = await _partitions(consumer, PASSED_ON)
            consumer.assign(places)
            await consumer.seek_to_end(*places)
            header = ("ce_id", command_id.encode())
            await self._producer.send_and_wait(COMMANDS, json.dumps(body).encode(), POOL.encode(), headers=[header])
            await self._await_committed(await _find_passed_on(consumer, command_id.encode()))

    async def _await_all_committed(self, topic: str) -> None:
        async with self._consumer() as consumer:
            ends = await consumer.end_offsets(await _partitions(consumer, topic))
        await self._await_committed({place: end for place, end in ends.items() if end})

    async def _await_committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Wait until the role that keeps the stock has committed these offsets. Raises WaybillError."""
        deadline = time.monotonic() + COMMIT_TIMEOUT_S
        admin = new_admin(self._cluster)
        await admin.start()
        try:
            while time.monotonic() < deadline:
                committed = await admin.list_consumer_group_offsets(self._group, partitions=list(offsets))
                if all(committed[place].offset >= offset for place, offset in offsets.items()):
                    return
                await asyncio.sleep(LOOK_S)
        finally:
            await admin.close()
        raise WaybillError(f"{self._group} has not taken {TOPIC} or {PASSED_ON} in {COMMIT_TIMEOUT_S:.0f} s")

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = new_consumer(self._cluster, isolation_level="read_committed")
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range((await partition_counts(consumer)).get(topic, 0))]


async def _find_passed_on(consumer: AIOKafkaConsumer, command_id: bytes) -> dict[TopicPartition, int]:
    """Return the offset after the record that the command to the pool became, by its partition. Raises WaybillError."""
    deadline = time.monotonic() + COMMIT_TIMEOUT_S
    while time.monotonic() < deadline:
        for place, records in (await consumer.getmany(timeout_ms=200)).items():
            for record in records:
                if dict(record.headers).get("ce_causationid") == command_id:
                    return {place: record.offset + 1}
    raise WaybillError(f"the command {command_id.decode()} was not passed on in {COMMIT_TIMEOUT_S:.0f} s")


@asynccontextmanager
async def stages(cluster: ClusterAccess, group: str, supply: Supply, stamp: str) -> AsyncIterator[Stages]:
    """Yield the stages of a supply with a producer of their own; `stamp` is part of all their ids.

    `group` is that of the role that keeps the stock: its committed offsets show what it has read.
    """
    producer = new_producer(cluster, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield Stages(cluster, group, producer, supply=supply, stamp=stamp)
    finally:
        await producer.stop()


def _is_answered(case: Case) -> bool:
    return bool(results(case)) or case.refused or case.set_aside


def _is_waiting(case: Case) -> bool:
    return any(record.body["waits"] for record in results(case))


async def _until(holds: Callable[[], bool]) -> None:
    """Wait until `holds` returns true; who follows the orders cancels this when nothing moves."""
    while True:
        if holds():
            return
        await asyncio.sleep(LOOK_S)
