"""The storm over stock: two processes of `source` are killed with -9 and paused while orders fight for scarce items.

    python -m tests.kafka.source_storm [--orders N] [--seconds N] [--seed N]

Requests, receipts, shipments and cancellations are written as other systems write them (librdkafka, fastavro). In the
end tests/kafka/stocktaking.py counts from the topics. The exit code says whether everything held.
"""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import fastavro
from confluent_kafka import Producer

from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from tests.kafka import stocktaking
from tests.kafka.black_box import SCHEMAS, Found, Reader
from tests.kafka.processes import kill, wait_for

POOL: Final = "main"
SKUS: Final = tuple(f"NW-{number:03}" for number in range(1, 25))
SITES: Final = {"EU-HAM": "EU", "US-SEA": "US", "SA-GRU": "SA"}
CITIES: Final = (("Berlin", "DE"), ("Paris", "FR"), ("Portland", "US"), ("Rio de Janeiro", "BR"), ("Nowhere", "DE"))
BETWEEN_S: Final = (0.8, 2.5)
PAUSED_S: Final = (7.0, 10.0)
"""Beyond the session time-out of 6 s."""
HURRIED: Final = {"WAYBILL_BACKORDER_JOB_S": "5", "WAYBILL_SOURCING_BATCH_MS": "400"}
"""The job runs often, and requests wait so long for their batch that a death finds some of them waiting."""
START_LIMIT_S: Final = 180.0
FINISH_LIMIT_S: Final = 300.0
LOOK_S: Final = 3.0
KILLS_MIN: Final = 2
"""A storm goes on until it has killed so often: on a busy machine an owner may be long in coming."""
LANE_LOST: Final = 70


class Pen:
    """Writes Avro records with the newest schemas, as any producer may: keyed, and put where librdkafka puts them."""

    def __init__(self, servers: str) -> None:
        lock = json.loads((SCHEMAS / "lock.json").read_text(encoding="utf-8"))
        self._schemas = {}
        for subject, versions in lock.items():
            newest = versions[max(versions, key=int)]
            schema = fastavro.parse_schema(json.loads((SCHEMAS / newest["file"]).read_bytes()))
            self._schemas[subject.removesuffix("-value")] = (newest["id"], schema)
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "log_level": 0})

    def write(self, topic: str, key: str, body: Mapping[str, Any], *, twice: bool = False) -> None:
        """`twice`: the producer tells the same event again, as one does that never got an answer."""
        number, schema = self._schemas[topic]
        value = io.BytesIO()
        value.write(b"\x00" + number.to_bytes(4, "big"))
        fastavro.schemaless_writer(value, schema, body)
        headers: list[tuple[str, str | bytes | None]] = [("ce_id", uuid.uuid4().hex), ("ce_source", "storm")]
        for _ in range(2 if twice else 1):
            self._producer.produce(topic, value.getvalue(), key, headers=headers)
        self._producer.poll(0)

    def flush(self) -> None:
        self._producer.flush(30)

    def close(self) -> None:
        self._producer.close()


