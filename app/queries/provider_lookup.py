"""What providers have of the orders of an audit, asked by reading alone, a few orders at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import islice
from typing import Final

from app.providers.port import CallFailedError, OrderFinder, Outcome
from app.queries.audit import OrderAudit

AT_ONCE: Final = 8
"""Orders that providers are asked for at the same time: their quotas are for the work."""
TRIES_MAX: Final = 5
PAUSE_S: Final = 1.0
PAUSE_S_MAX: Final = 60.0


class ProviderLookup:
    """Asks `finders` by provider. `failures`: why a provider was asked no further."""

    def __init__(self, finders: Mapping[str, OrderFinder]) -> None:
        self._finders = finders
        self.failures: dict[str, str] = {}

    async def look(self, orders: Iterable[OrderAudit]) -> AsyncIterator[OrderAudit]:
        """Yield all orders, those that a provider made with what it calls them."""
        remaining = iter(orders)
        while batch := list(islice(remaining, AT_ONCE)):
            await asyncio.gather(*map(self._look, batch))
            for order in batch:
                yield order

    async def _look(self, order: OrderAudit) -> None:
        references = {}
        for provider in order.makers:
            if provider not in self._finders or provider in self.failures:
                continue
            try:
                references[provider] = await _find(self._finders[provider], order.order_id)
            except CallFailedError as failure:
                self.failures[provider] = str(failure)
        order.references = references


async def _find(finder: OrderFinder, order_id: str) -> list[str]:
    """Return what a provider calls the order. What may be repeated is, after the pause that it asks for."""
    for _ in range(TRIES_MAX - 1):
        try:
            return list(await finder.find_references(order_id))
        except CallFailedError as failure:
            if failure.result.outcome is not Outcome.RETRY:
                raise
            await asyncio.sleep(min(max(PAUSE_S, failure.result.retry_after_ms / 1000), PAUSE_S_MAX))
    return list(await finder.find_references(order_id))
