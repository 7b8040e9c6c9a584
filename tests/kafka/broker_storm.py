"""The broker ends again and again in mid-demo, and comes back with its data: in the end all happened once anyhow.

    python -m tests.kafka.broker_storm [--rounds N] [--orders N]

Each round is a demo on a broker of its own that goes away seven times, by kill -9 in the odd rounds and in order in the
even ones. The exit code says whether every order completed, every event was committed once and every provider saw every
effect once. Not every Kafka can do that: docs/adr/0021.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from app.sandbox.local import broker
from app.sandbox.local.broker import BrokerInfo
from tests.kafka import black_box, courses
from tests.kafka.demo_follower import Follower
from tests.kafka.processes import Waybill, kill, wait_for, waybill
from tests.kafka.seeded_orders import CHOSEN, SCENARIOS
from tests.kafka.storm_rounds import run_rounds

START_LIMIT_S: Final = 180.0
STEP_LIMIT_S: Final = 240.0
VERDICT_LIMIT_S: Final = 480.0
"""A demo to which something is missing waits a minute in silence before it says so."""
AWAY_S: Final = 2.0
"""Long enough for every process to miss the broker."""
TIMES: Final = 7

End = Callable[[BrokerInfo], None]


def stop(info: BrokerInfo) -> None:
    """In order."""
    assert broker.stop(info.data)


def crash(info: BrokerInfo) -> None:
    """By kill -9."""
    pid = broker.status(info.data).pid
    assert pid is not None
    assert kill(pid, signal.SIGKILL)


def ride_out(folder: Path, orders: int, ends: Mapping[float, End]) -> list[str]:
    """What is wrong after a demo of so many orders whose broker goes away as given, by share of the orders that ended.

    `folder` takes all logs.
    """
    each = orders // len(SCENARIOS)
    with broker.temporary() as info:
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "TMPDIR": str(folder)}
        with waybill(folder / "demo.log", environment, "demo", *CHOSEN, "--count", str(each)) as demo:
            wait_for("the demo starts", lambda: demo.complete and bool(demo.simulators()), START_LIMIT_S)
            with closing(black_box.Reader(info.bootstrap_servers)) as reader:
                follower = Follower(reader, demo, each * len(SCENARIOS))
                for share, end in ends.items():
                    follower.until(share, STEP_LIMIT_S)
                    _away(info, end)
                code = follower.finish(VERDICT_LIMIT_S)
                return _problems(demo, code, reader.to_end(), follower.effects, each * len(SCENARIOS))


def _away(info: BrokerInfo, end: End) -> None:
    end(info)
    time.sleep(AWAY_S)
    broker.start(info.data, info.port)


def _problems(
    demo: Waybill, code: int, found: list[black_box.Found], effects: list[black_box.Effect], orders: int
) -> list[str]:
    said = [] if code == 0 else [f"the demo ended with {code}:\n{demo.said}"]
    born = courses.born(found, effects)
    if len(born) != orders:
        said.append(f"{len(born)} orders came into being, not {orders}")
    return said + black_box.problems(found, effects, born)


def ride(folder: Path, orders: int, are_killed: bool) -> list[str]:
    """Return what is wrong after a round, in which brokers are killed or stopped in order."""
    end = crash if are_killed else stop
    return ride_out(folder, orders, {at / 10: end for at in range(1, TIMES + 1)})


def main() -> int:
    return run_rounds("broker_storm", (__doc__ or "").splitlines()[0], 8, ride)


if __name__ == "__main__":
    sys.exit(main())
