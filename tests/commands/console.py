"""Runs `waybill ARGUMENTS` in this process, as its entry point does, and keeps what it said."""

import io
import json
import sys
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from app import __main__


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Stdin(io.TextIOWrapper):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


class Console:
    """Call it with the arguments of `waybill`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Said:
        self._capsys.readouterr()
        with (
            patch.object(sys, "argv", ["waybill", *arguments]),
            patch.object(sys, "stdin", Stdin(stdin)),
            pytest.raises(SystemExit) as ended,
        ):
            __main__.main()
        code = ended.value.code
        assert isinstance(code, int) or code is None
        said = self._capsys.readouterr()
        return Said(code or 0, said.out, said.err)
