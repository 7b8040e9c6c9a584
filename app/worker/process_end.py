"""The end of a worker's process: its exit codes, and the end at once."""

import logging
import os
import sys
from typing import Final

from app.errors import LedgerError, TopicError

EXIT_LANE_LOST: Final = 70
"""Exit code of a process that cannot go on: start it again, it continues from its last transaction."""
EXIT_REFUSED: Final = 78
"""Exit code of a process that must not go on as things are: starting it again helps only after somebody acted."""


def end_process(problem: BaseException) -> None:
    """End now: a lane that lost its right to write must not do anything more, not even stop in order."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_REFUSED if isinstance(problem, LedgerError | TopicError) else EXIT_LANE_LOST)
