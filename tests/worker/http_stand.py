"""A worker's web server by itself, in a process of its own: all views, the access check, Flexe's webhooks, no Kafka.

`python -m tests.worker.http_stand` writes its port. For each line on its standard input it writes a line of JSON: how
long its event loop stood still at most since the last one, as lanes would have felt it, the seconds of a processor that
it used, and its refusals by cause.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from app.events.codec import load
from app.events.record import Output
from app.providers.flexe.webhook import receive
from app.providers.webhooks import Received
from app.secrets import Secret
from app.settings import Settings
from app.worker import http_views
from app.worker.http_access import HttpAccess
from app.worker.http_server import HttpServer
from app.worker.listening import is_loopback, listen
from app.worker.main import log_to_stderr
from app.worker.metrics import Collectors
from app.worker.serving import GARBAGE_THRESHOLDS
from app.worker.webhook_intake import WebhookIntake

SECRET: Final = "whsec_c2VjcmV0LW9mLXRoZS1zdGFuZA=="
PULSE_S: Final = 0.002


class Stored:
    """Kafka, which takes everything."""

    async def publish(self, outputs: Sequence[Output]) -> None:
        await asyncio.sleep(0)


async def find(order_id: str) -> Mapping[str, Any] | None:
    return {"order_id": order_id} if order_id == "bc-1" else None


def of_flexe(headers: Mapping[str, str], body: bytes, now_s: float) -> Received:
    return receive(headers, body, {"WEBHOOK_SECRET": SECRET, "OWNER_ID": "waybill"}, now_s)


class Pulse:
    """Wakes every few milliseconds, and notes how much of a processor was used in between: other processes add none."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def beat(self) -> None:
        while True:
            before = time.process_time()
            await asyncio.sleep(PULSE_S)
            self.longest_s = max(self.longest_s, time.process_time() - before)


async def main() -> None:
    log_to_stderr()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    if handles := int(os.environ.get("STAND_HANDLES", "0")):
        resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))
    registry = CollectorRegistry()
    collectors, codec, settings = Collectors(registry), load(), Settings.from_env(os.environ)
    token = Secret("WAYBILL_WEB_TOKEN", os.environ)
    intake = WebhookIntake({"flexe": of_flexe}, Stored(), codec, lambda *_: None)
    pulse = Pulse()
    with listen(settings) as listening:
        access = HttpAccess(token, on_loopback=is_loopback(listening), count=collectors.refused)
        application = web.Application(middlewares=[access.check])
        http_views.register(application, codec.schemas, registry, [], find, intake)
        async with HttpServer(application, listening, collectors.refused):
            beating = asyncio.create_task(pulse.beat())
            write(listening.getsockname()[1])
            await report(pulse, collectors)
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating


async def report(pulse: Pulse, collectors: Collectors) -> None:
    """Answer each line of standard input; return at its end."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    cpu_s = time.process_time()
    while await lines.readline():
        used_s = time.process_time() - cpu_s
        refused = {each.labels["cause"]: each.value for each in samples(collectors)}
        write({"pause_ms": round(pulse.longest_s * 1000, 1), "cpu_s": round(used_s, 3), "refused": refused})
        pulse.longest_s, cpu_s = 0.0, time.process_time()


def write(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def samples(collectors: Collectors) -> list[Any]:
    (family,) = collectors.http_refusals.collect()
    return [sample for sample in family.samples if sample.name.endswith("_total")]


if __name__ == "__main__":
    asyncio.run(main())
