"""`python -m tests.documents.site FOLDER`: the pages of the documentation site, as MkDocs takes them (`make site`).

The documents are written for people who read them in the repository: they link to code, flows and tests. In the site
such a file is a text beside the pages, so that every link leads somewhere and none leads outside.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.resources import ROOT

OUTSIDE: Final = {
    "README.md": "project/readme.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "bench/README.md": "project/benchmark.md",
    "schemas/README.md": "project/schemas.md",
}
"""Documents that are pages of the site although they do not lie in docs/."""
DECISIONS: Final = "adr/index.md"
LINK: Final = re.compile(r"(?<!!)\[(?P<label>[^\[\]]+)\]\((?P<target>[^)\s]+)\)")
_FENCE: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LIST: Final = re.compile(r"^(?P<text>(?![-*|>#\s]|\d+\. )[^\n]*\S)\n(?P<item>- |1\. )", re.MULTILINE)


def pages() -> dict[str, str]:
    """Return every document that is a page: its path in the repository -> its path in the site."""
    within = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "docs").rglob("*.md"))}
    return {**{name: path.relative_to(ROOT / "docs").as_posix() for name, path in within.items()}, **OUTSIDE}


def write(folder: Path) -> None:
    """Write all pages, and the files that they link to, into an empty folder."""
    places = pages()
    files: dict[str, str] = {}
    for source, place in places.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        _put(folder / place, page(text, source, places, files))
    _put(folder / DECISIONS, decisions())
    for path in (ROOT / "docs").rglob("*"):
        if path.is_file() and path.suffix != ".md":
            files[path.relative_to(ROOT).as_posix()] = path.relative_to(ROOT / "docs").as_posix()
    for source, place in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, folder / place)


def page(text: str, source: str, places: dict[str, str], files: dict[str, str]) -> str:
    """Return the text of a page for the site; `files` takes what it links to beside other pages."""

    def link(match: re.Match[str]) -> str:
        label, target = match["label"], match["target"]
        if "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        name, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(source), name))
        place = places.get(path) or _place_of_file(path, files)
        if not place:
            return label
        moved = os.path.relpath(place, os.path.dirname(places[source]) or ".")
        return f"[{label}]({moved}{'#' + anchor if anchor else ''})"

    def prose(piece: str) -> str:
        return _LIST.sub(r"\g<text>\n\n\g<item>", LINK.sub(link, piece))

    pieces = _FENCE.split(text)
    return "".join(piece if number % 2 else prose(piece) for number, piece in enumerate(pieces))


def _place_of_file(path: str, files: dict[str, str]) -> str:
    """Return where a file that is no page lies in the site; empty for a folder, which is nothing to look at."""
    if path == "docs/adr":
        return DECISIONS
    if (ROOT / path).is_dir():
        return ""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return files.setdefault(path, f"files/{path}.txt")


def decisions() -> str:
    """Return the page that lists all decisions."""
    return "# Decisions\n\n" + "".join(f"- [{title}]({name})\n" for name, title in _titles()) + "\n"


def _titles() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        yield path.name, path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
