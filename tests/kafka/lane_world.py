"""Topics of a test's own, a producer, worker processes, and the check, all with librdkafka: it shares no code."""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

PARTITIONS = 4
LIMIT_S = 180.0
ROOT = Path(__file__).parents[2]


def counted(message: Message) -> tuple[bytes, int]:
    """Which record an output is of, and the count it names."""
    origin, count = (message.value() or b"").split(b" ")[0].rsplit(b":", 1)
    return origin, int(count)


class Worker:
    """One worker process; its log is a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process, self.log = process, log

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def opened(self) -> int:
        """How many times it opened a lane."""
        return self.log.read_text().count("reading on at")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, limit_s: float = LIMIT_S) -> int:
        """Its exit code; killed workers have a negative one."""
        async with asyncio.timeout(limit_s):
            return await self.process.wait()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


class LaneWorld:
    """`in-a`, `in-b`, `out` and `led` with a prefix of their own, and the shared dead-letter topic."""

    def __init__(self, servers: str, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.in_a, self.in_b, self.out, self.ledger = (f"{self.name}-{part}" for part in ("in-a", "in-b", "out", "led"))
        self.workers: list[Worker] = []
        self.sent: Counter[bytes] = Counter()
        self._clients = ExitStack()
        self._admin = self._clients.enter_context(AdminClient({"bootstrap.servers": servers}))
        self._producer = self._clients.enter_context(
            Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random", "linger.ms": 5})
        )

    def create_topics(self, *names: str) -> None:
        """Create the given topics, by default all of the world, and the dead-letter topic if there is none."""
        compacted = {"cleanup.policy": "compact"}
        wanted = set(names) or {self.in_a, self.in_b, self.out, self.ledger, "dead-letter"}
        missing = wanted - set(self._admin.list_topics(timeout=10).topics)
        new = [NewTopic(name, PARTITIONS, 1, config=compacted if name == self.ledger else {}) for name in missing]
        for done in self._admin.create_topics(new).values() if new else ():
            done.result()

    def delete_topic(self, name: str) -> None:
        self._admin.delete_topics([name])[name].result()
        limit = time.monotonic() + LIMIT_S
        while name in self._admin.list_topics(timeout=10).topics and time.monotonic() < limit:
            time.sleep(0.05)

    def configure(self, topic: str, **settings: str) -> None:
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        for done in self._admin.incremental_alter_configs([resource]).values():
            done.result()

    def produce(
        self, key: bytes | None, *values: bytes, topic: str | None = None, partition: int = -1, counts: bool = True
    ) -> None:
        """Write records and wait until they are stored. `counts`: each is expected to be counted."""
        for value in values:
            self._producer.produce(topic or self.in_a, value, key=key, partition=partition)
            self._producer.poll(0)
        self._producer.flush(10)
        if counts and key is not None:
            self.sent[key] += len(values)

    def load(self, keys: int, each: int) -> None:
        """Many records: `each` for each key, alternating between the two inputs."""
        for number in range(each):
            for key in (b"k%d" % index for index in range(keys)):
                topic = self.in_a if number % 2 else self.in_b
                self._producer.produce(topic, b"v%d" % number, key=key)
                self.sent[key] += 1
            self._producer.poll(0)
        self._producer.flush(20)

    async def start(self, **environment: object) -> Worker:
        """A worker process, ready or not."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        variables = {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "NAME": self.name,
            "INPUTS": f"{self.in_a},{self.in_b}",
            "OUT": self.out,
            "LEDGER": self.ledger,
            **{name: str(value) for name, value in environment.items()},
        }
        with log.open("w") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.kafka.lane_worker",
                env=os.environ | variables,
                cwd=ROOT,
                stdout=file,
                stderr=file,
            )
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    async def until(self, condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
        """Wait until something holds."""
        limit = time.monotonic() + limit_s
        while not await asyncio.to_thread(condition):
            if time.monotonic() > limit:
                logs = "\n".join(worker.log.read_text()[-3000:] for worker in self.workers)
                raise AssertionError(f"{what}: not within {limit_s:g} s\n{logs}")
            await asyncio.sleep(0.05)

    async def until_counted(self, limit_s: float = LIMIT_S) -> None:
        """Wait until as many outputs are committed as records were sent."""
        expected = sum(self.sent.values())
        await self.until(lambda: len(self.read(self.out)) >= expected, f"{expected} outputs", limit_s)

    def read(self, topic: str) -> list[Message]:
        """All committed records of a topic, each partition in order."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        found: list[Message] = []
        ended: set[int | None] = set()
        limit = time.monotonic() + LIMIT_S
        while len(ended) < PARTITIONS and time.monotonic() < limit:
            for message in consumer.consume(1000, 0.2):
                if message.error():
                    ended.add(message.partition())
                else:
                    found.append(message)
        consumer.close()
        return found

    def check(self) -> None:
        """Every record has exactly one output, in order for each key, and the ledger is the fold of the inputs."""
        counts, origins = defaultdict(list), Counter[bytes]()
        for message in self.read(self.out):
            origin, count = counted(message)
            origins[origin] += 1
            counts[message.key()].append(count)
        assert [origin for origin, times in origins.items() if times > 1] == []
        assert counts == {key: list(range(1, count + 1)) for key, count in self.sent.items()}
        ledger = {message.key(): message.value() or b"" for message in self.read(self.ledger)}
        assert {key: int(ledger[key].removesuffix(b"!")) for key in self.sent} == dict(self.sent)

    async def end(self) -> None:
        """Threads of a client that is left open outlive the interpreter, which may crash on them at its exit."""
        for worker in self.workers:
            await worker.kill()
        await asyncio.to_thread(self._clients.close)
