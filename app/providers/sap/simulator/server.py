"""The HTTP face of the simulated SAP: both OData services below /sap, and its part of the control plane.

Deliberately absent: $batch, changes of single items, GetPDF, and billing over the API. A restart loses all.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from aiohttp import web

from app.providers.sap.simulator.access import Access
from app.providers.sap.simulator.book import PROVIDER, Book
from app.providers.sap.simulator.control import Control
from app.providers.sap.simulator.life import Life
from app.providers.sap.simulator.notices import Notices
from app.providers.sap.simulator.odata import METADATA, ROOT, OData
from app.providers.sap.simulator.refusals import PlainError, SapError, envelope
from app.providers.sap.simulator.schema import SALES, services
from app.providers.simulation import RefusalError, SlidingQuota, World
from app.providers.simulation_http import Delays, answer

_DATA_VERSION: Final = {"dataserviceversion": "2.0"}


@dataclass(frozen=True, slots=True)
class SapOptions:
    """`quota` calls in any `window_ms`: SAP documents no number of its own, this one is high enough to be no limit.

    `partial_share` of the orders are billed in two parts, chosen by `seed`. `page_size` entities come in one page.
    `item_reference`: items have UnderlyingPurchaseOrderItem, which older on-premise releases lack.
    """

    user: str = "SIMULATED_USER"
    password: str = "simulated-sap-password"
    webhook_secret: str = "simulated-sap-webhook-secret"
    webhook_url: str = ""
    sold_to: str = "10100001"
    quota: int = 6000
    window_ms: int = 60_000
    session_ms: int = 1_800_000
    page_size: int = 100
    partial_share: float = 0.1
    seed: int = 0
    item_reference: bool = True


class SapSimulator:
    """One tenant. Its notifications leave while `sender.run` runs."""

    name = PROVIDER

    def __init__(self, world: World, options: SapOptions) -> None:
        self._world = world
        self.access = Access(options.user, options.password, options.session_ms, world.clock)
        self._quota = SlidingQuota(options.quota, options.window_ms, world.clock)
        notices = Notices(world, PROVIDER, options.webhook_secret, options.webhook_url)
        self.sender = notices.sender
        self._services = services(item_reference=options.item_reference)
        self.book = Book(world, self._services[SALES].root, options.sold_to, notices.notify)
        self.life = Life(world, self.book, options.partial_share, options.seed)
        self.book.changed = self.life.go_on
        self._odata = OData(self._services, self.book, options.page_size)
        self._control = Control(self.book, self.life, notices)

    def routes(self) -> Sequence[web.RouteDef]:
        return [*self._odata.routes(), *self._control.routes()]

    @contextmanager
    def admit(self, request: web.Request) -> Iterator[Mapping[str, str]]:
        self.access.check_user(request.headers.get("Authorization", ""))
        if wait_ms := self._quota.take():
            raise self.throttled(ceil(wait_ms / 1000))
        yield self.access.headers(request)

    def throttled(self, retry_after_s: int) -> RefusalError:
        return SapError(429, "HTTP/429", "Too many requests", {"Retry-After": str(retry_after_s)})

    def label(self, request: web.Request) -> str:
        """The collection, or the function, without keys."""
        service, _, rest = request.path.removeprefix(f"{ROOT}/").partition("/")
        collection, bracket, _ = rest.removesuffix("/$count").partition("(")
        about = self._services.get(service)
        known = about is not None and collection in ("", METADATA, *about.types, *about.functions)
        return f"{request.method} {collection or service if known else 'other'}{'(key)' if bracket and known else ''}"

    def refuse(self, refusal: RefusalError) -> web.Response:
        if isinstance(refusal, PlainError):
            return web.Response(text=refusal.message, status=refusal.status, headers=refusal.headers)
        return answer(envelope(refusal), refusal.status, {**_DATA_VERSION, **refusal.headers})

    def state(self) -> Mapping[str, Any]:
        by_status: dict[str, int] = {}
        for document in self.book.documents.values():
            status = document.values["AccountingTransferStatus"] or "(none)"
            by_status[status] = by_status.get(status, 0) + 1
        return {
            "orders": len(self.book.orders),
            "billing_documents": by_status,
            "delays": self.life.delays,
            "webhooks": self.sender.state(),
        }

    def set_delays(self, delays: Delays) -> None:
        self.life.set_delays(delays)

    def set_limits(self, quota: int, window_ms: int) -> None:
        self._quota = SlidingQuota(quota, window_ms, self._world.clock)
