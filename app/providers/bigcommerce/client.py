"""Client of BigCommerce: pulls orders, and writes their statuses."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from app.errors import SettingError
from app.lanes.lease import Lease
from app.providers.bigcommerce import actions
from app.providers.bigcommerce.feed import OrderFeed
from app.providers.http import Link, OpenHttp, Timeouts, checked_base, open_client
from app.providers.port import Action, CallFailedError, Code, Outcome, Page, Result
from app.redaction import Redaction
from app.secrets import ReadSecret

THROTTLE_MS: Final = 5000
"""The pause after a 429 without any header: the platform is under load."""


class BigCommerce:
    """One store. `clock` gives monotonic seconds; `sleep` is what a pull waits with when the quota is used up."""

    name: Final = "bigcommerce"

    def __init__(
        self,
        base_url: str,
        store_hash: str,
        access_token: ReadSecret,
        *,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        open_http: OpenHttp = open_client,
    ) -> None:
        limits = timeouts or Timeouts()
        self._store = store_hash
        self.cursor_key: Final = f"{self.name}/{store_hash}"
        self._http = open_http(limits)
        self.link = Link(
            provider=self.name,
            base_url=f"{base_url}/stores/{store_hash}/v2",
            client=self._http,
            redaction=Redaction(),
            timeouts=limits,
            message_of=actions.message_of,
            throttle_ms=THROTTLE_MS,
            clock=clock,
            credentials=lambda: (("x-auth-token", access_token()),),
        )
        self._feed = OrderFeed(self.link, store_hash, sleep)

    async def close(self) -> None:
        await self._http.aclose()

    async def perform(self, action: Action, lease: Lease) -> Result:
        """Set the order's status at BigCommerce. See Provider.perform."""
        request = actions.update_request(action, self._store)
        if isinstance(request, Result):
            return request
        try:
            return await self._update_status(*request, action.repeated, lease)
        except CallFailedError as failure:
            return failure.result

    async def _update_status(self, order_id: str, status_id: int, repeated: bool, lease: Lease) -> Result:
        read = partial(actions.status_id_of, order_id=order_id)
        if repeated:
            current = await self.link.ask(actions.read_order(order_id), lease, read)
            if actions.is_reached(current, status_id):
                return actions.updated(order_id, current, "was so already")
        current = await self.link.ask(actions.set_status(order_id, status_id), lease, read)
        if current != status_id:
            raise self.link.failure(Result(Outcome.UNKNOWN, Code.CONFLICT, f"status_id is {current}, not {status_id}"))
        return actions.updated(order_id, current)

    async def pull(self, cursor: str | None) -> Page:
        """Return the orders that changed since `cursor`. See PullSource.pull."""
        return await self._feed.pull(cursor)


def open_provider(values: Mapping[str, str]) -> BigCommerce:
    """Open the client from the settings of the manifest. Raises SettingError."""
    store = values["STORE_HASH"]
    if not store.isalnum():
        raise SettingError(f"WAYBILL_BIGCOMMERCE_STORE_HASH={store!r}: a store's hash is letters and digits")
    base_url = checked_base("WAYBILL_BIGCOMMERCE_BASE_URL", values["BASE_URL"])
    return BigCommerce(base_url, store, partial(values.__getitem__, "ACCESS_TOKEN"))
