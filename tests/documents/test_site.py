"""The site is built strictly, where `make site` has put its tools: a broken link or a page without a place ends it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.resources import ROOT
from tests.documents import site, site_requests

MKDOCS = Path(sys.prefix) / "site" / "bin" / "mkdocs"

pytestmark = pytest.mark.skipif(not MKDOCS.exists(), reason="`make site` installs what builds the site")


def build(folder: Path) -> "subprocess.CompletedProcess[str]":
    settings = f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: {folder / 'pages'}\nsite_dir: {folder / 'site'}\n"
    (folder / "mkdocs.yml").write_text(settings, encoding="utf-8")
    return subprocess.run(
        [MKDOCS, "build", "--strict", "--config-file", folder / "mkdocs.yml"],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_site_is_built_and_loads_nothing_from_outside(tmp_path: Path) -> None:
    site.write(tmp_path / "pages")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    assert site_requests.main(tmp_path / "site") == 0


def test_a_broken_link_a_missing_anchor_and_a_page_without_a_place_end_it(tmp_path: Path) -> None:
    site.write(tmp_path / "pages")
    (tmp_path / "pages" / "lost.md").write_text("# Lost\n\n[a](nowhere.md) [b](verify.md#nowhere)\n", encoding="utf-8")
    done = build(tmp_path)
    assert done.returncode != 0
    assert "link 'nowhere.md'" in done.stderr
    assert "anchor '#nowhere'" in done.stderr
    assert '"nav"' in done.stderr
