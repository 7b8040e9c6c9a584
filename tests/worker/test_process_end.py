"""Whether a process that ends is to be started again, as its exit code says."""

import pytest

from app.errors import LaneError, LedgerError, NewerVersionError, TopicError
from app.worker.process_end import EXIT_LANE_LOST, EXIT_REFUSED, exit_code


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (LaneError("fenced"), EXIT_LANE_LOST),
        (OSError("the broker is away"), EXIT_LANE_LOST),
        (LedgerError("the ledger was lost"), EXIT_REFUSED),
        (TopicError("other partitions"), EXIT_REFUSED),
        (NewerVersionError("unknown-schema", "upgrade this process"), EXIT_REFUSED),
    ],
)
def test_what_somebody_must_act_on_has_a_code_of_its_own(problem: Exception, code: int) -> None:
    assert exit_code(problem) == code
