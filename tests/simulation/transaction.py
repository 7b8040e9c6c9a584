"""One transaction of a lane as the checks see it, and what they read out of records."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Final

from app.events import codec as codecs
from app.events.codec import Codec
from app.events.headers import FORWARDED
from app.events.order_records import opened
from app.events.record import DEAD_LETTER, Record
from app.lanes.ledger_keys import POSITION_KEY
from app.sealing.key_book import TOPIC as ORDER_KEYS
from app.sealing.key_book import KeyBook
from app.sealing.master_keys import NO_KEYS, MasterKeys
from app.sealing.order_cipher import OrderCipher

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


class EveryKey:
    """The keys of all orders of the world that runs, also of those that it forgot: a check may read everything."""

    def __init__(self) -> None:
        self.begin(NO_KEYS)

    def begin(self, master_keys: MasterKeys) -> None:
        """Begin anew, for another world."""
        self.master_keys, self._book = master_keys, KeyBook(master_keys)

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.topic == ORDER_KEYS and record.value is not None:
                self._book.take(record.key, record.value)

    def find(self, order_id: str) -> OrderCipher | None:
        return self._book.find(order_id)

    def open(self, ledger: str, key: bytes | None, value: bytes | None) -> bytes | None:
        return None if value is None else self.master_keys.open_value(ledger, key or b"", value)


KEYS: Final = EveryKey()


class Transaction:
    """All that became visible at once. `finished` are the input records that it accounts for."""

    def __init__(self, role: str, partition: int, records: Sequence[Record], finished: Sequence[Record]) -> None:
        self.role, self.partition, self.finished = role, partition, finished
        ledger = LEDGERS[role]
        KEYS.take(records)
        self.changes = {
            r.key or b"": KEYS.open(ledger, r.key, r.value)
            for r in records
            if r.topic == ledger and r.key != POSITION_KEY
        }
        self.letters = {(r.key or b"").decode(): r for r in records if r.topic == DEAD_LETTER}
        outputs = [r for r in records if r.topic not in (ledger, DEAD_LETTER, ORDER_KEYS)]
        self.forwards = [r for r in outputs if header(r, FORWARDED)]
        self.outputs = [r for r in outputs if not header(r, FORWARDED)]


@cache
def shared_codec() -> Codec:
    return codecs.load()


def header(record: Record, name: str) -> str:
    return next((value.decode(errors="replace") for key, value in record.headers if key == name), "")


def origin(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


@lru_cache(maxsize=8192)
def decoded(record: Record) -> Any:
    """The event in a record, None for a tombstone. Raises RecordError. Several checks look at the same record."""
    codec = shared_codec()
    if record.topic.startswith("dualwrite."):
        change = codec.decode_change(record)
        return change and opened(change, record, KEYS.find(change.order_id))
    event = codec.decode(record)
    return opened(event, record, KEYS.find(event.order_id))


def keyed(record: Record) -> Record:
    """The record with its owner's key. Raises RecordError when nobody owns it."""
    if record.key:
        return record
    key = shared_codec().order_id(record)
    return record._replace(key=key.encode())
