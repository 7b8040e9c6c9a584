"""What the lane and the roles agree on."""

from app.runtime.role import (  # noqa: F401
    DEAD_LETTER,
    FORWARDED,
    Folded,
    Headers,
    Job,
    LaneObserver,
    Lease,
    Output,
    Record,
    Role,
    Unobserved,
)

__all__ = [
    "DEAD_LETTER",
    "FORWARDED",
    "Folded",
    "Headers",
    "Job",
    "LaneObserver",
    "Lease",
    "Output",
    "Record",
    "Role",
    "Unobserved",
]
