"""`waybill demo` and `waybill up` as the processes that they are, for tests that kill, pause and look from outside.

Processes are found in /proc: by their parent and by `worker ROLE` on their command lines.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
ROLES: Final = ("orchestrate", "source", "perform", "apply", "mirror", "pull")
STOP_LIMIT_S: Final = 120.0
POLL_S: Final = 0.05
COMMAND: Final = (sys.executable, "-m", "app")


class StandstillError(AssertionError):
    """What was waited for did not come in time."""


def wait_for(what: str, holds: Callable[[], bool], limit_s: float) -> None:
    """Returns when `holds`. Raises StandstillError after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            raise StandstillError(f"{what}: not in {limit_s:g} s")
        time.sleep(POLL_S)


class Waybill:
    """One `waybill ARGUMENTS` with its workers. What it prints goes to a file, and from there to `said`."""

    def __init__(
        self, log: Path, environment: Mapping[str, str], *arguments: str, command: Sequence[str] = COMMAND
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *arguments],
                env={**environment, "COLUMNS": "160", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def simulators(self) -> str:
        """Their base URL, once it is printed; else nothing."""
        found = re.search(r"^simulators +(http://\S+)", self.said, re.MULTILINE)
        return found[1] if found else ""

    def workers(self) -> dict[str, int]:
        """The process of each role that runs now."""
        found = {}
        for pid in children(self.process.pid):
            command = command_line(pid)
            if "worker" in command[:-1]:
                found[command[-1]] = pid
        return found

    @property
    def complete(self) -> bool:
        """Whether every role has a process."""
        return self.workers().keys() == set(ROLES)

    @property
    def ready(self) -> bool:
        """Whether every role has its lanes open, as its own view says."""
        addresses = re.findall(r"^(\w+) +(http://\S+)/metrics", self.said, re.MULTILINE)
        return {role for role, _ in addresses} == set(ROLES) and all(
            _is_success(f"{url}/ready") for _, url in addresses
        )

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to end, and its exit code when it has; what it leaves behind is killed."""
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        left = children(self.process.pid)
        try:
            return self.process.wait(STOP_LIMIT_S)
        finally:
            self.process.kill()
            for pid in left:
                if command_line(pid)[1:3] == ["-m", "app"]:
                    kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def waybill(
    log: Path, environment: Mapping[str, str], *arguments: str, command: Sequence[str] = COMMAND
) -> Iterator[Waybill]:
    running = Waybill(log, environment, *arguments, command=command)
    try:
        yield running
    finally:
        running.stop()


def _is_success(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def kill(pid: int, number: signal.Signals) -> bool:
    """Whether the process was there to be signalled."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def children(parent: int) -> list[int]:
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in parentheses may hold anything; the parent is the second field after it.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
    return found


def command_line(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
    except OSError:
        return []


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with: a second one of the same role is started with the same."""
    pairs = (PROC / str(pid) / "environ").read_bytes().decode().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)
