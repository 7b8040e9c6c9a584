"""The programs of examples/, each in its own language: an order goes in and is followed to its end.

They share one product. A language whose compiler or packages are not to be had here is skipped.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from app.resources import ROOT
from app.sandbox.local import broker
from tests import toolchains
from tests.kafka import black_box
from tests.kafka.processes import wait_for, waybill

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1800)]
EXAMPLES = ROOT / "examples"
START_LIMIT_S = 180.0
FOLLOW_LIMIT_S = 240.0
RESET = "\x1b[0m"
"""What Maven writes around a program's own lines, to whatever output."""
ORDER_EVENTS = ("order validated", "order assigned", "order picked", "order shipped", "order invoiced")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What a program is started with that is to reach the product."""
    folder = tmp_path_factory.mktemp("examples")
    with broker.temporary() as info:
        own = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "WAYBILL_HOME": str(folder)}
        with waybill(folder / "up.log", own, "up") as up:
            wait_for("everything runs", lambda: up.complete and black_box.answers(up.simulators()), START_LIMIT_S)
            address = re.search(r"^orchestrate +(http://\S+)/metrics", up.said, re.MULTILINE)
            assert address is not None
            yield {
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers,
                "SCHEMA_REGISTRY_URL": address[1],
            }


def follow(environment: Mapping[str, str], folder: Path, *command: str) -> list[str]:
    """The lines that a program prints, which ends with 0."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=FOLLOW_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace(RESET, "").splitlines()


def check_statuses(lines: Sequence[str]) -> None:
    """Each event of the order is there, and the last one completes it."""
    seen = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in lines]
    assert seen[0] == "order created: New / New"
    assert seen[-1] == "order invoiced: Completed / Fulfilled"
    assert set(ORDER_EVENTS) <= {line.partition(":")[0] for line in seen}


def test_python(environment: Mapping[str, str]) -> None:
    check_statuses(follow(environment, EXAMPLES / "python", sys.executable, "follow_order.py", "web-python"))


def test_shell(environment: Mapping[str, str]) -> None:
    toolchains.require("bash", "kcat")
    lines = follow(environment, EXAMPLES / "shell", "./follow_order.sh", "web-shell")
    assert {line.partition(" ")[2] for line in lines} == set(ORDER_EVENTS)


def test_java(environment: Mapping[str, str]) -> None:
    toolchains.require("java", "mvn")
    folder = toolchains.copy_of(EXAMPLES / "java")
    toolchains.prepare(folder, "mvn", "-B", "-q", "compile")
    check_statuses(follow(environment, folder, "mvn", "-B", "-q", "exec:java", "-Dexec.args=web-java"))


def test_node(environment: Mapping[str, str]) -> None:
    folder = toolchains.install_npm(EXAMPLES / "node")
    check_statuses(follow(environment, folder, "node", "follow_order.mjs", "web-node"))


def test_go(environment: Mapping[str, str]) -> None:
    toolchains.require("go")
    folder = toolchains.copy_of(EXAMPLES / "go")
    toolchains.prepare(folder, "go", "build", "-o", "follow-order", ".")
    check_statuses(follow(environment, folder, "./follow-order", "web-go"))
