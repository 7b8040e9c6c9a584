"""BigCommerce over HTTP, the only place of this provider that waits: orders are pulled, statuses are written."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

from app.domain.order import Order
from app.errors import SettingError
from app.lanes.lease import Lease
from app.providers.bigcommerce import actions
from app.providers.bigcommerce.cursor import Cursor, Listed, parse, write
from app.providers.bigcommerce.order_mapping import refuse, to_order
from app.providers.http import Link, OpenHttp, Timeouts, checked_base, open_client
from app.providers.port import Action, Always, CallFailedError, Code, Outcome, Page, RefusedOrder, Result
from app.providers.redaction import Redaction
from app.providers.wire import Call, Intent, Reply

ORDERS_PER_PULL: Final = 100
"""Each order takes two more calls; a quota of 150 calls in 30 s is usual."""
ORDERS_AT_ONCE: Final = 8
THROTTLE_MS: Final = 5000
"""A 429 without any header means that the platform is under load."""
PAUSE_MAX_S: Final = 60.0
"""The longest pause that a pull waits out; after a longer one it is somebody else's turn to ask again."""
READ_ATTEMPTS: Final = 4
"""How often a pull waits out a 429 before it gives up until next time."""
_ALWAYS: Final = Always()

Mapped = Order | RefusedOrder | None


