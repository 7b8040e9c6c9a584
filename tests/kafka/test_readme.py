"""The commands of README.md, as written and in their order, in a home where nothing is yet."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.resources import ROOT
from app.sandbox.local.ports import is_taken
from tests.document_blocks import Line, blocks
from tests.kafka.processes import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
ORDER = json.loads((ROOT / "schemas/examples/order-created.json").read_bytes())["order_id"]
START_LIMIT_S = 240.0
COMMAND_LIMIT_S = 180.0
END_LIMIT_S = 240.0
INTERRUPTED = 130
STOP_LIMIT_S = 120.0


class Terminals:
    """Where the commands are typed: one that lasts keeps a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
        self._environment = {
            **clean,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "WAYBILL_HOME": str(folder / "home"),
            "PYTHONUNBUFFERED": "1",
        }
        self.lasting: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self, command: str) -> None:
        with self._log(command).open("wb") as log:
            self.lasting[command] = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}; up said: {self.said('waybill up')}"
        return done.stdout

    def said(self, command: str) -> str:
        return self._log(command).read_text(encoding="utf-8", errors="replace")

    def shows(self, command: str, what: str, limit_s: float) -> None:
        def holds() -> bool:
            assert self.lasting[command].poll() is None, self.said(command)
            return what in self.said(command)

        wait_for(f"{command} says {what!r}; it said {self.said(command)[-3000:]}", holds, limit_s)

    def stop(self, command: str) -> int:
        self.lasting[command].send_signal(signal.SIGINT)
        return self.lasting[command].wait(STOP_LIMIT_S)

    def end(self) -> None:
        for process in self.lasting.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _log(self, command: str) -> Path:
        return self._folder / f"{command.replace(' ', '-').replace('/', '-')}.log"


@pytest.fixture(scope="module")
def terminals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminals]:
    # What is started in the background of a shell ignores Ctrl-C, and so does all that it starts. A terminal does not.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    made = Terminals(tmp_path_factory.mktemp("readme"))
    yield made
    made.end()
    signal.signal(signal.SIGINT, before)


def written() -> list[Line]:
    return [
        line for block in blocks(ROOT / "README.md") if block.kind == "sh" and not block.reason for line in block.lines
    ]


READY: dict[str, tuple[str, float]] = {
    "waybill up": ("Ctrl-C ends everything.", START_LIMIT_S),
    "waybill orders watch": ("Ctrl-C ends this.", COMMAND_LIMIT_S),
}
"""What a lasting command says once the next one may be typed."""
TOLD: dict[str, Callable[[str], bool]] = {
    "waybill orders submit schemas/examples/order-created.json": lambda said: said == "1 order on order-created\n",
    "waybill orders list": lambda said: "Order" in said,
    f"waybill orders show {ORDER}": lambda said: f"{ORDER}: Completed / Fulfilled" in said,
    "waybill dead-letters list": lambda said: "order-created/" not in said,
    "waybill verify": lambda said: "Nothing is lost, doubled or different" in said,
}
"""What a command is to say."""


def test_the_commands_do_what_is_written_of_them(terminals: Terminals) -> None:
    assert {line.command for line in written()} == READY.keys() | TOLD.keys()
    for line in written():
        if line.lasts:
            terminals.begin(line.command)
            terminals.shows(line.command, *READY[line.command])
            continue
        if line.command.startswith("waybill orders show"):
            terminals.shows("waybill orders watch", f"{ORDER}  Completed / Fulfilled", END_LIMIT_S)
        assert TOLD[line.command](terminals.run(line.command)), line.command


def test_up_says_where_everything_answers(terminals: Terminals) -> None:
    said = terminals.said("waybill up")
    for name in ("broker", "simulators", "orchestrate", "source", "perform", "apply", "mirror", "pull"):
        assert any(line.startswith(f"{name} ") and "127.0.0.1:" in line for line in said.splitlines()), name
    assert f"{ORDER}" in terminals.run("waybill orders list | grep " + ORDER)
    assert json.loads(terminals.run(f"waybill orders show {ORDER} --json"))["state"] == "Completed"


def test_the_order_exists_when_it_is_submitted_again(terminals: Terminals) -> None:
    again = terminals.run("waybill orders submit schemas/examples/order-created.json 2>&1")
    assert f"{ORDER} exists already (Completed / Fulfilled): not sent again" in again


def test_both_end_by_ctrl_c_and_leave_nothing_behind(terminals: Terminals) -> None:
    assert terminals.stop("waybill orders watch") == 0
    assert terminals.stop("waybill up") == INTERRUPTED
    said = terminals.said("waybill up")
    assert "its topics are removed" in said
    ports = [int(port) for port in re.findall(r"^\w+ +(?:http://)?127\.0\.0\.1:(\d+)", said, re.MULTILINE)]
    assert len(ports) == 8
    assert [port for port in ports if is_taken(port)] == []
