"""One run of the benchmark of a role: the fold in memory, then the role on a broker."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from app.agents.orchestrate import Orchestrate
from app.events import codec
from app.events.codec import Codec
from app.kafka import topic_admin, topics
from app.sandbox.bench import fold_bench
from app.sandbox.bench.broker_bench import Bench, Outputs, Restore, Wave
from app.sandbox.bench.fold_bench import FoldCost
from app.sandbox.bench.journey import STORE, OrderRecords, journeys
from app.sandbox.bench.machine import describe
from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from app.settings import Settings, variables
from app.worker.composition import compose, compose_role
from app.worker.metrics import Collectors, Metrics

WARM_ORDERS = 200
FOLD_ORDERS_MAX = 1_000
LIVE_VALUE_AT = 2
"""How many records a live order has behind it: sent to F+O, waiting to be picked."""


class OnBroker(NamedTuple):
    """Figures of the role on a broker."""

    restore: Restore
    waves: list[Wave]
    outputs: Outputs


class RoleFigures(NamedTuple):
    """All figures of a run. `on_broker` is None when only the fold was measured."""

    machine: dict[str, str]
    fold: list[FoldCost]
    on_broker: OnBroker | None


async def run(orders: int, live: int, fold_only: bool, folder: Path, notice: Callable[[str], None]) -> RoleFigures:
    """Measure `orders` that go through the role while `live` others lie in its ledger. Raises WaybillError."""
    # On a broker of its own, where neither a cluster's login nor a prefix has a meaning.
    ours = {name for field, name in variables().items() if field == "prefix" or field.startswith("kafka_")}
    environ = simulated({name: value for name, value in os.environ.items() if name not in ours}, free_port())
    records = codec.load()
    make_role = role_maker(environ)
    notice(f"Writing down what is said of {orders} orders ...")
    journey_records = list(journeys(make_role(records), records, orders + WARM_ORDERS, int(time.time() * 1000)))
    notice("Folding in memory ...")
    master_keys = Settings.from_env(environ).master_keys()
    costs = fold_bench.measure(lambda: make_role(records), journey_records[:FOLD_ORDERS_MAX], master_keys)
    if fold_only:
        return RoleFigures(describe(""), costs, None)
    notice("Starting a broker ...")
    with broker.temporary(notice=notice) as info:
        figures = await _on_broker(info, environ, journey_records, live, folder, notice)
        return RoleFigures(describe(info.version), costs, figures)


def role_maker(environ: Mapping[str, str]) -> Callable[[Codec], Orchestrate]:
    """Return a function that makes a role set up by `environ`, which knows no order. Flows are compiled once."""
    settings = Settings.from_env(environ)
    parts = compose(settings, environ, providers={})
    flows = parts.flows(parts.setup, settings)
    metrics = Metrics(Orchestrate.name, Collectors(CollectorRegistry()))

    def make(records: Codec) -> Orchestrate:
        own = replace(parts, codec=records, flows=lambda _setup, _settings: flows)
        role = compose_role(Orchestrate.name, own, metrics).for_lane(0)
        assert isinstance(role, Orchestrate)
        return role

    return make


async def _on_broker(
    info: broker.BrokerInfo,
    environ: Mapping[str, str],
    journey_records: list[OrderRecords],
    live: int,
    folder: Path,
    notice: Callable[[str], None],
) -> OnBroker:
    environ = {**environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers}
    partitions = Settings.from_env(environ).partitions
    specs = topics.load(partitions)
    await topic_admin.apply(info.cluster, specs)
    lanes = next(spec.partitions for spec in specs if spec.name == Orchestrate.ledger)
    bench = Bench(info, environ, folder, lanes)
    notice(f"Opening the lanes on {live} live orders ...")
    value = _live_value(environ, journey_records[0])
    restore = await bench.restore(f"bc-{STORE}", value, live)
    warm, orders = journey_records[:WARM_ORDERS], journey_records[WARM_ORDERS:]
    notice(f"One worker takes {sum(len(order.records) for order in orders)} records ...")
    waves = await bench.waves(warm, orders)
    notice("Counting what it wrote ...")
    return OnBroker(restore, waves, await bench.outputs(journey_records))


def _live_value(environ: Mapping[str, str], order: OrderRecords) -> bytes:
    role = role_maker(environ)(codec.load())
    state = dict[bytes, bytes]()
    for record in order.records[:LIVE_VALUE_AT]:
        changes = role.fold(record, state, repeated=False).changes
        state |= {key: value for key, value in changes.items() if value is not None}
    return next(iter(state.values()))
