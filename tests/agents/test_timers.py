"""Timers: each is given once, when its time has come, and what is no longer wanted never."""

from hypothesis import given
from hypothesis import strategies as st

from app.agents import earliest
from app.agents.timers import Timers
from app.domain.order import Timer


def timer(name: str, due_at: int) -> Timer:
    return Timer(name, due_at, "wait", "step")


def due(kept: Timers, now: int) -> list[tuple[bytes, str]]:
    return [(key, given.timer_id) for key, given in kept.due(now)]


def test_a_timer_is_given_when_its_time_has_come_and_only_once() -> None:
    kept = Timers()
    kept.keep(b"a", [timer("t", 100)])
    assert due(kept, 99) == []
    assert due(kept, 100) == [(b"a", "t")]
    assert due(kept, 10_000) == []
    kept.keep(b"a", [timer("t", 100)])
    assert due(kept, 10_000) == []


def test_timers_of_one_order_come_in_their_own_time() -> None:
    kept = Timers()
    kept.keep(b"a", [timer("late", 300), timer("soon", 100)])
    kept.keep(b"b", [timer("b", 200)])
    assert len(kept) == 3
    assert due(kept, 150) == [(b"a", "soon")]
    assert due(kept, 300) == [(b"b", "b"), (b"a", "late")]
    assert len(kept) == 0


def test_a_timer_that_was_taken_away_never_comes() -> None:
    kept = Timers()
    kept.keep(b"a", [timer("t", 100), timer("u", 100)])
    kept.keep(b"a", [timer("u", 100)])
    kept.keep(b"b", [timer("t", 100)])
    kept.keep(b"b", [])
    assert due(kept, 200) == [(b"a", "u")]


def test_a_timer_set_again_after_it_was_gone_comes_again() -> None:
    kept = Timers()
    kept.keep(b"a", [timer("t", 100)])
    assert due(kept, 100) == [(b"a", "t")]
    kept.keep(b"a", [])
    kept.keep(b"a", [timer("t", 100)])
    assert due(kept, 100) == [(b"a", "t")]


def test_a_timer_set_to_another_time_comes_again_even_if_its_absence_was_never_seen() -> None:
    kept = Timers()
    kept.keep(b"a", [timer("early", 100)])
    assert due(kept, 100) == [(b"a", "early")]
    kept.keep(b"a", [timer("early", 500)])
    assert due(kept, 499) == []
    assert due(kept, 500) == [(b"a", "early")]


def test_a_timer_that_was_given_stays_given_when_a_later_one_is() -> None:
    kept = Timers()
    kept.keep(b"a", [timer("t", 1), timer("u", 0)])
    assert due(kept, 0) == [(b"a", "u")]
    assert due(kept, 1) == [(b"a", "t")]
    kept.keep(b"a", [timer("u", 0)])
    assert due(kept, 1) == []


def test_the_heap_is_pruned() -> None:
    kept = Timers()
    for n in range(5 * earliest._STALE_MAX):
        kept.keep(b"a", [timer(f"t{n}", 1_000 + n)])
    assert len(kept._due_at._heap) <= 2 + earliest._STALE_MAX
    assert due(kept, 10**9) == [(b"a", f"t{5 * earliest._STALE_MAX - 1}")]


KEYS = st.sampled_from([b"a", b"b", b"c"])
TIMERS = st.lists(
    st.builds(timer, st.sampled_from("tuvw"), st.integers(0, 50)), max_size=4, unique_by=lambda t: t.timer_id
)
MOVES = st.lists(st.one_of(st.tuples(KEYS, TIMERS), st.integers(0, 60)), max_size=40)


@given(MOVES)
def test_always_what_is_due_and_not_given_yet(moves: list[tuple[bytes, list[Timer]] | int]) -> None:
    """Against the plainest model: a set of what is wanted and a set of what was given."""
    kept, now = Timers(), 0
    wanted: dict[bytes, set[Timer]] = {}
    given_out: dict[bytes, set[Timer]] = {}
    for move in moves:
        if isinstance(move, int):
            now += move
            expected = {(k, t) for k, ts in wanted.items() for t in ts - given_out.get(k, set()) if t.due_at <= now}
            found = list(kept.due(now))
            assert set(found) == expected
            assert len(found) == len(expected)
            for key, one in found:
                given_out.setdefault(key, set()).add(one)
        else:
            key, some = move
            kept.keep(key, some)
            wanted[key] = set(some)
            given_out[key] = given_out.get(key, set()) & set(some)
