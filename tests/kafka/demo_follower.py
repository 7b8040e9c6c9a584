"""Follows a running demo from outside: how many of its orders have ended, and what all providers saw."""

import contextlib
import time
from collections.abc import Callable
from typing import Final

from tests.kafka import black_box
from tests.kafka.processes import StandstillError, Waybill

LOOK_S: Final = 0.1


def _nothing() -> None:
    """Stands in where nothing is to be done beside."""


class Follower:
    """`tend` is called all the time, for what must be kept up beside the demo. Nothing is done to the demo itself: it
    is what starts a worker again that has ended.

    `effects` is the journal of all providers as far as it was read: to its end, because their simulators end after all
    workers, which takes longer than a look.
    """

    def __init__(
        self, reader: black_box.Reader, demo: Waybill, orders: int, tend: Callable[[], None] = _nothing
    ) -> None:
        self._reader, self._demo, self._orders, self._tend = reader, demo, orders, tend
        self.ends: dict[str, tuple[str, str]] = {}
        self.effects: list[black_box.Effect] = []

    @property
    def share(self) -> float:
        """Of all orders, those that have ended."""
        return len(self.ends) / self._orders

    def until(self, share: float, limit_s: float, act: Callable[[], None] = _nothing) -> None:
        """Returns when that share has ended. Raises StandstillError after `limit_s`, or when it never will."""
        deadline = time.monotonic() + limit_s
        while self.share < share:
            act()
            over = self._demo.process.poll() is not None
            if (not self._look() and over) or time.monotonic() > deadline:
                raise self._standstill(limit_s)

    def finish(self, limit_s: float) -> int:
        """The exit code of the demo, once it has ended by itself. Raises StandstillError after `limit_s`."""
        deadline = time.monotonic() + limit_s
        while (code := self._demo.process.poll()) is None:
            self._look()
            if time.monotonic() > deadline:
                raise self._standstill(limit_s)
        return code

    def _look(self) -> int:
        self._tend()
        new = self._reader.more(LOOK_S)
        self.ends |= black_box.ended(new)
        with contextlib.suppress(OSError):  # the simulators have ended with the demo
            self.effects += black_box.journal(self._demo.simulators(), self.effects[-1]["seq"] if self.effects else 0)
        return len(new)

    def _standstill(self, limit_s: float) -> StandstillError:
        ended = f"{len(self.ends)} of {self._orders} orders ended in {limit_s:g} s"
        return StandstillError(f"{ended}; the demo said:\n{self._demo.said}")
