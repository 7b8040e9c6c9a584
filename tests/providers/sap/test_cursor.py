"""How far billing documents are read: none is skipped, none read twice in the same state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ProviderError
from app.providers.sap.cursor import ORDERS_MAX, OVERLAP_MS, QUIET_MS, Cursor, Stamp, fresh_of, parse, write

STAMPS = st.lists(st.builds(Stamp, st.sampled_from("abcdef"), st.integers(1, 40_000)), min_size=1, max_size=30)


@given(STAMPS)
def test_each_state_is_read_once_whatever_comes_when(stamps: list[Stamp]) -> None:
    """Documents become visible late, but never later than the overlap."""
    cursor, read = Cursor(), []
    visible: list[Stamp] = []
    for stamp in stamps:
        newest = max((seen.changed for seen in visible), default=0)
        latest = {seen.document: seen.changed for seen in visible}.get(stamp.document, 0)
        visible.append(Stamp(stamp.document, max(stamp.changed, newest - OVERLAP_MS, latest + 1)))
        now = {seen.document: seen for seen in visible}.values()
        fresh = fresh_of(cursor, now)
        assert fresh == sorted(fresh, key=lambda one: one.changed)
        read += fresh
        cursor = parse(write(cursor.after(fresh, {}))) if fresh else cursor
    assert sorted(read) == sorted(set(visible))


def test_what_is_seen_is_forgotten_when_it_is_old() -> None:
    cursor = Cursor().after([Stamp("a", 1000), Stamp("b", 1000 + OVERLAP_MS + 1)], {})
    assert cursor.seen == {"b": 1000 + OVERLAP_MS + 1}
    assert not cursor.is_fresh(Stamp("a", 1000))


def test_a_time_long_over_is_left() -> None:
    cursor = Cursor().after([Stamp("a", 1000)], {"1": {"10": 5}})
    for too_soon in (None, 1000, 1000 + QUIET_MS):
        assert cursor.settled(too_soon) is cursor
    left = cursor.settled(1001 + QUIET_MS)
    assert (left.start, left.seen, left.reported) == (1001, {}, {"1": {"10": 5}})
    assert not left.is_fresh(Stamp("a", 1000))
    assert left.is_fresh(Stamp("a", 1001))
    assert left.settled(10**13) is left


def test_of_too_many_orders_those_touched_longest_ago_are_forgotten() -> None:
    cursor = Cursor().after([Stamp("a", 1)], {str(number): {"10": 1} for number in range(ORDERS_MAX)})
    cursor = cursor.after([Stamp("b", 2)], {"0": {"10": 2}, "new": {"10": 1}})
    assert len(cursor.reported) == ORDERS_MAX
    assert "1" not in cursor.reported
    assert (cursor.reported["0"], cursor.reported["new"]) == ({"10": 2}, {"10": 1})


@pytest.mark.parametrize("text", ["", "{", '{"since": "x"}', "[]"])
def test_a_cursor_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(ProviderError, match="not a cursor"):
        parse(text)
