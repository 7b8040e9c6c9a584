"""Sealed orders on a real broker: what lies in its topics, who can read it, and what forgetting leaves.

The tests run in order and share the product's topics on the lanes' broker.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from app.events.record import Output, Record
from app.kafka import topic_admin, topic_reader, topics, transactions
from app.kafka.cluster_access import ClusterAccess
from app.kafka.key_follower import KeyFollower
from app.resources import ROOT
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from app.sealing.key_book import TOPIC, KeyBook
from app.sealing.master_keys import MasterKeys
from tests.commands.console import Console
from tests.kafka.one_worker import OneWorker
from tests.kafka.processes import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
VARIABLE: Final = "WAYBILL_PERSONAL_DATA_KEY"
KEY: Final = bytes(range(64)).hex()
EXAMPLE: Final = json.loads((ROOT / "schemas/examples/order-created.json").read_bytes())
PEOPLE: Final = [text for name, text in EXAMPLE["ship_to"].items() if name in ("name", "street", "email")]
REFUSED: Final = json.dumps(EXAMPLE | {"order_id": "sealed-1", "total": "1.0000"}).encode()
"""An order whose total is not that of its lines: it ends at once."""
SPECS: Final = topics.load(1)


@pytest.fixture(scope="module")
def servers(lane_broker: str) -> str:
    asyncio.run(topic_admin.apply(ClusterAccess(lane_broker), SPECS))
    return lane_broker


@pytest.fixture(scope="module")
def environment(servers: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    clean |= {"KAFKA_BOOTSTRAP_SERVERS": servers, "WAYBILL_PARTITIONS": "1"}
    return {**simulated(clean, free_port()), VARIABLE: KEY}


@pytest.fixture(scope="module")
def worker(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneWorker]:
    worker = OneWorker(ROOT, tmp_path_factory.mktemp("sealed") / "worker.log", environment, "orchestrate")
    yield worker
    worker.process.kill()
    worker.process.wait()


@pytest.fixture
def waybill(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Console:
    for name in os.environ:
        if name.startswith("WAYBILL_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Console(capsys)


def everything(servers: str) -> list[Record]:
    async def read() -> list[Record]:
        async with topic_reader.consumer(ClusterAccess(servers)) as reader:
            places = [place for spec in SPECS for place in await topic_reader.partitions(reader, spec.name)]
            return [record async for record in topic_reader.read_to_end(reader, places)]

    return asyncio.run(read())


def shown(servers: str) -> set[str]:
    """The topics in which a person can be read."""
    return {
        record.topic for record in everything(servers) if any(word.encode() in (record.value or b"") for word in PEOPLE)
    }


@pytest.mark.usefixtures("worker")
def test_what_waybill_writes_of_an_order_is_sealed(waybill: Console, servers: str) -> None:
    asyncio.run(
        transactions.transact(
            ClusterAccess(servers), [Output("order-created", b"sealed-1", REFUSED, transactions.JSON)]
        )
    )
    wait_for("the order", lambda: waybill("orders", "show", "sealed-1").code == 0, 120)
    assert shown(servers) == {"order-created"}
    assert waybill("orders", "show", "sealed-1", "--json").json["ship_to"]["street"] == EXAMPLE["ship_to"]["street"]
    assert [record.key for record in everything(servers) if record.topic == TOPIC] == [b"sealed-1"]
    assert waybill("verify").code == 0


def test_nobody_reads_it_without_the_master_key(
    waybill: Console, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, other in (("unset", ""), ("another", bytes(range(1, 65)).hex())):
        monkeypatch.setenv(VARIABLE, other)
        refused = waybill("orders", "show", "sealed-1")
        assert (refused.code, f"set {VARIABLE}" in refused.err) == (1, True), name
        command = [sys.executable, "-m", "app", "worker", "mirror"]
        ended = subprocess.run(
            command,
            env={**environment, VARIABLE: other, "WAYBILL_WEB_PORT": "0"},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 1, ended.stderr[-2000:]
        assert b"personal data of 1 orders is sealed with master key" in ended.stderr, name


@pytest.mark.usefixtures("worker")
def test_a_forgotten_order_has_no_key(waybill: Console, servers: str) -> None:
    answer = waybill("orders", "forget", "sealed-1", "--yes", "--json").json
    unreadable = {each["topic"] for each in answer["remains"] if not each["readable"]}
    assert {"order-rejected", "order-ledger"} <= unreadable
    assert "order-created" not in unreadable
    assert waybill("orders", "show", "sealed-1", "--json").json["ship_to"]["street"] == ""
    keys = [record.value for record in everything(servers) if record.topic == TOPIC]
    assert keys[-1] is None


async def test_a_follower_has_what_was_written_before_it_was_asked(servers: str) -> None:
    book = KeyBook(MasterKeys([bytes(range(64))]))
    follower = KeyFollower(ClusterAccess(servers), book)
    wrapped = book.master_keys.wrap("followed", bytes(64))
    try:
        await follower.start()
        assert not book.has("followed")
        await transactions.transact(ClusterAccess(servers), [Output(TOPIC, b"followed", wrapped, partition=0)])
        await follower.catch_up()
        assert book.has("followed")
        await transactions.transact(ClusterAccess(servers), [Output(TOPIC, b"followed", None, partition=0)])
        await follower.catch_up()
        assert not book.has("followed")
    finally:
        await follower.close()
