"""The HTTP side that every vendor simulator shares: admission, faults, errors, the control plane under /_sim.

Connectors never call the control plane. It has no authentication: the host binds it to the loopback address alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from app.kafka.cluster_access import ClusterAccess
from app.sandbox.vendors.simulation import JOURNAL_EFFECTS_MAX, ActiveFault, Delays, FaultRequest, RefusalError, World

CONTROL_BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Some 25,000 orders with a few lines each in one request."""
VENDOR_BODY_BYTES_MAX: Final = 1024 * 1024
DELAY_MS_MAX: Final = 3_600_000
CONTROL_PATH: Final = "/_sim"
GENEROUS_QUOTA: Final = 1_000_000
"""Calls in a window: as good as none, for runs that are about orders and not about throttling."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


class VendorSetup(Struct, frozen=True):
    """What a simulator is opened with. `settings` are those of the provider's manifest by name, "" or absent: default.

    `webhook_url` is where it calls back, "" nowhere. `cluster` is the one for what it publishes, None for
    memory. `generous` asks for GENEROUS_QUOTA instead of the vendor's own quota.
    """

    settings: Mapping[str, str] = {}
    webhook_url: str = ""
    cluster: ClusterAccess | None = None
    generous: bool = False

    def get(self, setting: str, default: str) -> str:
        return self.settings.get(setting) or default

    def quota(self, default: int) -> int:
        return GENEROUS_QUOTA if self.generous else default


class Simulator(Protocol):
    """One vendor. Its own API lives under `/<name>`, its part of the control plane under `/_sim/<name>`."""

    name: str

    def settings(self, url: str) -> Mapping[str, str]:
        """Return the settings of the provider's manifest that lead its client here; `url` ends with `/<name>`."""

    def background(self) -> Sequence[Coroutine[None, None, None]]:
        """Return what runs beside the calls until it is canceled: webhooks, rows on their way."""
        return ()

    async def finish(self, limit_s: float) -> None:
        """Wait until what was accepted has left, at most `limit_s` seconds."""
        return

    def routes(self) -> Sequence[web.RouteDef]: ...

    def admit(self, request: web.Request) -> AbstractContextManager[Mapping[str, str]]:
        """Admit a call, and give the headers that its answer carries. Raises RefusalError (credentials, quota)."""

    def label(self, request: web.Request) -> str:
        """Return the route of a call, for counting: method and path without ids."""

    def refuse(self, refusal: RefusalError) -> web.Response:
        """Return a refusal in the vendor's own words and shape."""

    def throttled(self, retry_after_s: int) -> RefusalError: ...

    def state(self) -> Mapping[str, Any]: ...

    def set_delays(self, delays: Delays) -> None:
        """Change delays of stages. Raises RefusalError for a stage that the vendor does not have."""

    def set_limits(self, quota: int, window_ms: int) -> None: ...


class ProgressRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds until each stage; null: that stage waits for the control plane."""

    provider: str
    delays: dict[str, Annotated[int, Meta(ge=0, le=DELAY_MS_MAX)] | None]


class LimitsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`quota` calls in each window of `window_ms`."""

    provider: str
    quota: Annotated[int, Meta(ge=0, le=100_000_000)]
    window_ms: Annotated[int, Meta(ge=1, le=3_600_000)]


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def whole(params: Mapping[str, str], name: str, default: int) -> int:
    """Return a query parameter that is a whole number from 0. Raises RefusalError."""
    text = params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise RefusalError(400, f"{name}={text[:50]!r} is not a whole number", f"send {name} as digits")
    return int(text)


async def body_of(request: web.Request, limit: int = VENDOR_BODY_BYTES_MAX) -> bytes:
    """Return the body. Raises RefusalError with 413 when it has more than `limit` bytes."""
    _check_size(request.content_length or 0, limit)
    body = await request.read()
    _check_size(len(body), limit)
    return body


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise RefusalError(413, f"The body has {size} bytes, at most {limit} are taken", "send less at a time")


