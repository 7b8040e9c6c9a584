"""HTTP views of a worker: metrics, liveness and readiness, and the registry's read calls for Avro clients.

They are plain aiohttp routes, added to the application inside Faust's web server.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.events import registry
from app.events.schemas import Schemas

REGISTRY_PATHS: Final = ("/subjects", "/schemas", "/config", "/mode")


class Status(Protocol):
    """A lane's status, as a named tuple."""

    @property
    def opened(self) -> bool: ...

    def _asdict(self) -> dict[str, Any]: ...


class Lanes(Protocol):
    """What the views ask of the lanes of a role."""

    @property
    def name(self) -> str: ...

    def status(self) -> Sequence[Status]: ...


def register(
    application: web.Application, published: Schemas, collectors: CollectorRegistry, hosts: Sequence[Lanes]
) -> None:
    """Add all views to an application that has not started yet."""
    application.add_routes([*registry_routes(published), *health_routes(hosts), metrics_route(collectors)])


def metrics_route(collectors: CollectorRegistry) -> web.RouteDef:
    async def view(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(collectors), headers={"content-type": CONTENT_TYPE_LATEST})

    return web.get("/metrics", view)


def health_routes(hosts: Sequence[Lanes]) -> list[web.RouteDef]:
    """`/health`: the process answers. `/ready`: every lane that it was given is open; 503 until then."""

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_: web.Request) -> web.Response:
        lanes = {host.name: host.status() for host in hosts}
        opened = all(statuses and all(lane.opened for lane in statuses) for statuses in lanes.values())
        shown = {name: [lane._asdict() for lane in statuses] for name, statuses in lanes.items()}
        return web.json_response({"ready": opened, "lanes": shown}, status=200 if opened else 503)

    return [web.get("/health", health), web.get("/ready", ready)]


def registry_routes(published: Schemas) -> list[web.RouteDef]:
    """GET routes that answer as a registry would, for any aiohttp application."""

    async def view(request: web.Request) -> web.Response:
        status, body = registry.answer(published, request.rel_url.raw_path)
        return web.json_response(body, status=status, content_type=registry.MEDIA_TYPE)

    return [web.get(f"{path}{rest}", view) for path in REGISTRY_PATHS for rest in ("", "/{rest:.+}")]
