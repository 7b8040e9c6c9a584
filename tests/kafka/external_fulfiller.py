"""A fulfilment provider that speaks Kafka alone, written from docs/providers/kafka.md with librdkafka and fastavro.

Nothing of `app` is imported. It is as careless as a consumer may be: it says everything twice, in Avro once and in JSON
once, and uses librdkafka's own partitioner, which is not Kafka's.
"""

import io
import json
import struct
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import fastavro
from confluent_kafka import Consumer, Producer

NAME: Final = "pigeon"
REQUESTS: Final = "fulfillment-requested"
LIMIT_S: Final = 120.0
Answer = dict[str, Any]
Decide = Callable[[Mapping[str, Any]], Answer | None]
"""What to say to a request: outcome, code and so on; None: nothing."""


class Registry:
    """The read calls of a schema registry, as any worker answers them."""

    def __init__(self, url: str) -> None:
        self._url, self._by_id, self._latest = url, dict[int, Any](), dict[str, tuple[int, Any]]()

    def by_id(self, number: int) -> Any:
        if number not in self._by_id:
            self._by_id[number] = _parsed(self._get(f"/schemas/ids/{number}"))
        return self._by_id[number]

    def latest(self, topic: str) -> tuple[int, Any]:
        if topic not in self._latest:
            found = self._get(f"/subjects/{topic}-value/versions/latest")
            self._latest[topic] = found["id"], _parsed(found)
            self._by_id[found["id"]] = self._latest[topic][1]
        return self._latest[topic]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._url + path, timeout=LIMIT_S) as answer:
            return json.load(answer)


def _parsed(found: Mapping[str, Any]) -> Any:
    return fastavro.parse_schema(json.loads(found["schema"]))


class ExternalFulfiller:
    """`requests` are those that were read, by effect id; `answers` what was said to each: a copy is told the same."""

    def __init__(self, servers: str, registry: Registry, decide: Decide) -> None:
        self._registry, self._decide = registry, decide
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": NAME,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._consumer.subscribe([REQUESTS])
        self._producer = Producer({"bootstrap.servers": servers, "log_level": 0})
        for topic in (REQUESTS, "provider-result", "provider-event"):
            registry.latest(topic)
        self.requests: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.answers: dict[tuple[str, int], Answer | None] = {}

    def read(self, until: Callable[[], bool]) -> None:
        """Takes requests until that holds, and answers each at once."""
        deadline = time.monotonic() + LIMIT_S
        while not until():
            assert time.monotonic() < deadline, f"after {LIMIT_S:g} s: {self.answers}"
            message = self._consumer.poll(0.2)
            if message is None or message.error() is not None:
                continue
            request = self._decoded(message.value() or b"")
            if request["provider"] == NAME and request["through"] == "kafka":
                self._take(request)
            self._consumer.commit(message=message, asynchronous=False)

    def _take(self, request: Mapping[str, Any]) -> None:
        effect, attempt = request["effect_id"], request["attempt"]
        self.requests[effect].append(request)
        if (effect, attempt) not in self.answers:
            self.answers[effect, attempt] = self._decide(request)
        said = self.answers[effect, attempt]
        if said is not None:
            self._say(request, said)

    def answer(self, order_id: str, said: Answer) -> None:
        """The answer to the last request for an order, whenever it is found."""
        asked = [request for requests in self.requests.values() for request in requests]
        self._say([request for request in asked if request["order"]["order_id"] == order_id][-1], said)

    def _say(self, request: Mapping[str, Any], said: Answer) -> None:
        repeated = {name: request[name] for name in ("effect_id", "provider", "action", "attempt")}
        defaults = {"code": said["outcome"], "detail": "", "reference": "", "retry_after_ms": 0, "values": {}}
        self.write("provider-result", {**defaults, **repeated, **said, "order_id": request["order"]["order_id"]})
        self.flush()

    def report(self, order_id: str, event: str, reference: str, lines: list[dict[str, Any]] | None = None) -> None:
        """Something happened to an order, as a document of ours says."""
        now = int(time.time() * 1000)
        body = {"order_id": order_id, "provider": NAME, "event": event, "reference": reference, "occurred_at": now}
        self.write("provider-event", {**body, "lines": lines or [], "values": {}})

    def write(self, topic: str, body: dict[str, Any]) -> None:
        """Once in Avro and then in JSON, without an id: copies are known by what they say."""
        number, schema = self._registry.latest(topic)
        exact = [{**line, "quantity": Decimal(line["quantity"])} for line in body.get("lines", [])]
        framed = io.BytesIO()
        framed.write(struct.pack(">bI", 0, number))
        fastavro.schemaless_writer(framed, schema, {**body, "lines": exact} if exact else body)
        self._producer.produce(topic, framed.getvalue(), key=body["order_id"].encode())
        self._producer.produce(topic, json.dumps(body).encode())

    def flush(self) -> None:
        assert self._producer.flush(LIMIT_S) == 0

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()

    def _decoded(self, value: bytes) -> Mapping[str, Any]:
        magic, number = struct.unpack(">bI", value[:5])
        assert magic == 0
        found = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._registry.by_id(number), None)
        assert isinstance(found, dict)
        return found
