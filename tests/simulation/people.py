"""What people do to an order on its way: an operator moves it, F+O or the warehouse cancels, accountants bill anew."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Final

from app.events.ids import derive
from app.sandbox.vendors.sap.entities import Entity
from tests.simulation.expected import BORN_AT_FNO, SHIPPED_BY_FLEXE, Expectation
from tests.simulation.producing import Producer
from tests.simulation.providers import Providers

MOVED: Final = "9 Moved Rd"
CHANGED: Final = "2 Elm St"
WAIT_S: Final = 20.0
"""How long people wait for what they want to change."""
Deed = Callable[[Random, str, Expectation], Awaitable[None]]


class People:
    def __init__(self, providers: Providers, producer: Producer) -> None:
        self._providers, self._producer = providers, producer
        self._deeds: Mapping[str, Deed] = {
            "moved": self._move,
            "changed at F+O": self._change_there,
            "F+O canceled": self._cancel_there,
            "delayed": self._delay,
            "Flexe canceled": self._cancel_at_flexe,
            "billed anew": self._bill_anew,
        }

    def courses(self, scenario: int) -> tuple[str, ...]:
        """What may happen to an order of the scenario."""
        found = ["moved", "F+O canceled"]
        if scenario in BORN_AT_FNO:
            found += ["changed at F+O"]
        if scenario in SHIPPED_BY_FLEXE:
            found += ["delayed", "Flexe canceled"]
        if scenario == 5:
            found += ["billed anew"]
        return tuple(found)

    async def meddle(self, random: Random, order_id: str, wanted: Expectation) -> None:
        if wanted.course:
            await asyncio.sleep(random.uniform(0, 8))
            await self._deeds[wanted.course](random, order_id, wanted)

    async def _move(self, random: Random, order_id: str, wanted: Expectation) -> None:
        """An operator moves the delivery, at some moment of the order's life; a final order refuses it."""
        body = {"order_id": order_id, "command": "change", "actor": "ops", "values": {"ship_to.street": MOVED}}
        await self._producer.produced("order-command", order_id, body, derive(order_id, "moved"))

    async def _change_there(self, random: Random, order_id: str, wanted: Expectation) -> None:
        path = "/fno/orders/{}/{}/change".format(*wanted.erp)
        status, _ = await self._providers.tried(path, {"DeliveryAddressStreet": CHANGED})
        wanted.happened = status < 300

    async def _cancel_there(self, random: Random, order_id: str, wanted: Expectation) -> None:
        """F+O may not have the order for a while."""
        book = self._providers.erp.orders
        for _ in range(round(WAIT_S)):
            places = [wanted.erp] if wanted.erp[1] else [(o.company, o.number) for o in book.with_reference(order_id)]
            for company, number in places:
                await self._providers.tried(f"/fno/orders/{company}/{number}/advance", {"to": "Canceled"})
                return
            await asyncio.sleep(1)

    async def _delay(self, random: Random, order_id: str, wanted: Expectation) -> None:
        """Something is in the way at the warehouse, and later it is not."""
        for _ in range(random.randint(1, 2)):
            if await self._at_flexe(order_id, "exceptions", {"code": "damaged", "message": "a box fell"}):
                await asyncio.sleep(random.uniform(0, 4))
                await self._at_flexe(order_id, "releases", {})

    async def _cancel_at_flexe(self, random: Random, order_id: str, wanted: Expectation) -> None:
        await self._at_flexe(order_id, "cancellations", {"reason": "lost in a fire"})

    async def _at_flexe(self, order_id: str, deed: str, said: Mapping[str, str]) -> bool:
        """Whether it was still possible. Flexe may not have the order for a while."""
        for _ in range(round(WAIT_S)):
            if self._providers.house.orders.with_external_id(order_id):
                status, _ = await self._providers.tried(f"/flexe/{deed}", {"external_id": order_id, **said})
                return status < 300
            await asyncio.sleep(1)
        return False

    async def _bill_anew(self, random: Random, order_id: str, wanted: Expectation) -> None:
        """An accountant cancels an invoice, posted or not, and bills the same again; later what is still open."""
        for _ in range(round(WAIT_S)):
            for document in list(self._providers.accounts.orders.billing_documents.values()):
                if document.values["PurchaseOrderByCustomer"] == order_id:
                    await asyncio.sleep(random.uniform(0, 4))
                    await self._bill_like(random, order_id, document)
                    return
            await asyncio.sleep(1)

    async def _bill_like(self, random: Random, order_id: str, document: Entity) -> None:
        await self._providers.tried(f"/sap/billing/{document.values['BillingDocument']}/cancel", {})
        await asyncio.sleep(random.uniform(0, 3))
        items = [item.values for item in document.lists["to_Item"]]
        quantities = {item["SalesDocumentItem"]: str(item["BillingQuantity"]) for item in items}
        await self._providers.tried(f"/sap/orders/{order_id}/bill", {"quantities": quantities})
        await asyncio.sleep(random.uniform(0, 6))
        await self._providers.tried(f"/sap/orders/{order_id}/bill", {})
