"""AES-SIV (RFC 5297) as `cryptography` has it, which is imported with the first key: without one nobody waits for it.

The same input gives the same output, so that a record that is folded again comes out the same; a nonce that repeats,
which breaks other modes, there is none.
"""

from collections.abc import Sequence
from typing import Final

KEY_BYTES: Final = 64
"""AES-SIV takes two keys of AES-256."""


class AlteredError(Exception):
    """What is to be opened was changed after it was sealed, or was sealed with another key or for another place."""


class AesSiv:
    """One key. `place` is what a sealed text belongs to: it opens nowhere else."""

    def __init__(self, key: bytes) -> None:
        """Raise ValueError for a key that has not KEY_BYTES."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._cipher, self._invalid = AESSIV(key), InvalidTag

    def seal(self, plain: bytes, place: Sequence[bytes]) -> bytes:
        """Return 16 bytes more than `plain` has, which is not empty."""
        return self._cipher.encrypt(plain, list(place))

    def unseal(self, sealed: bytes, place: Sequence[bytes]) -> bytes:
        """Return the plain bytes. Raises AlteredError."""
        try:
            return self._cipher.decrypt(sealed, list(place))
        except (self._invalid, ValueError) as problem:
            raise AlteredError from problem
