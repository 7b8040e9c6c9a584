"""`make release`: the sdist, the wheel made of it, the demo run from that wheel, and the checksums of what is in dist/.

Nothing is published. Before anything is built, what names a version must name this one, and CHANGELOG.md must have its
section.
"""

import hashlib
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from app.resources import ROOT
from tests.test_package import BUILD_LIMIT_S, installed, prove, said

PROJECT: Final = "pyproject.toml"
CHANGELOG: Final = "CHANGELOG.md"
UNRELEASED: Final = "Unreleased"
VERSIONS: Final = {
    "Dockerfile": r'image\.version="(?P<version>[^"]+)"',
    "docker-compose.kafka.yml": r"^  image: waybill:(?P<version>\S+)$",
    "ops/helm/waybill/Chart.yaml": r"^(?:version|appVersion): (?P<version>\S+)$",
}
"""File -> what in it names the version, wherever it does."""
_SECTION: Final = re.compile(r"^## (?P<title>.+?)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def version_of(root: Path) -> str:
    """Return the version of the project at `root`."""
    return str(tomllib.loads((root / PROJECT).read_text(encoding="utf-8"))["project"]["version"])


def problems(root: Path) -> Iterator[str]:
    """Yield a sentence with the fix for everything that keeps the project at `root` from being released."""
    version = version_of(root)
    for name, pattern in VERSIONS.items():
        versions = re.findall(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        if not versions:
            yield f"{name} names no version: it should name {version}, that of {PROJECT}"
        for other in versions:
            if other != version:
                yield f"{name} names {other}, and {PROJECT} {version}: raise both together"
    yield from _changelog_problems(sections(root), version)


def sections(root: Path) -> Mapping[str, str]:
    """Return title -> text of the sections of the changelog."""
    text = (root / CHANGELOG).read_text(encoding="utf-8")
    return {match["title"].strip(): match["text"].strip() for match in _SECTION.finditer(text)}


def _changelog_problems(texts: Mapping[str, str], version: str) -> Iterator[str]:
    titles = [title for title in texts if title == version or title.startswith(f"{version} ")]
    if not titles:
        yield f"{CHANGELOG} has no section `## {version} - YYYY-MM-DD`: call `## {UNRELEASED}` so"
    for title in titles:
        if not re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", title):
            yield f"{CHANGELOG}: `## {title}` should be `## {version} - YYYY-MM-DD`, with the day of the release"
        if not texts[title]:
            yield f"{CHANGELOG}: `## {title}` is empty: say what changed"
    if texts.get(UNRELEASED):
        yield f"{CHANGELOG}: there is something under `## {UNRELEASED}`: move it to the section of {version}"


def build(root: Path, dist: Path) -> Path:
    """Write the sdist, and the wheel that is made of it, to `dist`. Return the wheel."""
    for old in (*dist.glob("waybill-*"), *dist.glob("SHA256SUMS")):
        old.unlink()
    python = sys.executable
    said(python, "-m", "hatchling", "build", "-t", "sdist", "-d", dist, folder=root, limit_s=BUILD_LIMIT_S)
    (sdist,) = dist.glob("waybill-*.tar.gz")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir")
    said(python, "-m", "pip", "wheel", *options, dist, sdist, folder=dist, limit_s=BUILD_LIMIT_S)
    (wheel,) = dist.glob("waybill-*.whl")
    return wheel


def main() -> int:
    """Release what is here. Return the exit code."""
    refusals = list(problems(ROOT))
    for sentence in refusals:
        sys.stderr.write(f"{sentence}\n")
    if refusals:
        return 1
    dist = ROOT / "dist"
    wheel = build(ROOT, dist)
    with tempfile.TemporaryDirectory() as name:
        elsewhere = Path(name) / "elsewhere"
        elsewhere.mkdir()
        prove(installed(wheel, Path(name) / "environment"), elsewhere)
    files = sorted([*dist.glob("waybill-*"), dist / "sbom.json"])
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (dist / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    sys.stdout.write(f"{version_of(ROOT)} is in {dist}; the demo ran from its wheel. Nothing was published.\n")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.stderr.writelines(f"{sentence}\n" for sentence in problems(ROOT))
        sys.exit(any(problems(ROOT)))
    sys.exit(main())
