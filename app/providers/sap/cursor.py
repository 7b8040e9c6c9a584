"""Cursor over SAP's billing documents: a time, the documents read since, and what is reported of orders. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from app.errors import ProviderError

LATE_MS: Final = 5000
"""A document gets its time some moments before it is visible; after this delay by SAP's clock it is visible."""
SEEN_MAX: Final = 5000
"""With more documents remembered than this, catching up stops to look for late documents first."""
ORDERS_MAX: Final = 2000
"""Sales orders that are reported in part; beyond this number the ones unchanged for longest are forgotten."""

Quantities = Mapping[str, int]
"""Item of a sales order -> quantity, in ten-thousandths."""


class Stamp(NamedTuple):
    """One state of a billing document: its number, and when it was changed (ms)."""

    document: str
    changed: int


class Cursor(Struct, frozen=True):
    """Everything changed before `since` is read, and of the rest what is in `seen`.

    While many documents are still to be read, lists start at `frontier`, where the last one ended; documents before it
    that became visible late are looked for afterwards. `reported` is what was reported as invoiced of sales orders that
    are invoiced in part: an invoice that is cancelled and created again must not count twice.
    """

    since: int = 0
    frontier: int = 0
    seen: Mapping[str, int] = {}
    reported: Mapping[str, Quantities] = {}

    @property
    def start(self) -> int:
        """The time from which changed documents have to be listed; 0: all."""
        return max(self.since, self.frontier)

    def is_fresh(self, stamp: Stamp) -> bool:
        return stamp.changed >= self.start and self.seen.get(stamp.document) != stamp.changed

    def after(
        self, stamps: Sequence[Stamp], reported: Mapping[str, Quantities], settled: int, *, more: bool
    ) -> "Cursor":
        """Return the cursor once `stamps`, oldest first, are read; `reported` is all that is reported of their orders.

        `settled`: no document can still appear with an earlier time. `more`: others follow the last stamp.
        """
        last = stamps[-1].changed
        seen_stamps = {**self.seen, **{stamp.document: stamp.changed for stamp in stamps}}
        since = self._proven(min(settled, last) if more else settled)
        frontier = last if more and len(seen_stamps) < SEEN_MAX else 0
        return Cursor(since, frontier, _from(since, seen_stamps), _latest(self.reported, reported))

    def idle(self, settled: int) -> "Cursor":
        """Return the cursor after a list without anything new. It stays equal where it has nothing to forget."""
        if not self.seen and not self.frontier:
            return self
        since = self._proven(settled)
        return Cursor(since, 0, _from(since, self.seen), self.reported)

    def _proven(self, settled: int) -> int:
        """Return the time before which all is read. A list that did not start at `since` proves nothing before it."""
        return max(self.since, settled) if self.start == self.since else self.since


def _from(since: int, stamps: Mapping[str, int]) -> dict[str, int]:
    return {document: changed for document, changed in stamps.items() if changed >= since}


def _latest(before: Mapping[str, Quantities], now: Mapping[str, Quantities]) -> dict[str, Quantities]:
    """Merge what is reported. Orders changed last come last: the first are forgotten. Complete ones are left out."""
    merged = {**{order: quantities for order, quantities in before.items() if order not in now}, **now}
    in_part = {order: quantities for order, quantities in merged.items() if quantities}
    return dict(list(in_part.items())[-ORDERS_MAX:])


def fresh_of(cursor: Cursor, stamps: Iterable[Stamp]) -> list[Stamp]:
    """Return the stamps not read yet, oldest first."""
    fresh = {stamp for stamp in stamps if cursor.is_fresh(stamp)}
    return sorted(fresh, key=lambda stamp: (stamp.changed, stamp.document))


def settled_at(sap_time: int | None, stamps: Iterable[Stamp]) -> int:
    """Return the time before which no document can still appear: by SAP's own clock, else by the latest stamp."""
    latest = max((stamp.changed for stamp in stamps), default=0)
    return max(0, (latest if sap_time is None else sap_time) - LATE_MS)


def parse(text: str | None) -> Cursor:
    """Read a cursor that `write` wrote; None starts from the beginning. Raises ProviderError for any other text."""
    if text is None:
        return Cursor()
    try:
        return msgspec.json.decode(text, type=Cursor)
    except msgspec.DecodeError as exc:
        raise ProviderError(f"sap: {text[:80]!r} is not a cursor of this provider ({exc})") from exc


def write(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()
