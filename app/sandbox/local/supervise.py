"""The supervisor: starts each role's process, starts it again when it ends, ends all of them at the end.

A worker that is fenced or loses the broker ends itself on purpose (exit 70) and goes on from its last transaction
when it is started again: this is who starts it. In production the platform's own supervisor does the same.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.errors import WaybillError
from app.resources import PACKAGE
from app.sandbox.local.private_files import append_to_private_file, make_private_folder

RESTART_DELAY_S: Final = 0.5
RESTART_DELAY_MAX_S: Final = 15.0
STEADY_AFTER_S: Final = 30.0
"""A process that ran this long starts again without a longer delay."""
STUMBLES_MAX: Final = 3
LANE_LOST: Final = 70
"""Exit code of a worker that ended itself so that it is started again."""
STOP_TIMEOUT_S: Final = 15.0
LOG_TAIL_BYTES: Final = 4_096


@dataclass
class Process:
    """One supervised process.

    `ends` counts how often it ended by itself, `stumbles` how often in a row soon after its start and not by a signal:
    that is no crash but a process that cannot run.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    ends: int = 0
    stumbles: int = 0
    running: asyncio.subprocess.Process | None = field(default=None, repr=False)

    def tail(self) -> str:
        """Return the end of its log, for a message that people read."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace").strip()


class Supervisor:
    """Keeps processes running inside its async context, and ends all of them with it.

    The one that was started first is ended last: the others may need it until they have ended.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.processes: list[Process] = []
        self._watchers: list[asyncio.Task[None]] = []

    def start(self, name: str, *arguments: str, **extra: str) -> Process:
        """Run `waybill ARGUMENTS` from now on; `extra` are environment variables of this process alone."""
        make_private_folder(self.folder)
        command = (sys.executable, "-m", PACKAGE, *arguments)
        process = Process(name, command, self.environment | extra, self.folder / f"{name}.log")
        self.processes.append(process)
        self._watchers.append(asyncio.create_task(self._watch(process), name=f"supervise {name}"))
        return process

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(self, *exc: object) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for group in (self.processes[1:], self.processes[:1]):
            await asyncio.gather(*(_stop(process) for process in group))

    async def _watch(self, process: Process) -> None:
        delay_s = RESTART_DELAY_S
        while True:
            began = time.monotonic()
            with append_to_private_file(process.log) as log:
                process.running = await asyncio.create_subprocess_exec(
                    *process.command,
                    env=process.environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            code = await process.running.wait()
            steady = time.monotonic() - began > STEADY_AFTER_S
            process.ends += 1
            process.stumbles = 0 if steady or code < 0 or code == LANE_LOST else process.stumbles + 1
            if steady or code < 0:  # somebody killed it: nothing is wrong with it
                delay_s = RESTART_DELAY_S
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RESTART_DELAY_MAX_S)

    def check(self) -> None:
        """Raise WaybillError, with the end of its log, when a process cannot be kept running."""
        for process, watcher in zip(self.processes, self._watchers, strict=True):
            if process.stumbles >= STUMBLES_MAX:
                raise WaybillError(f"{process.name} does not run; the end of {process.log}:\n{process.tail()}")
            if watcher.done() and not watcher.cancelled() and (problem := watcher.exception()):
                raise WaybillError(f"{process.name} cannot be started: {problem}") from problem


async def _stop(process: Process) -> None:
    running = process.running
    if running is None or running.returncode is not None:
        return
    _signal(running.pid, signal.SIGCONT)  # a paused process would not hear the next one
    _signal(running.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(running.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        _signal(running.pid, signal.SIGKILL)
        await running.wait()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
