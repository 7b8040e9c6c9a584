"""Client of SAP: creates sales orders for accounting, and pulls the invoices that SAP makes of them."""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from app.errors import SettingError
from app.lanes.lease import Lease
from app.providers.http import Headers, Link, OpenHttp, Timeouts, checked_base, open_client
from app.providers.http_messages import Call
from app.providers.port import Action, CallFailedError, Page, Result, UnsharedLease
from app.providers.sap import actions
from app.providers.sap.actions import SalesArea
from app.providers.sap.csrf_token import CsrfToken
from app.providers.sap.feed import InvoiceFeed
from app.providers.sap.session import Session
from app.redaction import Redaction
from app.secrets import ReadSecret

THROTTLE_MS: Final = 10_000
"""The pause after a 429 that names none."""


class Sap:
    """One tenant. `clock` gives monotonic seconds."""

    name: Final = "sap"
    cursor_key: Final = name

    def __init__(
        self,
        base_url: str,
        user: str,
        password: ReadSecret,
        area: SalesArea,
        *,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
        open_http: OpenHttp = open_client,
    ) -> None:
        limits = timeouts or Timeouts()
        self._area = area
        self._http = open_http(limits)
        redaction = Redaction()

        def credentials() -> Headers:
            secret = password()
            redaction.learn("password", secret)
            pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
            return (("authorization", f"Basic {pair}"),)

        self.link = Link(
            provider=self.name,
            base_url=base_url,
            client=self._http,
            redaction=redaction,
            timeouts=limits,
            message_of=actions.message_of,
            throttle_ms=THROTTLE_MS,
            clock=clock,
            credentials=credentials,
        )
        self._session = Session(self.link, CsrfToken(self.link, redaction))
        self._feed = InvoiceFeed(self._session, area.organization, area.item_reference)

    async def close(self) -> None:
        await self._http.aclose()

    async def perform(self, action: Action, lease: Lease) -> Result:
        """Create the sales order, unless SAP has it already. See Provider.perform."""
        order = actions.order_of(action)
        if isinstance(order, Result):
            return order
        call = actions.create_order(order, self._area)
        if isinstance(call, Result):
            return call
        try:
            return await self._create(order.order_id, call, lease)
        except CallFailedError as failure:
            return failure.result

    async def find_references(self, order_id: str) -> Sequence[str]:
        """Return the numbers of the sales orders with this order's reference and mark. See OrderFinder."""
        page = await self._session.all(actions.find_orders(order_id), UnsharedLease())
        return self._session.interpret(page.entities, partial(actions.references_in, order_id=order_id))

    async def _create(self, order_id: str, call: Call, lease: Lease) -> Result:
        page = await self._session.all(actions.find_orders(order_id), lease)
        numbers = self._session.interpret(page.entities, partial(actions.by_preference, order_id=order_id))
        if numbers:
            return actions.existing_result(numbers)
        return actions.created_result(await self._session.create(call, lease, actions.number_of))

    async def pull(self, cursor: str | None) -> Page:
        """Return the orders that SAP invoiced since `cursor`. See PullSource.pull."""
        return await self._feed.pull(cursor)


def open_provider(values: Mapping[str, str]) -> Sap:
    """Open the client from the settings of the manifest. Raises SettingError."""
    area = SalesArea(
        order_type=values["SALES_ORDER_TYPE"],
        organization=values["SALES_ORGANIZATION"],
        channel=values["DISTRIBUTION_CHANNEL"],
        division=values["DIVISION"],
        sold_to=values["SOLD_TO_PARTY"],
        price_condition=values["PRICE_CONDITION_TYPE"],
        item_reference=values["ITEM_REFERENCE"] or actions.UNDERLYING_ITEM,
    )
    if area.item_reference not in (actions.UNDERLYING_ITEM, actions.SHIP_TO_REFERENCE):
        fields = f"write {actions.UNDERLYING_ITEM} or {actions.SHIP_TO_REFERENCE}"
        raise SettingError(f"WAYBILL_SAP_ITEM_REFERENCE={area.item_reference!r}: {fields}")
    base_url = checked_base("WAYBILL_SAP_BASE_URL", values["BASE_URL"])
    return Sap(base_url, values["USER"], partial(values.__getitem__, "PASSWORD"), area)
