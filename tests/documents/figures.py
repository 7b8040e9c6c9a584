"""The figures of docs/adr/0025-rooms.md. `python -m tests.documents.figures [FOLDER]` counts `app`, or another copy."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.layers import APP
from tests.test_layers import BARE_WORDS, Function, names_in


def repeats(names: Iterator[str]) -> str:
    counts = Counter(names)
    times = [(name, count) for name, count in counts.most_common() if count > 1]
    return f"{len(times)}, {times[0][0]} {times[0][1]} times" if times else "0"


def main(folder: Path) -> None:
    """Print them, one a line."""
    modules = sorted(folder.rglob("*.py"))
    nodes = [node for path in modules for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    functions = [node for node in nodes if isinstance(node, Function)]
    bare = [node for node in functions if {name.strip("_") for name in names_in(node)} & BARE_WORDS.keys()]
    top = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    figures = {
        "rooms, and files beside them": f"{sum(map(Path.is_dir, top))}, {sum(map(Path.is_file, top))}",
        "modules": len(modules),
        "lines": sum(path.read_text(encoding="utf-8").count("\n") for path in modules),
        "file names with more than one place": repeats(path.stem for path in modules if path.stem != "__init__"),
        "class names with more than one place": repeats(
            node.name for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ),
        "functions": len(functions),
        "functions with a bare participle": f"{len(bare)}, {len(bare) / len(functions):.1%}",
    }
    for label, figure in figures.items():
        sys.stdout.write(f"{label:<40}{figure}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else APP)
