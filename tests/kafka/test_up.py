"""`waybill up` while its usual port is taken: it says which it took, the other commands find it, and there is one."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.agents.roles import ROLES
from app.sandbox.local.broker import DEFAULT_PORT
from app.sandbox.local.ports import HOST
from tests.kafka.processes import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
LIMIT_S = 180.0
INTERRUPTED = 130


class Up:
    """One `waybill up --json` with what it says on both outputs."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._out, self._err = folder / "up.json", folder / "up.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [sys.executable, "-m", "app", "up", "--json"]
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def document(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, self.err
        try:
            found: dict[str, Any] = json.loads(self._out.read_text(encoding="utf-8"))
        except ValueError:
            return None
        return found

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(LIMIT_S)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    return {**clean, "WAYBILL_HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="module")
def up(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # somebody else has it: just as good
            held.enter_context(socket.create_server((HOST, DEFAULT_PORT)))
        made = Up(tmp_path_factory.mktemp("up"), environment)
        try:
            wait_for("it says where everything answers", lambda: made.document() is not None, LIMIT_S)
            yield made
        finally:
            made.end()


def waybill(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def test_it_says_where_everything_answers_and_nothing_else_on_standard_output(up: Up) -> None:
    document = up.document()
    assert document is not None
    assert set(document) == {"broker", "simulators", "workers"}
    assert set(document["workers"]) == set(ROLES)
    assert document["broker"].startswith(f"{HOST}:")
    assert document["broker"] != f"{HOST}:{DEFAULT_PORT}"
    assert f"Port {DEFAULT_PORT} is taken by another program: the broker takes another one." in up.err


@pytest.mark.usefixtures("up")
def test_the_other_commands_find_its_broker(environment: dict[str, str]) -> None:
    checked = waybill(environment, "topics", "check", "--json")
    assert (checked.returncode, json.loads(checked.stdout)) == (0, [])
    put = waybill(environment, "stock", "set", "D0001", "EU-HAM", "5", "--json")
    assert json.loads(put.stdout) == {"sku": "D0001", "warehouse": "EU-HAM", "kind": "set", "quantity": "5"}

    def booked() -> bool:
        listed = waybill(environment, "stock", "list", "--json")
        return [row["on_hand"] for row in json.loads(listed.stdout)] == ["5.0000"]

    wait_for("the stock is booked", booked, LIMIT_S)


def test_a_second_one_is_refused(up: Up, environment: dict[str, str]) -> None:
    document = up.document()
    assert document is not None
    second = waybill(environment, "up")
    assert second.returncode == 1
    assert f"`waybill up` runs already (process {up.process.pid}, broker {document['broker']})" in second.stderr


def test_it_ends_with_its_broker_and_topics(up: Up, environment: dict[str, str]) -> None:
    assert up.end() == INTERRUPTED
    assert "its topics are removed" in up.err
    assert waybill(environment, "broker", "status").returncode == 1
