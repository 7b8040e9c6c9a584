"""The master keys of an installation: they wrap the key of each order, and seal the values of ledgers."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from app.errors import LedgerError, SettingError
from app.sealing.aes_siv import KEY_BYTES, AesSiv, AlteredError
from app.sealing.order_cipher import OrderCipher

VARIABLE: Final = "WAYBILL_PERSONAL_DATA_KEY"
CIPHERS_MAX: Final = 1_024
"""Orders whose cipher is kept: the records of an order mostly come close to one another."""
SEALED_VALUE: Final = b"\xc1waybill-sealed:1:"
"""What a sealed ledger value begins with. No kind of value has that number, and msgpack never writes that byte."""
_NAME_BYTES: Final = 4
_WRAPPING: Final = b"waybill-order-key"
_LEDGER: Final = b"waybill-ledger-value"


class MasterKeys:
    """Keys, of which the first seals and all open. Without any nothing is sealed, and what is sealed is refused."""

    def __init__(self, keys: Sequence[bytes] = (), *, seals: bool = True) -> None:
        """`keys` have KEY_BYTES each. `seals`: whether orders that come from now on are sealed, and ledger values."""
        self.seals = seals and bool(keys)
        self._names = [_name(key) for key in keys]
        self._ciphers = {_name(key): AesSiv(key) for key in keys}
        self.cipher = lru_cache(maxsize=CIPHERS_MAX)(self._cipher)

    @property
    def are_set(self) -> bool:
        """Whether there is a key, so that what is sealed can be read."""
        return bool(self._names)

    def wrap(self, order_id: str, order_key: bytes) -> bytes:
        """Return the key of an order as it is written: only a master key opens it, which its first bytes name."""
        return self._seal(order_key, (_WRAPPING, order_id.encode()))

    def rewrap(self, order_id: str, wrapped_key: bytes) -> bytes:
        """Return the key of an order wrapped with the first master key: as it is where that one wrapped it."""
        if wrapped_key.startswith(self._names[0]):
            return wrapped_key
        return self.wrap(order_id, self._unwrap(order_id, wrapped_key))

    def opens(self, wrapped_key: bytes) -> bool:
        """Return whether the master key that wrapped the key of an order is there."""
        return wrapped_key[:_NAME_BYTES] in self._ciphers

    def seal_value(self, ledger: str, key: bytes, value: bytes) -> bytes:
        """Return a ledger value sealed with the first master key, for that ledger and key alone."""
        return SEALED_VALUE + self._seal(value, (_LEDGER, ledger.encode(), key))

    def open_value(self, ledger: str, key: bytes, value: bytes) -> bytes:
        """Return a ledger value as it was before it was sealed; as it is where it was not.

        Raises LedgerError when no master key opens it.
        """
        if not value.startswith(SEALED_VALUE):
            return value
        what = f"the value of {key.decode(errors='replace')} in {ledger}"
        return self._open(value[len(SEALED_VALUE) :], (_LEDGER, ledger.encode(), key), what)

    def _cipher(self, order_id: str, wrapped_key: bytes) -> OrderCipher:
        """Return the cipher of an order. Raises LedgerError when no master key opens its key."""
        return OrderCipher(order_id, AesSiv(self._unwrap(order_id, wrapped_key)))

    def _unwrap(self, order_id: str, wrapped_key: bytes) -> bytes:
        return self._open(wrapped_key, (_WRAPPING, order_id.encode()), f"the key of order {order_id}")

    def _seal(self, plain: bytes, place: Sequence[bytes]) -> bytes:
        name = self._names[0]
        return name + self._ciphers[name].seal(plain, place)

    def _open(self, sealed: bytes, place: Sequence[bytes], what: str) -> bytes:
        cipher = self._ciphers.get(sealed[:_NAME_BYTES])
        if cipher is None:
            raise LedgerError(f"{what} is sealed with {missing_key(sealed)}")
        try:
            return cipher.unseal(sealed[_NAME_BYTES:], place)
        except AlteredError as problem:
            raise LedgerError(f"{what} was changed after it was sealed, or was written elsewhere") from problem


NO_KEYS: Final = MasterKeys()
"""Of an installation that seals nothing."""


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Return the master keys in a setting: hexadecimal, several by commas. Raises ValueError, which says nothing of
    them."""
    try:
        keys = tuple(bytes.fromhex(part) for part in text.split(",") if part.strip())
    except ValueError:
        keys = (b"",)
    if any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(
            f"a key has {KEY_BYTES} bytes in hexadecimal, and several have commas between them;"
            f" `openssl rand -hex {KEY_BYTES}` makes one"
        )
    return keys


def missing_key(sealed: bytes) -> str:
    """Return which master key is needed for something that it sealed or wrapped, and what to do."""
    name = sealed[:_NAME_BYTES].hex()
    return f"master key {name}, which this process does not have: set {VARIABLE} to it, or add it there after a comma"


def require_keys(wrapped_keys: Iterable[bytes], master_keys: MasterKeys) -> None:
    """Raise SettingError when there are keys of orders that no master key opens."""
    strange = [wrapped_key for wrapped_key in wrapped_keys if not master_keys.opens(wrapped_key)]
    if strange:
        raise SettingError(f"personal data of {len(strange)} orders is sealed with {missing_key(strange[0])}")


def _name(key: bytes) -> bytes:
    """Return what names a master key and tells nothing of it."""
    return sha256(b"waybill-master-key" + key).digest()[:_NAME_BYTES]
