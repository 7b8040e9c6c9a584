"""Follows a running demo from outside: how many of its orders have ended, and what all providers saw in the end."""

import signal
import time
from collections.abc import Callable
from typing import Final

from tests.kafka import outside
from tests.kafka.processes import StandstillError, Waybill

HOLD_FROM: Final = 0.8
"""Share of the orders that ended from which on the demo is held: it must not end before everything was looked at."""
QUIET_S: Final = 3.0
LOOK_S: Final = 0.1


def _nothing() -> None:
    """Stands in where nothing is to be done beside."""


class Follower:
    """`tend` is called all the time, for what must be kept up beside the demo."""

    def __init__(self, reader: outside.Reader, demo: Waybill, orders: int, tend: Callable[[], None] = _nothing) -> None:
        self._reader, self._demo, self._orders, self._tend = reader, demo, orders, tend
        self.ends: dict[str, tuple[str, str]] = {}

    @property
    def share(self) -> float:
        """Of all orders, those that have ended."""
        return len(self.ends) / self._orders

    def until(self, share: float, limit_s: float, act: Callable[[], None] = _nothing) -> None:
        """Returns when that share has ended. Raises StandstillError after `limit_s`."""
        deadline = time.monotonic() + limit_s
        while self.share < share:
            if time.monotonic() > deadline:
                raise StandstillError(f"{len(self.ends)} of {self._orders} orders ended in {limit_s:g} s")
            act()
            self._look()

    def finish(self, limit_s: float) -> list[outside.Effect]:
        """The journal of all providers, once every order has ended and nothing moves any more."""
        self.until(HOLD_FROM, limit_s)
        deadline = time.monotonic() + limit_s
        while not self._demo.complete and time.monotonic() < deadline:
            self._look()
        self._demo.send(signal.SIGSTOP)
        moved = time.monotonic()
        while time.monotonic() < deadline and (self.share < 1 or time.monotonic() < moved + QUIET_S):
            if self._look():
                moved = time.monotonic()
        return outside.journal(self._demo.simulators())

    def _look(self) -> int:
        self._tend()
        code = self._demo.process.poll()
        assert code is None, f"the demo ended (exit {code}) before it was held; it said:\n{self._demo.said}"
        new = self._reader.more(LOOK_S)
        self.ends |= outside.ended(new)
        return len(new)
