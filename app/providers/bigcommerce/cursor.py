"""Cursor over a shop's orders: a second, and the orders read in it, so that none of that second is skipped. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from app.errors import ProviderError
from app.providers.bigcommerce.order_mapping import modified_at

QUIET_S: Final = 60
"""Seconds by the shop's own clock after which no order can get a time of change in a second that has passed."""


class Listed(NamedTuple):
    """An order of a listing: its time of change (s), the key by which the cursor remembers it, and its wire form."""

    instant: int
    key: str
    wire: Mapping[str, Any]


class Cursor(Struct, frozen=True):
    """Everything changed before `since` (seconds) is read, and of that second what is in `seen`."""

    since: int = 0
    seen: frozenset[str] = frozenset()

    def fresh(self, orders: Iterable[Mapping[str, Any]]) -> list[Listed]:
        """Return the orders not read yet, by second, then id."""
        entries = {entry.key: entry for entry in map(self._entry, orders)}.values()
        unread = (entry for entry in entries if entry.instant >= self.since and entry.key not in self.seen)
        return sorted(unread, key=lambda entry: (entry.instant, len(entry.key), entry.key))

    def after(self, entries: Sequence[Listed]) -> "Cursor":
        """Return the cursor once these are read, in the order of `fresh`. Keys of earlier seconds are dropped."""
        if not entries:
            return self
        since = entries[-1].instant
        seen_before = self.seen if since == self.since else frozenset()
        return Cursor(since, seen_before | {entry.key for entry in entries if entry.instant == since})

    def settled(self, shop_time: int | None) -> "Cursor":
        """Return the cursor after a list without anything new: past its second, once that is long over."""
        if shop_time is None or not self.seen or shop_time <= self.since + QUIET_S:
            return self
        return Cursor(self.since + 1)

    def _entry(self, wire: Mapping[str, Any]) -> Listed:
        """Read an entry of a listing.

        An order without a date counts as of the cursor's second; one without an id is remembered by its content.
        """
        instant = modified_at(wire)
        order_id = wire.get("id")
        key = str(order_id) if isinstance(order_id, int) else _digest(wire)
        return Listed(self.since if instant is None else instant, key, wire)


def parse(text: str | None) -> Cursor:
    """Read a cursor that `write` wrote; None starts from the beginning. Raises ProviderError for any other text."""
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
