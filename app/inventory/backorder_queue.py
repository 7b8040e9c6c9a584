"""Queues of backorders: waiting order lines by item, in fair order. An index beside the ledger, rebuilt from it.

Fair is: a higher priority first, then the longer wait, then by id. The index follows what is committed, so it may name
lines that wait no more: whoever acts on it reads the ledger first.

Requirements: S65.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Container, Sequence
from typing import NamedTuple

from app.inventory.ledger_values import SourcedOrder


class LineKey(NamedTuple):
    order_id: str
    line_id: str


class ItemKey(NamedTuple):
    pool: str
    sku: str


class QueuedLine(NamedTuple):
    """A waiting line in the queue of its item. Sorts fairly: `rank` is the priority, negated, `since` is in ms."""

    rank: int
    since: int
    order_id: str
    line_id: str
    item: ItemKey
    quantity: int

    @property
    def key(self) -> LineKey:
        return LineKey(self.order_id, self.line_id)


class BackorderQueue:
    """Waiting lines by item. Mutable, and owned by one lane."""

    def __init__(self) -> None:
        self._by_item: dict[ItemKey, list[QueuedLine]] = {}
        """In fair order, which is kept up line by line: to sort a long queue for each plan would cost its square."""
        self._by_order: dict[str, tuple[QueuedLine, ...]] = {}
        self._in_pool: Counter[str] = Counter()

    def keep(self, order: SourcedOrder) -> None:
        """Replace the waiting lines of the order by those that it has now."""
        for line in self._by_order.pop(order.order_id, ()):
            queue = self._by_item[line.item]
            del queue[bisect_left(queue, line)]
            if not queue:
                del self._by_item[line.item]
            self._in_pool[line.item.pool] -= 1
        if order.waiting:
            self._by_order[order.order_id] = lines = _queued_lines(order)
            self._in_pool[order.pool] += len(lines)
            for line in lines:
                insort(self._by_item.setdefault(line.item, []), line)

    def count(self, pool: str) -> int:
        """Return how many lines of the pool wait."""
        return self._in_pool[pool]

    def items(self, pool: str | None = None) -> list[ItemKey]:
        """Return the items that lines wait for, of the pool or of all."""
        return [item for item in self._by_item if pool in (None, item.pool)]

    def of_item(self, item: ItemKey) -> Sequence[QueuedLine]:
        """Return the lines that wait for the item, in fair order."""
        return self._by_item.get(item, ())

    def in_turn(self, item: ItemKey, available: int, passed_over: Container[LineKey]) -> list[QueuedLine]:
        """Return the lines that what is available suffices for; one that is too large lets those behind it pass."""
        lines = []
        for line in self.of_item(item) if available > 0 else ():
            if line.quantity <= available and line.key not in passed_over:
                available -= line.quantity
                lines.append(line)
        return lines


def _queued_lines(order: SourcedOrder) -> tuple[QueuedLine, ...]:
    return tuple(
        QueuedLine(
            rank=-order.priority,
            since=line.since,
            order_id=order.order_id,
            line_id=line.line_id,
            item=ItemKey(order.pool, line.sku),
            quantity=line.quantity,
        )
        for line in order.waiting
    )
