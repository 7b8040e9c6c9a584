"""Routes of a worker's web server: metrics, liveness and readiness, orders, webhooks, the schema registry.

Who may ask for what is checked before them (app/worker/http_access.py); app/worker/http_server.py bounds the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.errors import BrokerError
from app.events import schema_lookup, schema_registry
from app.events.avro_schemas import Schemas

REGISTRY_PATHS: Final = ("/subjects", "/schemas", "/config", "/mode", "/compatibility")
SCHEMA_BYTES_MAX: Final = 64 << 10
"""The body of a request with a schema: the largest published one has 7 KB."""
LOOKUPS_MAX: Final = 2
"""Orders looked up at a time: a look-up may read a partition of the ledger, and the worker has orders to take on."""
LOOKUPS_WAITING_MAX: Final = 16
LOOKUP_TIMEOUT_S: Final = 30.0
WEBHOOK_BYTES_MAX: Final = 256 << 10
"""The body of a webhook: a shipment of a thousand lines has some 100 KB."""
BODY_S_MAX: Final = 10.0
"""Seconds that a body may take to come."""
Find = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""An order by its id as it is shown, or None. Raises BrokerError."""


class LaneView(Protocol):
    """The status of a lane, as a named tuple."""

    @property
    def opened(self) -> bool: ...

    @property
    def degraded(self) -> Sequence[str]: ...

    def _asdict(self) -> dict[str, Any]: ...


class RoleLanes(Protocol):
    """What the views show of the lanes of a role."""

    @property
    def name(self) -> str: ...

    @property
    def joined(self) -> bool:
        """Whether the consumer group has said which lanes are ours, be it none: there may be more processes."""

    def status(self) -> Sequence[LaneView]: ...


class WebhookAnswer(NamedTuple):
    """The answer to a webhook. `outcome` is a closed label, `detail` a sentence for the sender.

    `retry_after_s` 0: the answer has no such header.
    """

    status: int
    outcome: str
    detail: str
    retry_after_s: int = 0


class Webhooks(Protocol):
    """The intake of webhooks, as its route calls it."""

    async def take(self, provider: str, headers: Mapping[str, str], body: bytes | None) -> WebhookAnswer:
        """Take in a webhook and return the answer.

        `body` is None when it did not come whole; one byte more than the limit says that it is too large.
        """


class Turns:
    """Gives work out so that each turn of the event loop has one piece of it.

    Lanes run in the same loop: what they wait for does not grow with the number of those who ask.
    """

    def __init__(self) -> None:
        self._next = asyncio.Lock()

    async def take(self) -> None:
        """Return when it is the caller's turn to work, until it awaits something."""
        async with self._next:
            await asyncio.sleep(0)


def register(
    application: web.Application,
    published: Schemas,
    collectors: CollectorRegistry,
    hosts: Sequence[RoleLanes],
    find: Find,
    webhooks: Webhooks,
) -> None:
    """Add all views to an application that has not started yet."""
    views = [*health_routes(hosts), metrics_route(collectors), order_route(find), webhook_route(webhooks)]
    application.add_routes([*registry_routes(published), *views])


def metrics_route(collectors: CollectorRegistry) -> web.RouteDef:
    """Return `/metrics`, in Prometheus' text format."""
    turns = Turns()

    async def view(_: web.Request) -> web.Response:
        await turns.take()
        return web.Response(body=generate_latest(collectors), headers={"content-type": CONTENT_TYPE_LATEST})

    return web.get("/metrics", view)


def health_routes(hosts: Sequence[RoleLanes]) -> list[web.RouteDef]:
    """Return `/health` (the process answers) and `/ready` (it has joined its groups, and all lanes are open).

    `/ready` answers 503 until then. A spare process, which was given no lane, is ready to be given one. A process whose
    inputs somebody else holds back is degraded, and ready: to start it again or to send it no webhooks mends nothing,
    and whoever may write an input could have all workers taken out of service.
    """

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_: web.Request) -> web.Response:
        lanes = {host.name: host.status() for host in hosts}
        joined = {host.name: host.joined for host in hosts}
        is_ready = all(joined.values()) and all(lane.opened for statuses in lanes.values() for lane in statuses)
        views = {name: [lane._asdict() for lane in statuses] for name, statuses in lanes.items()}
        degraded = [sentence for statuses in lanes.values() for lane in statuses for sentence in lane.degraded]
        body = {"ready": is_ready, "degraded": degraded, "joined": joined, "lanes": views}
        return web.json_response(body, status=200 if is_ready else 503)

    return [web.get("/health", health), web.get("/ready", ready)]


