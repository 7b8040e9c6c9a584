"""SAP as its accountants see it: orders that are billed when told to, and a client that pulls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from app.domain.order import Order
from app.events.model import ProviderEvent
from app.providers.port import Outcome, Page, UnsharedLease
from app.providers.sap.actions import SalesArea
from app.providers.sap.client import Sap
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from app.sandbox.vendors.sap import SapOptions, SapSimulator
from app.sandbox.vendors.sap.entities import Entity
from tests.providers.bench import PATIENT, Clock
from tests.providers.recording_proxy import RecordedRequest, RecordingProxy, open_recording_proxy
from tests.providers.sap.orders import AREA, PASSWORD, USER, an_order, billing


class InvoiceStage:
    """Orders are billed when told to, and the cursor goes on from pull to pull."""

    def __init__(self, simulators: Simulators, proxy: RecordingProxy, area: SalesArea) -> None:
        self.proxy, self.orders, self.progression = (
            proxy,
            simulators.of(SapSimulator).orders,
            simulators.of(SapSimulator).progression,
        )
        self.simulators = simulators
        self.provider = Sap(f"{proxy.url}/sap", USER, lambda: PASSWORD, area, timeouts=PATIENT, clock=Clock())
        self.cursor: str | None = None

    async def order(self, order_id: str = "o-1", **fields: Any) -> Order:
        order = an_order(order_id, **fields)
        result = await self.provider.perform(billing(order), UnsharedLease())
        assert result.outcome is Outcome.OK, result
        return order

    def invoice(self, order_id: str = "o-1", posted: bool = True, **quantities: int) -> Entity:
        """`item10=2`; no quantities: all that is left."""
        order = next(order for order in self.orders.by_number.values() if _id(order) == order_id)
        parts = {name.removeprefix("item"): Decimal(quantity) for name, quantity in quantities.items()}
        document = self.progression.bill(order, parts)
        if posted:
            self.orders.post(document)
        return document

    async def page(self) -> Page:
        page = await self.provider.pull(self.cursor)
        self.cursor = page.cursor
        return page

    async def events(self) -> list[ProviderEvent]:
        """All that is to be had now."""
        page = await self.page()
        events = list(page.events)
        while page.more:
            page = await self.page()
            events += page.events
        assert not page.orders
        return events

    async def lines(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """(order, [(line, whole pieces)]) of each event."""
        return [
            (event.order_id, [(line.line_id, line.quantity // 10_000) for line in event.lines])
            for event in await self.events()
        ]


def _id(order: Entity) -> str:
    texts = [str(text.values["LongText"]) for text in order.lists["to_Text"]]
    return texts[0] if texts else str(order.values["PurchaseOrderByCustomer"])


def listed(request: RecordedRequest) -> bool:
    return request.matches("GET", r"/A_BillingDocument\?")


@asynccontextmanager
async def open_invoice_stage(area: SalesArea = AREA, *, older: bool = False) -> AsyncIterator[InvoiceStage]:
    """Pages of three, and nothing is billed by itself. `older`: a release without UnderlyingPurchaseOrderItem."""
    options = SapOptions(page_size=3, item_reference=not older)
    async with (
        serve(SimulatorOptions(vendors={"sap": lambda world: SapSimulator(world, options)})) as simulators,
        open_recording_proxy(simulators.base_url) as proxy,
    ):
        simulators.of(SapSimulator).set_delays({"Billed": None, "Posted": None})
        stage = InvoiceStage(simulators, proxy, area)
        yield stage
        await stage.provider.close()
