"""Waybill as others see it: its topics read with librdkafka and fastavro, the simulators' journals over HTTP.

Nothing of `app` is imported, so that reader and product cannot agree by sharing a mistake. What is wrong is said in
sentences; an empty list means that the promise held.
"""

import io
import json
import struct
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import fastavro
from confluent_kafka import Consumer, KafkaException, TopicPartition

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
INTERNAL: Final = ("-ledger", "__")
"""Topics that are nobody's business: how their names begin or end."""
ANSWER_TIMEOUT_S: Final = 60.0
JOURNAL_PAGE: Final = 5_000
COMPLETED: Final = ("Completed", "Fulfilled")
REFUSED: Final = ("Canceled", "Validation failed")
Effect = Mapping[str, Any]
AT_LEAST_ONCE: Final = "waybill/webhooks"
"""The source of what webhooks said: it may stand on provider-event twice, and changes its order once all the same."""


@dataclass(frozen=True)
class Found:
    """One record, as any consumer sees it; `at_ms` is its time stamp. `body` is None for a tombstone, and where the
    bytes are somebody else's."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None

    @property
    def event_id(self) -> str:
        return self.headers.get("ce_id", "")

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def order_id(self) -> str:
        """The key; producers that set none say it in the value alone."""
        return self.key or str((self.body or {}).get("order_id", ""))

    @property
    def forwarded(self) -> bool:
        """A copy, in the partition of its order, of a record that a producer wrote to another one."""
        return "waybill-forwarded" in self.headers

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset} {self.type} {self.event_id} of {self.key}"


# ---- reading ---------------------------------------------------------------------------------------------------------


class Reader:
    """Reads all public topics that are there, from their beginnings; `more` takes in what came since the last call."""

    def __init__(self, bootstrap_servers: str, isolation: str = "read_committed") -> None:
        self._schemas = _schemas()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "outside",
                "enable.auto.commit": False,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        topics = self._consumer.list_topics(timeout=ANSWER_TIMEOUT_S).topics
        public = sorted(name for name in topics if not name.startswith(INTERNAL) and not name.endswith(INTERNAL))
        self._places = [TopicPartition(name, number, 0) for name in public for number in topics[name].partitions]
        assert self._places, "no topics yet: who reads from now on would see nothing"
        self._ended: set[tuple[str | None, int | None]] = set()
        self._consumer.assign(self._places)
        self.found: list[Found] = []

    def more(self, wait_s: float = 0.2) -> list[Found]:
        """What came within `wait_s`, kept in `found` as well."""
        new = []
        for message in self._consumer.consume(10_000, wait_s):
            problem, place = message.error(), (message.topic(), message.partition())
            if problem is None:
                self._ended.discard(place)
                new.append(self._record(message))
            elif problem.code() == _END:
                self._ended.add(place)
            elif not problem.retriable() and problem.code() not in _BROKER_AWAY:
                raise KafkaException(problem)
        self.found += new
        return new

    def to_end(self) -> list[Found]:
        """Everything that is committed now: read anew from the beginning, so that nothing rests on an earlier look."""
        self.found, self._ended = [], set()
        self._consumer.assign(self._places)
        while len(self._ended) < len(self._places):
            self.more()
        return self.found

    def close(self) -> None:
        self._consumer.close()

    def _record(self, message: Any) -> Found:
        topic, value = message.topic(), message.value()
        headers = {name: (mark or b"").decode(errors="replace") for name, mark in message.headers() or ()}
        body = None if value is None or topic == "dead-letter" else self._body(value)
        key, (_, at_ms) = (message.key() or b"").decode(), message.timestamp()
        return Found(topic, message.partition(), message.offset(), at_ms, key, headers, body)

    def _body(self, value: bytes) -> Mapping[str, Any]:
        """JSON, or Avro behind a zero byte and the id of its schema."""
        body: Any
        if value[:1] == b"\x00":
            (schema_id,) = struct.unpack(">I", value[1:5])
            body = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._schemas[schema_id], None)
        else:
            body = json.loads(value)
        return dict(body)


_END: Final = -191
"""librdkafka's _PARTITION_EOF."""
_BROKER_AWAY: Final = frozenset({-195, -187})
"""_TRANSPORT and _ALL_BROKERS_DOWN: it connects again on its own."""


