"""Compressed batches of a fetch, without a broker: what fits is read, what does not becomes one record that says so."""

import tracemalloc
from typing import Any

import aiokafka.consumer.fetcher
import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from app.errors import RecordError
from app.events import codec
from app.events.headers import UNREADABLE
from app.events.record import Record
from app.kafka import compressed_batches
from app.kafka.compressed_batches import BATCH_BYTES_MAX, FETCH_BYTES_MAX, bounded_records, unpack_batches

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
AT = 1_769_851_800_000


def batch(compression: int, *values: bytes, base: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for offset, value in enumerate(values):
        builder.append(offset, AT + offset, b"k", value, [("h", b"1")])
    return base.to_bytes(8, "big") + bytes(builder.build())[8:]


def records(data: bytes) -> list[Any]:
    batches, result = bounded_records(data), []
    while batches.has_next():
        each = batches.next_batch()
        assert each.validate_crc()
        result += list(each)
    return result


def test_every_consumer_reads_through_it() -> None:
    assert aiokafka.consumer.fetcher.MemoryRecords is bounded_records


@pytest.mark.parametrize("compression", CODECS.values(), ids=CODECS)
def test_a_compressed_batch_is_read_as_it_was_written(compression: int) -> None:
    data = batch(0, b"a") + batch(compression, b"b", b"c" * 100_000, base=1) + batch(0, b"d", base=3) + b"rest"
    assert [(each.offset, each.timestamp, each.key, each.value) for each in records(data)] == [
        (0, AT, b"k", b"a"),
        (1, AT, b"k", b"b"),
        (2, AT + 1, b"k", b"c" * 100_000),
        (3, AT, b"k", b"d"),
    ]


def test_what_is_not_compressed_is_not_copied() -> None:
    data = batch(0, b"a") + batch(0, b"b", base=1) + b"rest"
    assert unpack_batches(data) is data


@pytest.mark.parametrize("compression", CODECS.values(), ids=CODECS)
def test_a_batch_that_grows_too_large_becomes_one_record_that_says_so(compression: int) -> None:
    """Two records of 100 MB. The next batch is read."""
    data = batch(compression, bytes(100_000_000), bytes(100_000_000), base=7) + batch(0, b"next", base=9)
    tracemalloc.start()
    try:
        substitute, following = records(data)
        assert tracemalloc.get_traced_memory()[1] < 4 * BATCH_BYTES_MAX
    finally:
        tracemalloc.stop()
    assert (substitute.offset, substitute.timestamp, substitute.value) == (8, AT + 1, b"")
    assert (following.offset, following.value) == (9, b"next")
    record = Record("order-created", 0, 8, AT, None, substitute.value, tuple(substitute.headers))
    with pytest.raises(RecordError) as refused:
        codec.load().decode(record)
    assert (refused.value.code, refused.value.detail) == (
        "too-large",
        "offsets 7 to 8 are a batch of 2 records: it unpacks to more than 33554432 bytes; send smaller batches",
    )


def test_frames_one_after_the_other_count_together() -> None:
    frame = bytes(cramjam.zstd.compress(bytes(BATCH_BYTES_MAX // 2 + 1)))
    with pytest.raises(compressed_batches._TooLargeError):
        compressed_batches._UNPACK[4](frame * 2)


def test_after_much_unpacked_data_the_rest_is_left_to_the_next_fetch() -> None:
    large = [batch(4, bytes(FETCH_BYTES_MAX // 2), base=offset) for offset in range(5)]
    assert [each.offset for each in records(b"".join(large))] == [0, 1]


def test_a_batch_that_cannot_be_unpacked_is_said_so() -> None:
    header = list(compressed_batches._HEADER.unpack_from(batch(4, b"a" * 1000)))
    (substitute,) = records(compressed_batches._batch(header, b"no zstd"))
    assert dict(substitute.headers)[UNREADABLE].endswith(b"it cannot be unpacked (DecompressionError)")


def test_a_damaged_batch_is_left_to_aiokafka() -> None:
    damaged = batch(4, b"a" * 1000)[:-1] + b"?"
    assert unpack_batches(damaged) == damaged
