"""The cipher of one order: texts of its records, sealed with the order's own key."""

from base64 import b64decode, b64encode
from typing import Final

from app.errors import RecordError
from app.sealing.aes_siv import AesSiv, AlteredError

SEALED_TEXT: Final = "waybill-sealed:1:"
"""What a sealed text begins with: its form, with a number for a later one."""
UNREADABLE: Final = "sealed"
"""Code of a record whose sealed texts do not open."""
_TEXTS_MAX: Final = 64
"""Texts that are kept with what they became: the same ones are in several records of an order."""


class OrderCipher:
    """Seals and opens texts of an order. `path` is the field, such as `order.ship_to.name`: a text opens in no other.

    An empty text stays empty.
    """

    def __init__(self, order_id: str, aes: AesSiv) -> None:
        self._order_id, self._aes = order_id.encode(), aes
        self._texts: dict[tuple[str, str], str] = {}

    def seal(self, path: str, text: str) -> str:
        """Return the text sealed."""
        if not text:
            return text
        sealed = self._texts.get((path, text))
        if sealed is None:
            content = self._aes.seal(text.encode(errors="surrogatepass"), (self._order_id, path.encode()))
            sealed = SEALED_TEXT + b64encode(content).decode()
            if len(self._texts) >= _TEXTS_MAX:
                self._texts.clear()
            self._texts[path, text] = sealed
        return sealed

    def unseal(self, path: str, text: str) -> str:
        """Return the text as it was. Raises RecordError("sealed") for one that was not sealed so, or changed since."""
        if not text:
            return text
        try:
            if not text.startswith(SEALED_TEXT):
                raise ValueError("not sealed")
            content = b64decode(text[len(SEALED_TEXT) :], validate=True)
            return self._aes.unseal(content, (self._order_id, path.encode())).decode(errors="surrogatepass")
        except (AlteredError, ValueError) as problem:
            order_id = self._order_id.decode(errors="replace")
            raise RecordError(
                UNREADABLE, f"{path} does not open with the key of order {order_id}: changed, or sealed for another one"
            ) from problem
