"""The commands of docs/reliability.md name tests that are there, and say rightly whether they need Kafka."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"`make (quick|test) ARGS=\"([^\"]+) -q\"`", (ROOT / "docs" / "reliability.md").read_text())


def test_each_promise_has_a_command() -> None:
    assert len(COMMANDS) == 14


@pytest.mark.parametrize(("target", "paths"), COMMANDS)
def test_a_command_names_what_is_there(target: str, paths: str) -> None:
    for path in paths.split():
        assert (ROOT / path).exists(), path
        assert path.startswith("tests/kafka") == (target == "test"), path
