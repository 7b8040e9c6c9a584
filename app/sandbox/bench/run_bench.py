"""The whole measurement, in the order in which its parts need each other."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from app.agents.orchestrate import Orchestrate
from app.events import codec
from app.events.codec import Codec
from app.kafka import topics
from app.providers import registry
from app.sandbox.bench import fold_bench
from app.sandbox.bench.broker_bench import Bench, Outputs, Restore, Wave
from app.sandbox.bench.fold_bench import FoldCost
from app.sandbox.bench.journey import STORE, Told, journeys
from app.sandbox.bench.machine import describe
from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from app.settings import Settings
from app.worker.composition import published_flows, sales_orders

WARM_ORDERS = 200
FOLD_ORDERS_MAX = 1_000
LIVE_VALUE_AT = 2
"""The state that live orders have in the ledger: sent to F+O, waiting to be picked."""


class OnBroker(NamedTuple):
    restore: Restore
    waves: list[Wave]
    outputs: Outputs


class Measured(NamedTuple):
    """`on_broker` is None when only the fold was measured."""

    machine: dict[str, str]
    fold: list[FoldCost]
    on_broker: OnBroker | None


async def run(orders: int, live: int, fold_only: bool, folder: Path, notice: Callable[[str], None]) -> Measured:
    """`orders` go through the role, `live` others lie in its ledger. Raises WaybillError."""
    environ = simulated(os.environ, free_port())
    records, make_role = codec.load(), role_maker(environ)
    notice(f"Writing down what is said of {orders} orders ...")
    told = list(journeys(make_role(records), records, orders + WARM_ORDERS, int(time.time() * 1000)))
    notice("Folding in memory ...")
    costs = fold_bench.measure(lambda: make_role(records), told[:FOLD_ORDERS_MAX])
    if fold_only:
        return Measured(describe(""), costs, None)
    notice("Starting a broker ...")
    with broker.temporary(notice=notice) as info:
        found = await _on_broker(info, environ, told, live, folder, notice)
        return Measured(describe(info.version), costs, found)


def role_maker(environ: Mapping[str, str]) -> Callable[[Codec], Orchestrate]:
    """How a role is made that is set up by `environ` and knows no order."""
    settings = Settings.from_env(environ)
    published, orders = published_flows(registry.setup(settings, environ), settings), sales_orders()
    return lambda records: Orchestrate(records, published, orders)


async def _on_broker(
    info: broker.BrokerInfo,
    environ: Mapping[str, str],
    told: list[Told],
    live: int,
    folder: Path,
    notice: Callable[[str], None],
) -> OnBroker:
    environ = {**environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers}
    partitions = Settings.from_env(environ).partitions
    specs = topics.load(partitions)
    await topics.apply(info.bootstrap_servers, specs)
    lanes = next(spec.partitions for spec in specs if spec.name == Orchestrate.ledger)
    bench = Bench(info, environ, folder, lanes)
    notice(f"Opening the lanes on {live} live orders ...")
    value = _live_value(environ, told[0])
    restore = await bench.restore(f"bc-{STORE}", value, live)
    warm, orders = told[:WARM_ORDERS], told[WARM_ORDERS:]
    notice(f"One worker takes {sum(len(order.records) for order in orders)} records ...")
    waves = await bench.waves(warm, orders)
    notice("Counting what it wrote ...")
    return OnBroker(restore, waves, await bench.outputs(told))


def _live_value(environ: Mapping[str, str], order: Told) -> bytes:
    role, state = role_maker(environ)(codec.load()), dict[bytes, bytes]()
    for record in order.records[:LIVE_VALUE_AT]:
        changes = role.fold(record, state, repeated=False).changes
        state |= {key: value for key, value in changes.items() if value is not None}
    return next(iter(state.values()))
