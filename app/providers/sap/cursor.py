"""How far SAP's billing documents are read: a time, what was seen since, and what was reported of orders. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from app.errors import ProviderError

LATE_MS: Final = 5000
"""A document is stamped some time before others can see it; after that long by SAP's clock all are seen."""
SEEN_MAX: Final = 5000
"""Documents remembered before a catching up is broken off to look for late ones."""
ORDERS_MAX: Final = 2000
"""Sales orders that are reported in part; beyond that the ones untouched longest are forgotten."""

Quantities = Mapping[str, int]
"""Item of a sales order -> quantity, in ten-thousandths."""


class Stamp(NamedTuple):
    """One state of a billing document: its number, and when it was changed (ms)."""

    document: str
    changed: int


class Cursor(Struct, frozen=True):
    """Everything changed before `since` is read, and of the rest what is in `seen`.

    While many are still to be read, lists start at `frontier` instead, where the last one left off: what became visible
    late before it is looked for once that is done. `reported` holds what was reported as invoiced of sales orders that
    are invoiced in part: an invoice that is cancelled and made anew must not count twice.
    """

    since: int = 0
    frontier: int = 0
    seen: Mapping[str, int] = {}
    reported: Mapping[str, Quantities] = {}

    @property
    def start(self) -> int:
        """Documents changed from here on have to be listed; 0: all."""
        return max(self.since, self.frontier)

    def is_fresh(self, stamp: Stamp) -> bool:
        return stamp.changed >= self.start and self.seen.get(stamp.document) != stamp.changed

    def after(self, read: Sequence[Stamp], reported: Mapping[str, Quantities], settled: int, *, more: bool) -> "Cursor":
        """The cursor once `read`, oldest first, is taken, and `reported` is all that was reported of those orders.

        `settled`: no document can still appear with an earlier time. `more`: there are others behind the last one.
        """
        last = read[-1].changed
        seen = {**self.seen, **{stamp.document: stamp.changed for stamp in read}}
        since = self._proven(min(settled, last) if more else settled)
        frontier = last if more and len(seen) < SEEN_MAX else 0
        return Cursor(since, frontier, _from(since, seen), _latest(self.reported, reported))

    def idle(self, settled: int) -> "Cursor":
        """The cursor when nothing fresh was listed. One without anything to forget stays: it need not be kept anew."""
        if not self.seen and not self.frontier:
            return self
        since = self._proven(settled)
        return Cursor(since, 0, _from(since, self.seen), self.reported)

    def _proven(self, settled: int) -> int:
        """Before when all is read now. A list that did not start at `since` proves nothing about what is before it."""
        return max(self.since, settled) if self.start == self.since else self.since


def _from(since: int, seen: Mapping[str, int]) -> dict[str, int]:
    return {document: changed for document, changed in seen.items() if changed >= since}


def _latest(before: Mapping[str, Quantities], now: Mapping[str, Quantities]) -> dict[str, Quantities]:
    """Those touched last stand last, so that the first ones are the ones to forget; without those that are complete."""
    merged = {**{order: quantities for order, quantities in before.items() if order not in now}, **now}
    kept = {order: quantities for order, quantities in merged.items() if quantities}
    return dict(list(kept.items())[-ORDERS_MAX:])


def fresh_of(cursor: Cursor, stamps: Iterable[Stamp]) -> list[Stamp]:
    """Those not read yet, oldest first."""
    fresh = {stamp for stamp in stamps if cursor.is_fresh(stamp)}
    return sorted(fresh, key=lambda stamp: (stamp.changed, stamp.document))


def settled_at(sap_time: int | None, stamps: Iterable[Stamp]) -> int:
    """No document can still appear with an earlier time: by SAP's own clock, else by the latest of these."""
    latest = max((stamp.changed for stamp in stamps), default=0)
    return max(0, (latest if sap_time is None else sap_time) - LATE_MS)


def parse(text: str | None) -> Cursor:
    """The cursor that `write` wrote; None starts from the beginning. Raises ProviderError for any other text."""
    if text is None:
        return Cursor()
    try:
        return msgspec.json.decode(text, type=Cursor)
    except msgspec.DecodeError as exc:
        raise ProviderError(f"sap: {text[:80]!r} is not a cursor of this provider ({exc})") from exc


def write(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()
