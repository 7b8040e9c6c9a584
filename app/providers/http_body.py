"""The body of a reply, unpacked piece by piece as it comes, and never beyond its limit."""

import zlib
from collections.abc import Sequence
from typing import Final, Protocol

from app.providers.http_messages import MalformedReplyError

ACCEPTED_CODINGS: Final = "gzip, deflate"
"""What a request announces as `accept-encoding`."""
_IDENTITY: Final = "identity"
_WINDOW_BITS: Final = {
    "gzip": zlib.MAX_WBITS | 16,
    "x-gzip": zlib.MAX_WBITS | 16,
    "deflate": zlib.MAX_WBITS,
}


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


class ReplyBody:
    """Collects the body of one reply. `codings` are its content codings; at most `bytes_max` are kept.

    A piece is never unpacked further than the limit goes: 16 KiB of gzip may hold 16 MiB, and gzip within gzip a
    thousand times that. What stands after the end of the packed data is passed over, as browsers do.
    """

    def __init__(self, codings: Sequence[str], bytes_max: int) -> None:
        """Raises MalformedReplyError for a coding that was not asked for, and for several of them."""
        applied = [name for coding in codings if (name := coding.strip().lower()) not in ("", _IDENTITY)]
        if len(applied) > 1:
            raise MalformedReplyError(f"expected one content coding, got {len(applied)} on top of each other")
        if applied and applied[0] not in _WINDOW_BITS:
            raise MalformedReplyError(f"expected content coding {ACCEPTED_CODINGS}, got {applied[0][:40]!r}")
        self._coding = applied[0] if applied else _IDENTITY
        self._unpacker: _Decompressor | None = None
        self._bytes_max = bytes_max
        self._packed_bytes = 0
        self._body = bytearray()

    def add(self, piece: bytes) -> None:
        """Take the next piece off the wire. Raises MalformedReplyError beyond the limit, and for damaged data."""
        self._packed_bytes += len(piece)
        if self._packed_bytes <= self._bytes_max:
            self._body += piece if self._coding == _IDENTITY else self._unpacked(piece)
        if max(self._packed_bytes, len(self._body)) > self._bytes_max:
            raise MalformedReplyError(f"reply of more than {self._bytes_max} bytes")

    def whole(self) -> bytes:
        """Return the body. Raises MalformedReplyError when the packed data has no end."""
        if self._unpacker is not None and not self._unpacker.eof:
            raise MalformedReplyError(f"expected {self._coding} to its end, got {self._packed_bytes} bytes of it")
        return bytes(self._body)

    def _unpacked(self, piece: bytes) -> bytes:
        if self._unpacker is None:
            self._unpacker = zlib.decompressobj(self._window_bits(piece))
        try:
            return self._unpacker.decompress(piece, self._bytes_max + 1 - len(self._body))
        except zlib.error as exc:
            raise MalformedReplyError(f"expected {self._coding}: {exc}") from exc

    def _window_bits(self, first: bytes) -> int:
        """Some servers send `deflate` without zlib's two bytes in front of it, whose first has 8 as its lower half."""
        bare = self._coding == "deflate" and first[0] & 0x0F != zlib.DEFLATED
        return -zlib.MAX_WBITS if bare else _WINDOW_BITS[self._coding]
