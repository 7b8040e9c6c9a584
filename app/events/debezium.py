"""Change events as Debezium's connectors write them, turned into the dual-write envelope of `dualwrite_rows`.

They come as Debezium's envelope or as flat rows (ExtractNewRecordState), with or without the converter's schema around
them. A row carries the order with its lines. Its columns have F+O's names, in any case, with or without underscores;
columns that no order has are passed over. docs/debezium.md has the set-up.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from app.errors import RecordError
from app.events import connector_columns
from app.events.connector_columns import Columns
from app.events.connector_row import MANUAL, is_row, row_of
from app.events.dualwrite_rows import ChangeIn, RowIn, is_ours
from app.events.intake_limits import NAME_CHARS_MAX
from app.events.json_text import excerpt, parse
from app.events.record_keys import order_id_in_text
from app.events.sales_order_change import SalesOrderChange, made_by_us, order_id

NEW_KEY: Final = "__debezium.newkey"
"""Header of the deletion that a changed key begins with."""
_EXTRA: Final = "__"
"""What the names of fields begin with that ExtractNewRecordState adds to a row."""
_FLAT: Final = "flat"
"""Stands for the connector of a flat row, which does not tell it."""
_SEQUENCE: Final = re.compile(r'\[\s*(?:null|"[0-9]{1,20}")\s*,\s*"([0-9]{1,20})"\s*\]')
_HEARTBEAT: Final = frozenset({"ts_ms", "ts_us", "ts_ns"})
_ENVELOPE: Final = frozenset({"op", "source"})
_SOURCE_TEXTS: Final = ("table", "name", "connector")


class Message(NamedTuple):
    """A value as somebody wrote it, with the types of its row's columns, its headers and its time (ms)."""

    value: Any
    columns: Columns
    headers: Mapping[str, str]
    at: int


def payload(document: Any) -> tuple[Any, Columns]:
    """Return the value in a record of JsonConverter, and the types of its row's columns where a schema is with it.

    Raises RecordError("malformed") for a text that is no JSON.
    """
    schema: Any = None
    if isinstance(document, dict) and document.keys() == {"schema", "payload"}:
        schema, document = document["schema"], document["payload"]
    if isinstance(document, str):  # an outbox whose payload is not expanded
        document = parse(document)
    types = connector_columns.of_connect(schema)
    if isinstance(document, dict) and _ENVELOPE & document.keys():
        types = connector_columns.of_connect(connector_columns.part(schema, "after"))
    return document, types


def change(message: Message) -> SalesOrderChange | None:
    """Return the change in a record; None for one that is about no order, such as a heartbeat.

    Raises ValidationError, or RecordError("invalid") with the path of what is wrong.
    """
    value = message.value
    if not isinstance(value, dict):
        return ChangeIn.model_validate(value).change()
    if _is_notice(value):
        return None
    if not _ENVELOPE & value.keys() and is_row(value):
        return _of_connector(_envelope_of(value), message)
    source = value.get("source")
    if isinstance(source, dict) and not is_ours(source):
        return _of_connector(value, message)
    return ChangeIn.model_validate(value).change()


def _is_notice(value: Mapping[str, Any]) -> bool:
    """Return whether a value is a heartbeat, the mark of a transaction, or a message in PostgreSQL's log."""
    if not value:
        return False
    return value.get("op") == "m" or value.keys() <= _HEARTBEAT or value.get("status") in ("BEGIN", "END")


def _envelope_of(flat: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the envelope of a flat row, as far as the fields tell that were added to it."""
    extras = {name.removeprefix(_EXTRA): value for name, value in flat.items() if name.startswith(_EXTRA)}
    row = {name: value for name, value in flat.items() if not name.startswith(_EXTRA)}
    gone = extras.get("deleted") in (True, "true")
    source: dict[str, Any] = {"connector": _FLAT}
    for name in ("sequence", "lsn", "ts_ms", "table", "snapshot"):
        source[name] = extras.get(f"source_{name}", extras.get(name))
    op = extras.get("op") or ("d" if gone else "u")
    return {"op": op, "before": row if gone else None, "after": row, "source": source, "ts_ms": extras.get("ts_ms")}


def _of_connector(envelope: Mapping[str, Any], message: Message) -> SalesOrderChange | None:
    op, source = envelope.get("op"), envelope["source"]
    table = _name_of(source.get("table"))
    if op == "t":
        raise RecordError(
            "invalid", f"table {table!r} was emptied, which cancels no order; cancel those at F+O one by one"
        )
    side = "before" if op == "d" else "after"
    if not isinstance(envelope.get(side), dict):
        raise RecordError("invalid", f"op {_name_of(op)!r} without `{side}`; let the connector tell the row ({MANUAL})")
    row, ours = row_of(envelope[side], message.columns, side, table)
    change_of_row = ChangeIn.model_validate(
        {
            "op": op,
            "ts_ms": envelope.get("ts_ms") or source.get("ts_ms") or message.at,
            "before": row if op == "d" else _base(envelope.get("before"), message.columns, table),
            "after": None if op == "d" else row,
            "source": _source(source, ours, op),
        }
    ).change()
    return None if op == "d" and _goes_on(change_of_row, message.headers) else change_of_row


def _base(row: Any, types: Columns, table: str) -> RowIn | None:
    """Return the row before a change, where the connector has all of it: only with REPLICA IDENTITY FULL it has."""
    if not isinstance(row, dict):
        return None
    try:
        base = RowIn.model_validate(row_of(row, types, "before", table)[0])
    except (ValidationError, RecordError):
        return None
    return base if base.SalesOrderProcessingStatus else None


def _source(source: Mapping[str, Any], ours: Mapping[str, Any], op: Any) -> Mapping[str, Any]:
    """Return the source block, without what `origin` and `sequence` mean to a connector."""
    texts = {name: source[name][:NAME_CHARS_MAX] for name in _SOURCE_TEXTS if isinstance(source.get(name), str)}
    others = {name: source.get(name) for name in ("ts_ms", "snapshot")}
    version = {} if "waybill_version" in ours else {"waybill_version": _position(source, op)}
    return {**others, **texts, **version, **ours}


def _position(source: Mapping[str, Any], op: Any) -> int:
    """Return where PostgreSQL's log has the change, as the version of the row.

    Changes of one row follow each other there, transactions too: who writes a row holds its lock until all that it
    wrote is in the log. `sequence` is [last commit, this change], as text.
    """
    sequence, position = source.get("sequence"), source.get("lsn")
    if isinstance(sequence, str) and (numbers := _SEQUENCE.fullmatch(sequence)):
        return int(numbers[1])
    if isinstance(position, int) and not isinstance(position, bool):
        return position
    if op == "r":
        return 0  # read in a snapshot: older than any change
    connector = _name_of(source.get("connector"))
    if connector == _FLAT:
        fix = "set transforms.unwrap.add.fields=op,source.sequence,source.ts_ms,table"
    else:
        fix = "let the row have a column waybill_version that grows with each change of the order"
    raise RecordError(
        "invalid", f"nothing tells which of two changes is newer (connector {connector!r}); {fix} ({MANUAL})"
    )


def _name_of(value: Any) -> str:
    """Return a name as it may stand in a message; what is none, by its type."""
    return excerpt(value) if isinstance(value, str) else type(value).__name__


def _goes_on(deletion: SalesOrderChange, headers: Mapping[str, str]) -> bool:
    """Return whether the deletion is half of a change of the key: the same order is then there under another one."""
    new_key = headers.get(NEW_KEY)
    if new_key is None:
        return False
    return made_by_us(deletion.row) or order_id_in_text(new_key) == order_id(deletion.row)
