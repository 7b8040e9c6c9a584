"""Scaffold of a new provider (`waybill provider new`): its folder, its simulator and its tests, from templates.

A template is a file of a provider called acme; only that name is replaced. The layer `http` is the usual provider,
`webhooks` goes on top of it, `kafka` is a manifest alone.
"""

import keyword
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from app import resources
from app.errors import SettingError
from app.flows.installed import OPTIMIZATION

NAME_CHARS_MAX: Final = 24
"""So that every line of a template fits its width under any name."""
SUFFIX: Final = ".template"
_NAME: Final = re.compile(rf"[a-z](_?[a-z0-9]){{1,{NAME_CHARS_MAX - 1}}}")
_IMPORTS: Final = re.compile(r"(?:^from (?:app|tests)\S* import .*\n)+", re.MULTILINE)


def scaffold(name: str, layers: tuple[str, ...], root: Path) -> list[Path]:
    """Write the files below `root`, and return their paths, relative to it.

    Raises SettingError, and writes nothing, for a name that cannot be one or a folder that exists.
    """
    places = folders(name, root)
    files = {places[part] / rest: text for (part, rest), text in _rendered(name, layers).items()}
    if "kafka" in layers:
        places = {"app": places["app"]}
    _check_free(root, places)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted(path.relative_to(root) for path in files)


def folders(name: str, root: Path) -> dict[str, Path]:
    """Return where its code, its simulator and its tests go. Raises SettingError for a name that cannot be one."""
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        rule = f"2 to {NAME_CHARS_MAX} of a-z, 0-9 and single _ between them, first a letter, such as acme_3pl"
        raise SettingError(f"{name[:80]!r} cannot be a provider's name: use {rule}")
    if name == OPTIMIZATION:
        raise SettingError(f"{name!r} cannot be a provider's name: it is the one inside, which sources orders")
    if keyword.iskeyword(name):
        raise SettingError(f"{name!r} cannot be a provider's name: Python keeps the word; {name}_co would do")
    return {
        "app": root / "app/providers" / name,
        "simulator": root / "app/sandbox/vendors" / name,
        "tests": root / "tests/providers" / name,
    }


def _check_free(root: Path, places: Mapping[str, Path]) -> None:
    if not (root / "tests/providers/contract.py").is_file():
        problem = f"{root} is not a checkout of Waybill: a provider needs the contract suite beside it"
        raise SettingError(f"{problem}; clone the repository, and run `make` or `pip install -e .` there")
    for place in places.values():
        existing = next((path for path in (place, place.with_suffix(".py")) if path.exists()), None)
        if existing is not None:
            raise SettingError(f"{existing.relative_to(root)} exists already and is left as it is; choose another name")


def _rendered(name: str, layers: tuple[str, ...]) -> Mapping[tuple[str, str], str]:
    """Return (key of `folders`, path in that folder) -> text; a later layer replaces files of an earlier one."""
    return {place: _text(name, template) for layer in layers for place, template in _templates(layer)}


def _templates(layer: str) -> Iterator[tuple[tuple[str, str], str]]:
    for path, text in resources.provider_templates(layer).items():
        part, _, rest = path.removesuffix(SUFFIX).partition("/")
        yield (part, rest), text


def _text(name: str, template: str) -> str:
    names = dict(zip(_spellings(_template_name()), _spellings(name), strict=True))
    text = re.sub("|".join(names), lambda match: names[match[0]], template)
    # Where the imports of the new folder stand among the others depends on its name.
    return _IMPORTS.sub(lambda block: "".join(sorted(block[0].splitlines(keepends=True), key=_module)), text)


def _spellings(name: str) -> tuple[str, str, str]:
    """Return a name as it is in paths, in classes and in environment variables."""
    return name, "".join(word.title() for word in name.split("_")), name.upper()


@cache
def _template_name() -> str:
    """Return the name of the provider that the templates are files of."""
    manifest = resources.provider_templates("kafka")[f"app/manifest.yaml{SUFFIX}"]
    return str(yaml.safe_load(manifest)["name"])


def _module(line: str) -> str:
    return line.split()[1]
