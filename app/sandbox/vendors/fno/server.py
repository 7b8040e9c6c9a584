"""HTTP server of the simulated F+O: token endpoint, OData V4 under /fno/data, and its part of the control plane.

Deliberately absent: $batch, $expand, other entities, business events. A restart loses all orders.
"""

from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from app.sandbox.vendors.fno.access import AccessTokens, Throttle, TokenError, throttled
from app.sandbox.vendors.fno.control import ControlRoutes
from app.sandbox.vendors.fno.metadata import COUNT, METADATA, MetadataRoutes
from app.sandbox.vendors.fno.odata import COLLECTIONS, DATA_PATH, STATUS_FIELD, OData, error
from app.sandbox.vendors.fno.order_store import PROVIDER, Op, OrderStore, Origin, SalesOrder
from app.sandbox.vendors.fno.progression import STAGES, Progression
from app.sandbox.vendors.fno.row_outbox import RowOutbox
from app.sandbox.vendors.fno.rows import DisorderedRows, MemoryRows, Rows, RowWriter
from app.sandbox.vendors.simulation import Delays, RefusalError, World
from app.sandbox.vendors.simulation_http import Simulator, VendorSetup, answer

_READS: Final = ("GET", "HEAD")
_TOKEN_PATHS: Final = (
    f"/{PROVIDER}/token",
    f"/{PROVIDER}/{{tenant}}/oauth2/v2.0/token",
    f"/{PROVIDER}/{{tenant}}/oauth2/token",
)


@dataclass(frozen=True, slots=True)
class FnoOptions:
    """`quota` calls in any `window_ms` and `concurrent` at a time are F+O's defaults for a user of one web server."""

    client_id: str = "simulated-client"
    client_secret: str = "simulated-fno-secret"
    company: str = "usmf"
    """The service user's own company: what it sees without cross-company=true."""
    token_lifetime_s: int = 3599
    quota: int = 6000
    window_ms: int = 300_000
    concurrent: int = 52
    page_size: int = 10_000


def options_of(setup: VendorSetup) -> FnoOptions:
    """Return the options of a setup; without settings those of the class."""
    usual = FnoOptions()
    return FnoOptions(
        client_id=setup.get("CLIENT_ID", usual.client_id),
        client_secret=setup.get("CLIENT_SECRET", usual.client_secret),
        quota=setup.quota(usual.quota),
    )


class FnoSimulator(Simulator):
    """One environment. `rows` takes what dual-write publishes."""

    name = PROVIDER

    def __init__(self, world: World, options: FnoOptions, rows: Rows) -> None:
        self._options, self.rows = options, rows
        self._rows = DisorderedRows(world, rows)
        self._writer = RowWriter(world, self._rows)
        self.tokens = AccessTokens(options.client_id, options.client_secret, options.token_lifetime_s, world.clock)
        self._throttle = Throttle(options.quota, options.window_ms, options.concurrent, world.clock)
        self.orders = OrderStore(world, frozenset(STAGES))
        self.progression = Progression(world, self.orders, lambda: self._rows.full)
        self.orders.on_change = self._on_change
        self._odata = OData(self.orders, self.progression, options.company, options.page_size)
        self._control = ControlRoutes(self.orders, self.progression)

    def _on_change(self, order: SalesOrder, op: Op, origin: Origin) -> None:
        self._writer.publish_change(order, op, origin)
        self.progression.schedule(order)

    def settings(self, url: str) -> Mapping[str, str]:
        return {
            "BASE_URL": url,
            "TOKEN_URL": f"{url}/token",
            "CLIENT_ID": self._options.client_id,
            "CLIENT_SECRET": self._options.client_secret,
            "STATUS_FIELD": STATUS_FIELD,
        }

    def background(self) -> Sequence[Coroutine[None, None, None]]:
        return self.rows.background()

    async def finish(self, limit_s: float) -> None:
        await self.rows.finish(limit_s)

    def routes(self) -> Sequence[web.RouteDef]:
        tokens = [web.post(path, self._token) for path in _TOKEN_PATHS]
        return [*tokens, *MetadataRoutes(self._odata).routes(), *self._odata.routes(), *self._control.routes()]

    @contextmanager
    def admit(self, request: web.Request) -> Iterator[Mapping[str, str]]:
        """Admit every call to the token endpoint, and to OData those with a token and within the limits.

        A write is refused while dual-write cannot publish its row.
        """
        if not request.path.startswith(DATA_PATH):
            yield {}
            return
        self.tokens.user(request.headers.get("Authorization", ""))
        if request.method not in _READS and self._rows.full:
            raise RefusalError(503, "The dual-write queue is full.", "", {"Retry-After": "5"})
        with self._throttle.one():
            yield {"OData-Version": "4.0"}

    def throttled(self, retry_after_s: int) -> RefusalError:
        reason = "This request could not be processed at this time due to system experiencing high resource"
        return throttled(f"{reason} utilization.", retry_after_s)

    def label(self, request: web.Request) -> str:
        if not request.path.startswith(DATA_PATH):
            return f"{request.method} token"
        collection, bracket, _ = request.path.removeprefix(DATA_PATH).removeprefix("/").partition("(")
        names = ("", *COLLECTIONS, METADATA)
        route = (collection or "data") if collection.removesuffix(COUNT) in names else "other"
        return f"{request.method} {route}{'(key)' if bracket else ''}"

    def refuse(self, refusal: RefusalError) -> web.Response:
        if isinstance(refusal, TokenError):
            return answer({"error": refusal.code, "error_description": refusal.message}, refusal.status)
        return answer(error(refusal), refusal.status, refusal.headers)

    def state(self) -> Mapping[str, Any]:
        by_status = dict(Counter(order.status for order in self.orders.all()))
        rows = {"published": self._writer.published, "full": self._rows.full}
        return {"orders": len(self.orders), "by_status": by_status, "delays": self.progression.delays, "rows": rows}

    def set_delays(self, delays: Delays) -> None:
        self.progression.set_delays(delays)

    def set_limits(self, quota: int, window_ms: int) -> None:
        self._throttle.set_quota(quota, window_ms)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        return answer(self.tokens.issue(texts), headers={"Cache-Control": "no-store, no-cache"})


def open_simulator(world: World, setup: VendorSetup) -> FnoSimulator:
    """Return the simulator that the host serves."""
    return FnoSimulator(world, options_of(setup), _rows_of(setup))


def _rows_of(setup: VendorSetup) -> Rows:
    return MemoryRows() if setup.cluster is None else RowOutbox(setup.cluster)