class Worker:
    """One process of `source` that is started again when it ends, as a supervisor would."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._log, self._environment, self.ends = folder / f"{name}.log", environment, Counter[int]()
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        self.port = free_port()
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "app", "worker", "source"]
            environment = {**self._environment, "WAYBILL_WEB_PORT": str(self.port)}
            return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def keep(self) -> None:
        code = self.process.poll()
        if code is not None:
            self.ends[code] += 1
            self.process = self._start()

    def owns(self, partition: int) -> bool:
        """Whether it says that it has that lane."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=1) as answer:
                (lanes,) = json.load(answer)["lanes"].values()
        except (OSError, ValueError):
            return False
        return any(lane["partition"] == partition and lane["opened"] for lane in lanes)

    def problems(self) -> list[str]:
        return [f"source ended with {code}" for code in self.ends if code not in (-signal.SIGKILL, LANE_LOST)]

    def close(self) -> None:
        kill(self.process.pid, signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Trade:
    """Orders, receipts and what becomes of reservations, by a seeded plan."""

    def __init__(self, pen: Pen, orders: int, dice: Random) -> None:
        self._pen, self._orders, self._dice = pen, orders, dice
        self.asked = self.reacted = 0

    def open(self) -> None:
        for sku in SKUS:
            for warehouse, site in SITES.items():
                self._stock(sku, warehouse, site, self._dice.randint(0, 12), "set")

    def ask(self, until: int) -> None:
        """Orders up to that number, and now and then a receipt."""
        while self.asked < min(until, self._orders):
            self.asked += 1
            name = f"storm-{self.asked}"
            lines = [self._line(number) for number in range(1, self._dice.randint(1, 4) + 1)]
            request = {
                "order": _order(name, lines, self._dice.choice(CITIES)), "effect_id": f"effect-{name}",
                "provider": "dom", "action": "Send to fulfillment optimization", "attempt": 1, "through": "sourcing",
                "pool": POOL,
            }  # fmt: skip
            self._pen.write("sourcing-requested", name, request, twice=self._dice.random() < 0.1)
            if self._dice.random() < 0.4:
                warehouse, site = self._dice.choice(list(SITES.items()))
                self._stock(self._dice.choice(SKUS), warehouse, site, self._dice.randint(1, 15), "add")
            if self._dice.random() < 0.02:
                self._command("run backorders", "", ())

    def react(self, result: Found) -> None:
        """Some lines leave, some are canceled, some stay reserved; a few that wait give up."""
        body = result.body or {}
        self.reacted += 1
        for issued in body["fulfillment_orders"]:
            for part in issued["lines"]:
                fate, where = self._dice.random(), (part["line_id"], issued["warehouse"])
                if fate < 0.7:
                    self._command("confirm" if fate < 0.55 else "release", body["order_id"], (where,))
        if body["waits"] and self._dice.random() < 0.05:
            self._command("release", body["order_id"], [(part["line_id"], "") for part in body["unsourced"]])

    def _line(self, number: int) -> tuple[str, str, Decimal]:
        return str(number), self._dice.choice(SKUS), Decimal(self._dice.randint(1, 6))

    def _stock(self, sku: str, warehouse: str, site: str, pieces: int, kind: str) -> None:
        body = {
            "sku": sku, "site": site, "warehouse": warehouse, "kind": kind, "quantity": Decimal(pieces), "pool": POOL
        }  # fmt: skip
        self._pen.write("stock-change", sku, body, twice=self._dice.random() < 0.1)

    def _command(self, command: str, order: str, lines: Any) -> None:
        named = [{"line_id": line, "warehouse": warehouse} for line, warehouse in lines]
        body = {"pool": POOL, "command": command, "order_id": order, "lines": named}
        self._pen.write("sourcing-command", order or POOL, body, twice=self._dice.random() < 0.1)


def _order(name: str, lines: list[tuple[str, str, Decimal]], city: tuple[str, str]) -> dict[str, Any]:
    address = {"name": "Storm", "city": city[0], "country": city[1]}
    made = [
        {"line_id": line, "sku": sku, "name": sku, "quantity": quantity, "unit_price": Decimal(1), "total": quantity}
        for line, sku, quantity in lines
    ]
    amounts = dict.fromkeys(("subtotal", "shipping", "tax", "discount", "total"), Decimal(0))
    head = {"order_id": name, "origin": "external", "source_ref": name, "channel": "storm", "currency": "EUR"}
    return {**head, **amounts, "placed_at": 0, "ship_to": address, "bill_to": address, "lines": made}


@dataclass(frozen=True)
class Verdict:
    problems: list[str]
    kills: int
    pauses: int
    requests: int
    sourced: int
    waiting: int
    seconds: float

    def __str__(self) -> str:
        counted = f"{self.requests} orders, {self.sourced} lines sourced, {self.waiting} waiting"
        done = f"owner killed {self.kills} times, paused {self.pauses} in {self.seconds:.0f} s"
        return f"{counted}; {done}; {len(self.problems)} problems"


class Storm:
    """One storm on one broker. `seconds`: how long processes are killed and paused at most."""

    def __init__(self, folder: Path, servers: str, orders: int, seconds: float, seed: int) -> None:
        self._folder, self._servers, self._orders, self._seconds = folder, servers, orders, seconds
        self._dice = Random(seed)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
        self._environment = {**clean, "KAFKA_BOOTSTRAP_SERVERS": servers, **HURRIED}
        self.kills = self.pauses = 0
        self._asleep: dict[int, float] = {}

    def run(self) -> Verdict:
        began = time.monotonic()
        self._waybill("topics", "apply")
        with ExitStack() as stack:
            workers = [Worker(f"source-{number}", self._folder, self._environment) for number in (1, 2)]
            for worker in workers:
                stack.callback(worker.close)
            reader = stack.enter_context(closing(Reader(self._servers)))
            pen = stack.enter_context(closing(Pen(self._servers)))
            trade = Trade(pen, self._orders, self._dice)
            trade.open()
            wait_for("a process owns a lane", lambda: any(map(self._an_owner, workers)), START_LIMIT_S)
            self._through(workers, reader, trade, pen)
            said, found = self._in_the_end(workers, reader, trade, pen)
        made = stocktaking.count(found)
        waiting = sum(map(len, made.waiting.values()))
        seconds = time.monotonic() - began
        return Verdict(said, self.kills, self.pauses, len(made.effects), len(made.given), waiting, seconds)

    def _through(self, workers: list[Worker], reader: Reader, trade: Trade, pen: Pen) -> None:
        """Trade while the owner is killed and paused; returns when all orders are asked for and all processes awake."""
        began = time.monotonic()
        deeds = self._deeds(workers, began + self._seconds)
        while not next(deeds, True) or trade.asked < self._orders:
            passed = (time.monotonic() - began) / (self._seconds * 0.9)
            trade.ask(int(self._orders * passed) + 1)
            self._tend(workers, reader, trade, pen)

    def _tend(self, workers: list[Worker], reader: Reader, trade: Trade, pen: Pen) -> None:
        for record in reader.more():
            if record.topic == "sourcing-result":
                trade.react(record)
        pen.flush()
        for worker in workers:
            worker.keep()

    def _in_the_end(
        self, workers: list[Worker], reader: Reader, trade: Trade, pen: Pen
    ) -> tuple[list[str], list[Found]]:
        """What is wrong once everything is done. What a lane has not come to yet is not wrong: it is given its time."""
        deadline = time.monotonic() + FINISH_LIMIT_S
        while True:
            rest_at = time.monotonic() + LOOK_S
            while time.monotonic() < rest_at:
                self._tend(workers, reader, trade, pen)
            believed = json.loads(self._waybill("stock", "list", "--json"))
            with closing(Reader(self._servers)) as judge:
                found = judge.to_end()
            said = [*self._unseen(found, trade), *stocktaking.problems(found, believed)]
            if not said or time.monotonic() > deadline:
                return said + [problem for worker in workers for problem in worker.problems()], found

    def _unseen(self, found: list[Found], trade: Trade) -> Iterator[str]:
        """A transaction that a dead process left open hides what comes after it, until its lane is taken over."""
        results = sum(record.topic == "sourcing-result" for record in found)
        requests = {record.event_id for record in found if record.topic == "sourcing-requested"}
        if len(requests) < self._orders or trade.reacted < results:
            yield f"{len(requests)} of {self._orders} requests are seen, {trade.reacted} of {results} results"

    def _deeds(self, workers: list[Worker], until: float) -> Iterator[bool]:
        """Each step kills or pauses the owner when its time has come; ends once all are awake after `until`."""
        due = time.monotonic() + self._dice.uniform(*BETWEEN_S)
        while self._lasts(until) or self._asleep:
            self._wake()
            if (
                due <= time.monotonic()
                and self._lasts(until)
                and (owner := next(filter(self._an_owner, workers), None))
            ):
                due = time.monotonic() + self._dice.uniform(*BETWEEN_S)
                self._do(owner.process.pid)
            yield False

    def _lasts(self, until: float) -> bool:
        now = time.monotonic()
        return now < until or (self.kills < KILLS_MIN and now < until + FINISH_LIMIT_S)

    def _do(self, pid: int) -> None:
        if self._dice.random() < 0.7:
            self.kills += kill(pid, signal.SIGKILL)
        elif kill(pid, signal.SIGSTOP):
            self.pauses += 1
            self._asleep[pid] = time.monotonic() + self._dice.uniform(*PAUSED_S)

    def _wake(self) -> None:
        for pid in [pid for pid, wakes_at in self._asleep.items() if wakes_at <= time.monotonic()]:
            del self._asleep[pid]
            kill(pid, signal.SIGCONT)

    def _an_owner(self, worker: Worker) -> bool:
        return worker.process.pid not in self._asleep and worker.owns(HOME)

    def _waybill(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "app", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout


HOME: Final = 3
"""The partition of pool main among four, by murmur2."""


def storm(orders: int, seconds: float, seed: int, folder: Path) -> Verdict:
    """A storm on a broker of its own; `folder` takes all logs."""
    with broker.temporary() as info:
        return Storm(folder, info.bootstrap_servers, orders, seconds, seed).run()


def main() -> int:
    said = (__doc__ or "").splitlines()[0]
    options = argparse.ArgumentParser(prog="python -m tests.kafka.source_storm", description=said)
    options.add_argument("--orders", type=int, default=5_000)
    options.add_argument("--seconds", type=float, default=300, help="how long to kill and pause")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="waybill-source-storm-"))
    verdict = storm(chosen.orders, chosen.seconds, chosen.seed, folder)
    held = "No SKU oversold, no reservation lost." if not verdict.problems else f"It did not hold; logs in {folder}"
    sys.stdout.write("\n".join([str(verdict), *verdict.problems[:100], held]) + "\n")
    if not verdict.problems:
        shutil.rmtree(folder)
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
