"""The layers of `app`: who may import whom. `python -m tests.layers` prints who does."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

APP = Path(__file__).parent.parent / "app"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "resources", "redaction", "secrets"}),
    frozenset({"domain"}),
    frozenset({"definitions"}),
    frozenset({"sealing"}),
    frozenset({"events"}),
    frozenset({"lanes"}),
    frozenset({"policies", "dualwrite", "optimizer", "inventory"}),
    frozenset({"flows"}),
    frozenset({"settings"}),
    frozenset({"kafka"}),
    frozenset({"providers"}),
    frozenset({"agents"}),
    frozenset({"queries"}),
    frozenset({"worker"}),
    frozenset({"sandbox"}),
    frozenset({"commands", "__main__"}),
)
"""Lowest first. A module may import its own layer and lower ones, without exception."""


def modules() -> list[Path]:
    return sorted(APP.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(("app", *path.relative_to(APP).with_suffix("").parts)).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a module once for all who look at it."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: import by full name"
            yield from (f"app.{alias.name}" for alias in node.names) if node.module == "app" else [node.module]


def layer(module: str) -> int:
    part = module.split(".")[1]
    return next(number for number, names in enumerate(LAYERS) if part in names)


def rooms_imported() -> dict[str, set[str]]:
    """By room of `app`, the other rooms that its modules import."""
    rooms: dict[str, set[str]] = {room: set() for names in LAYERS for room in names}
    for path in modules():
        if (module := name_of(path)) != "app":
            room = module.split(".")[1]
            imported = {name.split(".")[1] for name in imports(path) if name.startswith("app.")}
            rooms[room] |= imported - {room}
    return rooms


def upward() -> list[str]:
    """Return every arrow between rooms that points up."""
    return [
        f"{room} -> {imported}"
        for room, others in rooms_imported().items()
        for imported in sorted(others)
        if layer(f"app.{imported}") > layer(f"app.{room}")
    ]


def main() -> None:
    """Print the import graph, highest layer first."""
    rooms = rooms_imported()
    for names in reversed(LAYERS):
        for room in sorted(names):
            below = sorted(rooms[room], key=lambda name: (-layer(f"app.{name}"), name))
            sys.stdout.write(f"{room:<12} -> {', '.join(below) or '(nothing of app)'}\n")
        sys.stdout.write("\n")
    sys.stdout.write(f"arrows upward: {', '.join(upward()) or 'none'}\n")


if __name__ == "__main__":
    main()
