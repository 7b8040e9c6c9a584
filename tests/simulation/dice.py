"""What goes wrong in a world, decided by its seed alone: one generator, and a probability for each kind of fault."""

from dataclasses import dataclass
from random import Random
from typing import Self


@dataclass(frozen=True, slots=True)
class Odds:
    """Probabilities of a world. Seeds differ in them, so that some worlds are calm and some are wild."""

    crash: float
    """At each step of a log."""
    freeze: float
    """At each step of a log: the process stands still for a while, perhaps longer than its session."""
    linger: float
    """At each step of a log: the broker takes its time."""
    late: float
    """A fetch of one input is late while others are not: the order across topics changes."""
    call: float
    """A call to a provider meets a fault."""
    row_twice: float
    """A row of dual-write, or a webhook, comes twice."""
    row_late: float
    """A row of dual-write, or a webhook, is overtaken by others."""
    away: float
    """A producer meets a broker that is away, perhaps after it took some of the records."""
    twice: float
    """A producer writes its record again: same ce_id, or same content."""
    astray: float
    """A producer writes to the wrong partition, or without a key."""

    @classmethod
    def draw(cls, random: Random) -> Self:
        def some(most: float) -> float:
            return most * random.choice((0.0, 0.2, 0.5, 1.0))

        return cls(
            crash=some(0.02), freeze=some(0.01), linger=some(0.2), late=some(0.4), call=some(0.25),
            row_twice=some(0.4), row_late=some(0.4), away=some(0.3), twice=some(0.5), astray=some(0.4),
        )  # fmt: skip


CALL_FAULTS = (
    "refused", "lost before", "lost after", "cut after", "429", "503 before", "500 after", "slow", "forbidden",
)  # fmt: skip
"""What may happen to a call. `after`: the provider did it and nobody learned so."""


class Dice:
    """All chance of a world. `calm` ends the faults; latencies go on."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.odds = Odds.draw(self.random)
        self.calm = False
        self.latency_s = self.random.choice((0.01, 0.05, 0.5))
        """What a provider's request takes at most on its way."""
        self.crashes_left, self.freezes_left = 5, 3

    def happens(self, probability: float) -> bool:
        """Always draws, so that the course of a world does not depend on what came true before."""
        return self.random.random() < probability and not self.calm

    def between(self, least: float, most: float) -> float:
        return self.random.uniform(least, most)

    def crashes(self) -> bool:
        if self.happens(self.odds.crash) and self.crashes_left:
            self.crashes_left -= 1
            return True
        return False

    def freezes(self) -> bool:
        if self.happens(self.odds.freeze) and self.freezes_left:
            self.freezes_left -= 1
            return True
        return False

    def call_fault(self) -> str:
        return self.random.choice(CALL_FAULTS) if self.happens(self.odds.call) else ""
