"""The promise seen from outside, in its short form: a demo under kill -9 and pauses. The long form is `make storm`."""

from pathlib import Path

import pytest

from tests.kafka.storm import KILL, PAUSE, storm

ORDERS = 500
STORM_S = 45.0


@pytest.mark.kafka
@pytest.mark.timeout(1200)
def test_every_order_completes_and_everything_happens_once_under_kills_and_pauses(tmp_path: Path) -> None:
    verdict = storm(ORDERS, STORM_S, seed=11, folder=tmp_path)
    assert not verdict.problems, "\n".join([str(verdict), *verdict.problems[:20]])
    assert {deed for deed, _ in verdict.deeds.done} == {KILL, PAUSE}, "the storm did nothing"
