"""The pages: links and anchors lead somewhere, and each block of shell is run by a test or says why not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.resources import ROOT
from tests.document_blocks import Block, blocks
from tests.documents.site import LINK, page, pages
from tests.documents.site_requests import requests
from tests.documents.test_references import DOCUMENTS

HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
SHELL = {"sh", "bash", "shell", "console"}
HERE = {
    "waybill flows check",
    "waybill flows graph bigcommerce-fno-fno",
    "waybill policies check",
    "waybill provider list",
}
"""Commands that this file runs. They need no broker."""


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and MkDocs name them."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {each for title in HEADING.findall(text) for each in (github_anchor(title), mkdocs_anchor(title))}


def github_anchor(title: str) -> str:
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", title).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def mkdocs_anchor(title: str) -> str:
    return re.sub(r"[-\s]+", "-", github_anchor(title)).strip("-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_anchors_that_are_linked_are_there(document: Path) -> None:
    missing = []
    for _, target in LINK.findall(document.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        other = (document.parent / name) if name else document
        if "://" not in target and anchor and other.suffix == ".md" and anchor not in anchors(other):
            missing.append(target)
    assert missing == []


def shell_blocks() -> list[tuple[str, Block]]:
    names = [name for name in pages() if name != "README.md"]
    return [(name, block) for name in names for block in blocks(ROOT / name) if block.kind in SHELL]


def run_for_the_readme() -> set[str]:
    """Return the commands of README.md, which tests/kafka/test_readme.py runs."""
    every = blocks(ROOT / "README.md")
    return {line.command for block in every if block.kind == "sh" and not block.reason for line in block.lines}


@pytest.mark.parametrize(("name", "block"), shell_blocks())
def test_a_block_of_shell_is_run_or_says_why_not(name: str, block: Block) -> None:
    if not block.reason:
        assert {line.command for line in block.lines} <= run_for_the_readme() | HERE, name


@pytest.mark.parametrize("command", sorted(HERE))
def test_commands_of_pages_that_need_no_broker_do_their_work(command: str) -> None:
    words = [sys.executable, "-m", "app", *command.split()[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_page_of_the_site_links_to_pages_and_to_copies_of_files() -> None:
    files: dict[str, str] = {}
    code = "```\n[f](nowhere.md)\n```\n"
    text = f"[a](http.md#x) [b](../app/errors.py) [c](adr) [d](../app) [e](https://x.example)\n{code}"
    moved = page(text, "docs/verify.md", pages(), files)
    copy = "files/app/errors.py.txt"
    assert moved == f"[a](http.md#x) [b]({copy}) [c](adr/index.md) d [e](https://x.example)\n{code}"
    assert files == {"app/errors.py": copy}


def test_a_page_from_elsewhere_finds_the_others() -> None:
    assert page("[a](docs/http.md)", "README.md", pages(), {}) == "[a](../http.md)"
    from_decision = page("[a](../../README.md)", "docs/adr/0001-record-decisions.md", pages(), {})
    assert from_decision == "[a](../project/readme.md)"


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ('<link rel="stylesheet" href="//fonts.example/css">', ["//fonts.example/css"]),
        ("<link href=https://fonts.example rel=preconnect>", ["https://fonts.example"]),
        ("@font-face { src: url('https://fonts.example/a.woff') }", ["https://fonts.example/a.woff"]),
        ('<pre class="mermaid"><code>', ["mermaid"]),
        ('<a href="https://kafka.example/">Kafka</a> <script src="assets/a.js"></script> url("../a.svg")', []),
    ],
)
def test_what_a_page_would_load_from_outside_is_noticed(text: str, loaded: list[str]) -> None:
    assert list(requests(text)) == loaded
