"""On a broker that makes topics for whoever asks: nothing of Waybill makes one, but `waybill topics apply`."""

import asyncio
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.errors import BrokerError
from app.events.record import Output
from app.kafka import topics
from app.kafka.cluster_access import ClusterAccess
from app.kafka.publisher import KafkaPublisher
from app.resources import ROOT
from app.sandbox.local import broker as local_broker
from app.sandbox.local import broker_folder
from app.worker.process_end import EXIT_LANE_LOST
from tests.commands.console import Console
from tests.kafka.one_worker import OneWorker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
EXAMPLE = (ROOT / "schemas/examples/order-created.json").read_bytes()
LIMIT_S = 180.0


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """Settings of the local broker, but for the one that clusters often have the other way round."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(broker_folder.SETTINGS, "auto.create.topics.enable", "true")
        patch.setitem(broker_folder.SETTINGS, "num.partitions", "1")
        with local_broker.temporary() as info:
            yield info.bootstrap_servers


@pytest.fixture
def waybill(broker: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker)
    return Console(capsys)


async def there(broker: str) -> dict[str, int]:
    """The topics that are there, Kafka's own left out, and their partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        found = await admin.describe_topics()
    finally:
        await admin.close()
    return {each["topic"]: len(each["partitions"]) for each in found if not each["is_internal"]}


def worker(broker: str, *roles: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker}
    command = [sys.executable, "-m", "app", "worker", *roles]
    return subprocess.run(command, env=environment, timeout=LIMIT_S, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("role", ["orchestrate", "source", "perform", "mirror"])
async def test_a_worker_makes_none(broker: str, role: str) -> None:
    ended = worker(broker, role)
    assert ended.returncode == EXIT_LANE_LOST, ended.stderr
    assert "`waybill topics apply`" in ended.stderr
    assert await there(broker) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ("orders", "submit", "-"),
        ("orders", "list"),
        ("orders", "show", "web-1"),
        ("orders", "watch"),
        ("dead-letters", "list"),
        ("stock", "set", "A", "EU-HAM", "5"),
        ("stock", "list"),
        ("backorders", "preferences", "--set", "backorders=off"),
        ("topics", "check"),
    ],
)
def test_a_command_makes_none_and_says_at_once_what_is_missing(
    broker: str, waybill: Console, arguments: tuple[str, ...]
) -> None:
    said = waybill(*arguments, stdin=EXAMPLE)
    assert said.code == 1
    assert "topics apply" in said.err or "topic is missing" in said.out

    assert asyncio.run(there(broker)) == {}


async def test_a_publisher_makes_none(broker: str) -> None:
    publisher = KafkaPublisher(ClusterAccess(broker))
    try:
        with pytest.raises(BrokerError):
            await publisher.publish([Output("order-created", b"web-1", EXAMPLE)])
    finally:
        await publisher.close()
    assert await there(broker) == {}


async def test_what_somebody_else_made_wrong_is_named_by_apply_and_by_a_worker(
    broker: str, waybill: Console, tmp_path: pathlib.Path
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic("order-command", 1, 1), NewTopic("order-status", 4, 1)])
    await admin.close()
    said = await asyncio.to_thread(waybill, "topics", "apply")
    specs = topics.load()
    assert (said.code, said.out) == (1, f"{len(specs) - 2} topics created\n")
    assert "order-command: partitions is 1, topics.yaml says 4" in said.err
    assert "order-status: retention.ms is 604800000, topics.yaml says" in said.err
    assert "differences in topics that were there already: delete those that are empty" in said.err
    again = await asyncio.to_thread(waybill, "topics", "apply", "--json")
    assert (again.code, again.json, again.err) == (1, [], said.err)

    ended = await asyncio.to_thread(worker, broker, "orchestrate")
    assert ended.returncode == 1
    assert "order-command has 1, not 4; delete those that are empty and run `waybill topics apply`" in ended.stderr
    assert "AssertionError" not in ended.stderr

    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.delete_topics(["order-command", "order-status"])
    await admin.close()
    async with asyncio.timeout(LIMIT_S):
        while {"order-command", "order-status"} & (await there(broker)).keys():  # noqa: ASYNC110 - the broker is slow
            await asyncio.sleep(0.05)
    assert (await asyncio.to_thread(waybill, "topics", "apply")).code == 0
    assert await there(broker) == {spec.name: spec.partitions for spec in specs}
    running = await asyncio.to_thread(
        OneWorker, ROOT, tmp_path / "worker.log", {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker}, "orchestrate"
    )
    await asyncio.to_thread(running.kill)
    assert await there(broker) == {spec.name: spec.partitions for spec in specs}
