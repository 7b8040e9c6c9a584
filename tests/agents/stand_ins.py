"""What an agent meets: records as they lie in Kafka, a lease, and a provider that says what the test tells it to."""

import json
from collections.abc import Mapping
from typing import Any

from app.dualwrite.write_plan import WritePlan
from app.events.catalog import RECORDS, ChangeEvent
from app.events.codec import load
from app.events.model import Event
from app.events.record import Output, Record
from app.events.sales_order_change import SalesOrderRow
from app.lanes.lease import Lease
from app.lanes.role import Folded
from app.providers.port import Action, Result

CODEC = load()
AT = 1_760_000_000_000
TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


def as_record(event: Event | ChangeEvent, *, offset: int = 0, timestamp: int = AT) -> Record:
    value, headers = CODEC.encode(event)
    topic = RECORDS[event.name].topic
    return Record(topic, 0, offset, timestamp, event.order_id.encode(), value, tuple(headers))


def as_json(
    topic: str, key: str | None, body: Mapping[str, Any], *, offset: int = 0, timestamp: int = AT, **headers: str
) -> Record:
    marks = (("content-type", b"application/json"), *((name, text.encode()) for name, text in headers.items()))
    return Record(topic, 0, offset, timestamp, key.encode() if key else None, json.dumps(body).encode(), marks)


def read_back(output: Output) -> Record:
    """An output as the next reader finds it."""
    return Record(output.topic, 0, 0, AT, output.key, output.value, tuple(output.headers))


def event_of(output: Output) -> Event:
    record = read_back(output)
    return CODEC.decode(record)


def change_of(output: Output) -> ChangeEvent:
    record = read_back(output)
    found = CODEC.decode_change(record)
    assert found is not None
    return found


def on(folded: Folded, topic: str) -> list[Output]:
    return [output for output in folded.outputs if output.topic == topic]


def topics(folded: Folded) -> list[str]:
    return [output.topic for output in folded.outputs]


def marks_of(letter: Output) -> dict[str, str]:
    """What a dead letter says of itself."""
    assert letter.topic == "dead-letter"
    return {
        name.removeprefix("waybill-dead-"): mark.decode()
        for name, mark in letter.headers
        if name.startswith("waybill-dead-")
    }


class Held:
    """A lease that is held; `confirmed` counts how often it was proved before something was sent."""

    def __init__(self) -> None:
        self.confirmed = 0

    def valid(self) -> bool:
        return True

    async def confirm(self) -> None:
        self.confirmed += 1


class Calls:
    """What was reported of calls."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, str]] = []

    def called(self, provider: str, action: str, outcome: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append((provider, action, outcome, code))


class Provider:
    """Answers with `answers` in turn; an exception among them is raised."""

    def __init__(self, *answers: Result | Exception, name: str = "bigcommerce") -> None:
        self.name, self.answers = name, list(answers)
        self.asked: list[Action] = []

    async def perform(self, action: Action, lease: Lease) -> Result:
        self.asked.append(action)
        return self._next()

    async def close(self) -> None:
        pass

    def _next(self) -> Result:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Erp(Provider):
    """F+O as the agent `apply` writes to it."""

    title = "F+O"

    def __init__(self, *answers: Result | Exception) -> None:
        super().__init__(*answers, name="fno")
        self.rows: list[tuple[SalesOrderRow, WritePlan]] = []

    async def upsert(self, row: SalesOrderRow, plan: WritePlan, lease: Lease) -> Result:
        self.rows.append((row, plan))
        return self._next()
