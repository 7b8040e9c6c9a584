"""Derived identities: event ids from what caused them, partitions from order ids. A replay finds the same ones."""

from functools import lru_cache
from hashlib import blake2b

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_WORD = 0xFFFFFFFF


def derive(cause_id: str, position: int | str) -> str:
    """Return the id of what `cause_id` brought about at `position`: 32 hex digits, the same in every replay."""
    return blake2b(f"{cause_id}\x00{position}".encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Java and aiokafka producers choose for `key`: murmur2, sign bit cleared, modulo."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return Kafka's murmur2 of `data`, as an unsigned 32-bit number."""
    length = len(data)
    whole = length & ~3
    result = _SEED ^ length
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        result = (result * _MULTIPLIER & _WORD) ^ word
    if length != whole:
        result = (result ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _WORD
    result = (result ^ result >> 13) * _MULTIPLIER & _WORD
    return result ^ result >> 15
