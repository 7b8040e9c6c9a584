"""The storm: `waybill demo` while its processes are killed with -9 and paused beyond the session time-out, at random.

    python -m tests.kafka.storm [--orders N] [--seconds N] [--seed N]

Two processes of `orchestrate` run. In the end every order must have completed, a `read_committed` reader must find
every event once, and every provider must have seen every effect once. The exit code says whether that held.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from tests.kafka import black_box, courses
from tests.kafka.demo_follower import Follower
from tests.kafka.processes import ROLES, Waybill, command_line, environment_of, kill, wait_for, waybill
from tests.kafka.seeded_orders import CHOSEN, SCENARIOS

SECOND: Final = "orchestrate 2"
TARGETS: Final = (*ROLES, SECOND)
KILL, PAUSE = "killed", "paused"
START_LIMIT_S: Final = 180.0
BETWEEN_S: Final = (0.5, 2.5)
PAUSED_S: Final = (7.0, 11.0)
"""The session time-out is 6 s: whoever sleeps as long as this wakes up in a group that gave its lanes away."""
CALM_FROM: Final = 0.7
"""Share of the orders that ended from which on nothing is done to the processes any more."""
FINISH_LIMIT_S: Final = 480.0
LANE_LOST: Final = 70


class Second:
    """A second process of `orchestrate`, kept running as a supervisor would."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log, self._environment, self.ends = log, environment, Counter[int]()
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        environment = self._environment | {"WAYBILL_WEB_PORT": str(free_port())}
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "app", "worker", "orchestrate"]
            return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def keep(self) -> None:
        code = self.process.poll()
        if code is not None:
            self.ends[code] += 1
            self.process = self._start()

    def problems(self) -> list[str]:
        """It may be killed, and it ends itself when its lanes went to another; anything else is a defect."""
        return [f"{SECOND} ended with {end}" for end in self.ends if end not in (-signal.SIGKILL, LANE_LOST)]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Deeds:
    """What is done to the processes, by a seeded plan: each round kills each of them once and pauses each once."""

    demo: Waybill
    second: Second
    dice: Random
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    _asleep: dict[int, float] = field(default_factory=dict)
    _next_at: float = 0.0

    def __post_init__(self) -> None:
        self._plan = self._rounds()

    def _rounds(self) -> Iterator[tuple[str, str]]:
        for _ in count():
            deeds = [(deed, target) for deed in (KILL, PAUSE) for target in TARGETS]
            self.dice.shuffle(deeds)
            yield from deeds

    def act(self, until: float) -> None:
        """Wakes who has slept long enough; does the next deed when its time has come, and not after `until`."""
        self.wake(time.monotonic())
        if not self._next_at <= time.monotonic() < until:
            return
        self._next_at = time.monotonic() + self.dice.uniform(*BETWEEN_S)
        deed, target = next(self._plan)
        pid = self.second.process.pid if target == SECOND else self.demo.workers().get(target)
        if pid is not None and kill(pid, signal.SIGKILL if deed == KILL else signal.SIGSTOP):
            self.done[deed, target] += 1
            if deed == PAUSE:
                self._asleep[pid] = time.monotonic() + self.dice.uniform(*PAUSED_S)

    def wake(self, until: float) -> None:
        for pid in [pid for pid, wakes_at in self._asleep.items() if wakes_at <= until]:
            del self._asleep[pid]
            if command_line(pid)[1:3] == ["-m", "app"]:  # it may have been killed in its sleep
                kill(pid, signal.SIGCONT)

    def __str__(self) -> str:
        each = (f"{target} {self.done[KILL, target]}/{self.done[PAUSE, target]}" for target in TARGETS)
        killed, paused = (sum(n for (deed, _), n in self.done.items() if deed == what) for what in (KILL, PAUSE))
        return f"{killed} kill -9, {paused} pauses beyond the session time-out ({', '.join(each)})"


@dataclass(frozen=True)
class Verdict:
    """`problems` is empty when the promise held."""

    problems: list[str]
    deeds: Deeds
    orders: int
    events: int
    effects: int
    seconds: float

    def __str__(self) -> str:
        counted = f"{self.orders} orders, {self.events} records, {self.effects} effects in {self.seconds:.0f} s"
        return f"{counted}; {self.deeds}; {len(self.problems)} problems"


class Storm:
    """One storm over one demo on one broker."""

    def __init__(self, folder: Path, servers: str, orders: int, seconds: float, seed: int) -> None:
        self._each = orders // len(SCENARIOS)
        self._orders = self._each * len(SCENARIOS)
        self._folder, self._servers, self._seconds = folder, servers, seconds
        self._dice = Random(seed)
        self._environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": servers, "TMPDIR": str(folder)}

    def run(self) -> Verdict:
        began = time.monotonic()
        with ExitStack() as stack:
            arguments = ("demo", *CHOSEN, "--count", str(self._each), "--json", str(self._folder / "report.json"))
            demo = stack.enter_context(waybill(self._folder / "demo.log", self._environment, *arguments))
            wait_for("the demo is ready", lambda: demo.ready and bool(demo.simulators()), START_LIMIT_S)
            for log in self._folder.glob("waybill-demo-*/*.log"):
                (self._folder / log.name).hardlink_to(log)  # a demo that succeeds takes its folder away
            second = Second(self._folder / "second.log", environment_of(demo.workers()["orchestrate"]))
            stack.callback(second.close)
            reader = stack.enter_context(closing(black_box.Reader(self._servers)))
            deeds = Deeds(demo, second, self._dice)
            follower = Follower(reader, demo, self._orders, second.keep)
            code = self._through(follower, deeds)
            said = [] if code == 0 else [f"the demo ended with {code}:\n{demo.said}"]
            said += second.problems() + self._problems(reader, follower.effects)
        records, effects = len(reader.found), len(follower.effects)
        return Verdict(said, deeds, self._orders, records, effects, time.monotonic() - began)

    def _through(self, follower: Follower, deeds: Deeds) -> int:
        until = time.monotonic() + self._seconds
        follower.until(CALM_FROM, self._seconds + FINISH_LIMIT_S, lambda: deeds.act(until))
        deeds.wake(float("inf"))
        return follower.finish(FINISH_LIMIT_S)

    def _problems(self, reader: black_box.Reader, effects: list[black_box.Effect]) -> list[str]:
        found = reader.to_end()
        born = courses.born(found, effects)
        said = [] if len(born) == self._orders else [f"{len(born)} orders came into being, not {self._orders}"]
        said += black_box.problems(found, effects, born)
        if said:
            black_box.keep(self._folder, reader.found, effects)
        return said


def storm(orders: int, seconds: float, seed: int, folder: Path) -> Verdict:
    """A storm on a broker of its own; `folder` takes all logs."""
    with broker.temporary() as info:
        return Storm(folder, info.bootstrap_servers, orders, seconds, seed).run()


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.kafka.storm", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--orders", type=int, default=10_000, help="as many of each scenario")
    options.add_argument("--seconds", type=float, default=600, help="how long to kill and pause at most")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="waybill-storm-"))
    verdict = storm(chosen.orders, chosen.seconds, chosen.seed, folder)
    lines = [str(verdict), *verdict.problems[:100]]
    lines.append(
        f"It did not hold; logs in {folder}" if verdict.problems else "Every event and every effect exactly once."
    )
    sys.stdout.write("\n".join(lines) + "\n")
    if not verdict.problems:
        shutil.rmtree(folder)
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
