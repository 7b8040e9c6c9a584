"""Output of commands: with --json data on standard output, otherwise sentences and tables for people.

Everything that a command says goes through here, because much of it was written by others: producers, shops, providers.
Nothing of theirs is markup, and no character of theirs acts on a terminal: such a character is printed as its escape.
"""

import json
import re
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
_ACTING: Final = (
    "\x00-\x1f\x7f-\x9f"  # control characters: the beginning of escape sequences, and ends of lines
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls: text that reads in another order
    "\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # not visible
    "\ud800-\udfff"  # half a character, which no encoding can write
)
_ACTING_CHARACTER: Final = re.compile(f"[{_ACTING}]")
_ACTING_IN_SENTENCES: Final = re.compile(f"(?![\n\t])[{_ACTING}]")
_ACTING_IN_JSON: Final = re.compile(f"(?![\x00-\x1f])[{_ACTING}]")


def data(value: Any) -> None:
    """Write one JSON document to standard output."""
    text(_json(value, indent=2) + "\n")


def data_line(value: Any) -> None:
    """Write one JSON document on one line, at once: for streams."""
    text(_json(value, separators=(",", ":")) + "\n")


def _json(value: Any, **form: Any) -> str:
    """Return JSON in which characters that act on a terminal are escaped. It means the same."""
    return _ACTING_IN_JSON.sub(
        lambda character: json.dumps(character[0])[1:-1], json.dumps(value, ensure_ascii=False, **form)
    )


def text(value: str) -> None:
    """Write text as it is, at once."""
    sys.stdout.write(value)
    sys.stdout.flush()


def moment(at: str) -> str:
    """Return an RFC 3339 time in UTC as people read it, to the second."""
    return at[:19].replace("T", " ")


def _visible(value: str) -> str:
    """Return text on one line, in which characters that act on a terminal are escaped, such as `\\x1b` and `\\n`."""
    return _ACTING_CHARACTER.sub(_escape, value)


def _visible_lines(value: str) -> str:
    return _ACTING_IN_SENTENCES.sub(_escape, value)


def _escape(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode()


def line(sentence: str, style: str | None = None) -> None:
    """Print one line for people. What looks like markup in it is text."""
    people.print(_visible(sentence), style=style, markup=False, highlight=False, emoji=False)


def note(sentence: str) -> None:
    """Print one line on standard error."""
    aside.print(_visible(sentence), markup=False, highlight=False, emoji=False)


def refusal(sentence: str) -> None:
    """Print on standard error what is wrong and how to mend it, on as many lines as it has."""
    aside.print(f"waybill: {_visible_lines(sentence)}", style="red", markup=False, highlight=False, emoji=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table for people: as wide as a terminal, or as it must be for anything else. None is shown as -."""
    heading = None if title is None else Text(_visible(title), style="table.title")
    grid = Table(title=heading, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in columns:
        grid.add_column(Text(name), overflow="fold", no_wrap=name in TIMES)
    for row in rows:
        grid.add_row(*(Text("-" if cell is None else _visible(str(cell))) for cell in row))
    console = people if people.is_terminal else Console(soft_wrap=True, width=UNLIMITED)
    console.print(grid)
