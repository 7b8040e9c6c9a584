"""Reads a YAML document into plain dicts, lists and text, within limits. Nothing is converted: `NO` stays Norway.

Anchors, aliases, tags and several documents in one file are refused on purpose: definitions are read by people, and an
alias can grow a small file without bound.
"""

from collections.abc import Iterator
from typing import Final

import yaml

from app.errors import DefinitionError

CHARACTERS_MAX: Final = 65_536
DEPTH_MAX: Final = 24
NODES_MAX: Final = 10_000
KEY_MAX: Final = 100
WHOLE_FILE: Final = "(file)"
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Node = dict[str, "Node"] | list["Node"] | str | None


def read(text: str, file: str) -> Node:
    """Return the one document in `text`. A scalar is its text; an unquoted `null`, `~` or nothing is None.

    Raises DefinitionError for what is not YAML, is beyond a limit, or uses a feature that definitions do without.
    """
    if len(text) > CHARACTERS_MAX:
        raise DefinitionError(
            file, WHOLE_FILE, f"{len(text)} characters, more than {CHARACTERS_MAX}", "split it: one definition a file"
        )
    try:
        return _Reader(yaml.parse(text, Loader=_LOADER), file).document()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else WHOLE_FILE
        raise DefinitionError(file, where, f"not YAML: {exc.problem}", "correct the syntax there") from exc
    except (yaml.YAMLError, UnicodeEncodeError) as exc:
        raise DefinitionError(file, WHOLE_FILE, f"not YAML: {exc}", "save the file as plain UTF-8 text") from exc


class _Reader:
    """One pass over the parser's events, so that a limit stops the reading and not only the result."""

    def __init__(self, events: Iterator[yaml.Event], file: str) -> None:
        self._events, self._file, self._nodes = events, file, 0

    def document(self) -> Node:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise self._error(WHOLE_FILE, "the file is empty", "write a definition, or remove the file")
        node = self._node(next(self._events), "", 1)
        next(self._events)  # the end of the document
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise self._error(WHOLE_FILE, "more than one document", "write each in a file of its own, without `---`")
        return node

    def _node(self, event: yaml.Event, path: str, depth: int) -> Node:
        self._limit(event, path, depth)
        if isinstance(event, yaml.ScalarEvent):
            return None if not event.style and event.value in _NULLS else str(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _limit(self, event: yaml.Event, path: str, depth: int) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise self._error(path, f"more than {NODES_MAX} values", "split it: one definition a file")
        if depth > DEPTH_MAX:
            raise self._error(path, f"nested deeper than {DEPTH_MAX} levels", "flatten the groups")
        if getattr(event, "anchor", None) is not None:
            raise self._error(path, "anchors (&) and aliases (*) are not supported", "write the value out, or quote it")
        if (tag := getattr(event, "tag", None)) is not None:
            raise self._error(path, f"the tag {tag} is not supported", "remove the tag, or quote the value")

    def _sequence(self, path: str, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, f"{path}[{len(items)}]", depth + 1))
        return items

    def _mapping(self, path: str, depth: int) -> Node:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, path, depth + 1)
            if not isinstance(key, str) or len(key) > KEY_MAX:
                raise self._error(path, f"a key that is not text of at most {KEY_MAX} characters", "write plain words")
            where = f"{path}.{key}" if path else key
            if key in entries:
                raise self._error(where, "the key is there twice", "keep one of them")
            entries[key] = self._node(next(self._events), where, depth + 1)
        return entries

    def _error(self, path: str, problem: str, fix: str) -> DefinitionError:
        return DefinitionError(self._file, path or WHOLE_FILE, problem, fix)
