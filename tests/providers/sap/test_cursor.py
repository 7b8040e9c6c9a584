"""How far billing documents are read: none is skipped, none read twice in the same state."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ProviderError
from app.providers.sap.cursor import LATE_MS, ORDERS_MAX, SEEN_MAX, Cursor, Stamp, fresh_of, parse, settled_at, write

CHANGES = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3000), st.integers(0, LATE_MS - 1)), min_size=1, max_size=40
)
"""Document, how long after the change before (ms), and how long it takes until others see it."""
POLLS = st.lists(st.integers(1, 4000), max_size=40)
"""Milliseconds between two of them."""


class Billing:
    """SAP, as a list that shows the latest visible state of each document."""

    def __init__(self, changes: list[tuple[str, int, int]]) -> None:
        self.states: list[tuple[int, Stamp]] = []
        at = 1
        for document, pause, delay in changes:
            at += pause + 1
            self.states.append((at + delay, Stamp(document, at)))
        self.end = at + LATE_MS

    def listed(self, now: int, start: int, most: int) -> list[Stamp]:
        visible = {stamp.document: stamp for seen_at, stamp in self.states if seen_at <= now}
        return sorted((stamp for stamp in visible.values() if stamp.changed >= start), key=lambda s: s.changed)[:most]

    def ever_listed(self) -> set[Stamp]:
        return {stamp for _, stamp in self.states}


def poll(billing: Billing, cursor: Cursor, now: int, most: int) -> tuple[list[Stamp], Cursor]:
    """One pull that takes at most `most` documents, over a window that passes what is known."""
    listed = billing.listed(now, cursor.start, 10**6)
    unread = fresh_of(cursor, listed)
    settled = settled_at(now, listed)
    taken = unread[:most]
    if not taken:
        return [], cursor.idle(settled)
    return taken, cursor.after(taken, {}, settled, more=len(unread) > most)


@given(CHANGES, POLLS, st.integers(1, 5))
def test_each_state_is_read_once_and_the_last_always(changes: Any, polls: list[int], most: int) -> None:
    billing, cursor, now = Billing(changes), Cursor(), 0
    read: list[Stamp] = []
    for pause in (*polls, billing.end, *([1] * 100)):
        now += pause
        taken, cursor = poll(billing, parse(write(cursor)), now, most)
        read += taken
    assert max(Counter(read).values()) == 1
    assert set(read) <= billing.ever_listed()
    assert set(billing.listed(now, 0, 10**6)) <= set(read)
    assert not cursor.frontier


def test_while_many_are_left_lists_start_where_the_last_one_ended() -> None:
    cursor = Cursor().after([Stamp("a", 90_000), Stamp("b", 100_000)], {}, 95_000, more=True)
    assert (cursor.since, cursor.start, set(cursor.seen)) == (95_000, 100_000, {"b"})
    further = cursor.after([Stamp("c", 100_001)], {}, 101_000, more=True)
    assert (further.since, further.start) == (95_000, 100_001), "what came late before it was not looked for"
    assert further.idle(102_000).start == 95_000, "which is done when nothing more is there"
    done = further.after([Stamp("d", 100_002)], {}, 102_000, more=False)
    assert (done.since, done.start) == (95_000, 95_000)
    assert done.is_fresh(Stamp("late", 95_500))
    assert done.idle(103_000).since == 103_000


def test_a_catching_up_does_not_remember_without_end() -> None:
    cursor = Cursor().after([Stamp(str(n), 100_000 + n) for n in range(SEEN_MAX)], {}, 100_000, more=True)
    assert cursor.start == cursor.since == 100_000


def test_when_nothing_comes_there_is_nothing_to_keep() -> None:
    cursor = Cursor().after([Stamp("a", 10_000)], {"1": {"10": 5}}, 8000, more=False)
    assert cursor.idle(9000).seen == {"a": 10_000}
    left = cursor.idle(10_001)
    assert (left.start, left.seen, left.reported) == (10_001, {}, {"1": {"10": 5}})
    assert left.idle(99_000) is left
    assert not left.is_fresh(Stamp("b", 10_000)), "even if SAP lists more than it was asked for"


def test_without_saps_time_the_latest_document_tells_it() -> None:
    stamps = [Stamp("a", 10_000), Stamp("b", 9000)]
    assert settled_at(None, stamps) == 10_000 - LATE_MS
    assert settled_at(20_000, stamps) == 20_000 - LATE_MS
    assert settled_at(None, []) == 0


def test_orders_that_are_complete_are_forgotten_and_of_too_many_others_the_ones_untouched_longest() -> None:
    cursor = Cursor().after([Stamp("a", 1)], {str(n): {"10": 1} for n in range(ORDERS_MAX)}, 0, more=False)
    cursor = cursor.after(
        [Stamp("b", 2)], {"0": {"10": 2}, "7": {}, "new": {"10": 1}, "newer": {"10": 1}}, 0, more=False
    )
    assert len(cursor.reported) == ORDERS_MAX
    assert not {"1", "7"} & cursor.reported.keys()
    assert (cursor.reported["0"], cursor.reported["new"]) == ({"10": 2}, {"10": 1})


@pytest.mark.parametrize("text", ["", "{", '{"since": "x"}', "[]"])
def test_a_cursor_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(ProviderError, match="not a cursor"):
        parse(text)