def _schemas() -> dict[int, Any]:
    lock = json.loads((SCHEMAS / "lock.json").read_text(encoding="utf-8"))
    files = {entry["id"]: entry["file"] for versions in lock.values() for entry in versions.values()}
    return {number: fastavro.parse_schema(json.loads((SCHEMAS / name).read_bytes())) for number, name in files.items()}


def journal(simulators: str, after: int = 0) -> list[Effect]:
    """The effects at all providers after one, in order; `simulators` is their base URL."""
    effects: list[Effect] = []
    while True:
        after = effects[-1]["seq"] if effects else after
        url = f"{simulators}/_sim/journal?after={after}&limit={JOURNAL_PAGE}"
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S) as answer:
            page = json.load(answer)["effects"]
        effects += page
        if len(page) < JOURNAL_PAGE:
            return effects


def answers(simulators: str) -> bool:
    """Whether they run, and nothing has happened there yet."""
    try:
        return bool(simulators) and journal(simulators) == []
    except OSError:
        return False


def keep(folder: Path, found: Iterable[Found], effects: Iterable[Effect]) -> None:
    """Everything that was seen as two files, to look into what went wrong after the broker is gone."""
    for name, seen in (("records", map(vars, found)), ("effects", effects)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(each, default=str, ensure_ascii=False) + "\n" for each in seen)


# ---- judging ---------------------------------------------------------------------------------------------------------


def ended(found: Iterable[Found]) -> dict[str, tuple[str, str]]:
    """The orders that reached an end, with state and reason."""
    ends = {}
    for record in found:
        if record.topic == "order-status" and record.body is not None:
            status = (record.body["state"], record.body["reason"])
            if status in (COMPLETED, REFUSED):
                ends[record.key] = status
    return ends


def doubled(found: Iterable[Found]) -> Iterator[str]:
    """Ids that were met before, on whatever topic. A forwarded record is the same event as the one that it copies."""
    seen: dict[tuple[str, bool], Found] = {}
    for record in found:
        if not record.event_id or record.topic == "dead-letter" or record.headers.get("ce_source") == AT_LEAST_ONCE:
            continue
        place = (record.event_id, record.forwarded)
        if place in seen:
            yield f"doubled: {record} was {seen[place]}"
        seen[place] = record


def problems(found: Sequence[Found], effects: Sequence[Effect], orders: Mapping[str, "Course"]) -> list[str]:
    """Whatever breaks the promise. `orders`: what each order must have gone through; refused ones may stop before."""
    by_order: dict[str, list[Found]] = defaultdict(list)
    for record in found:
        by_order[record.order_id].append(record)
    done: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        done[effect["order"]].append(effect)
    said = list(doubled(found))
    for order_id, course in orders.items():
        said += (f"{order_id}: {problem}" for problem in course.problems(by_order[order_id], done[order_id]))
    return said + list(_dead_letters(found, ended(found)))


class Course(Protocol):
    def problems(self, records: list[Found], effects: list[Effect]) -> Iterator[str]:
        """What is wrong with one order, in sentences."""


def _dead_letters(found: Iterable[Found], ends: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """F+O goes on with an order that was refused here: those events are set aside. No others are."""
    for record in found:
        if record.topic == "dead-letter":
            marks = {name.removeprefix("waybill-dead-"): mark for name, mark in record.headers.items()}
            if ends.get(marks.get("key", "")) != REFUSED:
                yield f"dead letter {record.key}: {marks.get('code')}: {marks.get('detail')}"
