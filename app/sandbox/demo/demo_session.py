"""One demo from nothing to its report: its broker, its topics, its rounds of orders and their ids."""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from app.errors import SettingError
from app.kafka.cluster_access import ClusterAccess
from app.kafka.topic_admin import prepare
from app.kafka.topics import load
from app.sandbox.demo import run_demo as demo
from app.sandbox.demo.demo_observer import schemas_by_id
from app.sandbox.demo.demo_report import Report
from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.order_source import SOURCED, choose, late, shop_ids
from app.sandbox.demo.outage import Fault
from app.sandbox.demo.supply import StockFiles, Supply, made_for, read
from app.sandbox.local.up import chosen_broker
from app.settings import Settings

_EPOCH_S: Final = 1_760_000_000
LEDGER: Final = "-ledger"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class DemoOptions:
    """What a demo is to run: `count` orders of each scenario, or the shop's from `file`; a round for each fault."""

    scenarios: Sequence[int]
    count: int
    file: Path | None = None
    stock: StockFiles | None = None
    faults: Sequence[Fault] = ()


async def run(options: DemoOptions, folder: Path, console: Console) -> Report:
    """Run one demo and return its report. `folder` takes the logs of its processes."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says what it does again by itself
    stamp = run_stamp(time.time())
    rounds = plan_rounds(options, stamp)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    with chosen_broker(os.environ, say) as bootstrap_servers:
        settings = Settings.from_env({**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers})
        cluster = ClusterAccess.of(settings)
        topics = load(settings.partitions, settings.replication)
        await prepare(cluster, topics)
        plan = demo.DemoPlan(
            cluster=cluster,
            source_group=settings.group("source"),
            stamp=stamp,
            rounds=rounds,
            folder=folder,
            topics=[topic.name for topic in topics if not topic.name.endswith(LEDGER)],
            schemas=schemas_by_id(),
        )
        count = sum(len(each.orders) + len(each.late) for each in rounds)
        console.print(f"{count} orders through Kafka on {cluster}")
        return await demo.run(plan, console)


def plan_rounds(options: DemoOptions, stamp: str) -> list[demo.Round]:
    """Return a round without a fault, and one with each. Orders appear over the same time in all of them.

    Raises SettingError for a file that cannot be used.
    """
    faults = options.faults
    if options.file and faults:
        raise SettingError("--orders gives orders for one round, and each --fault needs another: leave one of them out")
    over_s = max((fault.seconds for fault in faults), default=0.0)
    rounds: list[demo.Round] = []
    used_ids = set[int]()
    for number, fault in enumerate((None, *faults)):
        orders = choose(options.scenarios, options.count, options.file, stamp, round_number=number, used_ids=used_ids)
        used_ids |= shop_ids(orders)
        supply = make_supply(orders, options, is_first=number == 0)
        has_late = supply and not options.stock and number == len(faults)
        late_orders = late(options.count, stamp, number, used_ids) if has_late else []
        used_ids |= shop_ids(late_orders)
        rounds.append(demo.Round(orders=orders, over_s=over_s, fault=fault, supply=supply, late=late_orders))
    return rounds


def make_supply(orders: Sequence[DemoOrder], options: DemoOptions, *, is_first: bool) -> Supply | None:
    """Return what the warehouses have for the orders that are sourced; None without such. Raises SettingError."""
    orders_to_source = [order for order in orders if order.scenario == SOURCED]
    if orders_to_source:
        kind = "set" if is_first else "add"
        supply = read(*options.stock) if options.stock else made_for(orders_to_source)
        return replace(supply, kind=kind, soon=bool(options.faults))
    if options.stock:
        raise SettingError("--stock is for the orders of scenario 6, which are not in this run")
    return None


def run_stamp(now_s: float) -> str:
    """Return a short word that grows with time: part of this run's order ids, so that a broker can hold many runs."""
    value = int(now_s) - _EPOCH_S
    word = ""
    while value:
        value, digit = divmod(value, len(_DIGITS))
        word = _DIGITS[digit] + word
    return word
