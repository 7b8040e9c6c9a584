"""Files with the same name have the same role in every provider's folder (docs/providers/README.md)."""

import ast
from pathlib import Path

import pytest

import app.providers

FOLDERS = sorted(path.parent for path in Path(app.providers.__path__[0]).glob("*/manifest.yaml"))
PURE_ROLES = ("actions", "cursor", "odata", "webhook")
PURE_FILES = [path for folder in FOLDERS for role in PURE_ROLES if (path := folder / f"{role}.py").exists()]
WAITS = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
REACHES_OUT = {"app.providers.http", "asyncio", "aiohttp", "httpx", "time"}


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", PURE_FILES, ids=label)
def test_pure_files_neither_wait_nor_reach_out(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, WAITS), f"{label(path)}:{node.lineno} waits: that is the client's, or its feed's"
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert REACHES_OUT.isdisjoint(modules), f"{label(path)} is pure and may not import {modules}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_has_code_only_with_a_client_and_its_actions(folder: Path) -> None:
    files = {path.name for path in folder.glob("*.py")}
    assert not files or {"__init__.py", "actions.py", "client.py"} <= files
