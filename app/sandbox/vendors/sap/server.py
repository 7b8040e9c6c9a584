"""HTTP server of the simulated SAP: both OData services below /sap, and its part of the control plane.

Deliberately absent: $batch, changes of single items, GetPDF, and billing over the API. A restart loses all.
"""

from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from aiohttp import web

from app.providers.sap.actions import SHIP_TO_REFERENCE, UNDERLYING_ITEM
from app.sandbox.vendors.sap.access import Access
from app.sandbox.vendors.sap.control import ControlRoutes
from app.sandbox.vendors.sap.odata import METADATA, ROOT, OData
from app.sandbox.vendors.sap.order_store import PROVIDER, OrderStore
from app.sandbox.vendors.sap.outgoing_webhooks import OutgoingWebhooks
from app.sandbox.vendors.sap.progression import Progression
from app.sandbox.vendors.sap.refusals import PlainError, SapError, envelope
from app.sandbox.vendors.sap.schema import SALES, services
from app.sandbox.vendors.simulation import Delays, RefusalError, SlidingQuota, World
from app.sandbox.vendors.simulation_http import Simulator, VendorSetup, answer

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


def options_of(setup: VendorSetup) -> SapOptions:
    """Return the options of a setup; without settings those of the class."""
    usual = SapOptions()
    return SapOptions(
        user=setup.get("USER", usual.user),
        password=setup.get("PASSWORD", usual.password),
        webhook_secret=setup.get("WEBHOOK_SECRET", usual.webhook_secret),
        webhook_url=setup.webhook_url,
        sold_to=setup.get("SOLD_TO_PARTY", usual.sold_to),
        quota=setup.quota(usual.quota),
    )


class SapSimulator(Simulator):
    """One tenant. Its notifications leave while `sender.run` runs."""

    name = PROVIDER

    def __init__(self, world: World, options: SapOptions) -> None:
        self._world, self._options = world, options
        self.access = Access(options.user, options.password, options.session_ms, world.clock)
        self._quota = SlidingQuota(options.quota, options.window_ms, world.clock)
        webhooks = OutgoingWebhooks(world, PROVIDER, options.webhook_secret, options.webhook_url)
        self.sender = webhooks.sender
        self._services = services(item_reference=options.item_reference)
        self.orders = OrderStore(world, self._services[SALES].root, options.sold_to, webhooks.notify)
        self.progression = Progression(world, self.orders, options.partial_share, options.seed)
        self.orders.on_change = self.progression.schedule
        self._odata = OData(self._services, self.orders, options.page_size)
        self._control = ControlRoutes(self.orders, self.progression, webhooks)

    def settings(self, url: str) -> Mapping[str, str]:
        return {
            "BASE_URL": url,
            "USER": self._options.user,
            "PASSWORD": self._options.password,
            "SALES_ORDER_TYPE": "OR",
            "SALES_ORGANIZATION": "1010",
            "DISTRIBUTION_CHANNEL": "10",
            "DIVISION": "00",
            "SOLD_TO_PARTY": self._options.sold_to,
            "PRICE_CONDITION_TYPE": "PPR0",
            "ITEM_REFERENCE": UNDERLYING_ITEM if self._options.item_reference else SHIP_TO_REFERENCE,
            "WEBHOOK_SECRET": self._options.webhook_secret,
        }

    def background(self) -> Sequence[Coroutine[None, None, None]]:
        return (self.sender.run(),)

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
        """Return the collection, or the function, without keys."""
        service, _, rest = request.path.removeprefix(f"{ROOT}/").partition("/")
        collection, bracket, _ = rest.removesuffix("/$count").partition("(")
        about = self._services.get(service)
        if about is None or collection not in ("", METADATA, *about.types, *about.functions):
            return f"{request.method} other"
        return f"{request.method} {collection or service}{'(key)' if bracket else ''}"

    def refuse(self, refusal: RefusalError) -> web.Response:
        if isinstance(refusal, PlainError):
            return web.Response(text=refusal.message, status=refusal.status, headers=refusal.headers)
        return answer(envelope(refusal), refusal.status, {**_DATA_VERSION, **refusal.headers})

    def state(self) -> Mapping[str, Any]:
        documents = self.orders.billing_documents.values()
        by_status = dict(Counter(document.values["AccountingTransferStatus"] or "(none)" for document in documents))
        return {
            "orders": len(self.orders.by_number),
            "billing_documents": by_status,
            "delays": self.progression.delays,
            "webhooks": self.sender.state(),
        }

    def set_delays(self, delays: Delays) -> None:
        self.progression.set_delays(delays)

    def set_limits(self, quota: int, window_ms: int) -> None:
        self._quota = SlidingQuota(quota, window_ms, self._world.clock)


def open_simulator(world: World, setup: VendorSetup) -> SapSimulator:
    """Return the simulator that the host serves."""
    return SapSimulator(world, options_of(setup))
