"""Workers of two versions in the same consumer groups, replaced one after the other while orders are under way.

    python -m tests.kafka.side_by_side REF [--orders 60]

REF is a commit or tag. Two workers run every role, with two partitions a topic, so that each has a lane of each role.
The course is that of an upgrade which somebody takes back once:

1. Both workers are of the older version.
2. The first one is stopped and comes back as it is here.
3. It is stopped, so that the older worker takes over what the newer one wrote, and comes back.
4. The older worker is killed with -9 and comes back as it is here.

Orders appear in each part. An older worker may refuse what a newer one wrote, with its sentence and exit code 78: then
its lanes are left to the newer one. In the end every order must have completed, every event must be there once and
every provider must have seen every effect once. Both versions run with the packages that are installed here.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from app.kafka import topic_admin, topics
from app.resources import ROOT
from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from app.worker.process_end import EXIT_REFUSED
from tests.kafka import black_box, courses
from tests.kafka.one_worker import OneWorker
from tests.kafka.processes import ROLES, StandstillError, wait_for
from tests.kafka.seeded_orders import SCENARIOS, seed_orders
from tests.kafka.upgrade import extract

PARTITIONS: Final = 2
PARTS: Final = 4
LIMIT_S: Final = 300.0
REFUSALS: Final = ("written by a newer version of Waybill", "a newer version of Waybill has")
"""What an older worker says of a record, an order or a ledger of a newer one before it ends."""


def previous_version() -> str:
    """Return the commit before the newest one that changed `app`; empty where history does not reach so far."""
    command = ["git", "rev-list", "-2", "HEAD", "--", "app"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    commits = listed.stdout.split()
    return commits[1] if listed.returncode == 0 and len(commits) == 2 else ""


class Upgrade:
    """Two workers and the orders that they get. `ended` are orders that have ended, `seeded` those that appeared."""

    def __init__(self, folder: Path, old: Path, environment: Mapping[str, str], simulators: str, each: int) -> None:
        self._folder, self._old, self._environment = folder, old, environment
        self._simulators, self._each = simulators, each
        self.reader = black_box.Reader(environment["KAFKA_BOOTSTRAP_SERVERS"])
        self.effects: list[black_box.Effect] = []
        self.seeded = self._waves = 0
        self._ids: set[int] = set()

    def worker(self, root: Path, name: str, port: int) -> OneWorker:
        environment = {**self._environment, "WAYBILL_HOME": str(self._folder / name)}
        return OneWorker(root, self._folder / f"{name}.log", environment, *ROLES, port=port)

    def run(self, webhook_port: int) -> list[str]:
        """Return what is wrong after the upgrade. Webhooks go to the first worker, which keeps its port."""
        first = self.worker(self._old, "first-old", webhook_port)
        second = self.worker(self._old, "second-old", free_port())
        try:
            self.go_on()
            first.stop()
            first = self.worker(ROOT, "first-new", webhook_port)
            self.go_on()
            first.stop()
            self.go_on(second)
            first.start()
            self.go_on(second)
            problems = refusal(second)
            second.kill()
            second = self.worker(ROOT, "second-new", free_port())
            with suppress(StandstillError):  # the judge says what is missing
                wait_for("every order has ended", lambda: self.look() >= self.seeded, LIMIT_S)
                wait_for("nothing is missing", lambda: not self.problems(), LIMIT_S)
            return problems
        finally:
            first.stop()
            second.stop()

    def go_on(self, older: OneWorker | None = None) -> None:
        """Let orders appear, and return when one of them has ended, or when the older worker has refused to go on."""
        self._ids = seed_orders(self._simulators, self._each, f"UP{self._waves}", self._ids)
        self._waves += 1
        ended, self.seeded = self.look(), self.seeded + self._each * len(SCENARIOS)
        wait_for("orders end", lambda: self.look() > ended or (older is not None and has_ended(older)), LIMIT_S)

    def look(self) -> int:
        """Return how many orders have ended."""
        self.reader.more()
        return len(black_box.ended(self.reader.found))

    def problems(self) -> list[str]:
        """Return what is wrong now, seen from outside."""
        self.effects = black_box.journal(self._simulators)
        records = self.reader.to_end()
        return black_box.problems(records, self.effects, courses.born(records, self.effects))


def has_ended(worker: OneWorker) -> bool:
    return worker.process.poll() is not None


def refusal(worker: OneWorker) -> list[str]:
    """Return what is wrong with how the older worker ended, if it did."""
    is_refusal = worker.process.poll() == EXIT_REFUSED and any(sentence in worker.said for sentence in REFUSALS)
    if not has_ended(worker) or is_refusal:
        return []
    return [f"the older worker ended with {worker.process.poll()}:\n{worker.said[-3000:]}"]


@contextmanager
def simulators(folder: Path, environment: Mapping[str, str], port: int, webhook_port: int) -> Iterator[str]:
    """Yield the base URL of simulators that run until the block ends, in this version."""
    webhooks = f"http://127.0.0.1:{webhook_port}/webhooks"
    arguments = ["simulators", "--port", str(port), "--generous", "--webhooks", webhooks]
    with (folder / "simulators.log").open("wb") as log:
        command = [sys.executable, "-m", "app", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for("the simulators answer", lambda: black_box.answers(url), LIMIT_S)
        yield url
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def upgrade(ref: str, orders: int, folder: Path) -> list[str]:
    """Return what is wrong after an upgrade from `ref`. `folder` takes all logs."""
    old, port, webhook_port = folder / "old", free_port(), free_port()
    extract(ref, old)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    with broker.temporary() as info:
        settings = {"KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "WAYBILL_PARTITIONS": str(PARTITIONS)}
        environment = simulated({**clean, **settings}, port)
        asyncio.run(topic_admin.apply(info.cluster, topics.load(PARTITIONS)))
        with simulators(folder, environment, port, webhook_port) as url:
            each = max(1, orders // len(SCENARIOS) // PARTS)
            course = Upgrade(folder, old, environment, url, each)
            with closing(course.reader):
                problems = course.run(webhook_port) + course.problems()
                if len(orders_of(course)) != course.seeded:
                    problems.append(f"{len(orders_of(course))} orders came into being, not {course.seeded}")
                if problems:
                    black_box.keep(folder, course.reader.found, course.effects)
                return problems


def orders_of(course: Upgrade) -> Mapping[str, courses.Course]:
    return courses.born(course.reader.found, course.effects)


def main() -> int:
    summary = (__doc__ or "").splitlines()[0]
    options = argparse.ArgumentParser(prog="python -m tests.kafka.side_by_side", description=summary)
    options.add_argument("ref", help="a commit or tag of the older version")
    options.add_argument("--orders", type=int, default=60)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="waybill-side-by-side-"))
    problems = upgrade(chosen.ref, chosen.orders, folder)
    sys.stdout.write("\n".join(problems[:40] or ["Every event and every effect exactly once."]) + "\n")
    if problems:
        sys.stdout.write(f"It did not hold; logs in {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
