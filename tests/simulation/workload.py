"""What people and systems do in a world: orders from several sides, changes, copies, and records that are no good.

Every order and every bad record is noted with what must become of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import msgspec

from tests.simulation.cluster import VirtualCluster
from tests.simulation.customers import Customers
from tests.simulation.dice import Dice
from tests.simulation.expected import KINDS, SOURCED, Expected
from tests.simulation.producing import Producer
from tests.simulation.providers import Providers
from tests.simulation.stockroom import Stockroom
from tests.simulation.transaction import origin

KINDS_MAX: Final = 3
"""Kinds of orders in one world: few, so that they meet."""
Act = Callable[[], Awaitable[None]]


class Workload:
    """One world's worth. `play` runs until everything was done once."""

    def __init__(
        self,
        seed: int,
        cluster: VirtualCluster,
        dice: Dice,
        providers: Providers,
        lane_of: Callable[[bytes], int],
        horizon_s: float,
    ) -> None:
        self._random, self._horizon_s = Random(f"workload {seed}"), horizon_s
        self.expected = Expected()
        self._producer = Producer(cluster, dice, self._random, lane_of)
        self._stockroom = Stockroom(self._random, self._producer)
        self._customers = Customers(self._random, self.expected, providers, self._producer)

        self._acts = self._chosen()
        self.is_patient = self._random.random() < 0.7
        """Whether lines that wait for stock get it in the end, before their time is over."""

    @property
    def sourced(self) -> bool:
        """Whether there are orders that are sourced line by line."""
        return any(wanted.scenario == SOURCED for wanted in self.expected.orders.values())

    async def play(self) -> None:
        await asyncio.gather(*(self._later(act) for act in self._acts))

    def deliver(self) -> None:
        """From now on there is enough of everything."""
        self._stockroom.deliver()

    def _chosen(self) -> list[Act]:
        random = self._random
        kinds = random.sample(sorted(KINDS), random.randint(1, KINDS_MAX))
        acts = [self._customers.order(random.choice(kinds), number) for number in range(random.randint(3, 7))]
        bad: list[Act] = [self._garbage, self._foreign_schema, self._no_json, self._no_flow, self._no_such_command]
        bad += [self._stranger, self._keyless, self._odd_row, self._early_reprocess]
        if self.sourced:
            acts += self._stockroom.acts()
            bad += [self._wrong_pool]
        return acts + random.sample(bad, random.randint(0, 4))

    async def _later(self, act: Act) -> None:
        await asyncio.sleep(self._random.uniform(0, self._horizon_s))
        await act()

    # ---- records that are no good ----

    async def _garbage(self) -> None:
        value = bytes(self._random.randrange(1, 256) for _ in range(20))
        self._bad("order-created", "web-garbage", b"\x01" + value, "malformed")

    async def _foreign_schema(self) -> None:
        self._bad("provider-event", "web-0", b"\x00\x00\x00\x99\x99" + b"12345", "unknown-schema")

    async def _no_json(self) -> None:
        self._bad("order-command", "web-1", b'{"order_id": "web-1", ', "malformed")

    async def _no_flow(self) -> None:
        body = {"order_id": "web-lost", "flow": "no-such-flow", "lines": []}
        self._bad("order-created", "web-lost", msgspec.json.encode(body), "no-flow")

    async def _no_such_command(self) -> None:
        """For an order that exists once: until then it waits."""
        order_id = self._random.choice(sorted(self.expected.orders))
        body = {"order_id": order_id, "command": "dance"}
        self._bad("order-command", order_id, msgspec.json.encode(body), "invalid")

    async def _early_reprocess(self) -> None:
        order_id = self._random.choice(sorted(self.expected.orders))
        body = {"order_id": order_id, "command": "reprocess", "subject": "no such step"}
        self._bad("order-command", order_id, msgspec.json.encode(body), "unknown-step")

    async def _stranger(self) -> None:
        """An event of an order that nobody ever creates."""
        body = {"order_id": "web-stranger", "provider": "fno", "event": "order shipped"}
        self._bad("provider-event", "web-stranger", msgspec.json.encode(body), "unknown-order")

    async def _keyless(self) -> None:
        record = self._producer.keyless("order-created", b"\x01no order")
        self.expected.bad[origin(record)] = "malformed"

    async def _odd_row(self) -> None:
        row = {"op": "u", "ts_ms": 1, "source": {"origin": "fno", "sequence": 1}, "after": {"dataAreaId": "usmf"}}
        self._bad("dualwrite.fno.salesorders", "fno-usmf-odd", msgspec.json.encode(row), "invalid")

    async def _wrong_pool(self) -> None:
        """Stock of a warehouse that another pool has."""
        body = {"sku": "SKU-1", "warehouse": "EU-HAM", "kind": "add", "quantity": "5", "pool": "other"}
        self._bad("stock-change", "other", msgspec.json.encode(body), "wrong-pool")

    def _bad(self, topic: str, key: str, value: bytes, code: str) -> None:
        self.expected.bad[origin(self._producer.once(topic, key, value))] = code
