"""Which lines wait for which item, in fair order: an index beside the ledger, rebuilt after a restore.

Fair is: a higher priority first, then who has waited longer, then by id. The index follows what is committed, so it may
name lines that wait no more: whoever acts on it looks into the ledger first.

Requirements: S65.
"""

from collections import Counter
from collections.abc import Container
from typing import NamedTuple

from app.inventory.ledger_values import Sourced

Line = tuple[str, str]
"""Order id and line id."""
Item = tuple[str, str]
"""Pool and SKU."""


class Waiter(NamedTuple):
    """A line in the queue of its item. Sorts fairly: `rank` is the priority, the highest first."""

    rank: int
    since: int
    order_id: str
    line_id: str
    item: Item
    quantity: int

    @property
    def line(self) -> Line:
        return self.order_id, self.line_id


class Waiters:
    """Lines that wait, by item. Mutable, and owned by one lane."""

    def __init__(self) -> None:
        self._by_item: dict[Item, dict[Line, Waiter]] = {}
        self._by_order: dict[str, tuple[Waiter, ...]] = {}
        self._in_pool: Counter[str] = Counter()

    def keep(self, order: Sourced) -> None:
        """The lines of the order that wait are now these."""
        for waiter in self._by_order.pop(order.order_id, ()):
            queue = self._by_item[waiter.item]
            del queue[waiter.line]
            if not queue:
                del self._by_item[waiter.item]
            self._in_pool[waiter.item[0]] -= 1
        if order.waiting:
            self._by_order[order.order_id] = waiters = _waiters(order)
            self._in_pool[order.pool] += len(waiters)
            for waiter in waiters:
                self._by_item.setdefault(waiter.item, {})[waiter.line] = waiter

    def count(self, pool: str) -> int:
        """Lines of the pool that wait."""
        return self._in_pool[pool]

    def counts(self) -> dict[str, int]:
        """Lines that wait, by pool; 0 where some once did."""
        return dict(self._in_pool)

    def items(self, pool: str | None = None) -> list[Item]:
        """What lines wait for, of the pool or of all."""
        return [item for item in self._by_item if pool in (None, item[0])]

    def queue(self, item: Item) -> list[Waiter]:
        """Whoever waits for the item, in fair order."""
        return sorted(self._by_item.get(item, {}).values())

    def in_turn(self, item: Item, available: int, passed_over: Container[Line]) -> list[Waiter]:
        """Those for whom what is available suffices; one that does not fit is passed over for the ones behind it."""
        chosen = []
        for waiter in self.queue(item) if available > 0 else ():
            if waiter.quantity <= available and waiter.line not in passed_over:
                available -= waiter.quantity
                chosen.append(waiter)
        return chosen


def _waiters(order: Sourced) -> tuple[Waiter, ...]:
    return tuple(
        Waiter(-order.priority, line.since, order.order_id, line.line_id, (order.pool, line.sku), line.quantity)
        for line in order.waiting
    )
