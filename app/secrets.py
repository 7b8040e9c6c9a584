"""Secrets: read from an environment variable, or from the file that the variable with `_FILE` behind it names.

A file is read again each time its secret is used, so that a new secret needs no restart. It holds one line, or two
while a secret is replaced: the first is the one that is used, both are accepted from others (docs/adr/0030).
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.errors import SettingError

FILE_SUFFIX: Final = "_FILE"
FILE_BYTES_MAX: Final = 65_536
LINES_MAX: Final = 2
_journal = logging.getLogger(__name__)

ReadSecret = Callable[[], str]
"""Returns a secret as it is now: call it each time the secret is used, and keep nothing."""


class Secret:
    """A secret setting. `environ` is the environment that it comes from."""

    def __init__(self, variable: str, environ: Mapping[str, str]) -> None:
        """Read no file yet. Raises SettingError when the variable and the one of its file are both set."""
        self.variable = variable
        self.file_variable = variable + FILE_SUFFIX
        self._value = environ.get(variable, "").strip()
        self._path = environ.get(self.file_variable, "").strip()
        self._lines: tuple[str, ...] = ()
        self._problem = ""
        if self._value and self._path:
            raise SettingError(f"{variable} and {self.file_variable} are both set; unset one of them")

    @property
    def is_set(self) -> bool:
        """Whether either variable is set."""
        return bool(self._value or self._path)

    def current(self) -> str:
        """Return the secret to use now, "" when it is not set. Raises SettingError as `accepted` does."""
        return next(iter(self.accepted()), "")

    def accepted(self) -> tuple[str, ...]:
        """Return the secrets that others may use now, the current one first; none when it is not set.

        A file that cannot be read any more leaves the secrets that were read last. Raises SettingError, which never has
        the secret in it, when it could not be read from the beginning.
        """
        if not self._path:
            return (_checked(self._value, self.variable),) if self._value else ()
        try:
            lines = self._read()
        except SettingError as problem:
            if not self._lines:
                raise
            self._note(str(problem))
        else:
            self._lines = lines
            self._note("")
        return self._lines

    def _read(self) -> tuple[str, ...]:
        place = f"{self.file_variable}={self._path}"
        path = Path(self._path)
        try:
            if not path.is_file():  # a pipe or a device might never end
                raise SettingError(f"{place}: is no file that is there; write the secret to it, or name another")
            with path.open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
        except OSError as exc:
            raise SettingError(f"{place}: cannot be read ({exc.strerror}); let the user of Waybill read it") from None
        if len(content) > FILE_BYTES_MAX:
            raise SettingError(f"{place}: has more than {FILE_BYTES_MAX} bytes; a secret is one line")
        lines = content.decode("latin-1").removesuffix("\n").removesuffix("\r").split("\n")
        if len(lines) > LINES_MAX:
            raise SettingError(f"{place}: has more than {LINES_MAX} lines; write the new secret, and below it the old")
        return tuple(_checked(line.removesuffix("\r"), place) for line in lines)

    def _note(self, problem: str) -> None:
        """Log once that the file cannot be read any more, and once that it can be again."""
        if problem != self._problem:
            _journal.warning("%s", f"{problem}; the last secret is used" if problem else f"{self.file_variable}: read")
        self._problem = problem


def _checked(value: str, place: str) -> str:
    """Return a secret that a header can carry. Raises SettingError without it."""
    if not value:
        raise SettingError(f"{place}: has an empty line where a secret should be; write it, or unset the variable")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SettingError(f"{place}: has a space, a line break or a character that is not ASCII; copy it again")
    return value
