"""Everything around one demo: which broker, its topics, which orders under which ids."""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from app.errors import SettingError
from app.kafka.topics import load, prepare
from app.sandbox.demo import run_demo as demo
from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.observe import schemas_by_id
from app.sandbox.demo.order_source import SOURCED, choose, late, shop_ids
from app.sandbox.demo.outage import Fault
from app.sandbox.demo.supply import StockFiles, Supply, made_for, read
from app.sandbox.demo.verdict import Report
from app.sandbox.local.up import chosen_broker
from app.settings import Settings

_EPOCH_S: Final = 1_760_000_000
LEDGER: Final = "-ledger"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Wanted:
    """What a demo is to run: `count` orders of each scenario, or the shop's from `file`; a round for each fault."""

    scenarios: Sequence[int]
    count: int
    file: Path | None = None
    stock: StockFiles | None = None
    faults: Sequence[Fault] = ()


async def run(wanted: Wanted, folder: Path, console: Console) -> Report:
    """One demo from nothing to its verdict. `folder` takes the logs of its processes."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says what it does again by itself
    stamp = run_stamp(time.time())
    rounds = planned(wanted, stamp)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    with chosen_broker(os.environ, say) as bootstrap_servers:
        settings = Settings.from_env({**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers})
        topics = load(settings.partitions)
        await prepare(bootstrap_servers, topics)
        observed = [topic.name for topic in topics if not topic.name.endswith(LEDGER)]
        plan = demo.Plan(
            bootstrap_servers=bootstrap_servers,
            stamp=stamp,
            rounds=rounds,
            folder=folder,
            topics=observed,
            schemas=schemas_by_id(),
        )
        number = sum(len(each.orders) + len(each.late) for each in rounds)
        console.print(f"{number} orders through Kafka on {bootstrap_servers}")
        return await demo.run(plan, console)


def planned(wanted: Wanted, stamp: str) -> list[demo.Round]:
    """A round without a fault, and one with each. Orders appear over the same time in all of them.

    Raises SettingError for a file that cannot be used.
    """
    faults = wanted.faults
    if wanted.file and faults:
        raise SettingError("--orders gives orders for one round, and each --fault needs another: leave one of them out")
    over_s = max((fault.seconds for fault in faults), default=0.0)
    rounds, taken = [], set[int]()
    for at, fault in enumerate((None, *faults)):
        orders = choose(wanted.scenarios, wanted.count, wanted.file, stamp, at, taken)
        taken |= shop_ids(orders)
        supply = supplied(orders, wanted, is_first=at == 0)
        last = late(wanted.count, stamp, at, taken) if supply and not wanted.stock and at == len(faults) else []
        taken |= shop_ids(last)
        rounds.append(demo.Round(orders=orders, over_s=over_s, fault=fault, supply=supply, late=last))
    return rounds


def supplied(orders: Sequence[DemoOrder], wanted: Wanted, *, is_first: bool) -> Supply | None:
    """What the warehouses have for the orders that are sourced, None where there are none. Raises SettingError."""
    sourced = [order for order in orders if order.scenario == SOURCED]
    if sourced:
        kind = "set" if is_first else "add"
        found = read(*wanted.stock) if wanted.stock else made_for(sourced)
        return replace(found, kind=kind, soon=bool(wanted.faults))
    if wanted.stock:
        raise SettingError("--stock is for the orders of scenario 6, which are not in this run")
    return None


def run_stamp(now_s: float) -> str:
    """A short word that grows with time: part of this run's order ids, so that a broker can hold many runs."""
    value, word = int(now_s) - _EPOCH_S, ""
    while value:
        value, digit = divmod(value, len(_DIGITS))
        word = _DIGITS[digit] + word
    return word
