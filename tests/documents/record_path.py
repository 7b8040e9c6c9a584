"""`python -m tests.documents.record_path`: the files and functions that one "order shipped" passes, in order.

A lane of `orchestrate` over a log in memory has an order of BigCommerce that was picked at F+O. Then F+O's report of
the shipment comes: the lane takes the record in, decodes it, folds it, and commits what follows. That is traced; Faust,
Kafka and HTTP are not part of it.
"""

import asyncio
import sys
from types import FrameType

from app.agents import order_ledger
from app.agents.orchestrate import Orchestrate
from app.domain.order import OrderState
from app.events.catalog import RECORDS
from app.events.model import Body, Event, OrderCreated, ProviderEvent, ProviderResult
from app.lanes.lane import Lane
from app.lanes.lane_limits import LaneLimits
from app.lanes.role import Unobserved
from app.resources import ROOT
from tests.agents.stand_ins import AT, CODEC, TRACE, as_record
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import an_order, published
from tests.lanes.lane_driver import Driven, World
from tests.lanes.memory_log import MemoryLog

APP = str(ROOT / "app")
ORDER_ID = "bc-shop-1"


class OrderPath:
    """The order in its lane, and the functions of `app` that were called by what `walk` traces."""

    def __init__(self) -> None:
        role = Orchestrate(CODEC, published(), ORDERS, {"main": 1})
        self.world, self.ledger = World(inputs=role.inputs), role.ledger
        self.cluster = self.world.cluster
        for topic in {role.ledger, *(record.topic for record in RECORDS.values())}:
            self.cluster.add(topic)
        self.log = MemoryLog(self.cluster, "waybill-orchestrate-0", role.ledger, 0)
        self.lane = Lane(role, self.log, 0, 1, LaneLimits(), clock=self.world.clock, observer=Unobserved())
        self.count = 0
        self.called: dict[tuple[str, str], None] = {}

    async def walk(self) -> None:
        """Take the order to where the goods left, and trace that."""
        await self.lane.open({})
        self.driven = Driven(self.world, self.lane, self.log)
        await self.take("order created", OrderCreated(an_order(2)))
        order = order_ledger.decode(self.cluster.ledger(self.ledger)[ORDER_ID.encode()])
        assert isinstance(order, OrderState)
        (effect,) = order.effects
        answer = ProviderResult(ORDER_ID, effect.effect_id, effect.provider, effect.action, effect.attempt, "ok", "ok")
        await self.take("provider result", answer)
        await self.take("provider event", ProviderEvent(ORDER_ID, "fno", "order picked"))
        self.write("provider event", ProviderEvent(ORDER_ID, "fno", "order shipped"))
        before = sys.getprofile()
        sys.setprofile(self.note)
        try:
            await self.driven.settle()
        finally:
            sys.setprofile(before)

    async def take(self, name: str, body: Body) -> None:
        self.write(name, body)
        await self.driven.settle()

    def write(self, name: str, body: Body) -> None:
        self.count += 1
        record = as_record(Event(name, f"e{self.count}", ORDER_ID, AT + self.count, "test", "", body, TRACE))
        self.cluster.produce(record.topic, 0, record.key, record.value, record.headers)

    def note(self, frame: FrameType, kind: str, _: object) -> None:
        """The profiler of `sys`: called for every call."""
        code = frame.f_code
        if kind == "call" and code.co_filename.startswith(APP) and not code.co_name.startswith("<"):
            self.called[code.co_filename, code.co_qualname] = None


def main() -> None:
    """Print each file with its functions, both in the order in which the record met them first."""
    path = OrderPath()
    asyncio.run(path.walk())
    files: dict[str, list[str]] = {}
    for file, function in path.called:
        files.setdefault(file.removeprefix(f"{ROOT}/"), []).append(function)
    for file, functions in files.items():
        sys.stdout.write(f"{file}: {', '.join(functions)}\n")
    sys.stdout.write(f"{len(path.called)} functions in {len(files)} files\n")


if __name__ == "__main__":
    main()
