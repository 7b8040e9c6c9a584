"""The end of a worker's process: its exit codes, and the end at once."""

import logging
import os
import sys
from typing import Final

from app.errors import LedgerError, NewerVersionError, TopicError

EXIT_LANE_LOST: Final = 70
"""Exit code of a process that cannot go on: start it again, it continues from its last transaction."""
EXIT_REFUSED: Final = 78
"""Exit code of a process that must not go on as things are: starting it again helps only after somebody acted."""


def end_process(problem: BaseException) -> None:
    """End now: a lane that lost its right to write must not do anything more, not even stop in order."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(exit_code(problem))


def exit_code(problem: BaseException) -> int:
    """Return the code that tells a supervisor whether to start the process again."""
    return EXIT_REFUSED if isinstance(problem, LedgerError | NewerVersionError | TopicError) else EXIT_LANE_LOST
