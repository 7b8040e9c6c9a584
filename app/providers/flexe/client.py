"""Client of Flexe: sends orders to be fulfilled. The only file of this provider that waits."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from app.errors import SettingError
from app.lanes.lease import Lease
from app.providers.flexe import actions
from app.providers.http import Link, OpenHttp, Timeouts, checked_base, open_client
from app.providers.port import Action, CallFailedError, Result, UnsharedLease
from app.providers.webhooks import signer
from app.redaction import Redaction
from app.secrets import ReadSecret

THROTTLE_MS: Final = 15_000
"""The pause after a 429 that names none: a quarter of the minute in which calls are counted."""


class Flexe:
    """One connection of one owner. `clock` gives monotonic seconds."""

    name: Final = "flexe"

    def __init__(
        self,
        base_url: str,
        api_key: ReadSecret,
        owner_id: str,
        *,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
        open_http: OpenHttp = open_client,
    ) -> None:
        limits = timeouts or Timeouts()
        self._owner_id = owner_id
        self._http = open_http(limits)
        self.link = Link(
            provider=self.name,
            base_url=base_url,
            client=self._http,
            redaction=Redaction(),
            timeouts=limits,
            message_of=actions.message_of,
            throttle_ms=THROTTLE_MS,
            clock=clock,
            credentials=lambda: (("authorization", f"Bearer {api_key()}"),),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def perform(self, action: Action, lease: Lease) -> Result:
        """Send the order to be fulfilled. See Provider.perform."""
        order = actions.outbound_order(action, self._owner_id)
        if isinstance(order, Result):
            return order
        try:
            return await self._send(order, action.repeated, lease)
        except CallFailedError as failure:
            return failure.result

    async def find_references(self, order_id: str) -> Sequence[str]:
        """Return the ids of the outbound orders with this external id. See OrderFinder."""
        return await self.link.ask(
            actions.find(order_id), UnsharedLease(), partial(actions.references_in, order_id=order_id)
        )

    async def _send(self, order: actions.OutboundOrder, repeated: bool, lease: Lease) -> Result:
        if repeated:
            result = await self.link.ask(
                actions.find(order.external_id), lease, partial(actions.find_result, order=order)
            )
            if result is not None:
                return result
        return await self.link.ask(actions.create(order), lease, partial(actions.created_result, order=order))


def open_provider(values: Mapping[str, str]) -> Flexe:
    """Open the client from the settings of the manifest. Raises SettingError."""
    base_url = checked_base("WAYBILL_FLEXE_BASE_URL", values["BASE_URL"])
    try:
        signer(values["WEBHOOK_SECRET"])
    except SettingError as exc:
        raise SettingError(f"WAYBILL_FLEXE_WEBHOOK_SECRET: {exc}") from exc
    return Flexe(base_url, partial(values.__getitem__, "API_KEY"), values["OWNER_ID"])
