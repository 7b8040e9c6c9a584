"""A wire between a real client and the simulators that misbehaves when told to: real sockets, exact moments."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

HOP_BY_HOP = {"connection", "content-length", "content-encoding", "transfer-encoding", "keep-alive"}


class RecordedRequest(NamedTuple):
    """One request as it came, `path` with its query, names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def matches(self, method: str, pattern: str) -> bool:
        return self.method == method and re.search(pattern, self.path) is not None


Which = Callable[[RecordedRequest], bool]


@dataclass
class Act:
    """What happens to one request: `forward` it or not; then `then` it: answer, cut or hang."""

    which: Which
    forward: bool = True
    then: str = "answer"
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[Any], Any] | None = None


class RecordingProxy:
    def __init__(self, target: str) -> None:
        self.target, self.port = target, 0
        self.calls: list[RecordedRequest] = []
        self.server: web.Server | None = None
        self._acts: list[Act] = []
        self._end = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hang(self, which: Which) -> None:
        """It happens at the provider, and no reply comes."""
        self._acts.append(Act(which, then="hang"))

    def silence(self, which: Which) -> None:
        """Nothing happens, and no reply comes."""
        self._acts.append(Act(which, forward=False, then="hang", status=200))

    def cut(self, which: Which, *, forward: bool = True) -> None:
        """The connection is lost instead of a reply; with `forward` it has happened."""
        self._acts.append(Act(which, forward, then="cut"))

    def answer(self, which: Which, status: int, body: bytes = b"{}", headers: dict[str, str] | None = None) -> None:
        """A reply that is not the simulator's, which sees nothing."""
        self._acts.append(Act(which, forward=False, status=status, body=body, headers=headers or {}))

    def garble(self, which: Which, body: bytes = b"<html>proxy</html>") -> None:
        """It happens, with the right status and the wrong body."""
        self._acts.append(Act(which, body=body))

    def change(self, which: Which, change: Callable[[Any], Any]) -> None:
        """The simulator's JSON, changed."""
        self._acts.append(Act(which, change=change))

    def forget(self) -> None:
        """From now on everything is as usual."""
        self._acts.clear()

    def count(self, which: Which) -> int:
        return sum(map(which, self.calls))

    @property
    def sockets(self) -> int:
        """How many connections clients hold open."""
        return len(self.server.connections) if self.server is not None else 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        recorded = RecordedRequest(
            request.method,
            request.raw_path,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        self.calls.append(recorded)
        act = next((act for act in self._acts if act.which(recorded)), Act(lambda _: True))
        if act in self._acts:
            self._acts.remove(act)
        response = await self._forwarded(recorded) if act.forward else web.Response(status=act.status, body=act.body)
        if act.then == "hang":
            await self._end.wait()
        if act.then == "cut" and request.transport is not None:
            request.transport.abort()
        response.headers.update(act.headers)
        if act.body is not None:
            response.body = act.body
        if act.change is not None and isinstance(response.body, bytes):
            response.body = msgspec.json.encode(act.change(msgspec.json.decode(response.body)))
        return response

    async def _forwarded(self, recorded: RecordedRequest) -> web.Response:
        url = URL(self.target + recorded.path, encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(recorded.method, url, headers=recorded.headers, data=recorded.body or None) as reply,
        ):
            # Every one of a name: sessions come with several cookies.
            headers = CIMultiDict(
                (name, value) for name, value in reply.headers.items() if name.lower() not in HOP_BY_HOP
            )
            return web.Response(status=reply.status, headers=headers, body=await reply.read())

    def end(self) -> None:
        self._end.set()


@contextlib.asynccontextmanager
async def open_recording_proxy(target: str) -> AsyncIterator[RecordingProxy]:
    proxy = RecordingProxy(target)
    proxy.server = web.Server(proxy.handle)
    runner = web.ServerRunner(proxy.server, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy.port = runner.addresses[0][1]
    try:
        yield proxy
    finally:
        proxy.end()
        await runner.cleanup()
