"""One transaction of a lane as the checks see it, and what they read out of records."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from app.events import codec as codecs
from app.events.codec import Codec
from app.events.headers import FORWARDED
from app.events.record import DEAD_LETTER, Record
from app.lanes.ledger_keys import POSITION_KEY

LEDGERS: Final = {
    "orchestrate": "order-ledger", "mirror": "mirror-ledger", "perform": "perform-ledger",
    "apply": "apply-ledger", "pull": "pull-ledger",
    "source": "source-ledger",
}  # fmt: skip
INPUTS: Final = {
    "orchestrate": ("order-created", "order-command", "provider-event", "provider-result", "sourcing-result"),
    "mirror": ("dualwrite.fno.salesorders",),
    "perform": ("fulfillment-requested", "billing-requested", "channel-update-requested"),
    "apply": ("dualwrite.iom.salesorders",),
    "pull": ("pull-requested",),
    "source": ("sourcing-requested", "sourcing-command", "stock-change"),
}


class Transaction:
    """All that became visible at once. `finished` are the input records that it accounts for."""

    def __init__(self, role: str, partition: int, records: Sequence[Record], finished: Sequence[Record]) -> None:
        self.role, self.partition, self.finished = role, partition, finished
        ledger = LEDGERS[role]
        self.changes = {r.key or b"": r.value for r in records if r.topic == ledger and r.key != POSITION_KEY}
        self.letters = {(r.key or b"").decode(): r for r in records if r.topic == DEAD_LETTER}
        outputs = [r for r in records if r.topic not in (ledger, DEAD_LETTER)]
        self.forwards = [r for r in outputs if header(r, FORWARDED)]
        self.outputs = [r for r in outputs if not header(r, FORWARDED)]


@cache
def shared_codec() -> Codec:
    return codecs.load()


def header(record: Record, name: str) -> str:
    return next((value.decode(errors="replace") for key, value in record.headers if key == name), "")


def origin(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def decoded(record: Record) -> Any:
    """The event in a record, None for a tombstone. Raises RecordError."""
    codec = shared_codec()
    return codec.decode_change(record) if record.topic.startswith("dualwrite.") else codec.decode(record)


def keyed(record: Record) -> Record:
    """The record with its owner's key. Raises RecordError when nobody owns it."""
    if record.key:
        return record
    key = shared_codec().order_id(record)
    return record._replace(key=key.encode())
