"""The keys of all orders, as the topic `order-keys` has them. Whoever follows the topic fills it."""

from typing import Final

from app.sealing.master_keys import NO_KEYS, MasterKeys, require_keys
from app.sealing.order_cipher import OrderCipher

TOPIC: Final = "order-keys"


class KeyBook:
    """The wrapped key of each order that has one. An order without a key is not sealed, or forgotten."""

    def __init__(self, master_keys: MasterKeys) -> None:
        self.master_keys = master_keys
        self._wrapped: dict[bytes, bytes] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take in a record of the topic: the key of an order, or a tombstone for one that was forgotten."""
        if key is not None and value:
            self._wrapped[key] = value
        elif key is not None:
            self._wrapped.pop(key, None)

    def has(self, order_id: str) -> bool:
        """Return whether the order has a key."""
        return order_id.encode() in self._wrapped

    def find(self, order_id: str) -> OrderCipher | None:
        """Return the cipher of an order, None for one without a key. Raises LedgerError when no master key opens it."""
        wrapped_key = self._wrapped.get(order_id.encode())
        return None if wrapped_key is None else self.master_keys.cipher(order_id, wrapped_key)

    def require_keys(self) -> None:
        """Raise SettingError when there are orders whose key no master key opens."""
        require_keys(self._wrapped.values(), self.master_keys)


NO_ORDER_KEYS: Final = KeyBook(NO_KEYS)
"""Of an installation that seals nothing."""
