"""The shell blocks of a document: each is run by a test, or says in a comment before it why not."""

import re
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run by the tests: (?P<reason>[^>]{15,}) -->\n$")
UNTIL_STOPPED = "until Ctrl-C"


class Line(NamedTuple):
    """A command as it is written. `lasts`: it goes on until it is stopped."""

    command: str
    lasts: bool


class Block(NamedTuple):
    kind: str
    reason: str
    """Why it is not run; empty for one that is."""
    lines: list[Line]


def blocks(file: Path) -> list[Block]:
    """Every fenced block, in order."""
    text = file.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        skipped = NOT_RUN.search(text[: fence.start()])
        lines = [_line(line) for line in fence["body"].splitlines() if line.strip() and not line.startswith("#")]
        found.append(Block(fence["kind"], skipped["reason"] if skipped else "", lines))
    return found


def _line(text: str) -> Line:
    command, _, comment = text.partition(" #")
    return Line(command.strip(), UNTIL_STOPPED in comment)
