"""Every decoder takes any bytes: what it cannot use ends in an error of ours, with a sentence that can be written."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import variants
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_are_taken(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_hostile_inputs_are_refused(name: str, data: st.DataObject) -> None:
    TARGETS[name].run(data.draw(variants(TARGETS[name].seeds())))
