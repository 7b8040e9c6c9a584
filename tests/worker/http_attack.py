"""Attacks on a worker's web server, and what its event loop felt: `python -m tests.worker.http_attack`."""

import asyncio
import gzip
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

LIMIT_S: Final = 60.0
SIGNED_WRONG: Final = f"webhook-id: m\r\nwebhook-timestamp: {int(time.time())}\r\nwebhook-signature: v1,AAAA\r\n"
BOMB: Final = gzip.compress(bytes(200 << 20), 1)
Attack = Callable[["Target"], Coroutine[Any, Any, None]]


class Target:
    """A web server of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def begin(self, request: bytes) -> asyncio.StreamWriter:
        """Send bytes on a connection of their own, which stays open."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        return writer

    async def send(self, request: bytes) -> bytes:
        """Send bytes on a connection of their own and return all that comes back, b"" when it is cut."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), LIMIT_S)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def get(self, path: str, *headers: str, host: str = "localhost") -> int:
        """Return the status of the answer to a request of one connection, 0 when it is cut."""
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
        return status_of(await self.send("\r\n".join(lines).encode()))

    async def open_half_sent(self, count: int) -> list[asyncio.StreamWriter]:
        """Open connections that send the beginning of a request and no more."""
        return [await self.begin(b"POST /webhooks/flexe HTTP/1.1\r\nHost: localhost\r\nX-") for _ in range(count)]


class Stand(Target):
    """The server in its own process, and what it says of itself. `log` is what it wrote, once it has ended."""

    log = ""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        super().__init__(port)
        self._process = process

    async def report(self) -> dict[str, Any]:
        """Return what the loop felt since the last report."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), LIMIT_S)
        return dict(json.loads(line))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def post(path: str, body: bytes, headers: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def stand(**environment: str) -> AsyncIterator[Stand]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.worker.http_stand"),
        env={**clean, "WAYBILL_WEB_PORT": "0", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    port = await asyncio.wait_for(process.stdout.readline(), LIMIT_S)
    stand = Stand(process, int(port))
    yield stand
    process.stdin.close()
    stand.log = (await asyncio.wait_for(process.stderr.read(), LIMIT_S)).decode()
    assert await process.wait() == 0, stand.log


async def many(count: int, at_once: int, send: Callable[[], Awaitable[object]]) -> None:
    turns = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with turns:
            await send()

    await asyncio.gather(*(one() for _ in range(count)))


async def packed_bombs(target: Target) -> None:
    bomb = post("/webhooks/flexe", BOMB, "Content-Encoding: gzip\r\n")
    await many(20, 20, lambda: target.send(bomb))


async def large_posts(target: Target) -> None:
    await many(20, 20, lambda: target.send(post("/webhooks/flexe", bytes(1 << 20), SIGNED_WRONG)))


async def unsigned_flood(target: Target) -> None:
    await many(1000, 64, lambda: target.send(post("/webhooks/flexe", b" " * (256 << 10), SIGNED_WRONG)))


async def unsigned_small_flood(target: Target) -> None:
    await many(3000, 64, lambda: target.send(post("/webhooks/flexe", b"{}")))


async def tiny_chunks(target: Target) -> None:
    head = b"POST /webhooks/flexe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    request = head + SIGNED_WRONG.encode() + b"\r\n" + b"1\r\n \r\n" * (200 << 10) + b"0\r\n\r\n"
    await many(20, 20, lambda: target.send(request))


async def half_sent(target: Target) -> None:
    for writer in await target.open_half_sent(400):
        writer.close()


async def metrics(target: Target) -> None:
    await many(1000, 64, lambda: target.get("/metrics"))


async def pipelined(target: Target) -> None:
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    await many(64, 64, lambda: target.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20 + last))


async def no_http(target: Target) -> None:
    await many(3000, 64, lambda: target.send(b"\x16\x03\x01\x02\x00\x01\x00 hello\r\n\r\n"))


async def huge_headers(target: Target) -> None:
    lines = "".join(f"x-{number}: {'y' * 8000}\r\n" for number in range(60))
    await many(200, 64, lambda: target.send(post("/webhooks/flexe", b"{}", lines)))


async def schemas(target: Target) -> None:
    fields = ",".join(f'{{"name":"f{number}","type":["null","string","long"]}}' for number in range(900))
    schema = json.dumps({"schema": f'{{"type":"record","name":"R","fields":[{fields}]}}'}).encode()
    path = "/compatibility/subjects/order-created-value/versions/latest"
    await many(20, 20, lambda: target.send(post(path, schema)))


ATTACKS: Final[tuple[Attack, ...]] = (
    packed_bombs,
    large_posts,
    unsigned_flood,
    unsigned_small_flood,
    tiny_chunks,
    half_sent,
    metrics,
    pipelined,
    no_http,
    huge_headers,
    schemas,
)


def ask_health(port: int, is_over: threading.Event) -> list[float]:
    """Ask again and again until it is over. Return how long each answer took; none may be missing."""
    seconds = []
    while not is_over.wait(0.01):
        before = time.monotonic()
        connection = http.client.HTTPConnection("localhost", port, timeout=LIMIT_S)
        connection.request("GET", "/health", headers={"Connection": "close"})
        assert connection.getresponse().status == 200
        connection.close()
        seconds.append(time.monotonic() - before)
    return seconds


async def main() -> None:
    sys.stdout.write(f"{'attack':22}{'seconds':>9}{'CPU s':>9}{'pause ms':>10}{'/health ms':>12}  refused\n")
    for attack in ATTACKS:
        async with stand() as target:
            await target.get("/metrics")
            await target.report()
            before = time.monotonic()
            is_over = threading.Event()
            asking = asyncio.create_task(asyncio.to_thread(ask_health, target.port, is_over))
            await attack(target)
            is_over.set()
            health_s = max(await asking, default=0.0)
            seconds, felt = time.monotonic() - before, await target.report()
        name = attack.__name__.replace("_", " ")
        sys.stdout.write(
            f"{name:22}{seconds:9.2f}{felt['cpu_s']:9.2f}{felt['pause_ms']:10.1f}{health_s * 1000:12.1f}"
            f"  {felt['refused']}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
