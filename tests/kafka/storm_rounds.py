"""Commands that break a running product on purpose: their rounds, what they print, and how they end."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.kafka.processes import StandstillError

HELD: Final = "Every event and every effect exactly once."
SHOWN_MAX: Final = 40

Ride = Callable[[Path, int, bool], list[str]]
"""(folder for all logs, orders, whether brokers are killed) -> what is wrong. StandstillError where nothing moves."""


def conclude(problems: Sequence[str], folder: Path) -> int:
    """Print what is wrong, or that all held. Return the exit code. Logs stay in `folder` where something is wrong."""
    sys.stdout.write("\n".join(problems[:SHOWN_MAX] or [HELD]) + "\n")
    if problems:
        sys.stdout.write(f"It did not hold; logs in {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


def run_rounds(name: str, summary: str, rounds: int, ride: Ride) -> int:
    """Run a command of rounds, each on brokers of its own that are killed in the odd ones. Return the exit code."""
    options = argparse.ArgumentParser(prog=f"python -m tests.kafka.{name}", description=summary)
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--orders", type=int, default=300, help="of each round")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=f"waybill-{name.replace('_', '-')}-"))
    problems: list[str] = []
    for number in range(1, chosen.rounds + 1):
        logs, are_killed = folder / str(number), number % 2 == 1
        logs.mkdir()
        try:
            wrong = ride(logs, chosen.orders, are_killed)
        except StandstillError as standstill:
            wrong = [str(standstill)]
        way = "kill -9" if are_killed else "stop"
        sys.stdout.write(f"round {number}: {chosen.orders} orders, {way}, {len(wrong)} problems\n")
        sys.stdout.flush()
        problems += [f"round {number}: {problem}" for problem in wrong]
    return conclude(problems, folder)
