"""The web server against callers who use up what they can: connections, file handles, time, memory, the log."""

import asyncio
import gzip
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from app.settings import Settings
from app.worker import http_server
from app.worker.http_server import HttpServer
from app.worker.listening import listen
from tests.worker import http_attack
from tests.worker.http_attack import Target, post, status_of

CONNECTIONS = 4
HANDLES = 40
FLOOD = 100
LOG_BYTES_MAX = 20_000
LARGE = 20 << 20
"""Bytes of an answer that no buffer of a connection holds."""


PIECES = (
    *(b"GET /health HTTP/1.1\r\n", b"POST /take HTTP/1.1\r\n", b"Host: localhost\r\n", b"\r\n", b"\r\n\r\n"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Expect: 100-continue\r\n", b"Content-Encoding: gzip\r\n"),
    *(
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"fffffffffffffffff\r\n",
        b"hello",
        b"GET http://[ HTTP/1.1\r\n",
        b"Cookie: =;\r\n",
    ),
)
"""Parts of requests, in whatever order."""


class Served(Target):
    """A server in this process. `/wait` answers once `gate` is set, `/large` with more than fits into a connection."""

    def __init__(self, port: int, refused: Counter[str]) -> None:
        super().__init__(port)
        self.refused, self.gate = refused, asyncio.Event()
        self.waiting = asyncio.Semaphore(0)
        self.bodies: list[bytes] = []


@asynccontextmanager
async def opened() -> AsyncIterator[Served]:
    refused = Counter[str]()
    application = web.Application()
    with listen(Settings.from_env({"WAYBILL_WEB_PORT": "0"})) as listening:
        served = Served(listening.getsockname()[1], refused)

        async def health(_: web.Request) -> web.Response:
            return web.Response()

        async def wait(_: web.Request) -> web.Response:
            served.waiting.release()
            await served.gate.wait()
            return web.Response()

        async def large(_: web.Request) -> web.Response:
            return web.Response(body=bytes(LARGE))

        async def take(request: web.Request) -> web.Response:
            served.bodies.append(await request.read())
            return web.Response(status=202)

        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=int(request.match_info["status"]))

        application.add_routes([web.post("/answer/{status}", answer)])
        application.add_routes(
            [web.get("/health", health), web.get("/wait", wait), web.get("/large", large), web.post("/take", take)]
        )

        def count(cause: str) -> None:
            refused[cause] += 1

        async with HttpServer(application, listening, count, connections_max=CONNECTIONS):
            yield served


