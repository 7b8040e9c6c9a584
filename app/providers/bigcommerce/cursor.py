"""How far a shop is read: a second and the orders seen in it, so that none of the same second is skipped. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from app.errors import ProviderError
from app.providers.bigcommerce.order_mapping import modified_at

QUIET_S: Final = 60
"""After that long by the shop's own clock no order can still be stamped with a second that has passed."""


class Listed(NamedTuple):
    """An order as listed: when it was changed (seconds), what it is remembered by, and its wire form."""

    instant: int
    key: str
    wire: Mapping[str, Any]


class Cursor(Struct, frozen=True):
    """Everything changed before `since` (seconds) is read, and of that second what is in `seen`."""

    since: int = 0
    seen: frozenset[str] = frozenset()

    def fresh(self, orders: Iterable[Mapping[str, Any]]) -> list[Listed]:
        """Those not read yet, by second, then id."""
        listed = {entry.key: entry for entry in map(self._listed, orders)}.values()
        unread = (entry for entry in listed if entry.instant >= self.since and entry.key not in self.seen)
        return sorted(unread, key=lambda entry: (entry.instant, len(entry.key), entry.key))

    def after(self, read: Sequence[Listed]) -> "Cursor":
        """The cursor once `read`, in the order of `fresh`, is taken. A key of an earlier second need not be kept."""
        if not read:
            return self
        since = read[-1].instant
        kept = self.seen if since == self.since else frozenset()
        return Cursor(since, kept | {entry.key for entry in read if entry.instant == since})

    def settled(self, shop_time: int | None) -> "Cursor":
        """The cursor when nothing more was listed: a second long over is left, to list its orders no more."""
        if shop_time is None or not self.seen or shop_time <= self.since + QUIET_S:
            return self
        return Cursor(self.since + 1)

    def _listed(self, wire: Mapping[str, Any]) -> Listed:
        """An order without a date counts as of the cursor's second; one without an id is remembered by its content."""
        instant = modified_at(wire)
        order_id = wire.get("id")
        key = str(order_id) if isinstance(order_id, int) else _digest(wire)
        return Listed(self.since if instant is None else instant, key, wire)


def parse(text: str | None) -> Cursor:
    """The cursor that `write` wrote; None starts from the beginning. Raises ProviderError for any other text."""
    if text is None:
        return Cursor()
    try:
        return msgspec.json.decode(text, type=Cursor)
    except msgspec.DecodeError as exc:
        raise ProviderError(f"bigcommerce: {text[:80]!r} is not a cursor of this provider ({exc})") from exc


def write(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor, order="deterministic").decode()


def _digest(wire: Mapping[str, Any]) -> str:
    return "#" + hashlib.blake2b(msgspec.json.encode(wire, order="sorted"), digest_size=8).hexdigest()
