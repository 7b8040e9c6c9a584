"""Compressed batches of a fetch, unpacked within a limit.

aiokafka unpacks a batch whole, whatever it grows to: 38 kB of zstd took 4 GB before any record was seen. Here the
batches of a fetch are unpacked first, each into a buffer that ends at the limit. One that does not fit is replaced by a
single record that says so, and the lane makes a dead letter of that.
"""

import gzip
import io
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiokafka.consumer.fetcher
import cramjam
from aiokafka.codec import _detect_xerial_stream
from aiokafka.record.default_records import DefaultRecordBase, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from app.events.headers import UNREADABLE

BATCH_BYTES_MAX: Final = 32 << 20
"""Of one batch, unpacked: a batch of 1 MiB (max.message.bytes) that was compressed to a thirty-second."""
FETCH_BYTES_MAX: Final = 16 << 20
"""After so many unpacked bytes of one partition the rest of a fetch is left out; the next fetch brings it again."""
_LENGTH: Final = struct.Struct(">qi")
_HEADER: Final = DefaultRecordBase.HEADER_STRUCT
_MAGIC_AT: Final = struct.calcsize(">qii")
_CRC_AT: Final = DefaultRecordBase.CRC_OFFSET
_ATTRIBUTES_AT: Final = DefaultRecordBase.ATTRIBUTES_OFFSET
_CODECS: Final = DefaultRecordBase.CODEC_MASK
_BLOCK: Final = struct.Struct(">i")
_XERIAL_HEADER_BYTES: Final = 16


class _TooLargeError(Exception):
    """A batch is larger than BATCH_BYTES_MAX."""


def bounded_records(data: bytes) -> Any:
    """Return the records of one partition in a fetch, as aiokafka's fetcher reads them."""
    return MemoryRecords(unpack_batches(data))


def unpack_batches(data: bytes) -> bytes:
    """Return the batches of a fetch with none of them compressed. Those that are damaged stay for aiokafka to refuse.

    Batches of the formats before Kafka 0.11 are left as they are: no broker since 3.0 stores them.
    """
    pieces: list[bytes] = []
    at = unpacked_bytes = copied_to = 0
    while unpacked_bytes < FETCH_BYTES_MAX and (end := _end_of_batch(data, at)):
        if data[_MAGIC_AT + at] == 2 and data[_ATTRIBUTES_AT + at + 1] & _CODECS:
            batch = _plain(data[at:end])
            pieces += (data[copied_to:at], batch)
            copied_to, unpacked_bytes = end, unpacked_bytes + len(batch)
        at = end
    if not pieces:
        return data
    rest = data[copied_to:at] if unpacked_bytes >= FETCH_BYTES_MAX else data[copied_to:]
    return b"".join((*pieces, rest))


def _end_of_batch(data: bytes, at: int) -> int:
    """Return where the batch at `at` ends, 0 when it is not there as a whole."""
    if len(data) < at + _HEADER.size:
        return 0
    end: int = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[1]
    return end if at + _HEADER.size <= end <= len(data) else 0


def _plain(batch: bytes) -> bytes:
    """Return a compressed batch without its compression, or one record in its place that says why it has none."""
    header = list(_HEADER.unpack_from(batch))
    if header[4] != calc_crc32c(batch[_ATTRIBUTES_AT:]):
        return batch
    try:
        records = _UNPACK[header[5] & _CODECS](batch[_HEADER.size :])
    except _TooLargeError:
        return _unreadable(header, f"it unpacks to more than {BATCH_BYTES_MAX} bytes; send smaller batches")
    except Exception as exc:  # whatever four libraries raise for bytes that they cannot read
        return _unreadable(header, f"it cannot be unpacked ({type(exc).__name__})")
    header[5] &= ~_CODECS
    return _batch(header, records)


def _batch(header: list[int], records: bytes) -> bytes:
    header[1] = _HEADER.size - _LENGTH.size + len(records)
    batch = bytearray(_HEADER.pack(*header)) + records
    struct.pack_into(">I", batch, _CRC_AT, calc_crc32c(bytes(batch[_ATTRIBUTES_AT:])))
    return bytes(batch)


def _unreadable(header: list[int], problem: str) -> bytes:
    """Return a batch of one record at the last offset, so that a lane that goes on in the middle of it sees it too."""
    first, last = header[0], header[0] + header[6]
    sentence = f"offsets {first} to {last} are a batch of {header[12]} records: {problem}"
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 16,
    )
    builder.append(header[6], max(header[8], 0), None, b"", [(UNREADABLE, sentence.encode())])
    record = bytes(builder.build())[_HEADER.size :]
    substitute = [*header]
    substitute[5] &= ~_CODECS
    substitute[7] = substitute[8] = max(header[8], 0)
    substitute[12] = 1
    return _batch(substitute, record)


def _ungzip(payload: bytes) -> bytes:
    return _bounded(gzip.GzipFile(fileobj=io.BytesIO(payload)).read(BATCH_BYTES_MAX + 1))


def _unsnap(payload: bytes) -> bytes:
    """A snappy block says first how long it is; Java's streams are a row of such blocks."""
    blocks, sizes = [payload], 0
    if _detect_xerial_stream(payload):
        blocks, at = [], _XERIAL_HEADER_BYTES
        while at < len(payload):
            size = _BLOCK.unpack_from(payload, at)[0]
            if size <= 0:
                raise ValueError("a block without bytes")
            blocks.append(payload[at + _BLOCK.size : at + _BLOCK.size + size])
            at += _BLOCK.size + size
    for block in blocks:
        sizes += cramjam.snappy.decompress_raw_len(block)
        if sizes > BATCH_BYTES_MAX:
            raise _TooLargeError
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _unpack_with(decompress_into: Callable[[bytes, bytearray], int]) -> Callable[[bytes], bytes]:
    def unpack(payload: bytes) -> bytes:
        buffer = bytearray(BATCH_BYTES_MAX + 1)
        try:
            size = decompress_into(payload, buffer)
        except cramjam.DecompressionError as exc:
            if "whole buffer" in str(exc):
                raise _TooLargeError from exc
            raise
        return _bounded(bytes(memoryview(buffer)[:size]))

    return unpack


def _bounded(records: bytes) -> bytes:
    if len(records) > BATCH_BYTES_MAX:
        raise _TooLargeError
    return records


_UNPACK: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    DefaultRecordBase.CODEC_GZIP: _ungzip,
    DefaultRecordBase.CODEC_SNAPPY: _unsnap,
    DefaultRecordBase.CODEC_LZ4: _unpack_with(cramjam.lz4.decompress_into),
    DefaultRecordBase.CODEC_ZSTD: _unpack_with(cramjam.zstd.decompress_into),
}

# aiokafka has no setting for it: its fetcher looks the class up by name, in this module.
aiokafka.consumer.fetcher.MemoryRecords = bounded_records
