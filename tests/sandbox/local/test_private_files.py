"""What Waybill keeps on this machine is for its owner alone: folders 700, files 600."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sandbox.local.broker_folder import BrokerFolder
from app.sandbox.local.jvm import run
from app.sandbox.local.supervise import Supervisor
from app.sandbox.local.up_addresses import claim_up


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> set[tuple[bool, str]]:
    """Whether each is a folder, with its mode."""
    paths = [folder, *folder.rglob("*")]
    return {(path.is_dir(), oct(path.stat().st_mode & 0o777)) for path in paths}


PRIVATE = {(True, "0o700"), (False, "0o600")}


def test_the_brokers_folder_and_all_in_it(tmp_path: Path) -> None:
    folder = BrokerFolder(tmp_path / "home" / "kafka")
    with folder.start_lock():
        folder.claim("4.2.2")
        folder.write_settings(9092, 9093)
        folder.write_controller_settings(9093)
        made = "import os; os.mkdir('log'); open('log/0.log', 'w').close()"
        assert run([sys.executable, "-c", made], folder.path, {}, 60)[0] == 0
    assert (folder.path / "log" / "0.log").exists()
    assert modes(tmp_path / "home") == PRIVATE


def test_a_brokers_folder_of_before_is_closed_and_a_folder_of_others_stays(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        path.mkdir(mode=0o755)
    (ours / "meta.json").write_text("{}")
    for path in (ours, theirs):
        with BrokerFolder(path).start_lock():
            pass
    assert [oct(path.stat().st_mode & 0o777) for path in (ours, theirs)] == ["0o700", "0o755"]


async def test_logs_and_addresses_of_up(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with claim_up({"WAYBILL_HOME": str(home)}):
        async with Supervisor(home / "logs", dict(os.environ)) as supervisor:
            process = supervisor.start("settings", "settings")
            for _ in range(400):
                if process.log.exists():
                    break
                await asyncio.sleep(0.01)
    assert modes(home) == PRIVATE
