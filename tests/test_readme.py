"""README.md says what each of its blocks is, and links to files that exist. tests/kafka/test_readme.py runs it."""

import re

from app.resources import ROOT
from tests.document_blocks import blocks

README = ROOT / "README.md"


def test_every_block_is_text_or_run_or_says_why_not() -> None:
    found = blocks(README)
    assert {block.kind for block in found} <= {"sh", "text"}
    assert any(block.kind == "sh" and not block.reason for block in found)
    assert len(found) * 2 == README.read_text(encoding="utf-8").count("```")


def test_files_that_are_linked_exist() -> None:
    text = README.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
