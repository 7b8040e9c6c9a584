"""Every command explains itself, and wrong usage is one sentence and exit code 2, not a trace."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from app.__main__ import cli
from tests.commands.console import Console

EXPECTED = {
    "up", "demo", "simulators", "worker", "broker start", "broker stop", "broker status", "topics apply",
    "topics check", "schemas check", "flows check", "flows graph", "policies check", "orders submit", "orders list",
    "orders show", "orders watch", "dead-letters list", "dead-letters show", "dead-letters replay",
    "dead-letters discard", "provider list", "provider new",
    "stock set", "stock load", "stock list", "sourcing explain", "sourcing check", "sourcing simulate",
    "backorders run", "backorders list", "backorders preferences",
}  # fmt: skip
PRINTS_DATA = {
    "broker status", "topics apply", "topics check", "flows check", "policies check", "orders submit", "orders list",
    "orders show", "orders watch", "dead-letters list", "dead-letters show",
    "provider list", "stock list", "sourcing explain", "sourcing check",
    "sourcing simulate", "backorders run", "backorders list", "backorders preferences",
}  # fmt: skip


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Typer's own copy of click has no types of its own to tell a group from a command by."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join([*names, name]), command


def every() -> dict[str, Any]:
    return dict(commands(typer.main.get_command(cli)))


def test_the_commands_are_those_of_the_contract() -> None:
    assert set(every()) - {"bench"} == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_command_explains_itself(waybill: Console, name: str) -> None:
    said = waybill(*name.split(), "--help")
    assert said.code == 0
    assert "Usage:" in said.out
    assert len(every()[name].get_short_help_str(500)) > 15


@pytest.mark.parametrize("name", sorted(PRINTS_DATA))
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


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "app", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "orders" in done.stdout
