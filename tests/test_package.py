"""The wheel is a complete product: built, installed into an empty environment, used from another folder.

`python -m tests.test_package python3.12 python3.13` does so with other interpreters than the one that runs the tests.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import resources

BUILD_LIMIT_S = 120
INSTALL_LIMIT_S = 300
DEMO_LIMIT_S = 300
IMPORT_ALL = """
import importlib, pkgutil, waybill
names = [module.name for module in pkgutil.walk_packages(waybill.__path__, "waybill.") if "__main__" not in module.name]
print(len([importlib.import_module(name) for name in names]))
"""


def said(*command: str | Path, folder: Path, limit_s: float) -> str:
    """Return what a command prints. It sees no setting of Waybill, and no source of this checkout."""
    hidden = ("WAYBILL_", "KAFKA_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, timeout=limit_s, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def wheel(folder: Path) -> Path:
    """Build the wheel into `folder`."""
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, resources.ROOT)
    said(*command, folder=folder, limit_s=BUILD_LIMIT_S)
    (built,) = folder.glob("waybill-*.whl")
    return built


def installed(built: Path, folder: Path, python: str | None = None) -> Path:
    """Install the wheel into an empty environment, of `python` or this one's. Return its folder of commands.

    This environment's pip does so: one in there would take as long to come as the package. Python compiles what it
    imports, which is a small part of what is installed.
    """
    command = (python or sys.executable, "-m", "venv", "--without-pip", folder)
    said(*command, folder=folder.parent, limit_s=INSTALL_LIMIT_S)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    install = ("-m", "pip", "--python", commands / "python", "install", "--quiet", "--no-compile", built)
    said(sys.executable, *install, folder=folder, limit_s=INSTALL_LIMIT_S)
    return commands


def prove(commands: Path, elsewhere: Path) -> None:
    """Use the installed package in a folder that has nothing of it. Raises AssertionError."""
    assert said(commands / "waybill", "--version", folder=elsewhere, limit_s=30).startswith("waybill 0.")
    no_app = "import importlib.util; assert importlib.util.find_spec('app') is None"
    said(commands / "python", "-c", no_app, folder=elsewhere, limit_s=30)
    modules = int(said(commands / "python", "-c", IMPORT_ALL, folder=elsewhere, limit_s=60))
    assert modules > 100
    for group in ("schemas", "flows", "policies"):
        said(commands / "waybill", group, "check", folder=elsewhere, limit_s=60)
    answer = said(commands / "waybill", "demo", "--count", "5", folder=elsewhere, limit_s=DEMO_LIMIT_S)
    assert "Every order ended as its scenario says." in answer


@pytest.mark.kafka
@pytest.mark.timeout(BUILD_LIMIT_S + INSTALL_LIMIT_S + DEMO_LIMIT_S)
def test_the_installed_wheel_runs_the_demo_anywhere(tmp_path: Path) -> None:
    commands = installed(wheel(tmp_path), tmp_path / "environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    prove(commands, elsewhere)
    assert list(elsewhere.iterdir()) == [], "nothing is left behind where it ran"


def main(pythons: list[str]) -> None:
    """Prove the wheel with each of the interpreters."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = wheel(folder)
        for number, python in enumerate(pythons):
            commands = installed(built, folder / f"environment-{number}", python)
            elsewhere = folder / f"elsewhere-{number}"
            elsewhere.mkdir()
            prove(commands, elsewhere)
            sys.stdout.write(f"{said(commands / 'python', '--version', folder=elsewhere, limit_s=30).strip()}: ok\n")


if __name__ == "__main__":
    main(sys.argv[1:] or [sys.executable])
