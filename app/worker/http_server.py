"""A worker's web server: aiohttp on a socket that listens already, with a bound on all that callers can use up.

aiohttp bounds headers and the time that a request may take to come. Two things are done here: the number of
connections is bounded, which aiohttp does not do, and connections are accepted, because asyncio's own server writes a
hundred log lines at each try when the process is out of file handles.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, cast

from aiohttp import web

CONNECTIONS_MAX: Final = 64
"""Connections at a time. More wait in the kernel, and the one that has made us wait longest makes room for them."""
REQUEST_S_MAX: Final = 10.0
"""Seconds that a connection may take for its next request: line and headers."""
GRACE_S: Final = 0.25
"""Seconds that every connection has for its request, however many others come."""
LINE_BYTES_MAX: Final = 8190
"""The request line, and each header: a bearer token of a cloud's identity service has up to 4 KB."""
HEADERS_MAX: Final = 64
READ_BYTES_MAX: Final = 8 << 10
"""Bytes of one connection that are parsed in one turn of the loop; asyncio's own 256 KB can be 40,000 chunks."""
LINGER_S: Final = 1.0
"""Seconds for which a refused body is still read, so that its sender sees the answer."""
STOP_S: Final = 2.0
"""Seconds that running answers may take when the worker stops."""
PAUSE_S: Final = 0.2
"""Seconds until another connection is taken when no file handle was free, and no connection had one."""
_CAUSES: Final = {408: "incomplete", 413: "too_large"}
"""Causes of refusals that are counted by the status of an answer."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Count = Callable[[str], None]
"""Counts a refusal by its cause, of a closed list."""
_journal = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """One connection. `request` is the request that is being answered, None while the other side has to act.

    `since` is the time of the loop from which on we wait for the other side.
    """

    request: web.Request | None = None

    def __init__(self, server: web.Server, connections: "Connections", count: Count) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=REQUEST_S_MAX,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
        self._connections, self._count = connections, count
        self.since = self._loop.time()

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the other side's turn: to send the rest of a request, or to read the answer."""
        return self.request is None or not self.request.content.is_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        transport.max_size = READ_BYTES_MAX  # type: ignore[attr-defined]
        self._connections.add(self, cast(asyncio.Transport, transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._connections.remove(self)

    def stop_reading(self) -> None:
        """Close with the answer that is being made, without reading on: chunks of a byte each cost too much."""
        self._lingering_time = 0.0

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is no HTTP without a line in the log: anybody may send it."""
        if status != 400:
            return super().handle_error(request, status, exc, message)
        self._count("malformed")
        answer = web.json_response({"error": "this is no HTTP request, or its headers are too long"}, status=400)
        answer.force_close()
        return answer


class Connections:
    """The open connections, first the one that we have waited for longest."""

    def __init__(self, connections_max: int, count: Count) -> None:
        self._connections_max, self._count = connections_max, count
        self._open: dict[Connection, asyncio.Transport] = {}
        self._change = asyncio.Event()

    def add(self, connection: Connection, transport: asyncio.Transport) -> None:
        self._open[connection] = transport

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        self._change.set()

    def wait_anew(self, connection: Connection) -> None:
        """Note that a request of a connection was answered: the time in which it may send the next one begins."""
        if transport := self._open.pop(connection, None):
            connection.since = asyncio.get_running_loop().time()
            self._open[connection] = transport
            self._change.set()

    @property
    def is_full(self) -> bool:
        """Whether another connection has to wait."""
        return len(self._open) >= self._connections_max

    async def make_room(self) -> None:
        """Return when there is room for one more connection."""
        await self._shrink(self._connections_max - 1)

    async def free_handle(self) -> None:
        """Return when it is worth to try again for a file handle: one of ours was closed, or some time has passed."""
        if self._open:
            await self._shrink(len(self._open) - 1)
            await asyncio.sleep(0)  # until then its socket is open
        else:
            await asyncio.sleep(PAUSE_S)

    async def _shrink(self, most: int) -> None:
        """Return when no more are open. Cut those that have made us wait for longer than GRACE_S."""
        now = asyncio.get_running_loop().time
        while len(self._open) > most:
            self._change.clear()
            longest = self._waited_for()
            grace_s = None if longest is None else longest.since + GRACE_S - now()
            if longest is not None and grace_s is not None and grace_s <= 0:
                self._cut(longest)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._change.wait()

    def _cut(self, connection: Connection) -> None:
        transport = self._open.pop(connection)
        connection.force_close()
        transport.abort()  # `close` would wait for the other side to read
        self._count("no_room")
        _journal.warning("there is no room for another connection: the one that kept us waiting longest was cut")

    def _waited_for(self) -> Connection | None:
        return next((each for each in self._open if each.is_waited_for), None)


class HttpServer:
    """Serves an application, which has not started, on a socket that listens: `async with HttpServer(...)`."""

    def __init__(
        self,
        application: web.Application,
        listening: socket.socket,
        count: Count,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self._listening, self._count = listening, count
        self._connections = Connections(connections_max, count)
        application.middlewares.insert(0, self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_S)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        self._listening.setblocking(False)
        self._taking = asyncio.create_task(self._take_connections())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        await self._runner.cleanup()

    async def _take_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                caller, _ = await loop.sock_accept(self._listening)
            except OSError as problem:
                _journal.warning("no connection can be taken: %s; those that wait are served when one ends", problem)
                await self._connections.free_handle()
                continue
            try:
                await self._connections.make_room()
                await loop.connect_accepted_socket(self._connection, caller)
            except asyncio.CancelledError:
                caller.close()
                raise
            except Exception as problem:  # such as: the other side has closed it. Whatever it is, others are served
                caller.close()
                _journal.warning("a connection could not be begun: %r", problem)

    def _connection(self) -> Connection:
        server = self._runner.server
        assert server is not None
        return Connection(server, self._connections, self._count)

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note which request of a connection is being answered; answer only one while others wait to connect."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.request = request
        try:
            answer = self._refusal(request, connection) or await handler(request)
            if cause := _CAUSES.get(answer.status):
                self._count(cause)
            self._close_if_full(answer)
            return answer
        except web.HTTPException as answer:
            self._close_if_full(answer)
            raise
        finally:
            connection.request = None
            self._connections.wait_anew(connection)

    def _close_if_full(self, answer: web.StreamResponse) -> None:
        if self._connections.is_full:
            answer.force_close()

    def _refusal(self, request: web.Request, connection: Connection) -> web.Response | None:
        """Return the answer to a body that would cost more than its bytes, None for any other."""
        if any(each.lower() != "identity" for each in request.headers.getall("content-encoding", ())):
            self._count("compressed")
            return web.json_response(
                {"error": "send the body as it is, without content-encoding"},
                status=415,
                headers={"accept-encoding": "identity"},
            )
        if "transfer-encoding" in request.headers:
            self._count("chunked")
            connection.stop_reading()
            return web.json_response({"error": "send the body in one piece, with content-length"}, status=411)
        return None
