"""What keeps a version from being released is said before anything is built."""

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.resources import ROOT
from tests.release import CHANGELOG, VERSIONS, build, problems, sections, version_of

VERSION = version_of(ROOT)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that name a version, with a changelog that is ready for a release."""
    for name in ("pyproject.toml", *VERSIONS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    write_changelog(tmp_path, f"## Unreleased\n\n## {VERSION} - 2026-11-30\n\n### Added\n- All.\n")
    return tmp_path


def write_changelog(root: Path, text: str) -> None:
    (root / CHANGELOG).write_text(f"# Changelog\n\n{text}", encoding="utf-8")


def test_a_project_that_is_ready_has_no_problems(project: Path) -> None:
    assert list(problems(project)) == []


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_that_was_not_raised_is_named_with_its_file(name: str, project: Path) -> None:
    file = project / name
    file.write_text(file.read_text(encoding="utf-8").replace(VERSION, "0.0.9"), encoding="utf-8")
    sentences = list(problems(project))
    assert sentences
    assert all(f"{name} names 0.0.9, and pyproject.toml {VERSION}" in sentence for sentence in sentences)


def test_a_file_that_names_no_version_any_more_is_noticed(project: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    assert list(problems(project)) == [f"Dockerfile names no version: it should name {VERSION}, that of pyproject.toml"]


@pytest.mark.parametrize(
    ("changelog", "sentence"),
    [
        ("## Unreleased\n", f"has no section `## {VERSION} - "),
        (f"## {VERSION}\n- All.\n", f"`## {VERSION}` should be `## {VERSION} - YYYY-MM-DD`"),
        (f"## {VERSION} - 2026-11-30\n", f"`## {VERSION} - 2026-11-30` is empty"),
        (f"## Unreleased\n- More.\n\n## {VERSION} - 2026-11-30\n- All.\n", "something under `## Unreleased`: move it"),
    ],
)
def test_a_changelog_that_is_not_ready_is_refused_with_the_fix(changelog: str, sentence: str, project: Path) -> None:
    write_changelog(project, changelog)
    (problem,) = problems(project)
    assert sentence in problem


def test_the_changelog_of_this_repository_can_be_read() -> None:
    assert sections(ROOT)


def test_the_sdist_makes_a_wheel_with_types_and_has_what_its_tests_read(tmp_path: Path) -> None:
    wheel = build(ROOT, tmp_path)
    names = zipfile.ZipFile(wheel).namelist()
    assert {"waybill/py.typed", "waybill/topics.yaml", "waybill/providers/port.py"} <= set(names)
    assert not [name for name in names if not name.startswith(("waybill/", f"waybill-{VERSION}.dist-info/"))]
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {*VERSIONS, "requirements.txt", ".dockerignore", "mkdocs.yml", "README.md", "LICENSE"} <= inside
