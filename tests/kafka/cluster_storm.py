"""Three brokers, each of which ends while orders are under way and comes back: in the end all happened once.

    python -m tests.kafka.cluster_storm [--rounds N] [--orders N]

Each round is `waybill up` on a cluster of its own, with three replicas of each topic, two of which must have a record.
One broker after the other ends amid its third of the orders, by kill -9 in the odd rounds and in order in the even
ones; it comes back once others lead what it led, and the next one ends when all replicas are in sync again. The exit
code says whether every order completed, every event was committed once, every provider saw every effect once, and
whether `waybill verify` and `waybill topics check` find nothing wrong.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.kafka import black_box, courses
from tests.kafka.cluster import NODES, Cluster, Node, cluster
from tests.kafka.demo_follower import Follower
from tests.kafka.processes import COMMAND, Waybill, wait_for, waybill
from tests.kafka.seeded_orders import SCENARIOS, seed_orders
from tests.kafka.storm_rounds import run_rounds

START_LIMIT_S: Final = 180.0
STEP_LIMIT_S: Final = 300.0
SETTLE_LIMIT_S: Final = 120.0
"""What the last order's shop may take to be told that it is completed."""
COMMAND_LIMIT_S: Final = 300.0
AMID: Final = 0.1
"""Share of a third of the orders that has ended when its broker goes away."""

End = Callable[[Node], None]


def ride_out(folder: Path, orders: int, end: End) -> list[str]:
    """Return what is wrong after so many orders, in each third of which another one of three brokers goes away.

    `folder` takes all logs.
    """
    with cluster() as brokers:
        settings = {"KAFKA_BOOTSTRAP_SERVERS": brokers.bootstrap_servers, "WAYBILL_REPLICATION": str(len(NODES))}
        environment = {**os.environ, **settings, "WAYBILL_HOME": str(folder)}
        with waybill(folder / "up.log", environment, "up") as up:
            wait_for("everything runs", lambda: up.complete and black_box.answers(up.simulators()), START_LIMIT_S)
            with closing(black_box.Reader(brokers.bootstrap_servers)) as reader:
                try:
                    problems = _problems(reader, up, _take_orders(reader, up, brokers, orders=orders, end=end))
                finally:
                    for number, node in brokers.nodes.items():
                        shutil.copy(node.folder / "node.log", folder / f"node-{number}.log")
        return [*problems, *_refusals(environment, "verify"), *_refusals(environment, "topics", "check")]


def _take_orders(reader: black_box.Reader, up: Waybill, brokers: Cluster, *, orders: int, end: End) -> int:
    """Take orders while the brokers go away. Return how many there were."""
    each = orders // len(NODES) // len(SCENARIOS)
    part = each * len(SCENARIOS)
    follower = Follower(reader, up, part * len(NODES))
    ids: set[int] = set()
    for turn, number in enumerate(NODES):
        ids = seed_orders(up.simulators(), each, f"B{number}", ids)
        follower.until((turn + AMID) / len(NODES), STEP_LIMIT_S)
        assert len(follower.ends) < (turn + 1) * part, "all orders had ended before their broker went away: take more"
        _take_away(brokers, number, end)
        follower.until((turn + 1) / len(NODES), STEP_LIMIT_S)
    return part * len(NODES)


def _take_away(brokers: Cluster, number: int, end: End) -> None:
    node = brokers.nodes[number]
    end(node)
    brokers.wait_until_replaced(number)
    node.start()
    brokers.wait_until_whole()


def _problems(reader: black_box.Reader, up: Waybill, orders: int) -> list[str]:
    """Return what is wrong once all orders have ended; what is still under way then gets its time."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while True:
        effects, found = black_box.journal(up.simulators()), reader.to_end()
        born = courses.born(found, effects)
        problems = [] if len(born) == orders else [f"{len(born)} orders came into being, not {orders}"]
        problems += black_box.problems(found, effects, born)
        if not problems or time.monotonic() > deadline:
            return problems


def _refusals(environment: dict[str, str], *arguments: str) -> list[str]:
    """Return what a command says that does not end with 0."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    return [f"waybill {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}"] if done.returncode else []


def ride(folder: Path, orders: int, are_killed: bool) -> list[str]:
    """Return what is wrong after a round, in which brokers are killed or stopped in order."""
    return ride_out(folder, orders, Node.crash if are_killed else Node.stop)


def main() -> int:
    return run_rounds("cluster_storm", (__doc__ or "").splitlines()[0], 2, ride)


if __name__ == "__main__":
    sys.exit(main())
