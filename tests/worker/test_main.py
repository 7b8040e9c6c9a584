"""The web port of a worker that waits for its broker: what it shows on an address that other machines reach."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from app.sandbox.local.ports import free_port
from tests.worker.http_attack import LIMIT_S, Target

TOKEN = "0123456789abcdef"
PORT = re.compile(rb"web views on http://0\.0\.0\.0:([0-9]+)")


@asynccontextmanager
async def waiting_worker(**environment: str) -> AsyncIterator[tuple[Target, list[str]]]:
    """A worker without a broker, and the lines that it has logged until its web port answers."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "worker", "orchestrate"),
        env={**clean, **nowhere, "WAYBILL_WEB_HOST": "0.0.0.0", "WAYBILL_WEB_PORT": "0", **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    log: list[str] = []
    try:
        port = None
        while port is None:
            line = await asyncio.wait_for(process.stderr.readline(), LIMIT_S)
            assert line, log
            log.append(line.decode())
            port = PORT.search(line)
        target = Target(int(port[1]))
        assert await target.get("/health") == 200
        yield target, log
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        log.append((await process.stderr.read()).decode())
        await process.wait()


async def test_without_a_token_it_shows_no_orders_and_says_so() -> None:
    async with waiting_worker() as (worker, log):
        assert await worker.get("/ready", host="worker.example") == 503
        for path in ("/orders/web-1", "/subjects", "/"):
            assert await worker.get(path) == 403
    assert "orders and schemas are not shown" in "".join(log)


async def test_with_a_token_it_shows_them_to_whoever_has_it() -> None:
    async with waiting_worker(WAYBILL_WEB_TOKEN=TOKEN) as (worker, log):
        assert await worker.get("/subjects", f"Authorization: Bearer {TOKEN}") == 200
        assert await worker.get("/subjects", f"Authorization: Bearer {TOKEN[::-1]}") == 401
        assert await worker.get("/subjects") == 401
    assert TOKEN not in "".join(log)
