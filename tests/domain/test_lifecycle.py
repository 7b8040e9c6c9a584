"""The transition table as a whole: every pair is decided, final is final, the specification's rows are exact."""

import pytest

from app.domain.evolve import status_after
from app.domain.lifecycle import MILESTONES, RANKS, TERMINAL, TRANSITIONS, Status, target
from app.errors import RecordError

EVENTS = sorted({event for _, event in TRANSITIONS})
PAIRS = [(status, event) for status in Status for event in EVENTS]


@pytest.mark.parametrize(
    ("status", "event", "expected"),
    [
        (Status.SENT, "order picked", ("Fulfillment in Process", "Picked")),  # S15
        (Status.PICKED, "order shipped", ("Fulfillment in Process", "Packed")),  # S17: never "Shipped"
        (Status.PACKED, "order invoiced", ("Completed", "Fulfilled")),  # S20
    ],
)
def test_specified_rows(status: Status, event: str, expected: tuple[str, str]) -> None:
    assert status_after(status.state, status.reason, event) == expected


@pytest.mark.parametrize(("status", "event"), [pair for pair in PAIRS if pair in TRANSITIONS])
def test_rows_by_text_are_the_table(status: Status, event: str) -> None:
    expected = target(status, event)
    assert status_after(status.state, status.reason, event) == (None if expected is None else expected.value)


@pytest.mark.parametrize(("status", "event"), [pair for pair in PAIRS if pair not in TRANSITIONS])
def test_what_has_no_row_is_refused_with_a_sentence(status: Status, event: str) -> None:
    with pytest.raises(RecordError, match=f"'{event}' is not expected while the order is '{status.state}'") as refused:
        status_after(status.state, status.reason, event)
    assert refused.value.code == "no-transition"


@pytest.mark.parametrize("status", [status for status in Status if status in TERMINAL])
def test_final_statuses_are_never_left(status: Status) -> None:
    assert all(after is None for (before, _), after in TRANSITIONS.items() if before is status)


def test_milestones_never_go_back() -> None:
    for (before, _), after in TRANSITIONS.items():
        if after is not None and after.value in RANKS:
            assert RANKS[after.value] > RANKS.get(before.value, 0)


def test_no_milestone_leads_to_another_ones_status() -> None:
    for (_, event), after in TRANSITIONS.items():
        if event in MILESTONES and after is not None:
            assert RANKS[after.value] == MILESTONES[event]


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.REJECTED])
def test_confirmation_is_tolerated_everywhere(status: Status) -> None:
    assert (status, "order confirmed") in TRANSITIONS
