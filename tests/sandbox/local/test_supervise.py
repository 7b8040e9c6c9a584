"""The supervisor keeps real processes running, tells a crash from a process that cannot run, and leaves none behind."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import WaybillError
from app.sandbox.local import supervise
from app.sandbox.local.supervise import LOG_TAIL_BYTES, STUMBLES_MAX, Process, Supervisor

LIMIT_S = 120.0


@pytest.fixture(autouse=True)
def any_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of Python stands a script that leaves `-m app` out and runs what follows; restarts are quick."""
    script = tmp_path / "run"
    script.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr("app.sandbox.local.supervise.sys.executable", str(script))
    monkeypatch.setattr(supervise, "RESTART_DELAY_S", 0.01)


def supervisor(folder: Path) -> Supervisor:
    return Supervisor(folder / "logs", {"PATH": os.environ["PATH"], "SHARED": "shared"})


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not holds():  # noqa: ASYNC110 what is waited for is another process
            await asyncio.sleep(0.01)


async def pid_of(process: Process, before: int = 0) -> int:
    """Its process id, once it runs and is another one than `before`."""
    await until(lambda: process.running is not None and process.running.pid != before and is_running(process))
    assert process.running is not None
    return process.running.pid


def is_running(process: Process) -> bool:
    return process.running is not None and process.running.returncode is None


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_is_killed_is_started_again_at_once_as_often_as_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "RESTART_DELAY_MAX_S", 600.0)
    async with supervisor(tmp_path) as running:
        process, pid = running.start("worker", "sleep", "60"), 0
        for times in range(1, 15):
            pid = await pid_of(process, pid)
            os.kill(pid, signal.SIGKILL)
            await until(lambda times=times: process.ends == times)  # type: ignore[misc]
            running.check()
        assert process.stumbles == 0


async def test_a_worker_that_lost_its_lane_is_started_again(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        process = running.start("worker", "sh", "-c", f"exit {supervise.LANE_LOST}")
        await until(lambda: process.ends > STUMBLES_MAX)
        running.check()


async def test_a_process_that_cannot_run_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        running.start("other", "sleep", "60")
        process = running.start("worker", "sh", "-c", "echo WAYBILL_PARTITIONS is wrong >&2; exit 1")
        running.check()
        await until(lambda: process.stumbles >= STUMBLES_MAX)
        with pytest.raises(
            WaybillError, match=r"worker does not run; the end of .*worker\.log:\nWAYBILL_PARTITIONS is"
        ):
            running.check()


async def test_a_process_that_ran_for_long_has_not_stumbled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "STEADY_AFTER_S", 0.0)
    async with supervisor(tmp_path) as running:
        process = running.start("worker", "sh", "-c", "exit 1")
        await until(lambda: process.ends > STUMBLES_MAX)
        running.check()


async def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        (tmp_path / "logs" / "worker.log").mkdir(parents=True)
        running.start("worker", "sleep", "60")
        await until(lambda: running._watchers[0].done())
        with pytest.raises(WaybillError, match=r"worker cannot be started: .*Is a directory"):
            running.check()


async def test_leaving_ends_every_process(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        pids = [await pid_of(running.start(f"worker-{n}", "sleep", "60")) for n in range(3)]
    assert not any(exists(pid) for pid in pids)


async def test_leaving_ends_what_was_started_first_when_the_others_have_ended(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = 'trap \'echo "$1" >> "$2"; exit\' TERM; touch "$2.$1"; while :; do sleep 0.01; done'
    async with supervisor(tmp_path) as supervised:
        for name in ("first", "second", "third"):
            supervised.start(name, "sh", "-c", script, "sh", name, str(told))
            await until((tmp_path / f"told.{name}").exists)
    said = told.read_text().split()
    assert sorted(said) == ["first", "second", "third"]
    assert said[-1] == "first"


async def test_leaving_ends_a_paused_process(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        process = running.start("worker", "sleep", "60")
        os.kill(await pid_of(process), signal.SIGSTOP)
    assert process.running is not None
    assert process.running.returncode == -signal.SIGTERM


async def test_leaving_ends_a_process_that_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "STOP_TIMEOUT_S", 0.2)
    async with supervisor(tmp_path) as running:
        process = running.start("worker", "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done")
        pid = await pid_of(process)
        await until(lambda: "deaf" in process.tail())
    assert not exists(pid)


async def test_leaving_because_of_an_error_ends_them_too(tmp_path: Path) -> None:
    pids = []

    async def demo() -> None:
        async with supervisor(tmp_path) as running:
            pids.append(await pid_of(running.start("worker", "sleep", "60")))
            raise RuntimeError("the demo failed")

    with pytest.raises(RuntimeError, match="the demo failed"):
        await demo()
    assert not exists(pids[0])


async def test_leaving_while_a_process_waits_to_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "RESTART_DELAY_S", 600.0)
    async with supervisor(tmp_path) as running:
        process = running.start("worker", "sh", "-c", "exit 0")
        await until(lambda: process.ends == 1)
    assert process.ends == 1


async def test_each_process_has_its_own_variables_beside_the_shared_ones(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        script = ("sh", "-c", 'echo "$SHARED $PORT."; sleep 60')
        one, other = running.start("one", *script, PORT="1"), running.start("other", *script)
        await until(lambda: one.log.exists() and other.log.exists() and bool(one.tail() and other.tail()))
        assert (one.tail(), other.tail()) == ("shared 1.", "shared .")


async def test_the_end_of_a_long_log_is_short(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_bytes(b"x" * 100_000 + "zuletzt: Größe".encode())
    tail = Process("worker", (), {}, log).tail()
    assert len(tail) <= LOG_TAIL_BYTES
    assert tail.endswith("zuletzt: Größe")
