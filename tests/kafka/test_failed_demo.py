"""A demo whose processes do not run says which, and keeps what each of them said."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.sandbox.local import broker

LIMIT_S = 240.0


def demo(folder: Path, servers: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | settings | {"KAFKA_BOOTSTRAP_SERVERS": servers, "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "app", "demo", "--scenario", "1", "--count", "1"]
    return subprocess.run(command, env=environment, timeout=LIMIT_S, capture_output=True, text=True)


@pytest.mark.kafka
def test_a_demo_whose_processes_do_not_run_keeps_what_they_said(tmp_path: Path) -> None:
    with broker.temporary() as info:
        ended = demo(tmp_path, info.bootstrap_servers, WAYBILL_STRATEGIES_FILE=str(tmp_path / "away.yaml"))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "source does not run" in ended.stderr
    kept = re.search(r"What each process said is kept in (\S+)", ended.stdout)
    assert kept is not None, ended.stdout + ended.stderr
    assert "away.yaml" in (Path(kept[1]) / "source.log").read_text(encoding="utf-8")
