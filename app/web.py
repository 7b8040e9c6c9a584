"""HTTP views on Faust's web server: the registry's read calls, for Avro clients that have no registry of their own."""

from typing import Final, cast

import faust
from aiohttp import web
from faust.web.drivers.aiohttp import Web

from app.events import registry
from app.events.schemas import Schemas

REGISTRY_PATHS: Final = ("/subjects", "/schemas", "/config", "/mode")


def register(app: faust.App, published: Schemas) -> None:
    """Add the views to the web server of a Faust app, before it starts."""
    cast(Web, app.web).web_app.add_routes(registry_routes(published))


def registry_routes(published: Schemas) -> list[web.RouteDef]:
    """GET routes that answer as a registry would, for any aiohttp application."""

    async def view(request: web.Request) -> web.Response:
        status, body = registry.answer(published, request.rel_url.raw_path)
        return web.json_response(body, status=status, content_type=registry.MEDIA_TYPE)

    return [web.get(f"{path}{rest}", view) for path in REGISTRY_PATHS for rest in ("", "/{rest:.+}")]
