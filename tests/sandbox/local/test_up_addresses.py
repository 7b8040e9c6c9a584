"""Where `waybill up` says that it runs, and who finds it there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import WaybillError
from app.sandbox.local.up_addresses import FILE, UpAddresses, claim_up, find_up

HERE = UpAddresses(4711, "127.0.0.1:9092", "http://127.0.0.1:8480", {"pull": "http://127.0.0.1:6066"})
HOLDER = """
import sys, time
from app.sandbox.local.up_addresses import UpAddresses, claim_up
with claim_up({"WAYBILL_HOME": sys.argv[1]}) as file:
    file.publish(UpAddresses(4711, "127.0.0.1:9092", "http://127.0.0.1:8480", {"pull": "http://127.0.0.1:6066"}))
    print("told", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"WAYBILL_HOME": str(tmp_path / "home")}


@pytest.fixture
def other(environ: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Another process that runs `up`."""
    command = [sys.executable, "-c", HOLDER, environ["WAYBILL_HOME"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "told\n"
        yield process
        process.kill()


def test_nothing_runs_where_nothing_was(environ: dict[str, str], tmp_path: Path) -> None:
    assert find_up(environ) is None
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("other")
def test_the_one_that_runs_is_found(environ: dict[str, str]) -> None:
    assert find_up(environ) == HERE
    assert find_up(environ) == HERE, "looking does not disturb it"


@pytest.mark.usefixtures("other")
def test_a_second_one_is_refused_with_where_the_first_is(environ: dict[str, str]) -> None:
    with (
        pytest.raises(
            WaybillError, match=r"already \(process 4711, broker 127\.0\.0\.1:9092\): use it, .*WAYBILL_HOME"
        ),
        claim_up(environ),
    ):
        raise AssertionError("two run")


def test_one_that_was_killed_is_not_found(environ: dict[str, str], other: "subprocess.Popen[str]") -> None:
    other.kill()
    other.wait()
    assert json.loads((Path(environ["WAYBILL_HOME"]) / FILE).read_bytes())["pid"] == 4711, "it could not clean up"
    assert find_up(environ) is None
    with claim_up(environ):
        assert find_up(environ) is None, "it has not said where yet"


def test_one_that_ended_is_not_found(environ: dict[str, str]) -> None:
    with claim_up(environ) as file:
        file.publish(HERE)
    assert find_up(environ) is None
    assert (Path(environ["WAYBILL_HOME"]) / FILE).read_bytes() == b""


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WaybillError, match="cannot be written"), claim_up({"WAYBILL_HOME": str(tmp_path / "file")}):
        raise AssertionError("it runs")
