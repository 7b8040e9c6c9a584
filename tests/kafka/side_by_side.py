"""Workers of two versions in the same consumer groups, replaced one after the other while orders are under way.

    python -m tests.kafka.side_by_side REF [--orders 60]

REF is a commit or tag. Two workers share the lanes of two partitions. The course makes each version read what the other
one writes, in both directions:

1. Both workers are of the older version and run every role.
2. The first one comes back as it is here, with the roles that decide. The older one has all lanes that call providers.
3. The first one comes back with the roles that call. The older one takes over what the newer one has decided.
4. The older one is killed with -9 and comes back as it is here, with every role.

Orders appear in each part. The older worker may refuse what the newer one wrote, with its sentence and exit code 78:
then it comes back as it is here at once. In the end every order must have completed, every event must be there once and
every provider must have seen every effect once. Both versions run with the packages that are installed here.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
from tests.kafka.storm_rounds import conclude
from tests.kafka.upgrade import extract

PARTITIONS: Final = 2
WAVES: Final = 3
DECIDING: Final = ("orchestrate", "source", "mirror", "pull")
CALLING: Final = ("perform", "apply", "mirror", "pull")
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

    def worker(self, root: Path, name: str, port: int, roles: Sequence[str] = ROLES) -> OneWorker:
        environment = {**self._environment, "WAYBILL_HOME": str(self._folder / name)}
        return OneWorker(root, self._folder / f"{name}.log", environment, *roles, port=port)

    def run(self, webhook_port: int) -> list[str]:
        """Return what is wrong after the upgrade. Webhooks go to the first worker, which keeps its port."""
        first = self.worker(self._old, "first-old", webhook_port)
        second = self.worker(self._old, "second-old", free_port())
        problems: list[str] = []
        try:
            self.go_on(second)
            for name, roles in (("first-decides", DECIDING), ("first-calls", CALLING)):
                first.stop()
                first = self.worker(ROOT, name, webhook_port, roles)
                self.go_on(second)
                if has_ended(second):
                    problems += refusal(second)
                    second = self.worker(ROOT, f"second-beside-{name}", free_port())
            second.kill()
            second = self.worker(ROOT, "second-new", free_port())
            with suppress(StandstillError):  # the judge says what is missing
                wait_for("every order has ended", lambda: self.look() >= self.seeded, LIMIT_S)
                wait_for("nothing is missing", lambda: not self.problems(), LIMIT_S)
            return problems
        finally:
            first.stop()
            second.stop()

    def go_on(self, second: OneWorker) -> None:
        """Let orders appear, and return when more have ended than there were before, or the older worker has."""
        before = self.seeded
        self._ids = seed_orders(self._simulators, self._each, f"UP{self._waves}", self._ids)
        self._waves, self.seeded = self._waves + 1, before + self._each * len(SCENARIOS)
        wait_for("orders end", lambda: self.look() > before or has_ended(second), LIMIT_S)

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
    """Return what is wrong with how the older worker ended."""
    code = worker.process.poll()
    if code == EXIT_REFUSED and any(sentence in worker.said for sentence in REFUSALS):
        return []
    return [f"the older worker ended with {code}:\n{worker.said[-3000:]}"]


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
            each = max(1, orders // len(SCENARIOS) // WAVES)
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
    return conclude(problems, folder)


if __name__ == "__main__":
    sys.exit(main())
