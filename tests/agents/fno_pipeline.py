"""The roles around F+O as one machine without Kafka: orchestrate, apply and mirror, each with its ledger, before the
simulated F+O. Records go from role to role until all is quiet."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from app.agents import order_ledger
from app.agents.apply import Apply
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.domain.order import Order, OrderState
from app.errors import RecordError
from app.events.model import Event, OrderCreated
from app.events.record import Output, Record
from app.lanes.role import Folded, Job, Role
from app.providers.fno.client import Fno
from app.sandbox.vendors.fno import FnoSimulator
from app.sandbox.vendors.fno.order_store import SalesOrder
from app.sandbox.vendors.host import Simulators
from tests.agents.stand_ins import AT, CODEC, Calls, Held, as_record
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import published

ROWS = "dualwrite.fno.salesorders"
FLOW = "bigcommerce-fno-fno"
PATIENCE_S = 120.0
_JSON = (("content-type", b"application/json"),)


class FnoPipeline:
    """`dead` are the codes and sentences of records that nobody could use."""

    def __init__(self, simulators: Simulators, writer: Fno) -> None:
        self.simulators = simulators
        orchestrate = Orchestrate(CODEC, published(), ORDERS)
        self.roles: list[Role] = [orchestrate, Apply(CODEC, writer, Calls()), Mirror(CODEC, ORDERS, enabled=True)]
        self.ledgers: dict[str, dict[bytes, bytes]] = {role.name: {} for role in self.roles}
        self.dead: list[tuple[str, str]] = []
        self.records = deque[Record]()
        self._offset, self._rows = 0, 0

    async def create(self, *orders: Order) -> None:
        """Submits orders, one after the other, each until all is quiet."""
        for order in orders:
            body = OrderCreated(order, FLOW)
            self._put(as_record(Event("order created", f"new {order.order_id}", order.order_id, AT, "test", "", body)))
            await self.settle()

    async def settle(self) -> None:
        """Until no role has anything to do and F+O told nothing new."""
        self._take_rows()
        while self.records:
            record = self.records.popleft()
            for role in self.roles:
                if record.topic in role.inputs:
                    await self._fold(role, record)
            self._take_rows()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until F+O's own life has brought it about. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self.settle()
                await asyncio.sleep(0.01)

    def state(self, order_id: str) -> OrderState:
        known = order_ledger.decode(self.ledgers["orchestrate"][order_id.encode()])
        assert isinstance(known, OrderState)
        return known

    def status(self, order_id: str) -> tuple[str, str]:
        order = self.state(order_id).order
        return order.state, order.reason

    def at_fno(self) -> list[SalesOrder]:
        return list(self.simulators.of(FnoSimulator).orders.all())

    async def _fold(self, role: Role, record: Record) -> None:
        state = self.ledgers[role.name]
        try:
            key = role.owner_key(record)
            assert key is not None
            folded = role.fold(record._replace(key=key), state, repeated=False)
            if isinstance(folded, Job):
                folded = await folded.run(Held())
        except RecordError as problem:
            self.dead.append((problem.code, problem.detail))
            return
        self._commit(state, folded)

    def _commit(self, state: dict[bytes, bytes], folded: Folded) -> None:
        for key, value in folded.changes.items():
            assert value is not None
            state[key] = value
        for output in folded.outputs:
            self._write(output)

    def _write(self, output: Output) -> None:
        self._put(Record(output.topic, 0, 0, AT, output.key, output.value, tuple(output.headers)))

    def _put(self, record: Record) -> None:
        self._offset += 1
        self.records.append(record._replace(offset=self._offset))

    def _take_rows(self) -> None:
        rows: Iterable[Any] = self.simulators.of(FnoSimulator).rows.rows  # type: ignore[attr-defined]
        fresh = list(rows)[self._rows :]
        self._rows += len(fresh)
        for key, value in fresh:
            self._put(Record(ROWS, 0, 0, AT, key, value, _JSON))
