"""A bound on log lines that repeat, so that nobody fills a disk by doing the same wrong thing again and again."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 60.0
EQUAL_MAX: Final = 10
"""Equal lines within a window."""
PLACE_MAX: Final = 500
"""Lines that one place in the code writes within a window, equal or not: it may write into them what others send."""
_journal = logging.getLogger(__name__)


class RepetitionLimit(logging.Filter):
    """Lets so many lines pass in each window, and says afterwards how many it left out. For a handler."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._begin()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line may be written."""
        if self._monotonic() - self._began >= WINDOW_S:
            skipped = self._skipped
            self._begin()
            if skipped:
                _journal.warning("%d log lines that repeated others were left out", skipped)
        place = (record.name, record.levelno, record.pathname, record.lineno)
        self._places[place] += 1
        if self._places[place] <= PLACE_MAX:
            line = hash((place, str(record.msg), str(record.args)))
            self._lines[line] += 1
            if self._lines[line] <= EQUAL_MAX:
                return True
        self._skipped += 1
        return False

    def _begin(self) -> None:
        self._began, self._skipped = self._monotonic(), 0
        self._places, self._lines = Counter[object](), Counter[int]()
