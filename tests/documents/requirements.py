"""The columns of docs/requirements.md that say where a requirement is done and what observes it, from citations."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from app.resources import ROOT

DOCUMENT: Final = ROOT / "docs" / "requirements.md"
NUMBERS: Final = (
    *(f"S{number}" for number in range(1, 63)),
    *("S63a", "S63b", "S63c"),
    *(f"S{number}" for number in range(64, 73)),
)
DEMO: Final = "app/sandbox/demo"
CITATION: Final = re.compile(r"\bS(\d{1,2}[abc]?)(?:-S(\d{1,2}[abc]?))?\b")
ROW: Final = re.compile(r"^\| (S\d+[abc]?) \| (.+?) \| (.*?) \| (.*?) \|$")
STEP: Final = re.compile(r"^  - step: (.+)$")
NOT_CITED_IN: Final = (
    "app/sandbox/vendors/",  # S1 is SAP's kind of cancellation
    "tests/providers/",
    "tests/documents/",  # numbers as numbers
    "tests/sandbox/demo/recorded",
    "tests/sandbox/demo/test_checks",
    "tests/sandbox/demo/test_report",
    "tests/sandbox/vendors/",
)
"""Files whose numbers are no citations."""


class Place(NamedTuple):
    """Where a number is cited. `step` is the step of a flow, empty elsewhere."""

    path: str
    step: str


def part(number: str) -> tuple[str, ...]:
    """The numbers of the document that a cited number stands for: S63 has three parts."""
    return tuple(one for one in NUMBERS if one == number or one[:-1] == number == "S63")


def cited(text: str) -> Iterator[str]:
    """Every number that `text` cites; of a range all in between. Raises ValueError for one that does not exist."""
    for first, last in CITATION.findall(text):
        ends = part(f"S{first}"), part(f"S{last or first}")
        if not all(ends):
            raise ValueError(f"S{first}{f'-S{last}' if last else ''} is no requirement of docs/requirements.md")
        yield from NUMBERS[NUMBERS.index(ends[0][0]) : NUMBERS.index(ends[1][-1]) + 1]


def places_in(path: Path) -> Iterator[tuple[str, Place]]:
    """Every citation in a file."""
    name, step = path.relative_to(ROOT).as_posix(), ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if path.parent.name == "flows" and (begins := STEP.match(line)):
            step = begins[1]
        for number in cited(line):
            yield number, Place(name, step)


@cache
def citations() -> dict[str, list[Place]]:
    """By number, every place in code, flows, policies and tests that cites it, in the order of their paths."""
    by_number: dict[str, list[Place]] = {number: [] for number in NUMBERS}
    for folder in ("app", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in {".py", ".yaml"} and not name.startswith(NOT_CITED_IN):
                for number, place in places_in(path):
                    if place not in by_number[number]:
                        by_number[number].append(place)
    return by_number


def is_observer(place: Place) -> bool:
    return place.path.startswith((DEMO, "tests/"))


def link(place: Place) -> str:
    """A link from `docs`; the step of a flow is named behind it."""
    target = os.path.relpath(ROOT / place.path, DOCUMENT.parent)
    shown = place.path
    for start in ("app/", "sandbox/", "tests/sandbox/demo/"):
        shown = shown.removeprefix(start)
    shown = shown.removesuffix(".py").removesuffix(".yaml").removesuffix("/__init__")
    return f"[{shown}]({target})" + (f" *{place.step}*" if place.step else "")


def sentences(text: str) -> dict[str, str]:
    """By number, what the document says."""
    rows = (ROW.match(line) for line in text.splitlines())
    return {row[1]: row[2] for row in rows if row}


def written(text: str) -> str:
    """Return the document with its last two columns as the citations have them."""
    by_number, lines = citations(), []
    for line in text.splitlines():
        if row := ROW.match(line):
            places = by_number[row[1]]
            done = ", ".join(link(place) for place in places if not is_observer(place))
            observed = ", ".join(link(place) for place in places if is_observer(place))
            line = f"| {row[1]} | {row[2]} | {done} | {observed} |"
        lines.append(line)
    return "\n".join(lines) + "\n"
