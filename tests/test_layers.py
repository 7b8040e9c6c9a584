"""The layout is a promise: who may import whom, what pure packages may not touch, no file with two jobs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent / "app"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "resources"}),
    frozenset({"domain"}),
    frozenset({"policies", "sourcing", "stock", "dualwrite"}),
    frozenset({"events"}),
    frozenset({"flows"}),
    frozenset({"settings", "clients", "topics", "places"}),
    frozenset({"providers"}),
    frozenset({"metrics"}),
    frozenset({"agents", "views", "web"}),
    frozenset({"runtime"}),
    frozenset({"local"}),
    frozenset({"demo", "bench"}),
    frozenset({"commands", "__main__"}),
)
"""Lowest first. A module may import its own layer and lower ones."""
# The event bodies are the vocabulary of the pure packages too, so they stand below their own package's codec.
VOCABULARY = frozenset({"app.events.model", "app.events.ids"})
PURE = ("domain", "policies", "flows", "dualwrite", "sourcing", "stock")
PURE_FILES = ("events/model.py", "events/catalog.py", "events/ids.py")
ALLOWED_IN_PURE = frozenset(
    [
        "abc",
        "ast",
        "base64",
        "bisect",
        "collections",
        "dataclasses",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "keyword",
        "math",
        "msgspec",
        "operator",
        "re",
        "string",
        "struct",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "__future__",
        "pydantic",
        "yaml",
        "difflib",
        "datetime",
        "email",
        "builtins",
        "csv",
        "zoneinfo",
        "highspy",
        "numpy",
    ]
)
BANNED_CALLS = frozenset({"now", "utcnow", "today", "uuid4", "open"})


def modules() -> list[Path]:
    return sorted(APP.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(("app", *path.relative_to(APP).with_suffix("").parts)).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: import by full name"
            yield node.module


def layer(module: str) -> int:
    part = module.split(".")[1]
    return next(number for number, names in enumerate(LAYERS) if part in names)


def is_pure(path: Path) -> bool:
    inside = path.relative_to(APP)
    return inside.parts[0] in PURE or inside.as_posix() in PURE_FILES


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_lower_never_imports_higher(path: Path) -> None:
    module = name_of(path)
    if module == "app":
        return
    for imported in imports(path):
        if imported.startswith("app.") and imported not in VOCABULARY:
            assert layer(imported) <= layer(module), f"{module} imports {imported}, which is above it"


@pytest.mark.parametrize("path", [path for path in modules() if is_pure(path)], ids=name_of)
def test_pure_packages_touch_nothing_outside(path: Path) -> None:
    for imported in imports(path):
        top = imported.split(".")[0]
        assert top == "app" or top in ALLOWED_IN_PURE, f"{name_of(path)} is pure and may not import {imported}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in BANNED_CALLS, (
                f"{name_of(path)}:{node.lineno} calls {called}(): pure code gets it as a value"
            )


def test_only_the_runtime_knows_faust_and_providers_never_import_each_other() -> None:
    for path in modules():
        module = name_of(path)
        for imported in imports(path):
            if imported.split(".")[0] in {"faust", "mode"}:
                assert module.startswith("app.runtime."), f"{module} imports {imported}: Faust lives in app/runtime"
            if module.startswith("app.providers.") and imported.startswith("app.providers."):
                ours, theirs = module.split(".")[2:], imported.split(".")[2:]
                if len(ours) > 1 and len(theirs) > 1:
                    assert ours[0] == theirs[0], f"{module} imports {imported}: providers never import each other"


def test_kafka_clients_are_those_that_create_no_topic() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aiokafka":
                made = {alias.name for alias in node.names if alias.name.startswith("AIOKafka")}
                assert not made or name_of(path) == "app.clients", f"{name_of(path)} takes {made}; see app/clients.py"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_say_what_they_are_and_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)) or not text.strip() or name_of(path) == "app", f"{path} has no docstring"
    assert text.count("\n") <= 400, f"{path} has more than 400 lines: does it do two jobs?"
    assert path.stem not in {"utils", "helpers", "manager", "base", "common"}