async def control_body(request: web.Request, shape: type[T]) -> T:
    """Return the body of a call to the control plane. Raises RefusalError that names the path within the JSON."""
    try:
        return msgspec.json.decode(await body_of(request, CONTROL_BODY_BYTES_MAX), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RefusalError(400, f"The body cannot be used: {exc}", "send the documented JSON") from exc


async def control_orders(request: web.Request, float_hook: Callable[[str], Any] = float) -> list[dict[str, Any]]:
    """Return orders to seed: a JSON array, or `{"orders": [...]}`. Raises RefusalError that names the path."""
    body = await body_of(request, CONTROL_BODY_BYTES_MAX)
    bare = body.lstrip().startswith(b"[")
    shape: Any = list[dict[str, Any]] if bare else dict[str, list[dict[str, Any]]]
    try:
        orders: Any = msgspec.json.Decoder(shape, float_hook=float_hook).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RefusalError(400, f"The body cannot be used: {exc}", "send an array of orders") from exc
    return list(orders if bare else orders.get("orders", []))


def application(world: World, simulators: Sequence[Simulator]) -> web.Application:
    """Return one web application for all vendors."""
    by_name = {simulator.name: simulator for simulator in simulators}
    app = web.Application(middlewares=[_boundary(world, by_name)], client_max_size=CONTROL_BODY_BYTES_MAX)
    for simulator in simulators:
        app.add_routes(simulator.routes())
    app.add_routes(_Control(world, by_name).routes())
    return app


def _boundary(world: World, simulators: Mapping[str, Simulator]) -> Any:
    @web.middleware
    async def boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
        first = request.path.split("/", 2)[1]
        simulator = simulators.get(first)
        try:
            return await (handler(request) if simulator is None else _call(world, simulator, request, handler))
        except RefusalError as exc:
            return _control_refusal(exc) if simulator is None else simulator.refuse(exc)
        except web.HTTPException as exc:
            refusal = RefusalError(exc.status, f"{request.method} {request.path}: {exc.reason}", headers=_allowed(exc))
            return _control_refusal(refusal) if simulator is None else simulator.refuse(refusal)

    return boundary


async def _call(world: World, simulator: Simulator, request: web.Request, handler: Handler) -> web.StreamResponse:
    world.journal.call(simulator.name, simulator.label(request))
    fault = world.faults.pick(simulator.name)
    if fault is not None and fault.kind == "down":
        return _down(simulator, request, fault)
    with simulator.admit(request) as headers:
        await _suffer(simulator, fault)
        response = await handler(request)
    response.headers.update(headers)
    if fault is not None and fault.kind == "drop-response":
        _cut(request)
    return response


def _down(simulator: Simulator, request: web.Request, fault: ActiveFault) -> web.StreamResponse:
    """Answer as a system that is down: half the calls find nobody, the others a proxy that says so."""
    if fault.dice.random() < 0.5:
        return simulator.refuse(RefusalError(503, "Service Unavailable"))
    _cut(request)
    return web.Response()


async def _suffer(simulator: Simulator, fault: ActiveFault | None) -> None:
    match fault:
        case ActiveFault(request=FaultRequest(kind="slow", delay_ms=delay_ms)):
            await asyncio.sleep(delay_ms / 1000)
        case ActiveFault(request=FaultRequest(kind="429", retry_after_s=retry_after_s)):
            raise simulator.throttled(retry_after_s)
        case ActiveFault(request=FaultRequest(kind="500")):
            raise RefusalError(500, "Internal Server Error")


def _cut(request: web.Request) -> None:
    """Close the connection so that no answer leaves, whatever the handler returns."""
    if request.transport is not None:
        request.transport.abort()


def _allowed(exc: web.HTTPException) -> dict[str, str]:
    return {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}


def _control_refusal(refusal: RefusalError) -> web.Response:
    return answer({"error": refusal.message, "fix": refusal.detail}, refusal.status, refusal.headers)


class _Control:
    """Faults, journal, state, delays and limits; seeding is each simulator's own."""

    def __init__(self, world: World, simulators: Mapping[str, Simulator]) -> None:
        self._world, self._simulators = world, simulators

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"{CONTROL_PATH}/faults", self._add_fault),
            web.delete(f"{CONTROL_PATH}/faults", self._clear_faults),
            web.get(f"{CONTROL_PATH}/journal", self._journal),
            web.get(f"{CONTROL_PATH}/state", self._state),
            web.post(f"{CONTROL_PATH}/progress", self._progress),
            web.post(f"{CONTROL_PATH}/limits", self._limits),
        ]

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = await control_body(request, FaultRequest)
        self._simulator(fault.provider)
        self._world.faults.add(fault)
        return answer(fault, 201)

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._world.faults.clear()
        return web.Response(status=204)

    async def _journal(self, request: web.Request) -> web.Response:
        provider = request.query.get("provider", "")
        if provider:
            self._simulator(provider)
        journal = self._world.journal
        limit = whole(request.query, "limit", JOURNAL_EFFECTS_MAX)
        effects = journal.effects(provider, whole(request.query, "after", 0), limit)
        return answer({"effects": effects, "last": journal.last, "dropped": journal.dropped, "calls": self._calls()})

    async def _state(self, _request: web.Request) -> web.Response:
        providers = {name: simulator.state() for name, simulator in self._simulators.items()}
        world = self._world
        return answer(
            {
                "providers": providers,
                "calls": self._calls(),
                "faults": world.faults.active(),
                "due": len(world.schedule),
            }
        )

    async def _progress(self, request: web.Request) -> web.Response:
        progress = await control_body(request, ProgressRequest)
        self._simulator(progress.provider).set_delays(progress.delays)
        return answer(progress)

    async def _limits(self, request: web.Request) -> web.Response:
        limits = await control_body(request, LimitsRequest)
        self._simulator(limits.provider).set_limits(limits.quota, limits.window_ms)
        return answer(limits)

    def _calls(self) -> dict[str, dict[str, int]]:
        calls: dict[str, dict[str, int]] = {name: {} for name in self._simulators}
        for (provider, label), times in sorted(self._world.journal.calls.items()):
            calls[provider][label] = times
        return calls

    def _simulator(self, name: str) -> Simulator:
        if name not in self._simulators:
            names = ", ".join(self._simulators)
            raise RefusalError(404, f"No provider {name[:50]!r} is simulated", f"name one of: {names}")
        return self._simulators[name]
