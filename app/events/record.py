"""A record of a topic, as it was read and as it is to be written. No client and no broker is known here."""

from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes]]

DEAD_LETTER = "dead-letter"
"""The topic that takes what no retry can make usable."""


class Record(NamedTuple):
    """One record of an input, as read. `timestamp` is the broker's when it arrived, in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Output(NamedTuple):
    """One record to be written. Without a `partition` it goes to the lane's own: an order's, in every topic.

    It has no time: the broker stamps what it takes (docs/adr/0029).
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


def unsent(topic: str, value: bytes, headers: Headers = (), *, at: int = 0) -> Record:
    """Return the record that a value without a key would become, to hold it against the codec before it is sent."""
    return Record(topic=topic, partition=0, offset=0, timestamp=at, key=None, value=value, headers=tuple(headers))
