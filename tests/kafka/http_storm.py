"""Attacks on the web port of a worker that folds orders: `python -m tests.kafka.http_storm`.

The worker may open 256 files. For each attack of tests/worker/http_attack.py it prints how long some thousand orders
took meanwhile, beside the time that they took in peace; at the end how many files the worker had open, and its log.
"""

import asyncio
import copy
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from app import resources
from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from tests.kafka import black_box
from tests.kafka.one_worker import OneWorker
from tests.kafka.processes import wait_for
from tests.repository_copy import run_in
from tests.worker import http_attack
from tests.worker.http_attack import Attack, Target

ORDERS: Final = 5_000
HANDLES: Final = 256
LIMIT_S: Final = 300.0


def main() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    log = Path(tempfile.mkdtemp(prefix="waybill-http-storm-")) / "worker.log"
    with broker.temporary() as info:
        environment = simulated({**clean, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers}, free_port())
        run_in(resources.ROOT, "app", "topics", "apply", environment=environment)
        worker = OneWorker(resources.ROOT, log, environment, "orchestrate")
        try:
            resource.prlimit(worker.process.pid, resource.RLIMIT_NOFILE, (HANDLES, HANDLES))
            say(f"in peace: {fold(worker, info.bootstrap_servers, 'peace'):.1f} s for {ORDERS} orders")
            for attack in http_attack.ATTACKS:
                with under(attack, worker.port):
                    seconds = fold(worker, info.bootstrap_servers, attack.__name__)
                files, written = files_of(worker), log.stat().st_size
                say(f"{attack.__name__}: {seconds:.1f} s; {files} files are open, {written} bytes of log")
            assert worker.asked("/ready")[0] == 200
            assert files_of(worker) < HANDLES
        finally:
            worker.kill()
    say(f"ready; the log is {log}")


def fold(worker: OneWorker, servers: str, name: str) -> float:
    """Return how many seconds the orders took."""
    before, folded = time.monotonic(), worker.counted("waybill_records_total", role="orchestrate")
    example = json.loads((black_box.SCHEMAS / "examples" / "order-created.json").read_text(encoding="utf-8"))
    with Producer({"bootstrap.servers": servers}) as producer:
        for number in range(ORDERS):
            order = copy.deepcopy(example) | {"order_id": f"{name}-{number}"}
            producer.produce("order-created", json.dumps(order).encode(), key=order["order_id"].encode())
            producer.poll(0)
        assert producer.flush(LIMIT_S) == 0
    wait_for(
        "all are folded",
        lambda: worker.counted("waybill_records_total", role="orchestrate") >= folded + ORDERS,
        LIMIT_S,
    )
    return time.monotonic() - before


@contextmanager
def under(attack: Attack, port: int) -> Iterator[None]:
    """Repeat an attack while the block runs."""
    is_over = threading.Event()

    async def repeat() -> None:
        while not is_over.is_set():
            await attack(Target(port))

    attacking = threading.Thread(target=lambda: asyncio.run(repeat()))
    attacking.start()
    try:
        yield
    finally:
        is_over.set()
        attacking.join()


def files_of(worker: OneWorker) -> int:
    return len(os.listdir(f"/proc/{worker.process.pid}/fd"))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
