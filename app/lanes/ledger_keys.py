"""Keys of a ledger partition that are a lane's own: they begin with a zero byte, which no order id does."""

from typing import Final

POSITION_KEY: Final = b"\x00position"
"""Key of the lane's position in its inputs."""
OWNER_KEY: Final = b"\x00owner"
"""Key of the note of who owns the partition."""


def is_lanes_own(key: bytes) -> bool:
    """Return whether a ledger's key is a note of its lane, and not the key of a value of the role."""
    return key.startswith(b"\x00")
