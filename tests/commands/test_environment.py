"""Which broker a command means: the one named, else that of `waybill up`, of `waybill broker`, the usual one."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.sandbox.local.broker_folder import BrokerFolder, BrokerRecord
from app.sandbox.local.ports import free_port
from app.sandbox.local.up_addresses import UpAddresses, claim_up
from tests.commands.console import Console


def asked(waybill: Console) -> str:
    """Where the command looked for Kafka; none answers anywhere."""
    said = waybill("orders", "list")
    found = re.search(r"no Kafka answers at (\S+): ", said.err)
    assert found, said.err
    return found[1]


@contextmanager
def broker_of(home: Path, port: int) -> Iterator[None]:
    """A process that counts as the broker of a data folder."""
    folder = BrokerFolder.of(home / "kafka")
    folder.path.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", folder.mark], stdin=-1) as process:
        folder.write_record(BrokerRecord(process.pid, port, "4.2.2", datetime.now(UTC)))
        try:
            yield
        finally:
            process.kill()


def test_the_nearest_broker_is_meant(waybill: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    named, of_up, of_broker = (f"127.0.0.1:{free_port()}" for _ in range(3))
    with broker_of(home, int(of_broker.rpartition(":")[2])):
        assert asked(waybill) == of_broker
        with claim_up({"WAYBILL_HOME": str(home)}) as notice:
            assert asked(waybill) == of_broker, "`up` has not said where"
            notice.publish(UpAddresses(1, of_up, "http://127.0.0.1:1", {}))
            assert asked(waybill) == of_up
            monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", named)
            assert asked(waybill) == named
            monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", " ")
            assert asked(waybill) == of_up
        assert asked(waybill) == of_broker


def test_a_user_without_a_home_is_told_what_to_set(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under any number."""
    monkeypatch.delenv("WAYBILL_HOME")
    monkeypatch.setattr("posixpath.expanduser", lambda path: path)
    said = waybill("orders", "list")
    assert (said.code, "set WAYBILL_HOME, or name a broker" in said.err) == (1, True)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert asked(waybill) == "127.0.0.1:1"


def test_what_to_do_is_said_where_no_broker_is_known(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    assert "`waybill up`" in waybill("orders", "list").err
    assert "`waybill up`" in waybill("stock", "set", "A", "EU-HAM", "5").err
