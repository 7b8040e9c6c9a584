"""The role `source` on a cluster in memory: records go in by name, results and ledger are read as others read them."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from app.agents.source import Source, measure_plans
from app.domain.order import AMOUNT_SCALE, Line, Order
from app.events.codec import Codec
from app.events.ids import derive, partition_of
from app.events.model import (
    Body,
    Event,
    ReservedLine,
    SourcingCommand,
    SourcingRequested,
    SourcingResult,
    StockChange,
)
from app.events.record import DEAD_LETTER
from app.inventory import source_ledger
from app.inventory.allocator import Allocator
from app.inventory.checked_plans import Planner, Solve
from app.inventory.item_stock import ItemStock
from app.inventory.ledger_values import BackorderRuns, ExplainedPlan, SourcedOrder, WarehouseTotals
from app.inventory.preferences import Preferences
from app.inventory.source_ledger import ValueT
from app.inventory.sourcing_agenda import Batching
from app.lanes.checkpoint import FoldLimits
from app.lanes.lane import Lane
from app.optimizer import solver
from app.optimizer.gazetteer import Place
from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_network import NetworkSource as Place_of
from app.optimizer.sourcing_strategy import Constraint, Strategies, Strategy, Weights
from tests.agents.stand_ins import CODEC, TRACE
from tests.flows.journey import a_line, an_order
from tests.lanes.lane_driver import Driven, World
from tests.lanes.memory_log import MemoryLog

ONE: Final = AMOUNT_SCALE
"""One piece."""
START: Final = 1_760_000_000_000
NEAR, FAR = "EU-HAM", "US-SEA"
NETWORK: Final = Network((Place_of(NEAR, "EU", 53.55, 9.99), Place_of(FAR, "US", 47.6, -122.33)))
STRATEGY: Final = Strategy("near", Weights(distance=1, shipments=500), warehouses_per_line=Constraint(1))
BERLIN: Final = Place(52.52, 13.4, "city")


class Reports:
    """What the role reported."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.solves: list[str] = []
        self.lines: dict[str, int] = {}
        self.waiting_since: dict[str, int | None] = {}
        self.totals: dict[str, WarehouseTotals] = {}

    def sourced(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def solved(self, seconds: float, status: str, gap: float) -> None:
        self.solves.append(status)

    def waiting(self, partition: int, pool: str, lines: int, since_ms: int | None) -> None:
        self.lines[pool] = lines
        self.waiting_since[pool] = since_ms

    def stocked(self, partition: int, total: WarehouseTotals) -> None:
        self.totals[total.warehouse] = total


class Room(World):
    """Lanes of `source` and what was written for them. Records carry the clock's time."""

    def __init__(
        self,
        network: Network = NETWORK,
        preferences: Preferences | None = None,
        *,
        strategies: Strategies | None = None,
        solve: Solve = solver.solve,
        partitions: int = 1,
        job_s: int = 0,
        orders_max: int = 200,
    ) -> None:
        super().__init__(partitions, Source.inputs)
        self.clock.now = START
        for topic in ("sourcing-result", "order-command", Source.ledger):
            self.cluster.add(topic)
        self.limit(fold=FoldLimits())
        self.reports, self._number, self._job_s = Reports(), 0, job_s
        self._planner = Planner(network, strategies or Strategies(STRATEGY), measure_plans(solve, self.reports))
        self._allocator = Allocator(self._planner, preferences or Preferences())
        self._batching = Batching(50, orders_max)

    def role(self, codec: Codec = CODEC, partition: int = 0) -> Source:
        """A new instance of the role, for a lane that opens."""
        return Source(
            codec,
            self._allocator,
            lambda _: BERLIN,
            self._batching,
            job_s=self._job_s,
            lane=(partition, self.cluster.partitions),
            observer=self.reports,
        )

    async def start(self, partition: int = 0) -> Driven:
        """A new process takes the lane over."""
        lane_of = (partition, self.cluster.partitions)
        role = self.role(partition=partition)
        log = MemoryLog(self.cluster, f"waybill-source-{partition}", Source.ledger, partition)
        lane = Lane(role, log, *lane_of, self.limits, clock=self.clock, observer=self.seen)
        await lane.open({})
        return Driven(self, lane, log)

    # ---- records in ----

    def tell(self, name: str, topic: str, body: Body, event_id: str = "", partition: int | None = None) -> str:
        self._number += 1
        event_id = event_id or f"e{self._number}"
        identity: Any = getattr(body, "order", body)
        order_id = getattr(identity, "order_id", "") or getattr(body, "pool", "")
        event = Event(name, event_id, order_id, self.clock.now, "test", "", body, TRACE)
        value, headers = CODEC.encode(event)
        pool: str = body.pool  # type: ignore[union-attr]
        place = partition_of(pool.encode(), self.cluster.partitions) if partition is None else partition
        self.cluster.produce(topic, place, order_id.encode(), value, headers)
        return event_id

    def stock(self, sku: str, pieces: int, warehouse: str = NEAR, kind: str = "set", **more: Any) -> str:
        event_id, partition = more.pop("event_id", ""), more.pop("partition", None)
        site = "EU" if warehouse == NEAR else "US"
        change = StockChange(sku, site, warehouse, kind, pieces * ONE, **more)
        return self.tell("stock change", "stock-change", change, event_id, partition)

    def receive(self, sku: str, pieces: int, warehouse: str = NEAR, **more: Any) -> str:
        return self.stock(sku, pieces, warehouse, "add", **more)

    def request(
        self, order: Order, *, attempt: int = 1, effect: str = "", event_id: str = "", pool: str = "main"
    ) -> str:
        """The effect of the request."""
        effect = effect or derive(order.order_id, "Send to fulfillment optimization")
        body = SourcingRequested(order, effect, "dom", "Send to fulfillment optimization", attempt, "sourcing", pool)
        self.tell("sourcing requested", "sourcing-requested", body, event_id)
        return effect

    def command(self, command: str, order_id: str = "", *lines: ReservedLine, **more: Any) -> str:
        event_id, pool = more.pop("event_id", ""), more.pop("pool", "main")
        body = SourcingCommand(pool, command, order_id, lines, more.pop("values", {}), more.pop("actor", ""))
        return self.tell("sourcing command", "sourcing-command", body, event_id)

    # ---- what is there then ----

    async def rest(self, driven: Driven) -> None:
        """Until nothing is left to do, however often the lane looks at its clock."""
        still = 0
        while still < 3:
            commits = driven.lane.commits
            await driven.settle()
            self.clock.advance(0.1)
            still = still + 1 if driven.lane.commits == commits else 0

    def events(self) -> list[Event]:
        return [CODEC.decode(r) for r in self.cluster.read_all("sourcing-result")]

    def results(self, order_id: str | None = None) -> list[SourcingResult]:
        bodies = [event.body for event in self.events() if isinstance(event.body, SourcingResult)]
        return [body for body in bodies if order_id in (None, body.order_id)]

    def kept(self, kind: type[ValueT]) -> list[ValueT]:
        """All values of a kind that the ledger holds."""
        values = (value for key, value in self.cluster.ledger(Source.ledger).items() if not key.startswith(b"\0"))
        return [source_ledger.decode(kind, value) for value in values if source_ledger.kind_of(value) is kind]

    def order(self, order_id: str) -> SourcedOrder:
        return next(order for order in self.kept(SourcedOrder) if order.order_id == order_id)

    def shelf(self, sku: str, warehouse: str = NEAR) -> tuple[int, int]:
        """On hand and reserved, in pieces."""
        found = next((item.shelf(warehouse) for item in self.kept(ItemStock) if item.sku == sku), None)
        return (found.on_hand // ONE, found.reserved // ONE) if found else (0, 0)

    def waiting(self) -> set[tuple[str, str]]:
        return {(order.order_id, line.line_id) for order in self.kept(SourcedOrder) for line in order.waiting}

    def runs(self, pool: str = "main") -> BackorderRuns:
        return next((runs for runs in self.kept(BackorderRuns) if runs.pool == pool), BackorderRuns(pool))

    def explained(self, order_id: str) -> list[ExplainedPlan]:
        return [found for found in self.kept(ExplainedPlan) if found.order_id == order_id]

    def letters(self) -> list[tuple[str, str]]:
        """Code and sentence of each dead letter."""
        marks = [dict(record.headers) for record in self.cluster.read_all(DEAD_LETTER)]
        return [(m["waybill-dead-code"].decode(), m["waybill-dead-detail"].decode()) for m in marks]

    def reserved_once(self) -> None:
        """Stock, reservations and results agree with each other: nothing is reserved twice, lost, or beyond what is."""
        open_now: dict[tuple[str, str], int] = {}
        for order in self.kept(SourcedOrder):
            held = [(part.line_id, part.warehouse) for part in order.reservations if part.status != "released"]
            assert len(held) == len(set(held))
            for part in order.reservations:
                if part.status == "open":
                    place = (part.sku, part.warehouse)
                    open_now[place] = open_now.get(place, 0) + part.quantity
            issued = [fo for result in self.results(order.order_id) for fo in result.fulfillment_orders]
            told = {(line.line_id, fo.warehouse) for fo in issued for line in fo.lines}
            assert told == {(part.line_id, part.warehouse) for part in order.reservations}
            numbers = [fo.fulfillment_order_id for fo in issued]
            assert sorted(numbers) == sorted(f"{order.order_id}-FO{n}" for n in range(1, order.issued + 1))
        for item in self.kept(ItemStock):
            for warehouse, shelf in item.shelves.items():
                assert shelf.reserved == open_now.pop((item.sku, warehouse), 0)
                assert shelf.reserved <= shelf.on_hand
        assert not open_now


def order_of(order_id: str, *lines: tuple[str, int], channel: str = "shop", **changes: Any) -> Order:
    """An order of these SKUs and pieces; its lines are numbered from 1."""
    made = tuple(line_of(number, sku, pieces) for number, (sku, pieces) in enumerate(lines, 1))
    return replace(an_order(1), order_id=order_id, source_ref=order_id, channel=channel, lines=made, **changes)


def line_of(number: int, sku: str, pieces: int, **changes: Any) -> Line:
    return a_line(number, sku=sku, quantity=pieces * ONE, **changes)


def given(results: Iterable[SourcingResult]) -> dict[tuple[str, str], list[tuple[str, int]]]:
    """Per order and line: which warehouses ship how many pieces."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for result in results:
        for issued in result.fulfillment_orders:
            for line in issued.lines:
                place = (result.order_id, line.line_id)
                found.setdefault(place, []).append((issued.warehouse, line.quantity // ONE))
    return found
