"""Limits that only make sense together: what a lane writes must be taken, or the lane ends again and again."""

from app.kafka.topics import load
from app.lanes.checkpoint import FoldLimits


def test_a_dead_letter_fits_the_topic_that_it_goes_to() -> None:
    (topic,) = (spec for spec in load() if spec.name == "dead-letter")
    assert topic.bytes_max is not None
    assert FoldLimits().letter_bytes_max < topic.bytes_max


def test_a_record_that_is_small_enough_can_be_passed_on() -> None:
    for spec in load():
        if spec.bytes_max is not None:
            assert FoldLimits().record_bytes_max * 1.5 < spec.bytes_max, spec.name
