"""The circuit breaker, on a clock that goes on when told to."""

from hypothesis import given
from hypothesis import strategies as st

from app.providers.breaker import CALLS_MIN, OPEN_S, PROBE_WAIT_MS, WINDOW_S, Breaker
from tests.providers.bench import Clock


def a_breaker(*healthy: bool) -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock)
    for well in healthy:
        breaker.settle(breaker.admit(), well)
    return breaker, clock


def test_a_few_failures_do_not_open_it() -> None:
    breaker, _ = a_breaker(*[False] * (CALLS_MIN - 1))
    assert (breaker.state, breaker.admit().wait_ms) == ("closed", 0)


def test_half_of_the_calls_open_it() -> None:
    breaker, clock = a_breaker(*[True, False] * (CALLS_MIN // 2))
    assert (breaker.state, breaker.admit().wait_ms) == ("open", OPEN_S * 1000)
    clock.now += OPEN_S - 1
    assert breaker.admit().wait_ms == 1000


def test_fewer_than_half_do_not() -> None:
    breaker, _ = a_breaker(*[True, True, False] * CALLS_MIN)
    assert breaker.state == "closed"


def test_old_failures_are_forgotten() -> None:
    breaker, clock = a_breaker(*[False] * (CALLS_MIN - 1))
    clock.now += WINDOW_S + 1
    breaker.settle(breaker.admit(), False)
    assert breaker.state == "closed"


def test_one_probe_decides() -> None:
    breaker, clock = a_breaker(*[False] * CALLS_MIN)
    clock.now += OPEN_S
    probe = breaker.admit()
    assert (probe.probe, breaker.state) == (True, "half-open")
    assert breaker.admit().wait_ms == PROBE_WAIT_MS
    breaker.settle(probe, False)
    assert breaker.state == "open"
    clock.now += OPEN_S
    breaker.settle(breaker.admit(), True)
    assert (breaker.state, breaker.admit()) == ("closed", (0, False))


def test_a_dropped_probe_gives_its_place_to_the_next() -> None:
    breaker, clock = a_breaker(*[False] * CALLS_MIN)
    clock.now += OPEN_S
    breaker.settle(breaker.admit(), None)
    assert breaker.admit().probe


def test_calls_from_before_do_not_close_it() -> None:
    breaker, _ = a_breaker(*[False] * (CALLS_MIN - 1))
    late, last = breaker.admit(), breaker.admit()
    breaker.settle(last, False)
    breaker.settle(late, True)
    assert breaker.state == "open"


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 20)), max_size=80))
def test_it_always_lets_somebody_try_again(history: list[tuple[bool | None, float]]) -> None:
    breaker, clock = a_breaker()
    for healthy, pause in history:
        clock.now += pause
        admission = breaker.admit()
        if not admission.wait_ms:
            breaker.settle(admission, healthy)
    clock.now += OPEN_S
    assert breaker.admit().wait_ms == 0
