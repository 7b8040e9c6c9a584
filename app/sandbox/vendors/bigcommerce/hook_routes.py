"""Routes of the simulated store's webhooks: /v3/hooks in V3's envelope."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from app.sandbox.vendors.bigcommerce.order_store import PROVIDER
from app.sandbox.vendors.bigcommerce.outgoing_webhooks import Hook, HookRefusedError, HookRequest, OutgoingWebhooks
from app.sandbox.vendors.simulation_http import answer, body_of

PATH: Final = f"/{PROVIDER}/stores/{{store}}/v3/hooks"
STATUS_CODES: Final = "/api-docs/getting-started/api-status-codes"


class HookRoutes:
    def __init__(self, hooks: OutgoingWebhooks) -> None:
        self._hooks = hooks

    def routes(self) -> Sequence[web.RouteDef]:
        one = f"{PATH}/{{hook_id:[0-9]{{1,15}}}}"
        return [
            web.post(PATH, self._create),
            web.get(PATH, self._list),
            web.get(one, self._get),
            web.put(one, self._change),
            web.delete(one, self._delete),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        return _hook_answer(self._hooks.create(await _hook_request(request)))

    async def _list(self, _request: web.Request) -> web.Response:
        """List all on one page: a client has few."""
        hooks = self._hooks.all()
        count = len(hooks)
        pages = {"total": count, "count": count, "per_page": 250, "current_page": 1, "total_pages": min(1, count)}
        return answer({"data": hooks, "meta": {"pagination": pages}})

    async def _get(self, request: web.Request) -> web.Response:
        return _hook_answer(self._hooks.get(_id(request)))

    async def _change(self, request: web.Request) -> web.Response:
        """Change what the body names; the rest stays as it is."""
        hook = self._hooks.get(_id(request))
        current = {name: getattr(hook, name) for name in HookRequest.__struct_fields__}
        return _hook_answer(self._hooks.change(hook.id, await _hook_request(request, current)))

    async def _delete(self, request: web.Request) -> web.Response:
        return _hook_answer(self._hooks.delete(_id(request)))


def refusal_body(refusal: HookRefusedError) -> dict[str, object]:
    """Return the body of a refusal, as V3 words it."""
    body = {"status": refusal.status, "title": refusal.message, "type": STATUS_CODES}
    return {**body, "errors": refusal.errors} if refusal.errors else body


def _hook_answer(hook: Hook) -> web.Response:
    return answer({"data": hook, "meta": {}})


def _id(request: web.Request) -> int:
    return int(request.match_info["hook_id"])


async def _hook_request(request: web.Request, current: dict[str, Any] | None = None) -> HookRequest:
    """Raises HookRefusedError: 400 for anything but a JSON object, 422 for one that lacks something."""
    try:
        body = msgspec.json.decode(await body_of(request), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise HookRefusedError(400, "Input is invalid.") from exc
    try:
        return msgspec.convert((current or {}) | body, HookRequest)
    except msgspec.ValidationError as exc:
        raise HookRefusedError(422, "JSON data is missing or invalid", body=str(exc)) from exc
