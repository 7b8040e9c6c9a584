"""Open transactions that hold readers back: how far what may be read of an input ends before its end, and since when.

A reader of committed records stops at the first record of a transaction that has not ended. Anyone who may write an
input can leave one open, for as long as the broker allows (transaction.max.timeout.ms). What others write behind it is
stored meanwhile, and read by nobody.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from app.lanes.lane_log import Log

ORDINARY_S: Final = 15.0
"""Seconds that a transaction may be open without a word: that of a dead lane is, until its time-out (10 s) ends it."""


class Withheld(NamedTuple):
    """The offsets of an input from the first one of an open transaction to the end, and how long it has been that."""

    topic: str
    begin: int
    end: int
    seconds: float

    @property
    def is_long(self) -> bool:
        """Whether it lasts longer than the transactions of lanes may."""
        return self.seconds >= ORDINARY_S

    def sentence(self, partition: int) -> str:
        """Return what is withheld, for people."""
        place = f"--topic {self.topic} --partition {partition}"
        return (
            f"{self.topic}/{partition}: an open transaction has held back {self.end - self.begin} records from offset"
            f" {self.begin} on for {self.seconds:.0f} s; `kafka-transactions.sh describe-producers {place}` names its"
            f" producer, `kafka-transactions.sh abort {place} --start-offset {self.begin}` ends it"
        )


class OpenTransactions:
    """The open transactions in the inputs of a lane. `latest` is what the last look showed."""

    def __init__(self, topics: Sequence[str], log: Log, monotonic: Callable[[], float]) -> None:
        self._topics, self._log, self._monotonic = topics, log, monotonic
        self._since: dict[str, tuple[int, float]] = {}
        self.latest: tuple[Withheld, ...] = ()

    async def look(self) -> Sequence[Withheld]:
        """Return what is withheld of each input now, nothing of most. Raises LaneError when the broker is gone."""
        # In this order: what is committed between the two requests must not look withheld for longer than a look.
        ends = await self._log.ends(self._topics)
        bounds = await self._log.bounds(self._topics)
        stable = {topic: bounds[topic].end for topic in self._topics}
        self._since = dict(self._first_looks(stable, ends))
        now = self._monotonic()
        self.latest = tuple(
            Withheld(topic, begin, ends[topic], now - since) for topic, (begin, since) in self._since.items()
        )
        return self.latest

    def _first_looks(self, stable: Mapping[str, int], ends: Mapping[str, int]) -> Mapping[str, tuple[int, float]]:
        """Return the offset at which each input is held back, and when it was seen there first."""
        now = self._monotonic()
        held_back = {topic: begin for topic, begin in stable.items() if begin < ends.get(topic, begin)}
        return {
            topic: before if (before := self._since.get(topic)) and before[0] == begin else (begin, now)
            for topic, begin in held_back.items()
        }