def order_route(find: Find) -> web.RouteDef:
    """Return `/orders/{id}`: state, lines, sources, lineage, timeline.

    It answers 404 for an order that does not exist, and 503 when Kafka gives no answer or too many look-ups wait.
    """
    turns, waiting = asyncio.Semaphore(LOOKUPS_MAX), 0

    async def view(request: web.Request) -> web.Response:
        nonlocal waiting
        order_id = request.match_info["order_id"]
        if waiting >= LOOKUPS_WAITING_MAX:
            return _unavailable(f"{waiting} look-ups wait already; ask again in a moment")
        waiting += 1
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), turns:
                order = await find(order_id)
        except BrokerError as problem:
            return _unavailable(str(problem))
        except TimeoutError:
            return _unavailable(f"the ledger was not read within {LOOKUP_TIMEOUT_S:.0f} s")
        finally:
            waiting -= 1
        if order is None:
            return web.json_response({"error": f"no order {order_id} in the ledger"}, status=404)
        return web.json_response(order, headers={"cache-control": "no-store"})

    return web.get("/orders/{order_id}", view)


def webhook_route(webhooks: Webhooks) -> web.RouteDef:
    """Return `POST /webhooks/{provider}`: 2xx once what it says is stored; 503 asks the sender to send it again."""

    turns = Turns()

    async def take(request: web.Request) -> web.Response:
        body = await _whole(request, WEBHOOK_BYTES_MAX)
        await turns.take()
        answer = await webhooks.take(request.match_info["provider"], request.headers, body)
        headers = {"retry-after": str(answer.retry_after_s)} if answer.retry_after_s else {}
        view = {"outcome": answer.outcome, "detail": answer.detail}
        return web.json_response(view, status=answer.status, headers=headers)

    return web.post("/webhooks/{provider}", take)


async def _whole(request: web.Request, bytes_max: int) -> bytes | None:
    """Return the body, or one byte more than it may have; None when it ends early or takes too long."""
    try:
        async with asyncio.timeout(BODY_S_MAX):
            return await request.content.readexactly(bytes_max + 1)
    except asyncio.IncompleteReadError as short:
        return short.partial
    except (TimeoutError, web.RequestPayloadError, ConnectionError):
        return None


def _unavailable(why: str) -> web.Response:
    return web.json_response({"error": why}, status=503, headers={"retry-after": "2"})


def registry_routes(published: Schemas) -> list[web.RouteDef]:
    """Return routes that answer as a schema registry would, for any aiohttp application. None changes anything."""
    lookup, turns = schema_lookup.Lookup(published), Turns()

    async def get(request: web.Request) -> web.Response:
        return _registry_answer(schema_registry.answer(published, request.rel_url.raw_path))

    async def post(request: web.Request) -> web.Response:
        body = await _whole(request, SCHEMA_BYTES_MAX)
        if body is None:
            return _registry_answer((400, {"error_code": 400, "message": "HTTP 400 Bad Request: the body ends early"}))
        if len(body) > SCHEMA_BYTES_MAX:
            message = f"HTTP 413 Content Too Large: more than {SCHEMA_BYTES_MAX} bytes"
            return _registry_answer((413, {"error_code": 413, "message": message}))
        await turns.take()
        return _registry_answer(lookup.answer(request.rel_url.raw_path, body))

    async def refuse(_: web.Request) -> web.Response:
        return _registry_answer(schema_lookup.read_only().answer)

    places = [f"{path}{rest}" for path in REGISTRY_PATHS for rest in ("", "/{rest:.+}")]
    methods = {"GET": get, "POST": post, "PUT": refuse, "DELETE": refuse}
    return [web.route(method, place, handler) for place in places for method, handler in methods.items()]


def _registry_answer(answer: schema_registry.Answer) -> web.Response:
    status, body = answer
    return web.json_response(body, status=status, content_type=schema_registry.MEDIA_TYPE)
