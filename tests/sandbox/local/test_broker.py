"""The local broker without Kafka: its data folder, and what stands in the way of a start. tests/kafka has the real one.

Where a start must go further, a shell script in JAVA_HOME plays the Java that fails.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import yaml

from app.errors import BrokerError
from app.sandbox.local import broker
from app.sandbox.local.broker_folder import SETTINGS, BrokerFolder, BrokerRecord, last_error_line, properties
from app.sandbox.local.jars import locked_jars, locked_version
from app.sandbox.local.jvm import MarkedProcess
from app.sandbox.local.ports import free_port

COMPOSE = Path(__file__).parents[3] / "docker-compose.kafka.yml"
VERSION = locked_version(locked_jars())
# `java -version` and the tool that formats the folder succeed; then the broker does what the test wants.
JAVA = """#!/bin/sh
case "$*" in
  -version) echo 'openjdk version "21.0.1"' >&2 ;;
  *StorageTool*) mkdir -p log && echo cluster.id=abc > log/meta.properties ;;
  *) {broker} ;;
esac
"""


@contextmanager
def process(*arguments: str) -> Iterator[int]:
    """A process with the arguments on its command line."""
    code = "import time; print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        try:
            yield started.pid
        finally:
            started.kill()


def record(folder: BrokerFolder, pid: int, port: int) -> None:
    folder.write_record(BrokerRecord(pid, port, VERSION, datetime.now(UTC)))


@pytest.fixture
def folder(tmp_path: Path) -> BrokerFolder:
    """An empty data folder with a name that Kafka's properties and Java's defaults would trip over."""
    path = tmp_path / "dátos, más"
    path.mkdir()
    return BrokerFolder.of(path)


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a Java that the test writes, with a Kafka of version 9.9.9 beside it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-9.9.9.jar").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    return tmp_path / "bin" / "java"


@pytest.fixture
def held_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def play(java: Path, broker_script: str) -> None:
    java.write_text(JAVA.format(broker=broker_script))
    java.chmod(0o755)


# Where the data is


def test_the_data_folder_is_in_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WAYBILL_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert BrokerFolder.of(None).path == tmp_path / ".waybill" / "kafka"


def test_waybill_home_moves_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WAYBILL_HOME", str(tmp_path))
    assert broker.status().data == tmp_path / "kafka"


def test_asking_creates_nothing(tmp_path: Path) -> None:
    data = tmp_path / "new"
    assert broker.status(data) == broker.BrokerStatus(False, None, None, None, data)
    assert not broker.stop(data)
    assert not data.exists()


# Which process is ours


def test_a_reused_process_id_is_not_our_broker(folder: BrokerFolder) -> None:
    with process("kafka.Kafka", BrokerFolder.of(folder.path.parent).mark) as pid:
        record(folder, pid, free_port())
        assert not broker.status(folder.path).running
        assert broker.status(folder.path).pid is None
        assert not broker.stop(folder.path)
        assert psutil.pid_exists(pid), "a stranger's process was ended"
    assert folder.record() is None


def test_a_process_of_ours_that_does_not_answer_is_not_running_and_can_be_stopped(folder: BrokerFolder) -> None:
    notices: list[str] = []
    with process(folder.mark) as pid:
        record(folder, pid, free_port())
        assert broker.status(folder.path) == broker.BrokerStatus(False, None, pid, VERSION, folder.path)
        assert broker.stop(folder.path, notice=notices.append)
        assert not MarkedProcess(pid, folder.mark).alive()
    assert notices == [f"Kafka (process {pid}) stopped; its topics are kept in {folder.path}"]
    assert not broker.stop(folder.path)


def test_where_a_broker_serves_is_known_from_its_folder_alone(folder: BrokerFolder) -> None:
    assert broker.address(folder.path) is None
    port = free_port()
    with process(folder.mark) as pid:
        record(folder, pid, port)
        assert broker.address(folder.path) == f"127.0.0.1:{port}"
    assert broker.address(folder.path) is None, "its process is gone"


def test_a_broker_that_runs_on_another_port_is_an_error(folder: BrokerFolder) -> None:
    with process(folder.mark) as pid:
        record(folder, pid, 20_000)
        with pytest.raises(BrokerError, match=r"already runs on 127.0.0.1:20000, not on port 20001: .*stop it first"):
            broker.start(folder.path, 20_001)


def test_a_broker_that_hangs_is_named_with_its_log_and_left_alone(folder: BrokerFolder) -> None:
    folder.log.write_text("12:00 ERROR disk full\n")
    port = free_port()
    with process(folder.mark) as pid:
        record(folder, pid, port)
        with pytest.raises(BrokerError, match=r"not ready within 0.1 s: 12:00 ERROR disk full \(its log: .*broker.log"):
            broker.start(folder.path, port, ready_timeout_s=0.1)
        assert psutil.pid_exists(pid)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "1"}'])
def test_a_record_that_cannot_be_read_is_named_with_the_fix(content: bytes, folder: BrokerFolder) -> None:
    (folder.path / "broker.json").write_bytes(content)
    with pytest.raises(BrokerError, match=r"broker.json cannot be read .*delete the file"):
        broker.status(folder.path)


# What stands in the way of a start


def test_a_taken_port_is_an_error(folder: BrokerFolder, held_port: int) -> None:
    with pytest.raises(BrokerError, match=f"Port {held_port} on 127.0.0.1 is taken by another program"):
        broker.start(folder.path, held_port)


def test_data_of_another_kafka_is_an_error(folder: BrokerFolder) -> None:
    folder.claim("4.2.0")
    message = f"{re.escape(str(folder.path))} was written by Kafka 4.2.0, and this is Kafka 4.2.2: .*KAFKA_HOME"
    with pytest.raises(BrokerError, match=message):
        folder.claim("4.2.2")
    folder.claim("4.2.0")


def test_data_of_an_unknown_kafka_is_an_error(folder: BrokerFolder) -> None:
    (folder.path / "log").mkdir()
    with pytest.raises(BrokerError, match="written by a Kafka of unknown version"):
        folder.claim("4.2.2")


def test_a_start_refuses_data_of_another_kafka(folder: BrokerFolder, java: Path) -> None:
    play(java, "exit 0")
    folder.claim("4.2.0")
    with pytest.raises(BrokerError, match=r"written by Kafka 4.2.0, and this is Kafka 9.9.9"):
        broker.start(folder.path, free_port())


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=r"file/kafka cannot hold the broker's data .*WAYBILL_HOME"):
        broker.start(tmp_path / "file" / "kafka", free_port())


def test_a_folder_without_write_permission_is_an_error(folder: BrokerFolder) -> None:
    with as_somebody_else(), pytest.raises(BrokerError, match=r"cannot hold the broker's data .*Permission denied"):
        broker.start(folder.path, free_port())


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Without the administrator's right to write anywhere; other users just lose the right to this folder."""
    if os.geteuid() != 0:
        pytest.skip("only the administrator can become somebody else")
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_second_start_at_the_same_time_is_an_error(folder: BrokerFolder) -> None:
    with folder.start_lock(), pytest.raises(BrokerError, match=r"Another start .* is under way: wait for it"):
        broker.start(folder.path, free_port())
    with folder.start_lock():
        pass


