"""Collects all that is wrong with one definition, so that its author corrects it in one go, and words the fixes."""

from collections.abc import Iterable
from difflib import get_close_matches

from app.errors import DefinitionError


def suggest(word: str, options: Iterable[str]) -> str:
    """The fix for a name that is not one of `options`: the nearest one, or all of them."""
    names = sorted(options)
    near = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else "use one of: " + ", ".join(names)


class Problems:
    """The errors of one file, in the order in which they were met."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[DefinitionError] = []

    def add(self, path: str, problem: str, fix: str) -> None:
        self.found.append(DefinitionError(self.file, path, problem, fix))
