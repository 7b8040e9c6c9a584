"""Compilers and packages of other languages. What is not to be had here skips the test, with a sentence."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.resources import ROOT

BUILD = ROOT / "build"
INSTALL_LIMIT_S = 600


def require(*commands: str) -> None:
    """Skip the test when one of the commands is not there."""
    if missing := [command for command in commands if shutil.which(command) is None]:
        pytest.skip(f"{' and '.join(missing)} not installed here")


def install_npm(folder: Path) -> Path:
    """Return a copy of a folder with the packages of its lock file. Skip the test where they are not to be had."""
    require("node", "npm")
    copy = copy_of(folder)
    lock, installed = copy / "package-lock.json", copy / "installed-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        prepare(copy, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        shutil.copy(lock, installed)
    return copy


def copy_of(folder: Path) -> Path:
    """Return a copy of a folder below build/, where compilers may leave what they make for the next run."""
    return Path(shutil.copytree(folder, BUILD / folder.name, dirs_exist_ok=True))


def prepare(folder: Path, *command: str) -> None:
    """Run what fetches packages or compiles in a folder. Skip the test when it fails, with the end of what it said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        pytest.skip(f"{' '.join(command)} could not run here: {said}")
