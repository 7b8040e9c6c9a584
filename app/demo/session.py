"""Everything around one demo: which broker, its topics, which orders under which ids."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from app.demo import run as demo
from app.demo.observe import schemas_by_id
from app.demo.report import Report
from app.demo.source import choose
from app.runtime.up import chosen_broker
from app.settings import Settings
from app.topics import apply, load

_EPOCH_S: Final = 1_760_000_000
LEDGER: Final = "-ledger"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


async def run(scenarios: Sequence[int], count: int, file: Path | None, folder: Path, console: Console) -> Report:
    """One demo from nothing to its verdict. `folder` takes the logs of its processes."""
    stamp = run_stamp(time.time())
    orders = choose(scenarios, count, file, stamp)
    with chosen_broker(os.environ, console) as bootstrap_servers:
        settings = Settings.from_env({**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers})
        topics = load(settings.partitions)
        await apply(bootstrap_servers, topics)
        observed = [topic.name for topic in topics if not topic.name.endswith(LEDGER)]
        plan = demo.Plan(bootstrap_servers, stamp, orders, folder, observed, schemas_by_id())
        console.print(f"{len(orders)} orders through Kafka on {bootstrap_servers}")
        return await demo.run(plan, console)


def run_stamp(now_s: float) -> str:
    """A short word that grows with time: part of this run's order ids, so that a broker can hold many runs."""
    value, word = int(now_s) - _EPOCH_S, ""
    while value:
        value, digit = divmod(value, len(_DIGITS))
        word = _DIGITS[digit] + word
    return word
