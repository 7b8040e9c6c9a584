"""Feed of BigCommerce: the orders that changed since a cursor, each with its products, addresses and fees."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from app.domain.order import Order
from app.providers import failures
from app.providers.bigcommerce import actions
from app.providers.bigcommerce.cursor import Cursor, Listed, parse, write
from app.providers.bigcommerce.order_mapping import refuse, to_order
from app.providers.http import Link
from app.providers.http_messages import Call, Intent, Reply, http_date
from app.providers.port import CallFailedError, Code, Outcome, Page, RefusedOrder, UnsharedLease

ORDERS_PER_PULL: Final = 100
"""Each order takes two more calls; a quota of 150 calls in 30 s is usual."""
ORDERS_AT_ONCE: Final = 8
PAUSE_MAX_S: Final = 60.0
"""The longest pause that a pull waits out; a longer one ends the pull."""
READ_ATTEMPTS: Final = 4
"""How often a read is sent in all when it gets a 429 each time."""
PAGES_MAX: Final = 100
"""Of the list of orders: 25,000. Some servers show their first page for ever."""
PAGES_OF_AN_ORDER_MAX: Final = 5
"""Of its products, or its addresses: 1,250, which is more than an order may have lines."""
_LEASE: Final = UnsharedLease()

Mapped = Order | RefusedOrder | None
"""What an order of the shop becomes; None: the shopper has not finished it."""


class UnreadOrders(NamedTuple):
    """`more`: others may follow. `shop_time` is the shop's own clock in seconds, None if it does not say."""

    orders: list[Listed]
    more: bool
    shop_time: int | None


class OrderFeed:
    """The feed of one store. `sleep` waits out pauses when the quota is used up."""

    def __init__(self, link: Link, store: str, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._link = link
        self._store = store
        self._sleep = sleep

    async def pull(self, cursor: str | None) -> Page:
        """Pull at most ORDERS_PER_PULL orders; fewer when the quota is used up meanwhile. See PullSource.pull."""
        position = parse(cursor)
        unread = await self._unread_orders(position)
        if not unread.orders:
            return Page((), write(position.settled(unread.shop_time)))
        entries, results = await self._read_whole(unread.orders[:ORDERS_PER_PULL])
        return Page(
            orders=tuple(order for order in results if isinstance(order, Order)),
            cursor=write(position.after(entries)),
            refused=tuple(order for order in results if isinstance(order, RefusedOrder)),
            more=unread.more or len(entries) < len(unread.orders),
        )

    async def _unread_orders(self, position: Cursor) -> UnreadOrders:
        """Return the orders of the first page that has any unread.

        A page is passed over only when all of it was read before, and is then read again: an order that leaves the list
        meanwhile would move another one across the border of two pages, unseen.
        """
        for page in range(1, PAGES_MAX + 1):
            rows, shop_time = await self._list_page(position, page)
            fresh = position.fresh(rows)
            is_full = len(rows) >= actions.PAGE_ORDERS
            if fresh and page > 1:
                before, _ = await self._list_page(position, page - 1)
                fresh = position.fresh((*before, *rows))
            if fresh or not is_full:
                return UnreadOrders(fresh, is_full, shop_time)
        raise self._endless(PAGES_MAX)

    async def _list_page(self, position: Cursor, page: int) -> tuple[list[dict[str, Any]], int | None]:
        call = actions.list_orders(position.since, page)
        reply = await self._read_patiently(call)
        return self._link.interpret(reply, call.intent, actions.rows_of), _shop_time(reply)

    async def _read_whole(self, fresh: Sequence[Listed]) -> tuple[list[Listed], list[Mapped]]:
        """Read orders whole, until the quota is used up. Raises CallFailedError if none could be read."""
        entries: list[Listed] = []
        results: list[Mapped] = []
        for start in range(0, len(fresh), ORDERS_AT_ONCE):
            if entries and self._link.pause_ms():
                break
            batch = fresh[start : start + ORDERS_AT_ONCE]
            for entry, result in zip(batch, await asyncio.gather(*map(self._mapped, batch)), strict=True):
                if isinstance(result, CallFailedError):
                    if not entries:
                        raise result
                    return entries, results
                entries.append(entry)
                results.append(result)
        return entries, results

    async def _mapped(self, entry: Listed) -> Mapped | CallFailedError:
        """Return one order, its refusal, or the failure that must be waited out."""
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
        """Return the order with its links replaced by what they lead to."""
        products = await self._all(lambda page: actions.list_products(order_id, page))
        addresses = await self._all(lambda page: actions.list_shipping_addresses(order_id, page))
        fees = wire.get("fees")
        if isinstance(fees, dict):
            # A shop that does not know `include=fees` shows where they are.
            fees = await self._fees(order_id)
        return {**wire, "products": products, "shipping_addresses": addresses, "fees": fees}

    async def _fees(self, order_id: int) -> list[dict[str, Any]]:
        return self._link.interpret(
            await self._read_patiently(actions.list_fees(order_id)), Intent.READ, actions.fees_of
        )

    async def _all(self, call: Callable[[int], Call]) -> list[dict[str, Any]]:
        """Return all rows of a listing. It ends with a page that is not full, or has nothing new."""
        rows: dict[str, dict[str, Any]] = {}
        for page in range(1, PAGES_OF_AN_ORDER_MAX + 1):
            reply = await self._read_patiently(call(page))
            rows |= {str(row.get("id")): row for row in self._link.interpret(reply, Intent.READ, actions.rows_of)}
            if len(rows) < page * actions.PAGE_ORDERS:
                return list(rows.values())
        raise self._endless(PAGES_OF_AN_ORDER_MAX)

    def _endless(self, pages: int) -> CallFailedError:
        return self._link.failure(failures.unreadable(f"a list of more than {pages} pages", Intent.READ))

    async def _read_patiently(self, call: Call) -> Reply:
        """Read, and wait out the pauses that BigCommerce asks for. Raises CallFailedError when it asks too often."""
        attempt = 1
        while True:
            pause_s = self._link.pause_ms() / 1000
            if pause_s <= PAUSE_MAX_S:
                await self._sleep(pause_s)
            try:
                return self._link.require_success(await self._link.send(call, _LEASE), call.intent)
            except CallFailedError as failure:
                if failure.result.code is not Code.RATE_LIMITED or attempt >= READ_ATTEMPTS:
                    raise
                attempt += 1


def _shop_time(reply: Reply) -> int | None:
    """Return the shop's own clock, in seconds."""
    sent_at = http_date(reply.headers.get("date", ""))
    return None if sent_at is None else int(sent_at.timestamp())
