"""`python -m tests.documents.site_requests FOLDER`: name what the pages of a built site would load from outside.

A link is followed only when somebody asks for it. A script, a style, a font or a picture is loaded by itself.
The theme's script gets Mermaid from a server of others for every element of class `mermaid`.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LOADED: Final = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc\s*=\s*[\"']?(?P<source>(?:https?:)?//[^\s\"'>]+)"
    r"|<link\b(?=[^>]*?\srel\s*=\s*[\"']?(?:stylesheet|preconnect|preload|icon|dns-prefetch))[^>]*?\shref\s*=\s*[\"']?(?P<link>(?:https?:)?//[^\s\"'>]+)"
    r"|url\(\s*[\"']?(?P<style>(?:https?:)?//[^\s\"')]+)"
    r"|@import\s+[\"'](?P<imported>(?:https?:)?//[^\s\"']+)"
    r"|class=[\"'](?P<diagram>mermaid)\b",
    re.IGNORECASE,
)  # fmt: skip


def requests(text: str) -> Iterator[str]:
    """Yield each address that a page or style would load from elsewhere."""
    for match in _LOADED.finditer(text):
        yield next(address for address in match.groups() if address)


def main(folder: Path) -> int:
    """Print each file with what it would load. Return the exit code."""
    pages = [path for path in sorted(folder.rglob("*")) if path.suffix in {".html", ".css"}]
    loaded = [(path, address) for path in pages for address in requests(path.read_text(encoding="utf-8"))]
    for path, address in loaded:
        sys.stderr.write(f"{path}: loads {address}\n")
    sys.stdout.write(f"{folder}: {len(pages)} pages and styles, which load {len(loaded) or 'nothing'} from outside\n")
    return 1 if loaded or not pages else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
