"""Log lines that repeat: so many are written, and later how many were not."""

import logging
from collections.abc import Iterator

import pytest

from app.worker.repeated_logs import EQUAL_MAX, PLACE_MAX, WINDOW_S, RepetitionLimit


class Lines(logging.Handler):
    """A handler with the limit on it. `now` is the limit's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.lines = 0.0, list[str]()
        self.addFilter(RepetitionLimit(lambda: self.now))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def warn(text: str) -> None:
    logging.getLogger("any").warning("problem: %s", text)


def test_equal_lines_are_limited_and_counted(lines: Lines) -> None:
    for _ in range(EQUAL_MAX + 5):
        warn("the same")
    warn("another")
    assert lines.lines == ["problem: the same"] * EQUAL_MAX + ["problem: another"]
    lines.now = WINDOW_S
    warn("the same")
    assert lines.lines[EQUAL_MAX + 1 :] == ["5 log lines that repeated others were left out", "problem: the same"]


def test_a_place_in_the_code_is_limited_whatever_it_writes(lines: Lines) -> None:
    for number in range(PLACE_MAX + 5):
        warn(str(number))
    assert len(lines.lines) == PLACE_MAX
    logging.getLogger("any").warning("from elsewhere")
    assert lines.lines[-1] == "from elsewhere"


def test_nothing_is_said_when_nothing_was_left_out(lines: Lines) -> None:
    warn("once")
    lines.now = WINDOW_S
    warn("again")
    assert lines.lines == ["problem: once", "problem: again"]
