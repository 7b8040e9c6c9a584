"""Output of commands: with --json data on standard output, otherwise sentences and tables for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

people = Console(soft_wrap=True)
"""Standard output for people."""
aside = Console(stderr=True, soft_wrap=True)
"""Standard error: progress and problems, so that data on standard output stays clean."""
UNLIMITED: Final = 1_000_000
"""Columns of an output that is no terminal: a program reads it, and nothing may be cut or wrapped."""
TIMES: Final = frozenset({"At", "Since", "Cancel at"})
"""Columns that keep their width on a narrow terminal. The others are folded; nothing is ever cut."""


def data(value: Any) -> None:
    """Write one JSON document to standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def data_line(value: Any) -> None:
    """Write one JSON document on one line, at once: for streams."""
    text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def text(value: str) -> None:
    """Write text as it is, at once."""
    sys.stdout.write(value)
    sys.stdout.flush()


def moment(at: str) -> str:
    """Return an RFC 3339 time in UTC as people read it, to the second."""
    return at[:19].replace("T", " ")


def line(sentence: str, style: str | None = None) -> None:
    """Print one line for people. What looks like markup in it is text."""
    people.print(sentence, style=style, markup=False, highlight=False)


def note(sentence: str) -> None:
    """Print one line on standard error."""
    aside.print(sentence, markup=False, highlight=False)


def refusal(sentence: str) -> None:
    """Print on standard error what is wrong and how to mend it."""
    aside.print(f"waybill: {sentence}", style="red", markup=False, highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table for people: as wide as a terminal, or as it must be for anything else. None is shown as -."""
    grid = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in columns:
        grid.add_column(name, overflow="fold", no_wrap=name in TIMES)
    for row in rows:
        grid.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
    console = people if people.is_terminal else Console(soft_wrap=True, width=UNLIMITED)
    console.print(grid)