class Log(logging.Handler):
    """All that is written to the log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines = list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def log_lines() -> Iterator[list[str]]:
    log = Log()
    logging.getLogger().addHandler(log)
    yield log.lines
    logging.getLogger().removeHandler(log)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with opened() as served, asyncio.timeout(http_attack.LIMIT_S):
        yield served


async def test_half_sent_requests_make_room_for_others(served: Served) -> None:
    writers = await served.open_half_sent(3 * CONNECTIONS)
    assert await served.get("/health") == 200
    assert served.refused["no_room"] >= 2 * CONNECTIONS
    for writer in writers:
        writer.close()


async def test_who_does_not_read_an_answer_makes_room_for_others(served: Served) -> None:
    writers = [await served.begin(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(CONNECTIONS)]
    assert await served.get("/health") == 200
    assert served.refused["no_room"] >= 1
    for writer in writers:
        writer.close()


async def test_who_does_not_send_a_body_makes_room_for_others(served: Served) -> None:
    request = post("/take", bytes(100))[:-1]
    writers = [await served.begin(request) for _ in range(CONNECTIONS)]
    assert await served.get("/health") == 200
    assert served.bodies == []
    for writer in writers:
        writer.close()


async def test_a_request_that_is_being_answered_is_not_cut(served: Served) -> None:
    waiting = [asyncio.create_task(served.get("/wait")) for _ in range(CONNECTIONS)]
    for _ in waiting:
        await served.waiting.acquire()
    another = asyncio.create_task(served.get("/health"))
    done, _ = await asyncio.wait([another, *waiting], timeout=2 * http_server.GRACE_S)
    assert not done
    served.gate.set()
    assert await asyncio.gather(another, *waiting) == [200] * (CONNECTIONS + 1)
    assert not served.refused


@pytest.mark.parametrize("path", ["/health", "/nothing"])
async def test_a_connection_serves_one_request_while_others_wait_to_connect(served: Served, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"

    async def count_answers() -> int:
        return (await served.send(f"{request}\r\n{request}Connection: close\r\n\r\n".encode())).count(b"HTTP/1.1 ")

    assert await count_answers() == 2
    writers = [await served.begin(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(CONNECTIONS - 1)]
    for _ in writers:
        await served.waiting.acquire()
    assert await count_answers() == 1
    served.gate.set()
    for writer in writers:
        writer.close()


async def test_a_request_that_does_not_come_in_time_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "REQUEST_S_MAX", 0.05)
    async with opened() as served, asyncio.timeout(http_attack.LIMIT_S):
        assert await served.send(b"GET /health HTTP/1.1\r\nHost: loc") == b""
        assert await served.send(b"") == b""


async def test_a_compressed_body_is_refused_and_never_unpacked(served: Served) -> None:
    packed = gzip.compress(bytes(1 << 20))
    for encoding in ("gzip", "deflate", "br", "zstd", "identity, gzip"):
        answer = await served.send(post("/take", packed, f"Content-Encoding: {encoding}\r\n"))
        assert status_of(answer) == 415
        assert b"content-encoding" in answer
    assert status_of(await served.send(post("/take", packed, "Content-Encoding: identity\r\n"))) == 202
    assert (served.refused, served.bodies) == ({"compressed": 5}, [packed])


async def test_a_body_in_chunks_is_refused_and_not_read_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "LINGER_S", 10 * http_attack.LIMIT_S)
    head = b"POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status_of(await served.send(head + b"1\r\nx\r\n")) == 411
    assert (served.refused, served.bodies) == ({"chunked": 1}, [])


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * http_server.LINE_BYTES_MAX),
        b"GET / HTTP/1.1\r\nx: %s\r\n\r\n" % (b"x" * http_server.LINE_BYTES_MAX),
        b"GET / HTTP/1.1\r\n%s\r\n" % (b"x: y\r\n" * (http_server.HEADERS_MAX + 1)),
        b"POST /take HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /take HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_counted_and_writes_nothing_into_the_log(
    served: Served, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert status_of(await served.send(request_bytes + b"\r\n\r\n")) == 400
    assert (served.refused, served.bodies, caplog.messages) == ({"malformed": 1}, [], [])


async def test_refusals_of_views_are_counted_by_cause(served: Served) -> None:
    statuses = [status_of(await served.send(post(f"/answer/{status}", b""))) for status in (408, 413, 202, 404)]
    assert statuses == [408, 413, 202, 404]
    assert served.refused == {"incomplete": 1, "too_large": 1}


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(PIECES)), max_size=12).map(b"".join))
def test_whatever_bytes_come_others_are_served_and_the_log_stays_empty(request_bytes: bytes) -> None:
    async def send() -> None:
        async with opened() as served:
            writer = await served.begin(request_bytes)
            await writer.drain()
            assert await served.get("/health") == 200
            writer.close()

    with log_lines() as lines:
        asyncio.run(send())
    assert lines == []


async def test_a_process_that_is_out_of_file_handles_serves_on_and_writes_little() -> None:
    async with http_attack.stand(STAND_HANDLES=str(HANDLES)) as stand:
        writers = await stand.open_half_sent(FLOOD)
        assert [await stand.get("/health") for _ in range(3)] == [200] * 3
        for writer in writers:
            writer.close()
        assert await stand.get("/health") == 200
        assert (await stand.report())["refused"]["no_room"] > FLOOD - 2 * HANDLES
    assert "no connection can be taken" in stand.log
    assert len(stand.log) < LOG_BYTES_MAX
