"""Reading of JSON documents as people write them: one object, an array of objects, or one object after the other.

Each is given the line that it begins in, so that an error can name it.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from app.errors import SettingError

FILE_BYTES_MAX: Final = 256 << 20
DOCUMENT_BYTES_MAX: Final = 2 << 20
STANDARD_INPUT: Final = "-"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
# Only where a document ends is of interest: numbers are read exactly by whoever reads the document.
_decoder: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


class Document(NamedTuple):
    """One document. `where` is file:line of its beginning, `value` its text in UTF-8."""

    where: str
    value: bytes


def read(file: str) -> list[Document]:
    """Return the documents of a file; - is standard input.

    Raises SettingError for a file that is not there, is not JSON or not UTF-8, or is too large.
    """
    content = _content(file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise SettingError(f"{file}:{line}: not UTF-8 ({problem.reason}); save it as UTF-8") from problem
    return list(_Text(file, text).documents())


def _content(file: str) -> bytes:
    try:
        if file == STANDARD_INPUT:
            return _bounded(file, sys.stdin.buffer)
        with Path(file).open("rb") as lines:
            return _bounded(file, lines)
    except OSError as problem:
        raise SettingError(f"{file}: cannot be read ({problem.strerror})") from problem


def _bounded(file: str, lines: IO[bytes]) -> bytes:
    content = lines.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise SettingError(f"{file}: more than {FILE_BYTES_MAX} bytes; split it")
    return content


class _Text:
    """A text and how far it was read."""

    def __init__(self, file: str, text: str) -> None:
        self._file, self._text = file, text
        self._at = self._line_start = 0
        self._line = 1

    def documents(self) -> Iterator[Document]:
        self._skip()
        if self._next() == "[":
            yield from self._elements()
            if self._next():
                raise self._problem(self._at, "not JSON: something follows the array")
        while self._next():
            yield self._document()

    def _elements(self) -> Iterator[Document]:
        self._step()
        if self._next() == "]":
            return self._step()
        while True:
            yield self._document()
            if self._next() not in (",", "]"):
                raise self._problem(self._at, "not JSON: expecting , or ] after an element of the array")
            is_last = self._next() == "]"
            self._step()
            if is_last:
                return None

    def _document(self) -> Document:
        start, where = self._at, f"{self._file}:{self._line_of(self._at)}"
        try:
            _, end = _decoder.raw_decode(self._text, start)
        except json.JSONDecodeError as problem:
            line_end = self._text.find("\n", start)
            if len(self._text[start : None if line_end < 0 else line_end]) > DOCUMENT_BYTES_MAX:
                raise SettingError(f"{where}: more than {DOCUMENT_BYTES_MAX} bytes") from problem
            raise self._problem(problem.pos, f"not JSON: {problem.msg[:1].lower()}{problem.msg[1:]}") from problem
        except RecursionError as problem:
            raise SettingError(f"{where}: not JSON that can be read: it is nested too deeply") from problem
        value = self._text[start:end].encode()
        if len(value) > DOCUMENT_BYTES_MAX:
            raise SettingError(f"{where}: more than {DOCUMENT_BYTES_MAX} bytes")
        self._at = end
        self._skip()
        return Document(where, value)

    def _next(self) -> str:
        """Return the character to be read; nothing at the end."""
        return self._text[self._at : self._at + 1]

    def _step(self) -> None:
        self._at += 1
        self._skip()

    def _skip(self) -> None:
        space: Any = _SPACE.match(self._text, self._at)
        self._at = space.end()

    def _line_of(self, position: int) -> int:
        """Return the line of a position. Positions ascend, so that each line is counted once."""
        self._line += self._text.count("\n", self._line_start, position)
        self._line_start = position
        return self._line

    def _problem(self, position: int, sentence: str) -> SettingError:
        begins = self._line_of(self._at)
        line = self._line_of(position)
        column = position - self._text.rfind("\n", 0, position)
        since = f", in what begins in line {begins}" if begins < line else ""
        return SettingError(f"{self._file}:{line}: {sentence}, column {column}{since}")
