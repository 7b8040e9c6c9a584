"""The course of a world as a hash: two worlds with the same one did the same, record by record and effect by effect."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.events.record import Record
from app.sandbox.vendors.simulation import JournalEffect


@dataclass
class Outcome:
    """What a world came to. `trace` tells any two courses apart."""

    seed: int
    trace: str
    virtual_s: float
    records: int
    callbacks: int
    steps: dict[str, int]
    deaths: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)


def spelled(effect: JournalEffect) -> str:
    """Return an effect under a fixed name, so that a trace does not depend on what its class is called."""
    fields = ", ".join(f"{name}={getattr(effect, name)!r}" for name in effect.__struct_fields__)
    return f"Effect({fields})"


class Trace:
    def __init__(self, world: Any) -> None:
        self._world, self._hash, self._records = world, hashlib.blake2b(digest_size=16), 0

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            self._records += 1
            self._hash.update(repr(record).encode())

    def outcome(self) -> Outcome:
        world = self._world
        for effect in world.providers.world.journal.effects():
            self._hash.update(spelled(effect).encode())
        self._hash.update(repr((world.loop.time(), world.deaths)).encode())
        return Outcome(
            world.seed, self._hash.hexdigest(), world.loop.time(), self._records, world.loop.callbacks, world.steps,
            world.deaths, world.providers.network.faults,
        )  # fmt: skip
