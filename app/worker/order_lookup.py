"""Look-up of an order for the web view: in the memory of its lane where this process has it, else in the ledger."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from app.domain.order import OrderState
from app.errors import LaneError
from app.events.ids import partition_of
from app.queries.order_queries import order_in

MEMORY_LIMIT_S: Final = 2.0
"""Seconds that a lane may take to answer, which it does not while a rebalance is under way."""


class OrderLanes(Protocol):
    """The lanes of orchestrate in this process, as `LaneHost` has them."""

    async def value(self, partition: int, key: bytes) -> bytes | None:
        """Return the committed ledger value of a key. Raises LaneError when its lane is not open here."""


class OrderLookup:
    """Finds orders, and shows them as `show` does, which raises BrokerError.

    `lanes` is None in a process that does not run orchestrate. `scan` reads the partition of the ledger that has the
    order, from its beginning: it costs what a restore costs, so it is asked only for what no lane here can answer.
    Both give the same order: a lane answers with the last value that is committed.
    """

    def __init__(
        self,
        lanes: OrderLanes | None,
        partitions: int,
        scan: Callable[[str], Awaitable[OrderState | None]],
        show: Callable[[OrderState], Awaitable[Mapping[str, Any]]],
        memory_limit_s: float = MEMORY_LIMIT_S,
    ) -> None:
        self._lanes, self._partitions, self._limit_s = lanes, partitions, memory_limit_s
        self._scan, self._show = scan, show

    async def find(self, order_id: str) -> Mapping[str, Any] | None:
        """Return the view of an order, None for one that does not exist. Raises BrokerError, LedgerError."""
        try:
            order = await self._recall(order_id)
        except (LaneError, TimeoutError):
            order = await self._scan(order_id)
        return None if order is None else await self._show(order)

    async def _recall(self, order_id: str) -> OrderState | None:
        """Return the order from memory. Raises LaneError or TimeoutError where no lane of this process answers."""
        if self._lanes is None:
            raise LaneError("orchestrate does not run in this process")
        key = order_id.encode()
        async with asyncio.timeout(self._limit_s):
            return order_in(await self._lanes.value(partition_of(key, self._partitions), key))
