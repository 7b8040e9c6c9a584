"""Pulls orders from the shops: a page's orders and the cursor after them are one transaction, so that none is lost.

The role's input is its own ledger, of one partition: whoever is given it is the one that pulls.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from app.agents.records import encoded
from app.agents.role import DEAD_LETTER, Folded, Output, Record
from app.events.codec import Codec
from app.events.ids import derive, partition_of
from app.events.model import Event, OrderCreated
from app.providers.port import CallFailedError, RefusedOrder, Source

SOURCE: Final = "waybill/pull"
PAGES_MAX: Final = 4
"""Pages taken in one transaction, so that its size stays bounded."""


class Pull:
    """The one lane of the role `pull`. `sources` are by name, e.g. `bigcommerce/<store>`: the key of the cursor."""

    name = "pull"
    inputs: tuple[str, ...] = ("pull-ledger",)
    ledger = "pull-ledger"

    def __init__(self, codec: Codec, sources: Mapping[str, Source], partitions: int, dead_letters: int) -> None:
        """`partitions` of order-created, `dead_letters` of dead-letter: this lane writes to all of them."""
        self._codec, self._sources = codec, sources
        self._partitions, self._dead_letters = partitions, dead_letters
        self.failures: dict[str, str] = {}
        """What each source answered last, where it failed: for logs and views."""

    def owner_key(self, record: Record) -> bytes | None:
        return record.key

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded:
        return Folded(outcome="own")

    async def poll(self, state: Mapping[bytes, bytes]) -> Folded | None:
        outputs: list[Output] = []
        changes: dict[bytes, bytes | None] = {}
        for name, source in self._sources.items():
            cursor = state.get(name.encode())
            try:
                found, after = await self._pages(name, source, cursor.decode() if cursor else None)
            except CallFailedError as problem:
                self.failures[name] = str(problem)
                continue
            self.failures.pop(name, None)
            outputs += found
            if after is not None and after.encode() != cursor:
                changes[name.encode()] = after.encode()
        return Folded(outputs, changes, outcome="pulled") if outputs or changes else None

    async def _pages(self, name: str, source: Source, cursor: str | None) -> tuple[list[Output], str | None]:
        outputs: list[Output] = []
        for _ in range(PAGES_MAX):
            page = await source.pull(cursor)
            outputs += [self._created(order_body) for order_body in map(OrderCreated, page.orders)]
            outputs += [self._refused(name, refused) for refused in page.refused]
            cursor = page.cursor
            if not page.more:
                break
        return outputs, cursor

    def _created(self, body: OrderCreated) -> Output:
        """An order pulled twice has the same id: the lane of its order knows it already."""
        order = body.order
        key = order.order_id.encode()
        event = Event("order created", derive(order.order_id, "pulled"), order.order_id, _now_ms(), SOURCE, "", body)
        return encoded(self._codec, event)._replace(partition=partition_of(key, self._partitions))

    def _refused(self, name: str, refused: RefusedOrder) -> Output:
        """An order that cannot be expressed here. It is pulled again once it is mended in the shop."""
        key = f"pull/{name}/{refused.source_ref}".encode()
        marks = {
            "code": "unmappable",
            "detail": refused.reason,
            "topic": "",
            "key": refused.source_ref,
            "role": self.name,
        }
        headers = [(f"waybill-dead-{mark}", text.encode()) for mark, text in marks.items()]
        return Output(DEAD_LETTER, key, refused.wire, headers, partition_of(key, self._dead_letters))

    def due(self, now_ms: int) -> Sequence[Output]:
        return ()

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        pass

    def changed(self, key: bytes, value: bytes | None) -> None:
        pass

    def settled_at(self, value: bytes) -> int:
        return 0


def _now_ms() -> int:
    return int(time.time() * 1000)
