"""The wire between the real clients and the real simulators: no socket, but every way in which a call can go wrong.

A request travels on its own: the process that sent it may die meanwhile, and it still arrives.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from email.utils import formatdate
from typing import Any, Final

import httpx
from aiohttp import web
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tests.simulation.dice import Dice

ERP: Final = "https://erp.example/fno"
SHOP: Final = "https://shop.example/bigcommerce"
HOUSE: Final = "https://house.example/flexe"
ACCOUNTS: Final = "https://accounts.example/sap"
READ_TIMEOUT_S: Final = 10.0
SLOW_S: Final = 25.0
"""Longer than a whole call may take."""
_EARLY: Final[dict[str, tuple[int, dict[str, str]]]] = {
    "429": (429, {"retry-after": "1", "x-retry-after": "1"}),
    "503 before": (503, {}),
    "forbidden": (403, {}),
}
"""Answers of something that stands before the provider."""
Headers = list[tuple[str, str]]
Served = tuple[int, Headers, bytes]


class _Connection:
    """What aiohttp's request wants to know of its connection."""

    transport = ssl_context = peername = sockname = None


class Network:
    """`leaving` is told of each request before it leaves its process, `arrived` after each one that a provider did."""

    def __init__(self, app: web.Application, dice: Dice, now_ms: Callable[[], int]) -> None:
        self._app, self._dice, self._now_ms = app, dice, now_ms
        self.leaving: Callable[[httpx.Request], None] = lambda _request: None
        self.arrived: Callable[[], None] = lambda: None
        self.faults: dict[str, int] = {}
        self._outside = Context()
        self._travelling: set[asyncio.Task[None]] = set()
        app.freeze()

    def open_http(self, _timeouts: object) -> httpx.AsyncClient:
        """Return a client that has this network instead of sockets."""
        return httpx.AsyncClient(transport=_Transport(self), timeout=None, trust_env=False)

    async def carry(self, request: httpx.Request) -> httpx.Response:
        self.leaving(request)
        body = await request.aread()
        fault = self._dice.call_fault()
        if fault:
            self.faults[fault] = self.faults.get(fault, 0) + 1
        if fault == "refused":
            raise httpx.ConnectError("refused", request=request)
        if fault == "lost before":
            await asyncio.sleep(READ_TIMEOUT_S)
            raise httpx.ReadTimeout("silence", request=request)
        if fault in _EARLY:
            await asyncio.sleep(0.01)
            status, early = _EARLY[fault]
            return _unread(status, [*early.items()], b"{}")
        served = await self._sent(request, body)
        return await self._returned(request, fault, *served)

    async def _returned(
        self, request: httpx.Request, fault: str, status: int, headers: Headers, body: bytes
    ) -> httpx.Response:
        await asyncio.sleep(self._dice.between(0.001, 0.05))
        if fault == "lost after":
            await asyncio.sleep(READ_TIMEOUT_S)
            raise httpx.ReadTimeout("silence", request=request)
        if fault == "cut after":
            raise httpx.ReadError("cut", request=request)
        if fault == "500 after":
            return _unread(500, [], b"{}")
        if fault == "slow":
            await asyncio.sleep(SLOW_S)
        return _unread(status, headers, body)

    async def _sent(self, request: httpx.Request, body: bytes) -> Served:
        reply: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._travel(request, body, reply), context=self._outside.copy())
        self._travelling.add(task)
        task.add_done_callback(self._travelling.discard)
        return await reply

    async def _travel(self, request: httpx.Request, body: bytes, reply: asyncio.Future[Served]) -> None:
        await asyncio.sleep(self._dice.between(0.001, self._dice.latency_s))
        served = await self.serve(request, body)
        if not reply.done():
            reply.set_result(served)

    async def serve(self, request: httpx.Request, body: bytes) -> Served:
        """What the simulators make of a request, at once."""
        response = await self._app._handle(_as_served(request, body))
        self.arrived()
        assert isinstance(response, web.Response), "simulators answer in one piece"
        content = bytes(response.body) if isinstance(response.body, bytes | bytearray) else b""
        date = ("Date", formatdate(self._now_ms() / 1000, usegmt=True))
        return response.status, [*response.headers.items(), date], content


def _unread(status: int, headers: Headers, body: bytes) -> httpx.Response:
    """Return a response as a socket gives it: its body has not been read yet."""
    whole = httpx.Response(status, headers=headers, content=body)
    return httpx.Response(status, headers=whole.headers, stream=httpx.ByteStream(body))


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, network: Network) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._network.carry(request)


def _as_served(request: httpx.Request, body: bytes) -> web.Request:
    headers = CIMultiDictProxy(CIMultiDict(request.headers.multi_items()))
    target = request.url.raw_path.decode()
    message = RawRequestMessage(
        request.method, target, HttpVersion11, headers, (), False, None, False, False, URL(target, encoded=True)
    )
    nothing: Any = None
    served = web.Request(message, nothing, _Connection(), nothing, nothing, nothing)  # type: ignore[arg-type]
    served._read_bytes = body
    return served
