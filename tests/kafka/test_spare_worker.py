"""Two workers of one role on one host, with one partition for both: each has a port of its own, the spare one is ready,
and it goes on when the other one is gone. When somebody adds a partition it ends, and says what to do."""

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from app.events.catalog import ERP_ROWS as ROWS
from app.kafka import topic_admin, topics
from app.sandbox.local import broker
from app.worker.process_end import EXIT_REFUSED
from tests.kafka.processes import wait_for

LIMIT_S = 180.0


class Started:
    """A worker that was told no port; it says which one it took."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as out:
            command = [sys.executable, "-m", "app", "worker", "mirror"]
            self.process = subprocess.Popen(command, env=environment, stderr=out, stdin=subprocess.DEVNULL)

    def url(self) -> str:
        assert self.process.poll() is None, self._log.read_text()
        found = re.search(r"web views on (http://127\.0\.0\.1:\d+) ", self._log.read_text())
        return found[1] if found else ""

    def ready(self) -> dict[str, Any] | None:
        """What its view says once it is ready."""
        if not self.url():
            return None
        try:
            with urllib.request.urlopen(f"{self.url()}/ready", timeout=5) as answer:
                body: dict[str, Any] = json.loads(answer.read())
                return body
        except urllib.error.HTTPError as refused:
            refused.close()
        except OSError:
            pass
        return None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def lanes(body: dict[str, Any] | None) -> list[int]:
    return [lane["partition"] for lane in body["lanes"]["waybill-mirror"]] if body else []


async def add_a_partition(bootstrap_servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    await admin.create_partitions({topic: NewPartitions(2)})
    await admin.close()


def run(*arguments: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.kafka
def test_a_spare_worker_has_its_port_is_ready_and_takes_over(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")}
    workers: list[Started] = []
    with broker.temporary() as info:
        asyncio.run(topic_admin.apply(info.cluster, topics.load(1)))
        environment = {**clean, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "WAYBILL_PARTITIONS": "1"}
        try:
            workers.extend(Started(tmp_path / f"{name}.log", environment) for name in ("one", "two"))
            wait_for("both are ready", lambda: all(worker.ready() for worker in workers), LIMIT_S)
            assert workers[0].url() != workers[1].url()
            owner, spare = sorted(workers, key=lambda worker: lanes(worker.ready()), reverse=True)
            assert (lanes(owner.ready()), lanes(spare.ready())) == ([0], [])
            owner.end()
            wait_for("the spare one took over", lambda: lanes(spare.ready()) == [0], LIMIT_S)
            asyncio.run(add_a_partition(info.bootstrap_servers, ROWS))
            assert spare.process.wait(LIMIT_S) == EXIT_REFUSED
            assert f"was given {ROWS}/1: somebody has raised the number of partitions, which was 1" in spare.log
            checked = run("topics", "check", "--json", environment=environment)
            drift = {"topic": ROWS, "setting": "partitions", "wanted": "1", "found": "2"}
            assert drift in json.loads(checked.stdout)
            again = run("worker", "mirror", environment=environment)
            assert again.returncode == 1
            assert f"{ROWS} has 2, not 1" in again.stderr
        finally:
            for worker in workers:
                worker.end()
