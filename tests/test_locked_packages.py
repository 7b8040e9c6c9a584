"""requirements.txt, the exact set that is tested, has what pyproject.toml asks for, each with hashes."""

import re
import tomllib
from functools import cache
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from app.resources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


@cache
def locked_packages() -> dict[str, str]:
    """Name and version of each package that this Python takes from the file."""
    entries = re.split(r"^(?=[a-z])", (ROOT / "requirements.txt").read_text(encoding="utf-8"), flags=re.M)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    pins = [Requirement(entry.partition("\\")[0]) for entry in entries]
    return {pin.name: str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate()}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_what_the_project_asks_for_is_locked_within_its_range(text: str) -> None:
    requirement = Requirement(text)
    pinned = locked_packages()[plain(requirement.name)]
    assert requirement.specifier.contains(pinned), f"{text}: {pinned} is locked; run `make lock`"


def test_no_package_registry_is_named() -> None:
    assert "://" not in (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_the_tests_run_with_what_is_locked() -> None:
    names = {plain(Requirement(text).name) for text in REQUIREMENTS}
    pins = locked_packages()
    assert {name: version(name) for name in names} == {name: pins[name] for name in names}
