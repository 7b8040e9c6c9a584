"""A copy of this repository, for tests that add to it, and its commands as their reader would type them."""

import shutil
import subprocess
import sys
from pathlib import Path

from app import resources

COMMAND_LIMIT_S = 280


MYPY_CACHE = ".mypy_cache"


def copy_to(root: Path) -> None:
    """Copy everything that a command needs, with what Python and mypy know of it already: both go by time and size."""
    for name in ("app", "tests", "schemas"):
        shutil.copytree(resources.ROOT / name, root / name)
    if (resources.ROOT / MYPY_CACHE).exists():
        shutil.copytree(resources.ROOT / MYPY_CACHE, root / MYPY_CACHE)
    for name in ("pyproject.toml", "topics.yaml"):
        shutil.copy2(resources.ROOT / name, root / name)


def run_in(root: Path, module: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """What `python -m module` says in the copy; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-5000:]}{done.stderr[-3000:]}"
    return done.stdout
