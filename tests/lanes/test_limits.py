"""Limits that only make sense together: what a lane writes must be taken, or the lane ends again and again."""

import time

import pytest

from app.kafka.topics import load
from app.lanes.checkpoint import FoldLimits
from app.lanes.lane_limits import SYSTEM_CLOCK


def test_a_dead_letter_fits_the_topic_that_it_goes_to() -> None:
    (topic,) = (spec for spec in load() if spec.name == "dead-letter")
    assert topic.bytes_max is not None
    assert FoldLimits().letter_bytes_max < topic.bytes_max


def test_a_record_that_is_small_enough_can_be_passed_on() -> None:
    for spec in load():
        if spec.bytes_max is not None:
            assert FoldLimits().record_bytes_max * 1.5 < spec.bytes_max, spec.name


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has it")
def test_a_lease_runs_out_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime", {time.CLOCK_BOOTTIME: 7.0, time.CLOCK_MONOTONIC: 1.0}.__getitem__)
    assert SYSTEM_CLOCK.monotonic() == 7.0
