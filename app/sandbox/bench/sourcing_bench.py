"""The benchmark of sourcing: time for a batch of orders, quality of the plan, and what solving together is worth."""

import gc
import time
from collections.abc import Mapping, Sequence
from random import Random
from statistics import median
from typing import Final, NamedTuple

from app.domain.order import AMOUNT_SCALE
from app.optimizer.demand import Demand, DemandLine
from app.optimizer.gazetteer import Place
from app.optimizer.solver import solve
from app.optimizer.sourcing_network import Network, NetworkSource
from app.optimizer.sourcing_plan import SourcingPlan
from app.optimizer.sourcing_strategy import Strategies
from app.sandbox.bench.machine import describe
from app.worker.serving import GARBAGE_THRESHOLDS

ORDERS: Final = 200
SOURCES: Final = 20
SKUS: Final = 100
LINES: Final = (1, 2, 2, 3, 3, 3, 4, 4, 5, 6)
"""Of an order, each as likely: 3.3 on average."""
WARM: Final = 1
AT_MS: Final = 1_767_009_600_000
Stock = dict[tuple[str, str], int]


class StockCase(NamedTuple):
    """Stock is `cover` times the demand of a SKU; a source has a SKU with the chance `assortment`, in uneven shares."""

    label: str
    cover: float
    assortment: float


CASES: Final = (
    StockCase("plenty, everything everywhere", 60.0, 1.0),
    StockCase("plenty, 6 SKUs of 10 at a source", 10.0, 0.6),
    StockCase("scarce in places, 6 SKUs of 10", 3.0, 0.6),
    StockCase("scarce, 3 SKUs of 20", 0.9, 0.15),
    StockCase("scarce, 6 SKUs of 10, in crumbs", 1.0, 0.6),
)


class OrderBatch(NamedTuple):
    demands: list[Demand]
    network: Network
    stock: Stock


class Speed(NamedTuple):
    """Figures of a case over all batches. Seconds by the clock, `gap` as in a plan, `waiting` lines without source."""

    label: str
    lines: float
    median_s: float
    slowest_s: float
    cpu_s: float
    gap: float
    widest_gap: float
    waiting: float


class Together(NamedTuple):
    """The batches of a case solved jointly and order by order. `cost` is that of what has a source, in kilometres."""

    label: str
    waiting_joint: float
    waiting_single: float
    cost_joint: float
    cost_single: float


class SourcingFigures(NamedTuple):
    machine: dict[str, str]
    speed: list[Speed]
    together: list[Together]


def run(strategies: Strategies, batches: int) -> SourcingFigures:
    """Measure each case with `batches` batches, the same in every run. Garbage is collected as in a worker."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    for number in range(WARM):
        _solve(_batch(CASES[0], number), strategies)
    batches_by_case = {case: [_batch(case, number) for number in range(batches)] for case in CASES}
    speed = [_speed(case.label, batches_by_case[case], strategies) for case in CASES]
    together = [_together(case.label, batches_by_case[case], strategies) for case in CASES]
    return SourcingFigures(describe("", ("highspy", "numpy")), speed, together)


def _batch(case: StockCase, seed: int) -> OrderBatch:
    dice = Random(f"{case.label} {seed}")
    network = Network(tuple(_source(dice, number) for number in range(SOURCES)))
    demands = [_demand(dice, number) for number in range(ORDERS)]
    quantities: dict[str, int] = {}
    for demand in demands:
        for line in demand.lines:
            quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return OrderBatch(demands, network, _stock(dice, case, network, quantities))


def _source(dice: Random, number: int) -> NetworkSource:
    return NetworkSource(f"W{number:02}", f"S{number:02}", *_somewhere(dice))


def _somewhere(dice: Random) -> tuple[float, float]:
    """Return latitude and longitude of a place in or around Europe."""
    return dice.uniform(36, 60), dice.uniform(-9, 28)


def _demand(dice: Random, number: int) -> Demand:
    skus = dice.sample(range(SKUS), dice.choice(LINES))
    lines = (DemandLine(str(at), f"K{sku:03}", dice.randint(1, 10) * AMOUNT_SCALE) for at, sku in enumerate(skus, 1))
    return Demand(f"o{number:03}", Place(*_somewhere(dice), "city"), tuple(lines))


def _stock(dice: Random, case: StockCase, network: Network, quantities: Mapping[str, int]) -> Stock:
    stock: Stock = {}
    for sku in sorted(quantities):
        keepers = [source.warehouse for source in network.sources if dice.random() < case.assortment]
        shares = [dice.random() for _ in keepers]
        pieces = quantities[sku] / AMOUNT_SCALE * case.cover
        for warehouse, share in zip(keepers, shares, strict=True):
            stock[sku, warehouse] = int(pieces * share / sum(shares)) * AMOUNT_SCALE
    return stock


def _solve(batch: OrderBatch, strategies: Strategies) -> SourcingPlan:
    return solve(batch.demands, batch.network, batch.stock, strategies, at_ms=AT_MS, used_today={})


def _speed(label: str, batches: Sequence[OrderBatch], strategies: Strategies) -> Speed:
    clock, cpu, plans = [], [], []
    for batch in batches:
        began, cpu_began = time.perf_counter(), time.process_time()
        plans.append(_solve(batch, strategies))
        clock.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    return Speed(
        label=label,
        lines=median(sum(len(demand.lines) for demand in batch.demands) for batch in batches),
        median_s=median(clock),
        slowest_s=max(clock),
        cpu_s=median(cpu),
        gap=median(plan.gap for plan in plans),
        widest_gap=max(plan.gap for plan in plans),
        waiting=median(map(_waiting, plans)),
    )


def _together(label: str, batches: Sequence[OrderBatch], strategies: Strategies) -> Together:
    joint = [_solve(batch, strategies) for batch in batches]
    single = [_one_by_one(batch, strategies) for batch in batches]
    return Together(
        label=label,
        waiting_joint=median(map(_waiting, joint)),
        waiting_single=median(sum(map(_waiting, plans)) for plans in single),
        cost_joint=median(map(_paid, joint)),
        cost_single=median(sum(map(_paid, plans)) for plans in single),
    )


def _one_by_one(batch: OrderBatch, strategies: Strategies) -> list[SourcingPlan]:
    """Solve order by order: each takes the best that the ones before it have left."""
    remaining = dict(batch.stock)
    plans = []
    for demand in batch.demands:
        plan = solve([demand], batch.network, remaining, strategies, at_ms=AT_MS, used_today={})
        skus = {line.line_id: line.sku for line in demand.lines}
        for each in plan.orders[0].allocations:
            remaining[skus[each.line_id], each.warehouse] -= each.quantity
        plans.append(plan)
    return plans


def _waiting(plan: SourcingPlan) -> int:
    return sum(len(order.unsourced) for order in plan.orders)


def _paid(plan: SourcingPlan) -> float:
    return plan.cost - plan.terms.get("unsourced", 0.0)
