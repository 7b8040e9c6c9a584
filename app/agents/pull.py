"""Pulls orders from the shops: a page's orders and the cursor after them are one transaction, so that none is lost.

The role's input is its own ledger, of one partition: whoever is given it is the one that pulls.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from app.agents.letters import DETAIL_CHARACTERS_MAX, MARK, rfc3339
from app.agents.records import encoded
from app.agents.role import DEAD_LETTER, Folded, Output, Record
from app.domain.order import Order
from app.errors import ProviderError, RecordError
from app.events.codec import Codec
from app.events.ids import derive, partition_of
from app.events.limits import RECORD_BYTES_MAX
from app.events.model import Event, OrderCreated, ProviderEvent
from app.providers.port import RefusedOrder, Source

SOURCE: Final = "waybill/pull"
_journal = logging.getLogger(__name__)
ORDER_BYTES_MAX: Final = RECORD_BYTES_MAX
"""A larger order could not be taken by the lane that it goes to."""
WIRE_BYTES_MAX: Final = 256 << 10
"""What is kept of an order that cannot be expressed."""
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
            except ProviderError as problem:
                self._note(name, str(problem))
                continue
            self._note(name, "")
            outputs += found
            if after is not None and after.encode() != cursor:
                changes[name.encode()] = after.encode()
        return Folded(outputs, changes, outcome="pulled") if outputs or changes else None

    async def _pages(self, name: str, source: Source, cursor: str | None) -> tuple[list[Output], str | None]:
        outputs: list[Output] = []
        for _ in range(PAGES_MAX):
            page = await source.pull(cursor)
            outputs += [self._created(name, order) for order in page.orders]
            outputs += [self._reported(event) for event in page.events]
            outputs += [self._refused(name, refused) for refused in page.refused]
            cursor = page.cursor
            if not page.more:
                break
        return outputs, cursor

    def _note(self, name: str, problem: str) -> None:
        """Says once that a source fails, and once that it answers again."""
        if problem != self.failures.get(name, ""):
            _journal.warning("%s: %s", name, problem or "answers again")
        self.failures[name] = problem
        if not problem:
            del self.failures[name]

    def _created(self, name: str, order: Order) -> Output:
        """An order pulled twice has the same id: the lane of its order knows it already."""
        try:
            found = self._output("order created", derive(order.order_id, "pulled"), OrderCreated(order))
        except RecordError as problem:
            return self._refused(name, RefusedOrder(order.source_ref, problem.detail, b""))
        if len(found.value or b"") > ORDER_BYTES_MAX:
            reason = f"order {order.source_ref}: {len(found.value or b'')} bytes, at most {ORDER_BYTES_MAX}; split it"
            return self._refused(name, RefusedOrder(order.source_ref, reason, found.value or b""))
        return found

    def _reported(self, body: ProviderEvent) -> Output:
        """What is told twice in the same words has the same id."""
        words = blake2b(msgspec.msgpack.encode(body), digest_size=16).hexdigest()
        return self._output("provider event", derive(body.order_id, f"pulled/{words}"), body)

    def _output(self, kind: str, event_id: str, body: OrderCreated | ProviderEvent) -> Output:
        order_id = body.order.order_id if isinstance(body, OrderCreated) else body.order_id
        event = Event(kind, event_id, order_id, _now_ms(), SOURCE, "", body)
        partition = partition_of(order_id.encode(), self._partitions)
        return encoded(self._codec, event)._replace(partition=partition)

    def _refused(self, name: str, refused: RefusedOrder) -> Output:
        """An order that cannot be expressed here. It is pulled again once it is mended in the shop."""
        key = f"pull/{name}/{refused.source_ref}".encode()
        marks = {
            "code": "unmappable",
            "detail": refused.reason[:DETAIL_CHARACTERS_MAX],
            "topic": "",
            "key": refused.source_ref,
            "role": self.name,
            "at": rfc3339(_now_ms()),
        }
        if len(refused.wire) > WIRE_BYTES_MAX:
            marks["truncated"] = str(len(refused.wire))
        headers = [(MARK + mark, text.encode(errors="replace")) for mark, text in marks.items()]
        value = refused.wire[:WIRE_BYTES_MAX]
        return Output(DEAD_LETTER, key, value, headers, partition_of(key, self._dead_letters))

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