def test_a_folder_that_kafka_cannot_format_is_an_error(folder: BrokerFolder, java: Path) -> None:
    play(java, "exit 0")
    java.write_text(java.read_text().replace("mkdir -p log &&", "echo 'java.io.IOException: no room' >&2; exit 1;"))
    with pytest.raises(BrokerError, match=r"cannot format .*: java.io.IOException: no room: delete that folder"):
        broker.start(folder.path, free_port())


def test_a_broker_that_ends_at_once_is_an_error_with_its_last_words(folder: BrokerFolder, java: Path) -> None:
    play(java, "echo 'ERROR java.net.BindException: Address in use'; echo 'INFO bye'; exit 1")
    with pytest.raises(BrokerError, match=r"ended before it was ready: ERROR java.net.BindException: Address in use"):
        broker.start(folder.path, free_port())
    assert folder.record() is None


def test_a_broker_that_does_not_get_ready_is_an_error_and_is_ended(folder: BrokerFolder, java: Path) -> None:
    play(java, f"echo $$ > '{java.parent}/pid'; while :; do sleep 0.1; done")
    with pytest.raises(BrokerError, match=r"not ready within 1 s: nothing was logged \(its log: .*broker.log"):
        broker.start(folder.path, free_port(), ready_timeout_s=1)
    assert not MarkedProcess(int((java.parent / "pid").read_text()), folder.mark).alive()
    assert folder.record() is None


