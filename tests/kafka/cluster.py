"""A cluster of three Kafka nodes on loopback, each a broker and a controller, from the jars of the local broker.

For tests that take one node away. Every topic has three replicas, of which two must have a record before its producer
hears of it, the broker's own topics included.
"""

import os
import signal
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.sandbox.local.broker_folder import SETTINGS
from app.sandbox.local.jars import find_kafka
from app.sandbox.local.jvm import MarkedProcess, dies_with_us, find_java, launch, run
from app.sandbox.local.ports import HOST, free_port
from tests.kafka.processes import kill, wait_for

NODES: Final = (1, 2, 3)
READY_LIMIT_S: Final = 180.0
_STOP_LIMIT_S: Final = 60.0
_FORMAT_LIMIT_S: Final = 120.0
_ANSWER_LIMIT_S: Final = 5.0
_JAVA: Final = ("-Xms32m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Three of them share a small machine with Waybill."""
_REPLICATED: Final = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


@dataclass
class Node:
    """One node. Its process is ended with the test's own process, also when that is killed."""

    number: int
    folder: Path
    port: int
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    pid: int = 0
    _guard: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def mark(self) -> str:
        """Argument on the node's command line by which it is told from a process that took its id."""
        return f"-Dwaybill.node={self.folder}"

    def start(self) -> None:
        """Start its process, and return before it answers."""
        command = [*self.command, self.mark, "kafka.Kafka", "server.properties"]
        self.pid = launch(command, self.folder, self.folder / "node.log", self.environment)
        self._guard.enter_context(dies_with_us(self.pid))

    def crash(self) -> None:
        """End it by kill -9."""
        assert kill(self.pid, signal.SIGKILL)
        self._guard.close()

    def stop(self) -> None:
        """End it in order: it hands over what it leads."""
        assert MarkedProcess(self.pid, self.mark).end(_STOP_LIMIT_S)
        self._guard.close()

    def remove(self) -> None:
        """End it by kill -9 if it runs."""
        if MarkedProcess(self.pid, self.mark).alive():
            self.crash()


class Cluster:
    """`nodes` by number; `bootstrap_servers` names all of them."""

    def __init__(self, nodes: Mapping[int, Node]) -> None:
        self.nodes = nodes
        self.bootstrap_servers = ",".join(f"{HOST}:{node.port}" for node in nodes.values())
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})

    def wait_until_whole(self) -> None:
        """Return when every partition has all its replicas in sync."""
        wait_for("all replicas are in sync", lambda: self._lies_on(NODES, in_sync=len(NODES)), READY_LIMIT_S)

    def wait_until_replaced(self, number: int) -> None:
        """Return when other nodes lead every partition that the node has led."""
        others = [each for each in NODES if each != number]
        wait_for(f"others lead for node {number}", lambda: self._lies_on(others, in_sync=len(others)), READY_LIMIT_S)

    def _lies_on(self, numbers: Sequence[int], in_sync: int) -> bool:
        """Whether the nodes are there, lead every partition, and so many replicas of each are in sync at least."""
        try:
            seen = self._admin.list_topics(timeout=_ANSWER_LIMIT_S)
        except KafkaException:
            return False
        partitions = [each for topic in seen.topics.values() for each in topic.partitions.values()]
        return set(numbers) <= set(seen.brokers) and all(
            each.leader in numbers and len(each.isrs) >= in_sync for each in partitions
        )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster in a temporary folder, and remove it with its topics when the block ends."""
    with TemporaryDirectory(prefix="waybill-cluster-", ignore_cleanup_errors=True) as folder:
        nodes = _nodes(Path(folder))
        try:
            for node in nodes.values():
                node.start()
            running = Cluster(nodes)
            running.wait_until_whole()
            yield running
        finally:
            for node in nodes.values():
                node.remove()


def _nodes(folder: Path) -> dict[int, Node]:
    java, kafka = find_java(), find_kafka(lambda _: None)
    environment = {**os.environ, "CLASSPATH": kafka.classpath, "LC_ALL": "C.UTF-8"}
    ports = {number: (free_port(), free_port()) for number in NODES}
    voters = ",".join(f"{number}@{HOST}:{controller}" for number, (_, controller) in ports.items())
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    nodes = {}
    for number, (port, controller) in ports.items():
        node = Node(number, folder / str(number), port, command=(str(java), *_JAVA), environment=environment)
        node.folder.mkdir()
        settings = SETTINGS | _REPLICATED | _places(number, port, controller) | {"controller.quorum.voters": voters}
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (node.folder / "server.properties").write_text(text, encoding="utf-8")
        _format(node, cluster_id)
        nodes[number] = node
    return nodes


def _places(number: int, port: int, controller: int) -> dict[str, str]:
    return {
        "node.id": str(number),
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "log.dirs": "log",
    }


def _format(node: Node, cluster_id: str) -> None:
    tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config=server.properties")
    code, output = run([*node.command, *tool], node.folder, node.environment, _FORMAT_LIMIT_S)
    assert code == 0, output
