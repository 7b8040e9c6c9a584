"""How far SAP's billing documents are read: a time, what was seen around it, and what was reported of orders. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.errors import ProviderError

OVERLAP_MS: Final = 10_000
"""A document is stamped a moment before others can see it, so that so much is read twice."""
QUIET_MS: Final = 60_000
"""After that long by SAP's own clock no document can still appear with a time that has passed."""
ORDERS_MAX: Final = 2000
"""Sales orders of which parts are reported, and no more; beyond that the longest untouched are forgotten."""

Quantities = Mapping[str, int]
"""Item of a sales order -> quantity, in ten-thousandths."""


class Stamp(NamedTuple):
    """One state of a billing document: its number, and when it was changed (ms)."""

    document: str
    changed: int


class Cursor(Struct, frozen=True):
    """Everything changed before `since` less OVERLAP_MS is read, and of the rest what is in `seen`.

    `reported` holds, by sales order, what was reported as invoiced so far: an invoice that is cancelled and made anew
    must not count twice.
    """

    since: int = 0
    seen: Mapping[str, int] = {}
    reported: Mapping[str, Quantities] = {}

    @property
    def start(self) -> int:
        """Documents changed from here on have to be listed; 0: all."""
        return max(0, self.since - OVERLAP_MS)

    def is_fresh(self, stamp: Stamp) -> bool:
        return stamp.changed >= self.start and self.seen.get(stamp.document) != stamp.changed

    def after(self, read: Sequence[Stamp], reported: Mapping[str, Quantities]) -> "Cursor":
        """The cursor once `read`, oldest first, is taken, and `reported` is all that was reported of those orders."""
        since = max(self.since, *(stamp.changed for stamp in read))
        seen = {**self.seen, **{stamp.document: stamp.changed for stamp in read}}
        recent = {document: changed for document, changed in seen.items() if changed >= since - OVERLAP_MS}
        return Cursor(since, recent, _latest(self.reported, reported))

    def settled(self, sap_time: int | None) -> "Cursor":
        """The cursor when nothing fresh was listed: a time long over is left, to list its documents no more."""
        if sap_time is None or not self.seen or sap_time <= self.since + QUIET_MS:
            return self
        return replace(self, since=self.since + OVERLAP_MS + 1, seen={})


def _latest(before: Mapping[str, Quantities], now: Mapping[str, Quantities]) -> dict[str, Quantities]:
    """Those touched last stand last, so that the first ones are the ones to forget."""
    merged = {**{order: quantities for order, quantities in before.items() if order not in now}, **now}
    return dict(list(merged.items())[-ORDERS_MAX:])


def fresh_of(cursor: Cursor, stamps: Iterable[Stamp]) -> list[Stamp]:
    """Those not read yet, oldest first."""
    fresh = {stamp for stamp in stamps if cursor.is_fresh(stamp)}
    return sorted(fresh, key=lambda stamp: (stamp.changed, stamp.document))


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
