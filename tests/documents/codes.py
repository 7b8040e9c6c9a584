"""docs/codes.md: the rows say what a code means and what is to be done; who raises it is written from the code."""

import ast
import importlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from app.domain.outcomes import Outcome
from app.resources import ROOT

DOCUMENT: Final = ROOT / "docs" / "codes.md"
LETTERS: Final = "Dead letters"
_ROW: Final = re.compile(r"^\| `([\w-]+)` \|")
_BURIED_UNFORESEEN: Final = ("error", "app/lanes/checkpoint.py")
_COMPUTED: Final[Mapping[str, tuple[str, ...]]] = {
    "f'sync-{result.outcome}'": tuple(f"sync-{outcome}" for outcome in Outcome if outcome is not Outcome.OK),
    "result.code": (),
    "first.code": (),
}
"""Codes that are no literals. Those of `result` and `first` were raised elsewhere, and are passed on."""


@cache
def letter_codes() -> Mapping[str, list[str]]:
    """Return every code of a dead letter with the files of app/ that write it.

    Raises KeyError for a code that is computed in a way that `_COMPUTED` does not know.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "app").rglob("*.py")):
        if "Error(" not in (text := path.read_text(encoding="utf-8")) and '"code"' not in text:
            continue
        name = path.relative_to(ROOT).as_posix()
        for code in dict.fromkeys(_codes_in(path)):
            places[code].append(name)
    code, name = _BURIED_UNFORESEEN
    places[code].append(name)
    return dict(places)


def step_codes() -> frozenset[str]:
    """Return every literal code with which a step fails (`Run.fail`)."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "app" / "flows").rglob("*.py"))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    failing = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "fail")
    codes = (call.args[1] for call in failing if len(call.args) > 1)
    return frozenset(str(code.value) for code in codes if isinstance(code, ast.Constant))


def _codes_in(path: Path) -> Iterator[str]:
    """Yield the codes of a module's record errors, and of the letters that it makes by itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if node.func.id in {"RecordError", "NewerVersionError"}:
                yield from _values(node.args[0], path)
        elif isinstance(node, ast.Dict) and path.parent.name == "agents":
            marks = zip(node.keys, node.values, strict=True)
            for name, value in marks:
                is_code = isinstance(name, ast.Constant) and name.value == "code"
                if is_code and isinstance(value, ast.Constant | ast.Name):
                    yield from _values(value, path)


def _values(code: ast.expr, path: Path) -> tuple[str, ...]:
    if isinstance(code, ast.Constant):
        return (str(code.value),)
    if isinstance(code, ast.Name):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        return (str(getattr(importlib.import_module(module), code.id)),)
    return _COMPUTED[ast.unparse(code)]


def described(text: str, title: str) -> list[str]:
    """Return the codes that the section of the page has rows for, in order."""
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    return [row[1] for line in section.splitlines() if (row := _ROW.match(line))]


def written(text: str) -> str:
    """Return the page with the column that says where a dead letter's code comes from."""
    head, begin, rest = text.partition(f"## {LETTERS}\n")
    section, end, after = rest.partition("\n## ")
    places = letter_codes()
    lines = (_with_places(line, places) for line in section.splitlines())
    return head + begin + "\n".join(lines) + end + after


def _with_places(line: str, places: Mapping[str, list[str]]) -> str:
    row = _ROW.match(line)
    if row is None:
        return line
    links = (
        f"[{name.removeprefix('app/').removesuffix('.py')}]({os.path.relpath(ROOT / name, DOCUMENT.parent)})"
        for name in places.get(row[1], ())
    )
    return f"{line.rsplit(' | ', 1)[0]} | {', '.join(links)} |"