class BigCommerce:
    """One store. `clock` gives monotonic seconds; `sleep` is what a pull waits with when the quota is used up."""

    name: Final = "bigcommerce"

    def __init__(
        self,
        base_url: str,
        store_hash: str,
        access_token: str,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        open_http: OpenHttp = open_client,
    ) -> None:
        limits = timeouts or Timeouts()
        self._store, self._sleep = store_hash, sleep
        self.cursor_key: Final = f"{self.name}/{store_hash}"
        self._http = open_http(limits)
        self._http.headers["x-auth-token"] = access_token
        redaction = Redaction(access_token=access_token)
        self.link = Link(
            provider=self.name,
            base_url=f"{base_url}/stores/{store_hash}/v2",
            client=self._http,
            redaction=redaction,
            timeouts=limits,
            message_of=actions.message_of,
            throttle_ms=THROTTLE_MS,
            clock=clock,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def perform(self, action: Action, lease: Lease) -> Result:
        """Sets the order's status at BigCommerce. See Provider.perform."""
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
            held = await self.link.ask(actions.read_order(order_id), lease, read)
            if actions.already(held, status_id):
                return actions.updated(order_id, held, "was so already")
        held = await self.link.ask(actions.set_status(order_id, status_id), lease, read)
        if held != status_id:
            raise self.link.failed(Result(Outcome.UNKNOWN, Code.CONFLICT, f"status_id is {held}, not {status_id}"))
        return actions.updated(order_id, held)

    async def pull(self, cursor: str | None) -> Page:
        """At most ORDERS_PER_PULL orders; fewer when the quota is used up meanwhile. See Source.pull."""
        position = parse(cursor)
        fresh, rest, shop_time = await self._unread(position)
        if not fresh:
            return Page((), write(position.settled(shop_time)))
        taken, results = await self._taken(fresh[:ORDERS_PER_PULL])
        return Page(
            orders=tuple(order for order in results if isinstance(order, Order)),
            cursor=write(position.after(taken)),
            refused=tuple(order for order in results if isinstance(order, RefusedOrder)),
            more=rest or len(taken) < len(fresh),
        )

    async def _unread(self, position: Cursor) -> tuple[list[Listed], bool, int | None]:
        """The first page that has something unread, whether more may follow, and the shop's time in seconds.

        A page is only passed over when all of it is known, and is read again then: an order that leaves the list
        meanwhile would move another one across the border of two pages, unseen.
        """
        page = 1
        while True:
            rows, shop_time = await self._listed(position, page)
            fresh, full = position.fresh(rows), len(rows) >= actions.PAGE_ORDERS
            if fresh and page > 1:
                before, _ = await self._listed(position, page - 1)
                fresh = position.fresh((*before, *rows))
            if fresh or not full:
                return fresh, full, shop_time
            page += 1

    async def _listed(self, position: Cursor, page: int) -> tuple[list[dict[str, Any]], int | None]:
        call = actions.list_orders(position.since, page)
        reply = await self._patiently(call)
        return self.link.understood(reply, call.intent, actions.rows_of), _shop_time(reply)

    async def _taken(self, fresh: Sequence[Listed]) -> tuple[list[Listed], list[Mapped]]:
        """What could be read with products and addresses, from the front. Raises CallFailedError if that is nothing."""
        taken: list[Listed] = []
        results: list[Mapped] = []
        for start in range(0, len(fresh), ORDERS_AT_ONCE):
            if taken and self.link.pause_ms():
                break
            batch = fresh[start : start + ORDERS_AT_ONCE]
            for entry, result in zip(batch, await asyncio.gather(*map(self._mapped, batch)), strict=True):
                if isinstance(result, CallFailedError):
                    if not taken:
                        raise result
                    return taken, results
                taken.append(entry)
                results.append(result)
        return taken, results

    async def _mapped(self, entry: Listed) -> Mapped | CallFailedError:
        """One order, a refusal, or the failure that must be waited out."""
        order_id = entry.wire.get("id")
        if not isinstance(order_id, int):
            return refuse(entry.wire, f"id: {order_id!r} is not a whole number")
        try:
            return to_order(self._store, await self._expanded(order_id, entry.wire))
        except CallFailedError as failure:
            result = failure.result
            if result.outcome is Outcome.RETRY and result.code is not Code.MALFORMED:
                return failure
            return refuse(entry.wire, f"its products, addresses or fees cannot be read: {result.detail}")

    async def _expanded(self, order_id: int, wire: Mapping[str, Any]) -> dict[str, Any]:
        """The order with its links replaced by what they lead to."""
        products = await self._all(lambda page: actions.list_products(order_id, page))
        addresses = await self._all(lambda page: actions.list_shipping_addresses(order_id, page))
        fees = wire.get("fees")
        if isinstance(fees, dict):
            # A shop that does not know `include=fees` shows where they are.
            fees = await self._fees(order_id)
        return {**wire, "products": products, "shipping_addresses": addresses, "fees": fees}

    async def _fees(self, order_id: int) -> list[dict[str, Any]]:
        return self.link.understood(await self._patiently(actions.list_fees(order_id)), Intent.READ, actions.fees_of)

    async def _all(self, call: Callable[[int], Call]) -> list[dict[str, Any]]:
        """All pages of a listing. It ends with a page that is not full, or brings nothing new."""
        rows: dict[object, dict[str, Any]] = {}
        page = 0
        while len(rows) >= page * actions.PAGE_ORDERS:
            page += 1
            reply = await self._patiently(call(page))
            rows |= {row.get("id"): row for row in self.link.understood(reply, Intent.READ, actions.rows_of)}
        return list(rows.values())

    async def _patiently(self, call: Call) -> Reply:
        """A read that waits out the pauses that BigCommerce asks for. Raises CallFailedError when it asks too often."""
        attempt = 1
        while True:
            pause_s = self.link.pause_ms() / 1000
            if pause_s <= PAUSE_MAX_S:
                await self._sleep(pause_s)
            try:
                return self.link.expected(await self.link.send(call, _ALWAYS), call.intent)
            except CallFailedError as failure:
                if failure.result.code is not Code.RATE_LIMITED or attempt >= READ_ATTEMPTS:
                    raise
                attempt += 1


def _shop_time(reply: Reply) -> int | None:
    """The shop's own clock, in seconds."""
    try:
        return int(parsedate_to_datetime(reply.headers.get("date", "")).timestamp())
    except ValueError:
        return None


def open_provider(values: Mapping[str, str]) -> BigCommerce:
    """From the settings of the manifest. Raises SettingError."""
    store = values["STORE_HASH"]
    if not store.isalnum():
        raise SettingError(f"WAYBILL_BIGCOMMERCE_STORE_HASH={store!r}: a store's hash is letters and digits")
    base_url = checked_base("WAYBILL_BIGCOMMERCE_BASE_URL", values["BASE_URL"])
    return BigCommerce(base_url, store, values["ACCESS_TOKEN"])