def test_only_a_broker_that_ran_and_did_not_stop_in_order_has_crashed(folder: BrokerFolder) -> None:
    assert not folder.crashed()
    (folder.path / "log" / "__cluster_metadata-0").mkdir(parents=True)
    assert folder.crashed()
    (folder.path / "log" / ".kafka_cleanshutdown").touch()
    assert not folder.crashed()


def test_after_a_crash_the_controller_runs_alone_before_the_broker(folder: BrokerFolder, java: Path) -> None:
    play(java, 'for last; do :; done; echo "$last" >>runs; exit 1')
    for _ in range(2):
        with pytest.raises(BrokerError, match="ended before it was ready"):
            broker.start(folder.path, free_port())
        (folder.path / "log" / "__cluster_metadata-0").mkdir(exist_ok=True)
    runs = (folder.path / "runs").read_text().splitlines()
    assert [Path(run).name for run in runs] == ["server.properties", "controller.properties", "server.properties"]
    alone = (folder.path / "controller.properties").read_text()
    assert "process.roles=controller\n" in alone
    assert "PLAINTEXT" not in alone


def test_a_failed_start_lets_the_next_one_in(folder: BrokerFolder, java: Path) -> None:
    play(java, "echo first; exit 1")
    for _ in range(2):
        with pytest.raises(BrokerError, match="ended before it was ready: first"):
            broker.start(folder.path, free_port())
    assert (folder.path / "broker.log.1").read_text() == "first\n"


# Settings


def test_the_last_error_of_a_log_is_found() -> None:
    log = (
        "1 ERROR first\n2 ERROR Exit\njava.net.BindException: in use\n\tat sun.nio.ch.Net.bind\n3 INFO Errors are rare"
    )
    assert last_error_line(log) == "java.net.BindException: in use"
    assert last_error_line("one\ntwo\n\n") == "two"
    assert last_error_line("") == "nothing was logged"
    assert len(last_error_line("ERROR " + "x" * 1000)) == 300


def test_the_properties_name_both_ports_on_loopback_only() -> None:
    found = dict(line.split("=", 1) for line in properties(1000, 2000).splitlines())
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:1000,CONTROLLER://127.0.0.1:2000"
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1000"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:2000"
    assert SETTINGS.items() <= found.items()


def test_the_compose_file_runs_the_same_broker() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]
    # The image turns KAFKA_A_B into a.b.
    names = {name: f"KAFKA_{name.upper().replace('.', '_')}" for name in SETTINGS}
    assert {name: service["environment"].get(names[name]) for name in SETTINGS} == SETTINGS
    assert service["image"] == f"apache/kafka:{VERSION}"
    assert service["ports"] == [f"127.0.0.1:{broker.DEFAULT_PORT}:9092"]
    advertised = service["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"PLAINTEXT://127.0.0.1:{broker.DEFAULT_PORT}" in advertised


def test_the_compose_file_keeps_its_data_and_knows_when_it_is_ready() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    service = compose["services"]["kafka"]
    volume, place = service["volumes"][0].split(":")
    assert volume in compose["volumes"]
    assert place == service["environment"]["KAFKA_LOG_DIRS"]
    assert service["healthcheck"]["test"][0] == "CMD"
