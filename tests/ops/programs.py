"""The programs of Prometheus, for tests.

Programs on the PATH are taken, else those of Debian's package `prometheus`, which is unpacked into the user's cache
where there is apt. Nothing is installed.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

PACKAGE: Final = "prometheus"
CACHE: Final = Path("~/.cache/waybill/prometheus")
FETCH_LIMIT_S: Final = 60


def find_program(name: str) -> Path | None:
    """Return the path of `prometheus` or `promtool`; None where it cannot be had."""
    if on_path := shutil.which(name):
        return Path(on_path)
    program = CACHE.expanduser() / "usr/bin" / name
    if not program.exists():
        _fetch(CACHE.expanduser())
    return program if program.exists() else None


def _fetch(folder: Path) -> None:
    """Unpack Debian's package into the folder. Leave it as it is where that cannot be done."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        work = Path(name)
        try:
            _run("apt-get", "download", PACKAGE, folder=work)
            for package in work.glob("*.deb"):
                _run("dpkg", "-x", package.name, "unpacked", folder=work)
            (work / "unpacked").replace(folder)
        except (OSError, subprocess.SubprocessError):
            return


def _run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, capture_output=True, timeout=FETCH_LIMIT_S, check=True)
