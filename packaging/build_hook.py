"""The build's own step: the code of app/ becomes the package `waybill`, with schemas/ and topics.yaml inside.

`app` is a name that an environment may need for something else, so the wheel does not claim it. The sources keep their
imports by full name (`from app.events.record import Record`); in the wheel these read `waybill`, and nothing else
differs (docs/adr/0027). Names of modules that are built at run time start with `resources.PACKAGE`.

An editable installation gets a stand-in instead: its `waybill` looks into app/, so that the command is the same one.
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "waybill"
IMPORT = re.compile(r"^(\s*(?:from|import)) app\b", re.MULTILINE)
STAND_IN = f'''"""A checkout's stand-in for the package: `{NAME}` is the folder app/."""

import app

__path__ = list(app.__path__)
'''


class Relocation(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="waybill-build-"))
        if version == "editable":
            stand_in = self._folder / f"{NAME}.py"
            stand_in.write_text(STAND_IN, encoding="utf-8")
            build_data["force_include_editable"][str(stand_in)] = stand_in.name
        else:
            relocate(Path(self.root), self._folder)
            build_data["force_include"][str(self._folder)] = NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._folder)


def relocate(root: Path, target: Path) -> None:
    """Write the files of the package to `target`."""
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(root / "app", target, ignore=skip, dirs_exist_ok=True)
    shutil.copytree(root / "schemas", target / "schemas", ignore=skip)
    shutil.copy2(root / "topics.yaml", target)
    for path in target.rglob("*.py"):
        path.write_text(IMPORT.sub(rf"\1 {NAME}", path.read_text(encoding="utf-8")), encoding="utf-8")
