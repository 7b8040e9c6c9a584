"""docs/commands.md is what the command line has, and the documents name only commands and options that are there."""

import re
import shlex
from pathlib import Path

import pytest

from app.resources import ROOT
from tests.documents.commands import DOCUMENT, commands, options, page
from tests.documents.site import pages
from tests.documents.test_references import code

COMMANDS = commands()
WAYBILL = re.compile(r"(?<![\w./-])waybill ((?:[a-z][a-z-]*|--[a-z-]+)\b.*)")


def test_the_page_is_as_the_command_line_has_it() -> None:
    assert page() == DOCUMENT.read_text(encoding="utf-8"), "run `make docs`"
    assert {"orders show", "demo", "dead-letters replay"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", [name for name in pages() if name != "CHANGELOG.md"])
def test_commands_that_a_document_names_are_there(name: str) -> None:
    assert list(unknown(ROOT / name)) == []


def unknown(document: Path) -> list[str]:
    """Return the commands and options in a document's code that the command line does not have."""
    pieces = code(document.read_text(encoding="utf-8"))
    return [typed for piece in pieces for typed in WAYBILL.findall(piece) if not is_there(typed)]


def is_there(typed: str) -> bool:
    """Whether there is such a command. `a|b` stands for either."""
    words = shlex.split(typed.split(" #")[0].replace("'", "").replace('"', ""))
    name = ""
    while words and re.fullmatch(r"[a-z|-]+", words[0]) and not words[0].startswith("-"):
        nexts = [f"{name} {word}".strip() for word in words[0].split("|")]
        if not all(each in COMMANDS for each in nexts):
            return not hasattr(COMMANDS[name], "commands")
        name, words = nexts[0], words[1:]
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    return {option for each in given for option in each.split("|")} <= options(COMMANDS[name])


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert is_there("orders list --json")
    assert is_there("dead-letters list|show|replay ID")
    assert not is_there("order list")
    assert not is_there("orders list --jsn")
    assert not is_there("orders lst")
