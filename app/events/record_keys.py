"""Keys of dual-write records: the order id, or the key columns of its row as a connector writes them."""

from collections.abc import Mapping
from typing import Any, Final

from app.errors import RecordError
from app.events.intake_limits import ORDER_ID
from app.events.json_text import parse
from app.events.sales_order_change import id_at_fno
from app.events.writer_schemas import WriterSchemas

_WRITTEN_BY_CONNECTORS: Final = (b"\0", b"{", b'"', b"Struct{")
_STRUCT: Final = "Struct{"
_KEY_FIELDS: Final = {"dataareaid": "company", "salesordernumber": "number"}


def is_wrapped(key: bytes) -> bool:
    """Return whether a connector wrote the key: in Avro, as JSON (text in quotes too), or as Connect prints it."""
    return key.startswith(_WRITTEN_BY_CONNECTORS)


def fold_name(name: str) -> str:
    """Return a column's name as it is compared: databases fold names, and some write words apart."""
    return name.replace("_", "").lower()


def order_id_in(key: Any) -> str:
    """Return the order id in a decoded key: the id itself, or that of a row's key columns; empty for others."""
    if isinstance(key, dict) and key.keys() == {"schema", "payload"}:
        key = key["payload"]
    if isinstance(key, str):
        return key
    if not isinstance(key, dict):
        return ""
    texts = {name: str(value).rstrip(" ") for name, value in key.items() if isinstance(value, str | int)}
    parts = {_KEY_FIELDS.get(fold_name(name)): text for name, text in texts.items()}
    company, number = parts.get("company"), parts.get("number")
    return id_at_fno(company, number) if company and number else ""


def order_id_of(key: bytes, writers: WriterSchemas) -> str:
    """Return the order id that a connector's key names; empty for one that names none, or that nobody here can read."""
    try:
        text = order_id_in(writers.read(key)[0]) if key[:1] == b"\0" else order_id_in_text(key.decode())
    except (RecordError, UnicodeDecodeError):
        return ""
    return text if ORDER_ID.fullmatch(text) else ""


def order_id_in_text(text: str) -> str:
    """Return the order id that a key in JSON, or in Connect's own print of a struct, names; empty for others."""
    if text.startswith(_STRUCT) and text.endswith("}"):
        return order_id_in(_struct(text[len(_STRUCT) : -1]))
    try:
        return order_id_in(parse(text))
    except RecordError:
        return ""


def _struct(text: str) -> Mapping[str, str]:
    return {name: value for name, sign, value in (part.partition("=") for part in text.split(",")) if sign}
