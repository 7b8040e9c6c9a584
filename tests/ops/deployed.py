"""What a deployment may say of Waybill: its version, the variables that it reads, the command lines that it takes."""

import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from app.__main__ import cli
from app.providers.variables import all_variables
from app.resources import ROOT
from app.secrets import FILE_SUFFIX
from app.worker.http_server import STOP_S
from app.worker.serving import STOP_LIMIT_S

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
WEB_PORT = "6066"
STOP_WORKER_S = STOP_LIMIT_S + STOP_S + 10
"""Seconds that a worker may take to stop: its lanes, its web server, and Python's own beginning and end."""


def unknown_variables(names: Iterable[str]) -> set[str]:
    """Return those of the names that Waybill does not read."""
    variables = all_variables()
    return set(names) - {each.name for each in variables} - {v.name + FILE_SUFFIX for v in variables if v.is_secret}


def parse(arguments: Sequence[str]) -> str:
    """Return the command that the arguments name. Raises click's UsageError for what it does not take."""
    command: Any = typer.main.get_command(cli)
    names, rest = list[str](), list(arguments)
    while hasattr(command, "get_command"):
        names.append(rest.pop(0))
        command = command.get_command(command.context_class(command), names[-1])
        assert command is not None, f"there is no command {' '.join(names)}"
    command.make_context(" ".join(names), rest)
    return " ".join(names)
