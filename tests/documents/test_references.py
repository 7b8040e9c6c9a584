"""What documents refer to is there: linked files, paths, modules and targets of make."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.resources import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "examples/*.md", "schemas/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?<![\w./-])(?:app|tests|docs|schemas|bench|packaging|ops)/[\w./*<>-]*")
MODULE = re.compile(r"(?<![\w./-])(?:app|tests)(?:\.[a-z_0-9]+)+")
TARGET = re.compile(r"\bmake ([a-z]+)")


def code(text: str) -> Iterator[str]:
    """What stands between backticks, and the lines of fenced blocks."""
    for number, piece in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        yield from piece.splitlines() if number % 2 else CODE.findall(piece)


def is_there(name: str) -> bool:
    """Whether a path of the repository exists. `*`, `<topic>`, `NAME` and the providers of examples are any text."""
    pattern = re.sub(r"<[^>]*>|\b[A-Z]{4,}\b|(?<=v)N\b|\b(acme|pigeon)\b", "*", name.rstrip("./"))
    return any(ROOT.glob(pattern))


def is_module(name: str) -> bool:
    """Whether a dotted name is a module, or something that is defined in one."""
    whole, owner = (ROOT.joinpath(*parts) for parts in (name.split("."), name.split(".")[:-1]))
    if whole.is_dir() or whole.with_suffix(".py").is_file():
        return True
    source = owner.with_suffix(".py") if owner.with_suffix(".py").is_file() else owner / "__init__.py"
    return source.is_file() and re.search(rf"\b{name.split('.')[-1]}\b", source.read_text(encoding="utf-8")) is not None


FILE = re.compile(r"(?<![\w/.*<-])[a-z_][\w/.-]*\.(?:py|yaml|md)\b")
WITH_COMMENTS = sorted(ROOT.glob("app/**/*.py")) + sorted(ROOT.glob("app/**/*.yaml")) + [ROOT / "topics.yaml"]
FILES = {
    "/".join(path.parts[start:])
    for pattern in ("*", "app/**/*", "tests/**/*", "docs/**/*", "schemas/**/*", "bench/*", "packaging/*")
    for path in ROOT.glob(pattern)
    if path.suffix in {".py", ".yaml", ".md"}
    for start in range(len(path.parts))
}
"""Every file of the repository, by its path and by every end of it."""


def prose(path: Path) -> Iterator[str]:
    """The docstrings and comments of a module, the comments of other files."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from (line for line in text.splitlines() if line.startswith("#"))
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


@pytest.mark.parametrize("path", WITH_COMMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_comments_name_are_there(path: Path) -> None:
    assert {name for text in prose(path) for name in FILE.findall(text)} - FILES == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_refers_to_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in LINK.findall(text) if "://" not in link and not link.startswith("#")]
    missing = [link for link in links if not (path.parent / link).exists()]
    for piece in code(text):
        missing += [name for name in PATH.findall(piece) if not is_there(name)]
        missing += [name for name in MODULE.findall(piece) if not is_module(name)]
        missing += [f"make {name}" for name in TARGET.findall(piece) if f"\n{name}:" not in makefile]
    assert missing == []
