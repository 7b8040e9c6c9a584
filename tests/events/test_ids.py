"""Derived ids are stable for ever, and partitions are those of Java's client."""

import pytest
from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from app.events.ids import derive, murmur2, partition_of


def test_a_derived_id_never_changes() -> None:
    assert derive("order-created", "3/17") == "66021f0979716abf21a51c7a9707c0aa"
    assert derive("a", 1) == derive("a", "1") != derive("a", 2)


def test_cause_and_position_cannot_run_into_each_other() -> None:
    assert derive("a1", "2") != derive("a", "12")


@pytest.mark.parametrize(
    ("key", "hashed"),
    # From Kafka's own UtilsTest, as signed 32-bit numbers.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed % 2**32


@given(st.binary(max_size=64), st.integers(1, 64))
def test_partitions_are_those_of_aiokafka(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (theirs(key) & 0x7FFFFFFF) % partitions
